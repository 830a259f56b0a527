"""An operator and the execution that its user asked for: the owner of what is prepared."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, final

import torch

from spectral_ham._internal.checks import check_option, invalid
from spectral_ham._internal.memo import Memo
from spectral_ham._internal.typing import Scalar
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.execution.base import Execution, Kind, Prepared
from spectral_ham.execution.dense import Dense
from spectral_ham.execution.fft import FFT
from spectral_ham.execution.numba import jit
from spectral_ham.execution.planner import PlanKey, estimate, measure
from spectral_ham.execution.stencil.stencil import Stencil

EXECUTIONS: dict[str, Execution] = {execution.name: execution for execution in (FFT(), Dense(), Stencil())}

AUTO: Final = "auto"
MEASURE: Final = "measure"
"""What lets the planner choose: by a table, the same choice everywhere, or by timing the candidates here, once."""


class Pointwise(Protocol):
    """A potential that multiplies pointwise."""

    @property
    def values(self) -> torch.Tensor:
        """V, in the precision in which it was given."""

    def diagonal(self, T: torch.Tensor) -> torch.Tensor | None:
        """Return V, of the grid's shape or of T's, refusing a T that it does not fit."""


@final
@dataclass(frozen=True, eq=False)
class BoundOperator:
    """A = Σ c_ij ∂_i ∂_j, and perhaps V∘, with an execution: prepared once for each kind of field that it meets.

    Args:
        operator: A.
        execution: "auto", "measure", or the name of an execution.
        potential: a V that stays; None is 0, or a V that each call brings.
    """

    operator: ConstantCoefficientOperator
    execution: str = AUTO
    potential: Pointwise | None = None
    _free: Memo[Prepared] = field(default_factory=Memo, repr=False)
    """Kind → A."""
    _bound: Memo[Prepared] = field(default_factory=Memo, init=False, repr=False)
    """Kind → A + V∘ with the V that stays."""

    def __post_init__(self) -> None:
        check_option("execution=...", self.execution, (AUTO, *EXECUTIONS, MEASURE))
        chosen = EXECUTIONS.get(self.execution)
        if chosen is not None and (reason := chosen.unsupported_reason(self.operator)):
            able = [AUTO, *self._candidates(), MEASURE]
            raise invalid("execution=...", f"one of {able}, since {reason}", self.execution)

    @property
    def nbytes(self) -> int:
        """Bytes of what is prepared."""
        return self._free.nbytes + self._bound.nbytes

    def with_potential(self, potential: Pointwise | None) -> "BoundOperator":
        """Return A + V∘ with a V that stays; what is prepared for A alone is shared."""
        return BoundOperator(self.operator, self.execution, potential, self._free)

    def with_coefficients(self, coefficients: Sequence[Scalar]) -> "BoundOperator":
        """Return the same with other coefficients."""
        operator = self.operator.with_coefficients(coefficients)
        return self if operator is self.operator else BoundOperator(operator, self.execution, self.potential)

    def prepared(self, T: torch.Tensor, values: torch.Tensor | None = None) -> Prepared:
        """Return the operator ready for fields like T, with the V that stays, or with ``values`` instead."""
        key = (T.shape, T.dtype, T.device, torch.get_num_threads(), jit.serves(T))
        own, is_static = self.potential, self.operator.is_static
        if own is not None and values is None and is_static:
            return self._bound.get(key, partial(self._prepare_bound, key, own, T), (own.values,))
        free = self._free.get(key, partial(self._prepare, key)) if is_static else self._prepare(key)
        if own is not None and values is None:
            values = own.diagonal(T)
        return free if values is None else free.with_potential(_like_field(values, T))

    def _prepare(self, key: tuple[Any, ...]) -> Prepared:
        kind = Kind(*key)
        return self._choose(kind).prepare(self.operator.detached(kind.device), kind)

    def _prepare_bound(self, key: tuple[Any, ...], V: Pointwise, T: torch.Tensor) -> Prepared:
        free, values = self._free.get(key, partial(self._prepare, key)), V.diagonal(T)
        return free if values is None else free.with_potential(_like_field(values, T))

    def execution_for(self, T: torch.Tensor) -> str:
        """Return the name of the execution that runs on fields like T."""
        return self._choose(Kind(T.shape, T.dtype, T.device, torch.get_num_threads(), jit.serves(T))).name

    def _candidates(self) -> list[str]:
        return [name for name, execution in EXECUTIONS.items() if not execution.unsupported_reason(self.operator)]

    def _choose(self, kind: Kind) -> Execution:
        """Return the execution that was asked for, or the planner's."""
        if self.execution in EXECUTIONS:
            return EXECUTIONS[self.execution]
        torus, backend, able = self.operator.torus, self.operator.backend, self._candidates()
        key = PlanKey(
            torus.shape,
            reals_per_point=kind.reals_per_point(torus.shape),
            double=kind.real == torch.float64,
            reach=0 if backend.stencil is None else len(backend.stencil.second) - 1,
            fused=kind.device.type == "cpu" and jit.is_on(),
            elsewhere=(kind.device, kind.dtype, kind.threads, backend, self.operator.terms),
        )
        if self.execution == AUTO:
            return EXECUTIONS[estimate(key, able)]
        return EXECUTIONS[measure(key, {name: partial(self._trial, EXECUTIONS[name], kind) for name in able})]

    def _trial(self, execution: Execution, kind: Kind) -> Callable[[], None]:
        """Return a call that applies A + V∘ to a field of zeros and has finished when it returns."""
        shape, device = self.operator.torus.shape, kind.device
        with torch.inference_mode(False), torch.no_grad():
            X = torch.zeros(kind.shape, dtype=kind.dtype, device=device)
            V = torch.zeros(shape, dtype=kind.real, device=device)
            ready = execution.prepare(self.operator.detached(device), kind).with_potential(V)

        def run() -> None:
            ready.apply(X)
            if device.type != "cpu":  # a measurement is the one place that waits for an accelerator
                torch.accelerator.synchronize(device)

        return run


def _like_field(values: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Cast V to the field's precision, real values staying real."""
    values = plain(values)
    dtype = T.dtype if values.is_complex() else T.dtype.to_real()
    return values if values.dtype == dtype else values.to(dtype)


def plain(T: torch.Tensor) -> torch.Tensor:
    """Return T contiguous, without the lazy bits of a conjugate or a negative, and without its graph.

    Executions see fields through this boundary only; what they return has T's shape.
    """
    T = T.detach() if T.requires_grad else T
    return T.resolve_conj().resolve_neg().contiguous()
