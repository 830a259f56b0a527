"""The gradients of A·T + diagonal∘T: one rule, and the operator's only autograd.Function."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from spectral_ham._internal.typing import Scalar
from spectral_ham.execution.bound import BoundOperator, plain
from spectral_ham.execution.precision import inner

Operator = Callable[[torch.Tensor, torch.Tensor | None], torch.Tensor]


def pullback(
    apply: Operator,
    terms: Sequence[Operator],
    T: torch.Tensor,
    diagonal: torch.Tensor | None,
    G: torch.Tensor,
    needs: tuple[bool, bool, Sequence[bool]],
) -> tuple[torch.Tensor | None, torch.Tensor | None, list[torch.Tensor | None]]:
    """Return the cotangents of T, V and c for Y = Σ_t c_t L_t T + V∘T, where L_t = ∂_i ∂_j is real and symmetric.

    With the cotangent G of Y (torch's convention, ∂L/∂z*):

        T̄ = Σ_t c_t L_t G + V*∘G,    V̄ = T*∘G (summed over channels, its real part for a real V),
        c̄_t = Re ⟨L_t T, G⟩:

    the same operator again, so derivatives of every order come from this one rule.

    Args:
        apply: (T, V) ↦ Σ_t c_t L_t T + V∘T, differentiable.
        terms: (T, None) ↦ L_t T for each t, differentiable.
        T: the field.
        diagonal: V or None.
        G: the cotangent, like T.
        needs: which cotangents are wanted.
    """
    needs_T, needs_V, needs_c = needs
    grad_T = apply(G, None if diagonal is None else diagonal.conj()) if needs_T else None
    grad_V = _grad_diagonal(T, G, diagonal) if needs_V and diagonal is not None else None
    grad_c = [
        inner(term(T, None).flatten(), G.flatten()).real.double() if needed else None
        for needed, term in zip(needs_c, terms, strict=True)
    ]
    return grad_T, grad_V, grad_c


def _grad_diagonal(T: torch.Tensor, G: torch.Tensor, diagonal: torch.Tensor) -> torch.Tensor:
    product = T.conj() * G
    if not diagonal.is_complex() and product.is_complex():
        product = product.real
    channels = tuple(range(diagonal.ndim, T.ndim))
    return (product.sum(channels) if channels else product).to(diagonal.dtype)


def differentiable(
    bound: BoundOperator, T: torch.Tensor, values: torch.Tensor | None, coefficients: Sequence[Scalar] | None = None
) -> torch.Tensor:
    """Return A·T + values∘T, with gradients for T, values and those coefficients of A that are tensors."""
    coefficients = bound.operator.coefficients if coefficients is None else coefficients
    result: torch.Tensor = _Apply.apply(bound, T, values, *coefficients)  # type: ignore[no-untyped-call]
    return result


class _Apply(torch.autograd.Function):
    @staticmethod
    def forward(
        bound: BoundOperator, T: torch.Tensor, values: torch.Tensor | None, *coefficients: Scalar
    ) -> torch.Tensor:
        # `.data` drops the mark of a view: autograd forbids H(T).add_(…) on a view that was made in here.
        free = bound.with_potential(None).with_coefficients(coefficients)
        return free.prepared(T, values).apply(plain(T)).data

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG004
        ctx.bound, T, diagonal, *coefficients = inputs
        tensors = [c for c in coefficients if isinstance(c, torch.Tensor)]
        _, _, needs_V, *needs_c = ctx.needs_input_grad
        # T̄ is linear in G alone: T itself is kept only for the gradients of V and c.
        ctx.save_for_backward(T if needs_V or any(needs_c) else None, diagonal, *tensors)
        ctx.save_for_forward(T, diagonal, *tensors)
        ctx.floats = tuple(None if isinstance(c, torch.Tensor) else c for c in coefficients)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[Any, ...]:
        T, diagonal, apply, terms = _saved(ctx)
        _, needs_T, needs_V, *needs_c = ctx.needs_input_grad
        grad_T, grad_V, grad_c = pullback(apply, terms, T, diagonal, cotangents[0], (needs_T, needs_V, needs_c))
        return None, grad_T, grad_V, *grad_c

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> torch.Tensor:
        """Ẏ = Σ_t c_t L_t Ṫ + V∘Ṫ + V̇∘T + Σ_t ċ_t L_t T."""
        T, diagonal, apply, terms = _saved(ctx)
        _, dT, dV, *dc = tangents
        result = torch.zeros_like(T) if dT is None else apply(dT, diagonal)
        if dV is not None:
            dV = dV.to(T.dtype if dV.is_complex() else T.dtype.to_real())
            result = result + dV.reshape(dV.shape + (1,) * (T.ndim - dV.ndim)) * T
        for dc_t, term in zip(dc, terms, strict=True):
            if dc_t is not None:
                result = result + dc_t.to(T.device, T.dtype.to_real()) * term(T, None)
        return result

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *inputs: Any) -> tuple[torch.Tensor, int]:
        """Batch over T by making the batch one more channel axis; over anything else by a loop."""
        bound, T, values, *coefficients = inputs
        if all(dim is None for dim in in_dims[2:]):
            fields = T.movedim(in_dims[1], -1)
            if values is not None and values.shape != bound.operator.torus.shape:
                values = values.unsqueeze(-1).expand(fields.shape)
            return differentiable(bound, fields, values, coefficients), fields.ndim - 1
        rows = [
            [x if dim is None else x.select(dim, b) for x, dim in zip(inputs, in_dims, strict=True)]
            for b in range(info.batch_size)
        ]
        return torch.stack([differentiable(row[0], row[1], row[2], row[3:]) for row in rows]), 0


def _saved(ctx: Any) -> tuple[torch.Tensor, torch.Tensor | None, Operator, list[Operator]]:
    """Return T, V, the operator, and its terms L_t."""
    T, diagonal, *tensors = ctx.saved_tensors
    bound, remaining = ctx.bound, iter(tensors)
    coefficients = [next(remaining) if c is None else c for c in ctx.floats]

    def apply(X: torch.Tensor, V: torch.Tensor | None) -> torch.Tensor:
        return differentiable(bound, X, V, coefficients)

    def term(t: int) -> Operator:
        single = BoundOperator(bound.operator.term(t), bound.execution)
        return lambda X, V: differentiable(single, X, V)

    return T, diagonal, apply, [term(t) for t in range(len(coefficients))]
