"""Execution by stencil: shifted copies of the field, weighted and added in place."""

from typing import ClassVar, final

import torch

from spectral_ham._typing import Scalar
from spectral_ham.backends import Description
from spectral_ham.backends.description import Tables
from spectral_ham.execution.base import Execution, add_diagonal, ieee_float32, real_view
from spectral_ham.execution.depthwise import five_points, suits_depthwise


@final
class StencilSweep(Execution):
    """Add the neighbors of every point, slice by slice; periodic by construction, no padded copy is made.

    A shift by r along an axis is two slices: what stays inside, and what crosses the seam.
    """

    name: ClassVar[str] = "stencil"

    def why_not(self, description: Description) -> str:
        """Return a reason for a backend without a local stencil."""
        if description.backend.stencil is None:
            return f"backend={description.backend.name!r} has no local stencil"
        return ""

    def prepare(self, description: Description, dtype: torch.dtype, device: torch.device) -> Tables:  # noqa: ARG002
        """Return ((w_0, …, w_R)·c/Δ²,) for each term on the diagonal, (d/Δ_i, d·c/Δ_j) for each term off it.

        The weights are floats, or 0-d tensors on ``device`` where the coefficients are tensors.
        """
        stencil = description.backend.stencil
        if stencil is None:
            raise ValueError(self.why_not(description))
        h = description.torus.spacing
        return tuple(
            (_scaled(stencil.second, c, h[i] ** 2),)
            if i == j
            else (_scaled(stencil.first, 1.0, h[i]), _scaled(stencil.first, c, h[j]))
            for (i, j), c in zip(description.terms, description.coefficients, strict=True)
        )

    def run(
        self,
        description: Description,
        tables: Tables,
        X: torch.Tensor,
        diagonal: torch.Tensor | None,
        out: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return A·X + diagonal∘X."""
        source = real_view(X)
        if suits_depthwise(source, tables):
            with ieee_float32():
                fast = five_points(source, tables)
            result = torch.view_as_complex(fast.view(*X.shape, 2)) if X.is_complex() else fast
            if diagonal is not None:
                add_diagonal(result, diagonal, X)
            return result if out is None else out.copy_(result)
        result = torch.empty_like(X) if out is None else out
        target = real_view(result)
        center = sum(weights[0][0] for (i, j), weights in zip(description.terms, tables, strict=True) if i == j)
        if diagonal is not None and not diagonal.is_complex() and diagonal.ndim < X.ndim:
            torch.mul(source, (diagonal + center).unsqueeze(-1), out=target)
        else:
            torch.mul(source, center, out=target)
            if diagonal is not None:
                add_diagonal(result, diagonal, X)
        scratch = torch.empty_like(source) if description.has_cross_terms else source
        for (i, j), weights in zip(description.terms, tables, strict=True):
            if i == j:
                _add_neighbors(target, source, i, weights[0], sign=1)
            else:
                _add_neighbors(scratch.zero_(), source, j, weights[1], sign=-1)
                _add_neighbors(target, scratch, i, weights[0], sign=-1)
        return result


def _scaled(weights: tuple[float, ...], c: Scalar, spacing: float) -> tuple[Scalar, ...]:
    return tuple(c * (w / spacing) for w in weights)


def _add_neighbors(out: torch.Tensor, X: torch.Tensor, axis: int, weights: tuple[Scalar, ...], sign: int) -> None:
    """out_j += Σ_{r ≥ 1} w_r (X_{j+r} + sign · X_{j−r}) along ``axis``."""
    for r, w in enumerate(weights[1:], start=1):
        _add_shifted(out, X, axis, r, w)
        _add_shifted(out, X, axis, X.shape[axis] - r, sign * w)


def _add_shifted(out: torch.Tensor, X: torch.Tensor, axis: int, shift: int, w: Scalar) -> None:
    """out_j += w X_{(j + shift) mod N} along ``axis``, for 0 < shift < N."""
    inside = X.shape[axis] - shift
    _add_scaled(out.narrow(axis, 0, inside), X.narrow(axis, shift, inside), w)
    _add_scaled(out.narrow(axis, inside, shift), X.narrow(axis, 0, shift), w)


def _add_scaled(out: torch.Tensor, X: torch.Tensor, w: Scalar) -> None:
    if isinstance(w, float):
        out.add_(X, alpha=w)
    else:
        out.addcmul_(X, w)
