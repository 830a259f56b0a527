"""A·T + diagonal∘T with its gradients: the operator's only autograd.Function."""

from collections.abc import Sequence
from typing import Any

import torch

from spectral_ham._checks import carries_derivative, check_option, check_out, invalid
from spectral_ham._typing import Scalar
from spectral_ham.backends import Description
from spectral_ham.backends.description import Tables
from spectral_ham.execution.base import Execution
from spectral_ham.execution.circulant import Circulant
from spectral_ham.execution.fourier import Fourier
from spectral_ham.execution.planner import PlanKey, choose
from spectral_ham.execution.stencil import StencilSweep

EXECUTIONS: dict[str, Execution] = {e.name: e for e in (Fourier(), Circulant(), StencilSweep())}


def check_execution(where: str, execution: str, description: Description) -> None:
    """Refuse an execution that is unknown, or that cannot run the description."""
    check_option(where, execution, ("auto", *EXECUTIONS))
    if execution != "auto" and (reason := EXECUTIONS[execution].why_not(description)):
        able = [name for name, candidate in EXECUTIONS.items() if not candidate.why_not(description)]
        raise invalid(where, f"one of {['auto', *able]}, since {reason}", execution)


def apply(
    description: Description,
    T: torch.Tensor,
    diagonal: torch.Tensor | None = None,
    out: torch.Tensor | None = None,
    execution: str = "auto",
) -> torch.Tensor:
    """Return A·T + diagonal∘T.

    Args:
        description: A = Σ c_ij ∂_i ∂_j.
        T: a checked field, grid axes first; any strides, conjugated or not.
        diagonal: None, or values of the grid's shape or of T's shape, real or complex; complex only with a complex T.
        out: where to write; see `check_out`.
        execution: "auto", "fft", "dense" or "stencil".
    """
    if out is not None:
        check_out("H(T, out=...)", out, T, [diagonal])
    diagonal = None if diagonal is None else _like_field(diagonal, T)
    if out is None and _is_differentiated(T, diagonal, *description.coefficients):
        return _apply(T, diagonal, description, execution, description.coefficients)
    with torch.no_grad():
        return _run(description, description.coefficients, T, diagonal, out, execution)


