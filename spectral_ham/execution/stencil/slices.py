"""The stencil by torch's own operations: shifted slices of the field, weighted and added in place."""

from collections.abc import Sequence

import torch

from spectral_ham._internal.typing import Scalar


def add_slices(
    axes: tuple[int, ...],
    weights: Sequence[tuple[Scalar, ...]],
    X: torch.Tensor,
    V: torch.Tensor | None,
    out: torch.Tensor,
    source: torch.Tensor | None = None,
    gamma: float = 0.0,
) -> None:
    """Write A·X + V∘X into ``out``, or A·X + V∘X + γS − out: what `fused_stencil` does, anywhere.

    A shift by r along an axis is two slices: what stays inside, and what crosses the seam. So it is periodic by
    construction, and no padded copy is made.
    """
    center = sum(w[0] for w in weights)
    at_point = center if V is None else (V + center).unsqueeze(-1)
    if source is None:
        torch.mul(X, at_point, out=out)
    else:
        out.neg_().add_(source, alpha=gamma)
        add_scaled(out, X, at_point)
    for axis, w in zip(axes, weights, strict=True):
        add_neighbors(out, X, axis, w, sign=1)


def add_neighbors(out: torch.Tensor, X: torch.Tensor, axis: int, weights: tuple[Scalar, ...], sign: int) -> None:
    """out_j += Σ_{r ≥ 1} w_r (X_{j+r} + sign · X_{j−r}) along ``axis``."""
    for r, w in enumerate(weights[1:], start=1):
        _add_shifted(out, X, axis, r, w)
        _add_shifted(out, X, axis, X.shape[axis] - r, sign * w)


def _add_shifted(out: torch.Tensor, X: torch.Tensor, axis: int, shift: int, w: Scalar) -> None:
    """out_j += w X_{(j + shift) mod N} along ``axis``, for 0 < shift < N."""
    inside = X.shape[axis] - shift
    add_scaled(out.narrow(axis, 0, inside), X.narrow(axis, shift, inside), w)
    add_scaled(out.narrow(axis, inside, shift), X.narrow(axis, 0, shift), w)


def add_scaled(out: torch.Tensor, X: torch.Tensor, w: Scalar) -> None:
    """Add wX in place, by a number or a tensor."""
    if isinstance(w, torch.Tensor):
        out.addcmul_(X, w)
    else:
        out.add_(X, alpha=w)
