"""Execution by stencil: every point adds up its neighbors."""

from typing import Any, ClassVar, final

import torch

from spectral_ham._internal.typing import Scalar
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.backends.operator import Tables
from spectral_ham.execution.base import Execution, add_diagonal, ieee_float32, real_view
from spectral_ham.execution.stencil.depthwise import five_points, suits_depthwise
from spectral_ham.execution.stencil.fused import fits, fused_stencil
from spectral_ham.execution.stencil.slices import add_neighbors, add_slices


@final
class StencilSweep(Execution):
    """Σ_i Σ_r w^i_r (X_{+r} + X_{−r}) + V∘X: in one pass by a fused kernel, else by torch's operations."""

    name: ClassVar[str] = "stencil"

    def why_not(self, description: ConstantCoefficientOperator) -> str:
        """Return a reason for a backend without a local stencil."""
        if description.backend.stencil is None:
            return f"backend={description.backend.name!r} has no local stencil"
        return ""

    def prepare(self, description: ConstantCoefficientOperator, dtype: torch.dtype, device: torch.device) -> Tables:  # noqa: ARG002
        """Return (axes, weights) of the terms ∂_i², w·c/Δ_i², and ((i, j), d/Δ_i, d·c/Δ_j) of each term ∂_i ∂_j.

        The weights are floats, or 0-d tensors on ``device`` where the coefficients are tensors.
        """
        stencil = description.backend.stencil
        if stencil is None:
            raise ValueError(self.why_not(description))
        h = description.torus.spacing
        terms = list(zip(description.terms, description.coefficients, strict=True))
        squares = [(i, _scaled(stencil.second, c, h[i] ** 2)) for (i, j), c in terms if i == j]
        crossed = [
            ((i, j), _scaled(stencil.first, 1.0, h[i]), _scaled(stencil.first, c, h[j]))
            for (i, j), c in terms
            if i != j
        ]
        return (tuple(i for i, _ in squares), tuple(w for _, w in squares)), tuple(crossed)

    def run(
        self,
        description: ConstantCoefficientOperator,  # noqa: ARG002
        tables: Tables,
        X: torch.Tensor,
        diagonal: torch.Tensor | None,
        out: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return A·X + diagonal∘X."""
        (axes, weights), crossed = tables
        source, V = real_view(X), _per_point(diagonal, X)
        fused = fits(axes, source, V)
        if not fused and suits_depthwise(source, weights):
            with ieee_float32():
                result = five_points(source, weights)
            result = torch.view_as_complex(result.view(*X.shape, 2)) if X.is_complex() else result
            result, V = result if out is None else out.copy_(result), None
        else:
            result = torch.empty_like(X) if out is None else out
            sweep = fused_stencil if fused else add_slices
            sweep(axes, weights, source, V, real_view(result))
        _add_the_rest(X, diagonal if V is None else None, crossed, result)
        return result

    def recur(
        self,
        description: ConstantCoefficientOperator,  # noqa: ARG002
        tables: Tables,
        X: torch.Tensor,
        diagonal: torch.Tensor | None,
        out: torch.Tensor,
        source: torch.Tensor,
        gamma: float,
    ) -> None:
        """Write A·X + diagonal∘X + γ·source − out into ``out``."""
        (axes, weights), crossed = tables
        field, V = real_view(X), _per_point(diagonal, X)
        sweep = fused_stencil if fits(axes, field, V) else add_slices
        sweep(axes, weights, field, V, real_view(out), real_view(source), gamma)
        _add_the_rest(X, diagonal if V is None else None, crossed, out)


def _add_the_rest(X: torch.Tensor, diagonal: torch.Tensor | None, crossed: tuple[Any, ...], out: torch.Tensor) -> None:
    """Add what no sweep takes along: V with values for every channel or complex ones, and ∂_i ∂_j with i ≠ j."""
    if diagonal is not None:
        add_diagonal(out, diagonal, X)
    if crossed:
        source, scratch = real_view(X), torch.empty_like(real_view(X))
        for (i, j), along_i, along_j in crossed:
            add_neighbors(scratch.zero_(), source, j, along_j, sign=-1)
            add_neighbors(real_view(out), scratch, i, along_i, sign=-1)


def _per_point(diagonal: torch.Tensor | None, X: torch.Tensor) -> torch.Tensor | None:
    """Return the diagonal if it is one real number per grid point."""
    return diagonal if diagonal is not None and not diagonal.is_complex() and diagonal.ndim < X.ndim else None


def _scaled(weights: tuple[float, ...], c: Scalar, spacing: float) -> tuple[Scalar, ...]:
    return tuple(c * (w / spacing) for w in weights)
