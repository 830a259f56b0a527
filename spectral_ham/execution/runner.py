"""Running a description on a field: bring it into the inner layout, choose an execution, prepare its tables."""

from functools import partial

import torch

from spectral_ham._internal.checks import check_option, invalid
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.backends.operator import Tables
from spectral_ham.execution.base import Execution, without_autocast
from spectral_ham.execution.dense import Dense
from spectral_ham.execution.fft import Fourier
from spectral_ham.execution.numba import jit
from spectral_ham.execution.planner import PlanKey, estimate, measure
from spectral_ham.execution.stencil.sweep import StencilSweep

EXECUTIONS: dict[str, Execution] = {e.name: e for e in (Fourier(), Dense(), StencilSweep())}

AUTO, MEASURE = "auto", "measure"
"""What lets the planner choose: by a table, the same choice everywhere, or by timing the candidates here, once."""


def check_execution(where: str, execution: str, description: ConstantCoefficientOperator) -> None:
    """Refuse an execution that is unknown, or that cannot run the description."""
    check_option(where, execution, (AUTO, *EXECUTIONS, MEASURE))
    if execution in EXECUTIONS and (reason := EXECUTIONS[execution].why_not(description)):
        able = [name for name, candidate in EXECUTIONS.items() if not candidate.why_not(description)]
        raise invalid(where, f"one of {[AUTO, *able, MEASURE]}, since {reason}", execution)


def run(
    description: ConstantCoefficientOperator,
    T: torch.Tensor,
    diagonal: torch.Tensor | None,
    out: torch.Tensor | None,
    execution: str,
) -> torch.Tensor:
    """Return A·T + diagonal∘T, written into ``out`` if it is given. Records no gradient.

    T may have any strides and be lazily conjugated; ``diagonal`` has the grid's shape or T's.
    """
    shape = description.torus.shape
    X = _plain(T).reshape(*shape, -1).contiguous()
    values = None if diagonal is None else _like_field(diagonal, X)
    if values is not None and values.shape != shape:
        values = values.reshape(X.shape)
    chosen = EXECUTIONS[execution_name(description, X, execution)]
    tables = _tables(chosen, description, X.dtype.to_real(), X.device)
    with without_autocast(X), torch.no_grad():
        result = chosen.run(description, tables, X, values, None if out is None else out.view(X.shape))
    return result.view(T.shape) if out is None else out


def recur(
    description: ConstantCoefficientOperator,
    T: torch.Tensor,
    diagonal: torch.Tensor,
    out: torch.Tensor,
    source: torch.Tensor,
    gamma: float,
    execution: str,
) -> None:
    """Write A·T + diagonal∘T + γ·source − out into ``out``, in as few passes as the execution can. Records no gradient.

    All fields alike and contiguous; ``diagonal`` real, of the grid's shape or T's.
    """
    X, Y, S = (field.view(*description.torus.shape, -1) for field in (T, out, source))
    values = diagonal if diagonal.shape == description.torus.shape else diagonal.reshape(X.shape)
    chosen = EXECUTIONS[execution_name(description, X, execution)]
    tables = _tables(chosen, description, X.dtype.to_real(), X.device)
    with without_autocast(X), torch.no_grad():
        chosen.recur(description, tables, X, values, Y, S, gamma)


def _like_field(diagonal: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """Cast values to the field's precision, real values staying real."""
    plain = _plain(diagonal.detach())
    dtype = X.dtype if plain.is_complex() else X.dtype.to_real()
    return plain if plain.dtype == dtype else plain.to(dtype)


def _plain(T: torch.Tensor) -> torch.Tensor:
    """Return T without the lazy bits of a conjugate or a negative."""
    return T.resolve_conj().resolve_neg() if T.is_conj() or T.is_neg() else T


def execution_name(description: ConstantCoefficientOperator, T: torch.Tensor, execution: str) -> str:
    """Return the execution that runs on fields like T: the one named, or for "auto" and "measure" the planner's."""
    if execution in EXECUTIONS:
        return execution
    kind = (T.numel(), T.dtype, T.device, execution, torch.get_num_threads(), jit.is_on())
    if (name := description.choices.get(kind)) is None:
        name = description.choices[kind] = _plan(description, T, execution)
    return name


def _plan(description: ConstantCoefficientOperator, T: torch.Tensor, execution: str) -> str:
    able = [name for name, candidate in EXECUTIONS.items() if not candidate.why_not(description)]
    torus, backend = description.torus, description.backend
    channels = T.numel() // torus.size
    key = PlanKey(
        torus.shape,
        reals_per_point=channels * (2 if T.is_complex() else 1),
        double=T.dtype in (torch.complex128, torch.float64),
        reach=0 if backend.stencil is None else len(backend.stencil.second) - 1,
        fused=T.device.type == "cpu" and jit.is_on(),
        elsewhere=(T.device, T.dtype, torch.get_num_threads(), backend, description.terms),
    )
    if execution == AUTO:
        return estimate(key, able)
    with torch.inference_mode(False), torch.no_grad():
        trial = description.detached(T.device)
        X = torch.zeros(*torus.shape, channels, dtype=T.dtype, device=T.device)
        V = torch.zeros(torus.shape, dtype=X.dtype.to_real(), device=X.device)
        return measure(key, {name: partial(_finished, trial, X, V, name) for name in able})


def _finished(description: ConstantCoefficientOperator, X: torch.Tensor, V: torch.Tensor, execution: str) -> None:
    """Run, and wait for an accelerator: a measurement is the one place that does."""
    run(description, X, V, None, execution)
    if X.device.type != "cpu":
        torch.accelerator.synchronize(X.device)


def _tables(
    execution: Execution, description: ConstantCoefficientOperator, dtype: torch.dtype, device: torch.device
) -> Tables:
    if not description.is_static:
        return execution.prepare(description.detached(device), dtype, device)
    key = (execution.name, dtype, device)
    if (tables := description.prepared.get(key)) is None:
        # A table made in inference mode could not be used where autograd records.
        with torch.inference_mode(False):
            tables = description.prepared[key] = execution.prepare(description, dtype, device)
    return tables
