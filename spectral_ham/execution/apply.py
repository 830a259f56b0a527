"""The one entry: A·T + V∘T for any field, recorded or not, compiled or not."""

from collections.abc import Sequence

import torch

from spectral_ham._internal.checks import check_out, invalid
from spectral_ham._internal.mode import mode_of
from spectral_ham._internal.typing import Scalar
from spectral_ham.execution.autograd import differentiable
from spectral_ham.execution.bound import BoundOperator, plain
from spectral_ham.execution.compile import traced


def apply(
    bound: BoundOperator,
    T: torch.Tensor,
    out: torch.Tensor | None = None,
    values: torch.Tensor | None = None,
    coefficients: Sequence[Scalar] | None = None,
    where: str = "H(T, out=...)",
) -> torch.Tensor:
    """Return A·T + V∘T.

    Args:
        bound: A, and the V that stays.
        T: a checked field, grid axes first; any strides, conjugated or not; complex where V is.
        out: where to write; see `check_out`.
        values: V for this call, of the grid's shape or of T's, instead of the one that stays.
        coefficients: those of A for this call, where they carry a gradient.
        where: the call to name where ``out`` does not fit.
    """
    own = bound.potential
    V = own.values if values is None and own is not None else values
    mode = mode_of(T, V) if coefficients is None else mode_of(T, V, *coefficients)
    if out is not None:
        check_out(where, out, T, [V, *(c for c in coefficients or () if isinstance(c, torch.Tensor))])
    if mode == "plain":
        ready = (bound if coefficients is None else bound.with_coefficients(coefficients)).prepared(T, values)
        is_plain = T.is_contiguous() and not (T.requires_grad or T.is_conj() or T.is_neg())
        result = ready.apply(T if is_plain else plain(T), None if out is None else out.detach())
        return result if out is None else out
    if values is None and own is not None:
        values = own.diagonal(T)
    if mode == "traced":
        result = traced(bound, T, values, coefficients)
        return result if out is None else out.copy_(result)
    if out is not None:
        raise invalid(where, "None while a gradient is recorded", out, "Drop `out=`, or call under torch.no_grad().")
    return differentiable(bound, T, values, coefficients)
