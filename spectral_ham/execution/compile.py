"""The operator as one opaque node of a compiled graph: no graph break, nothing for the compiler to mistranslate.

torch.compile generates no code for complex numbers, cannot read the table cache, and loses forward-mode AD at custom
operators; so this form serves compiled regions only, and takes the description apart into plain arguments.
"""

from collections.abc import Sequence
from typing import Any

import torch

from spectral_ham._internal.typing import Scalar
from spectral_ham.execution.autograd import Operator, pullback
from spectral_ham.execution.bound import AUTO, BoundOperator, plain
from spectral_ham.execution.from_numbers import operator_from_numbers


def traced(
    bound: BoundOperator, T: torch.Tensor, values: torch.Tensor | None, coefficients: Sequence[Scalar] | None
) -> torch.Tensor:
    """Return A·T + values∘T inside a compiled region."""
    A, torus = bound.operator, bound.operator.torus
    name, order = A.backend.name, A.backend.stencil_order
    c = A.coefficients if coefficients is None else coefficients
    return traced_from_numbers(T, values, c, A.terms, torus.shape, torus.spacing, name, order, bound.execution)


def traced_from_numbers(
    T: torch.Tensor,
    values: torch.Tensor | None,
    coefficients: Sequence[Scalar],
    terms: Sequence[tuple[int, int]],
    shape: Sequence[int],
    spacing: Sequence[float],
    backend: str,
    stencil_order: int,
    execution: str = AUTO,
) -> torch.Tensor:
    """Return Σ_t c_t ∂_i ∂_j T + values∘T inside a compiled region."""
    c = torch.stack([torch.as_tensor(x, dtype=torch.float64, device=_home(coefficients)) for x in coefficients])
    indices = [i for pair in terms for i in pair]
    result: torch.Tensor = _op(T, values, c, indices, list(shape), list(spacing), backend, stencil_order, execution)
    return result


def _home(coefficients: Sequence[Scalar]) -> torch.device:
    """Return the device of the coefficients: the CPU unless one is a tensor on another."""
    for c in coefficients:
        if isinstance(c, torch.Tensor) and c.device.type != "cpu":
            return c.device
    return torch.device("cpu")


@torch.library.custom_op("spectral_ham::apply", mutates_args=())
def _op(
    T: torch.Tensor,
    diagonal: torch.Tensor | None,
    coefficients: torch.Tensor,
    terms: list[int],
    shape: list[int],
    spacing: list[float],
    backend: str,
    stencil_order: int,
    execution: str,
) -> torch.Tensor:
    pairs = tuple(zip(terms[::2], terms[1::2], strict=True))
    # On the CPU the values are at hand; on an accelerator they stay there, as 0-d tensors.
    listed = coefficients.tolist() if coefficients.device.type == "cpu" else coefficients.unbind()
    bound = operator_from_numbers(tuple(shape), tuple(spacing), pairs, listed, backend, stencil_order, execution)
    return bound.prepared(T, diagonal).apply(plain(T)).data  # no view, as in autograd.py


@_op.register_fake
def _(T: torch.Tensor, *_: Any) -> torch.Tensor:
    return torch.empty_like(T, memory_format=torch.contiguous_format)


def _setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG001
    T, diagonal, coefficients, *ctx.plain = inputs
    ctx.save_for_backward(T, diagonal, coefficients)


def _backward(ctx: Any, G: torch.Tensor) -> tuple[Any, ...]:
    T, diagonal, coefficients = ctx.saved_tensors
    needs_T, needs_V, needs_c, *_ = ctx.needs_input_grad
    indices, *plain = ctx.plain
    n_terms = len(indices) // 2

    def apply(X: torch.Tensor, V: torch.Tensor | None) -> torch.Tensor:
        result: torch.Tensor = _op(X, V, coefficients, indices, *plain)
        return result

    def term(t: int) -> Operator:
        one = torch.ones(1, dtype=torch.float64)
        return lambda X, V: _op(X, V, one, indices[2 * t : 2 * t + 2], *plain)

    terms = [term(t) for t in range(n_terms)]
    grad_T, grad_V, grads = pullback(apply, terms, T, diagonal, G, (needs_T, needs_V, [needs_c] * n_terms))
    grad_c = torch.stack([g for g in grads if g is not None]).to(coefficients.device) if needs_c else None
    return grad_T, grad_V, grad_c, None, None, None, None, None, None


_op.register_autograd(_backward, setup_context=_setup_context)
