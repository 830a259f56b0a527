"""The stencil by torch's own operations: shifted slices of the field, on any device."""

from typing import final

import torch

from spectral_ham.execution.base import real_view
from spectral_ham.execution.stencil.base import StencilOperator
from spectral_ham.execution.stencil.shifts import add_neighbors, add_scaled


@final
class SlicedStencil(StencilOperator):
    """One pass over memory for each neighbor."""

    def apply(self, X: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return A·X + V∘X."""
        result = torch.empty_like(X) if out is None else out
        field, target = self._reals(X), self._reals(result)
        torch.mul(field, self._at_point(), out=target)
        self._add_neighbors(X, field, target, result)
        return result

    def recur(self, X: torch.Tensor, out: torch.Tensor, source: torch.Tensor, gamma: float) -> None:
        """Write A·X + V∘X + γ·source − out into ``out``."""
        field, target = self._reals(X), self._reals(out)
        target.neg_().add_(self._reals(source), alpha=gamma)
        add_scaled(target, field, self._at_point())
        self._add_neighbors(X, field, target, out)

    def _reals(self, X: torch.Tensor) -> torch.Tensor:
        return real_view(X.view(*self.grid, -1))

    def _at_point(self) -> torch.Tensor | float:
        """Return what multiplies the point itself: Σ w_0, and V."""
        center = sum(w[0] for w in self.neighbors.weights)
        return center if self.swept is None else (self.swept + center).unsqueeze(-1)

    def _add_neighbors(self, X: torch.Tensor, field: torch.Tensor, target: torch.Tensor, out: torch.Tensor) -> None:
        for axis, w in zip(self.neighbors.axes, self.neighbors.weights, strict=True):
            add_neighbors(target, field, axis, w, sign=1)
        if not self.is_whole:
            self._add_the_rest(X, out)