def _like_field(diagonal: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Cast values to T's precision, real values staying real."""
    real = T.dtype.to_real()
    return diagonal.to(T.dtype if diagonal.is_complex() else real)


def _is_differentiated(*inputs: torch.Tensor | float | None) -> bool:
    """Tell whether the autograd.Function is needed: its bookkeeping costs as much as a small H·T."""
    if torch._C._functorch.peek_interpreter_stack() is not None:  # inside torch.func: grad, jvp, vmap
        return True
    return any(isinstance(x, torch.Tensor) and carries_derivative(x) for x in inputs)


def _run(
    description: Description,
    coefficients: Sequence[Scalar],
    T: torch.Tensor,
    diagonal: torch.Tensor | None,
    out: torch.Tensor | None,
    execution: str,
) -> torch.Tensor:
    """Run without recording a gradient: bring T into the inner layout (N_x, …, C), choose, execute."""
    shape = description.torus.shape
    X = T.resolve_conj().resolve_neg().reshape(*shape, -1).contiguous()
    values = None if diagonal is None else diagonal.resolve_conj().resolve_neg()
    if values is not None and values.shape != shape:
        values = values.reshape(X.shape)
    name = execution
    if execution == "auto":
        candidates = [key for key, candidate in EXECUTIONS.items() if not candidate.why_not(description)]
        name = choose(PlanKey(shape, X.shape[-1] * (2 if X.is_complex() else 1)), candidates)
    chosen = EXECUTIONS[name]
    tables = _tables(chosen, description, coefficients, X.dtype.to_real(), X.device)
    # Autocast would run the products in half precision, which H never does.
    with torch.autocast(X.device.type, enabled=False):
        result = chosen.run(description, tables, X, values, None if out is None else out.view(X.shape))
    return result.view(T.shape) if out is None else out


def _tables(
    execution: Execution,
    description: Description,
    coefficients: Sequence[Scalar],
    dtype: torch.dtype,
    device: torch.device,
) -> Tables:
    if not description.is_static:
        moved = tuple(c.detach().to(device) if isinstance(c, torch.Tensor) else c for c in coefficients)
        varying = Description(description.torus, description.backend, description.terms, moved)
        return execution.prepare(varying, dtype, device)
    key = (execution.name, dtype, device)
    if (tables := description.prepared.get(key)) is None:
        with torch.inference_mode(False):
            tables = description.prepared[key] = execution.prepare(description, dtype, device)
    return tables


def _apply(
    T: torch.Tensor,
    diagonal: torch.Tensor | None,
    description: Description,
    execution: str,
    coefficients: Sequence[Scalar],
) -> torch.Tensor:
    result: torch.Tensor = _Apply.apply(T, diagonal, description, execution, *coefficients)  # type: ignore[no-untyped-call]
    return result


class _Apply(torch.autograd.Function):
    """(T, V, c) ↦ Y = Σ_t c_t L_t T + V∘T with L_t = ∂_i ∂_j, a real symmetric matrix.

    With the cotangent G (torch's convention, ∂L/∂z*):

        T̄ = Σ_t c_t L_t G + V*∘G,    V̄ = T*∘G,    c̄_t = Re ⟨L_t T, G⟩,

    the same operator again, so derivatives of every order come from this one rule.
    """

    @staticmethod
    def forward(
        T: torch.Tensor, diagonal: torch.Tensor | None, description: Description, execution: str, *coefficients: Scalar
    ) -> torch.Tensor:
        return _run(description, coefficients, T, diagonal, None, execution)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG004
        T, diagonal, ctx.description, ctx.execution, *coefficients = inputs
        ctx.save_for_backward(T, diagonal, *(c for c in coefficients if isinstance(c, torch.Tensor)))
        ctx.save_for_forward(T, diagonal, *(c for c in coefficients if isinstance(c, torch.Tensor)))
        ctx.floats = tuple(None if isinstance(c, torch.Tensor) else c for c in coefficients)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[Any, ...]:
        (G,) = cotangents
        T, diagonal, coefficients = _saved(ctx)
        needs_T, needs_diagonal, _, _, *needs_coefficients = ctx.needs_input_grad
        grad_T = grad_diagonal = None
        if needs_T:
            conjugate = None if diagonal is None else diagonal.conj()
            grad_T = _apply(G, conjugate, ctx.description, ctx.execution, coefficients)
        if needs_diagonal and diagonal is not None:
            grad_diagonal = _grad_diagonal(T, G, diagonal)
        grad_coefficients = [
            torch.linalg.vecdot(_term(ctx, t, T).flatten(), G.flatten()).real.double() if needed else None
            for t, needed in enumerate(needs_coefficients)
        ]
        return grad_T, grad_diagonal, None, None, *grad_coefficients

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> torch.Tensor:
        T, diagonal, coefficients = _saved(ctx)
        dT, ddiagonal, _, _, *dcoefficients = tangents
        result = (
            torch.zeros_like(T) if dT is None else _apply(dT, diagonal, ctx.description, ctx.execution, coefficients)
        )
        if ddiagonal is not None:
            result = result + ddiagonal.reshape(ddiagonal.shape + (1,) * (T.ndim - ddiagonal.ndim)) * T
        for t, dc in enumerate(dcoefficients):
            if dc is not None:
                result = result + dc.to(T.device, T.dtype.to_real()) * _term(ctx, t, T)
        return result

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[torch.Tensor, int]:
        """Batch over T by making the batch one more channel axis; over anything else by a loop."""
        T, diagonal, description, execution, *coefficients = inputs
        if all(dim is None for dim in in_dims[1:]):
            fields = T.movedim(in_dims[0], -1)
            if diagonal is not None and diagonal.shape != description.torus.shape:
                diagonal = diagonal.unsqueeze(-1).expand(fields.shape)
            return _apply(fields, diagonal, description, execution, coefficients), fields.ndim - 1
        rows = [
            [x if dim is None else x.select(dim, b) for x, dim in zip(inputs, in_dims, strict=True)]
            for b in range(info.batch_size)
        ]
        return torch.stack([_apply(row[0], row[1], row[2], row[3], row[4:]) for row in rows]), 0


def _saved(ctx: Any) -> tuple[torch.Tensor, torch.Tensor | None, list[Scalar]]:
    T, diagonal, *tensors = ctx.saved_tensors
    remaining = iter(tensors)
    return T, diagonal, [next(remaining) if c is None else c for c in ctx.floats]


def _term(ctx: Any, t: int, T: torch.Tensor) -> torch.Tensor:
    """Return L_t T = ∂_i ∂_j T for one term."""
    description = ctx.description
    single = Description(description.torus, description.backend, (description.terms[t],), (1.0,))
    return _apply(T, None, single, ctx.execution, single.coefficients)


def _grad_diagonal(T: torch.Tensor, G: torch.Tensor, diagonal: torch.Tensor) -> torch.Tensor:
    product = T.conj() * G
    if not diagonal.is_complex():
        product = product.real
    channels = tuple(range(diagonal.ndim, T.ndim))
    return product.sum(channels) if channels else product
