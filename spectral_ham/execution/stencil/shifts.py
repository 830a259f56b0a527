"""Shifted slices of a periodic field, weighted and added in place.

A shift by r along an axis is two slices: what stays inside, and what crosses the seam. So it is periodic by
construction, and no padded copy is made.
"""

import torch

from spectral_ham._internal.typing import Scalar


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
