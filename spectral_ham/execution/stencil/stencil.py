"""Execution by stencil: every point adds up its neighbors."""

from typing import ClassVar, final

from spectral_ham._internal.typing import Scalar
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.execution.base import Execution, Kind
from spectral_ham.execution.stencil.base import CrossTerm, Neighbors, StencilOperator
from spectral_ham.execution.stencil.depthwise import DepthwiseStencil, suits_depthwise
from spectral_ham.execution.stencil.fused import FusedStencil
from spectral_ham.execution.stencil.slices import SlicedStencil


@final
class Stencil(Execution):
    """Σ_i Σ_r w^i_r (X_{+r} + X_{−r}) + V∘X: in one pass by a fused kernel, else by torch's operations."""

    name: ClassVar[str] = "stencil"
    needs_stencil: ClassVar[bool] = True

    def prepare(self, operator: ConstantCoefficientOperator, kind: Kind) -> StencilOperator:
        """Return the operator with the weights w·c/Δ_i² of each ∂_i², and d/Δ_i, d·c/Δ_j of each ∂_i ∂_j.

        The weights are floats, or 0-d tensors on the field's device where the coefficients are tensors.
        """
        stencil = operator.backend.stencil
        if stencil is None:
            raise ValueError(self.unsupported_reason(operator))
        h = operator.torus.spacing
        terms = list(zip(operator.terms, operator.coefficients, strict=True))
        neighbors = Neighbors(
            axes=tuple(i for (i, j), _ in terms if i == j),
            weights=tuple(_scaled(stencil.second, c, h[i] ** 2) for (i, j), c in terms if i == j),
            crossed=tuple(
                CrossTerm(i, j, _scaled(stencil.first, 1.0, h[i]), _scaled(stencil.first, c, h[j]))
                for (i, j), c in terms
                if i != j
            ),
        )
        grid = operator.torus.shape
        if kind.fused and neighbors.axes:
            return FusedStencil(grid, kind, neighbors)
        if suits_depthwise(grid, kind, neighbors):
            return DepthwiseStencil(grid, kind, neighbors)
        return SlicedStencil(grid, kind, neighbors)


def _scaled(weights: tuple[float, ...], c: Scalar, spacing: float) -> tuple[Scalar, ...]:
    return tuple(c * (w / spacing) for w in weights)
