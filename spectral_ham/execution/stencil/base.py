"""What every way of running a stencil shares: its weights, and what no sweep over neighbors takes along."""

from abc import abstractmethod
from typing import ClassVar, NamedTuple, Self, final

import torch

from spectral_ham._internal.typing import Scalar
from spectral_ham.execution.base import Kind, Prepared, add_diagonal, real_view
from spectral_ham.execution.layout import flattened
from spectral_ham.execution.stencil.shifts import add_neighbors


class CrossTerm(NamedTuple):
    """∂_i ∂_j, i ≠ j: the weights along i, and those along j with the coefficient folded in."""

    i: int
    j: int
    along_i: tuple[Scalar, ...]
    along_j: tuple[Scalar, ...]


class Neighbors(NamedTuple):
    """The weights of Σ c_ij ∂_i ∂_j on its grid."""

    axes: tuple[int, ...]
    """Those of the terms ∂_i², ascending."""
    weights: tuple[tuple[Scalar, ...], ...]
    """(w_0, …, w_R) for each of them."""
    crossed: tuple[CrossTerm, ...]


class StencilOperator(Prepared):
    """Σ_i Σ_r w^i_r (X_{+r} + X_{−r}) + Σ cross terms + V∘X; subclasses make the sweep along the axes."""

    execution: ClassVar[str] = "stencil"
    nbytes = 0

    def __init__(self, grid: tuple[int, ...], kind: Kind, neighbors: Neighbors, V: torch.Tensor | None = None) -> None:
        self.grid, self.kind, self.neighbors = grid, kind, neighbors
        self.V = V = None if V is None else flattened(V, grid)
        # A sweep takes along one real number per point, if the sweep ends at the last axis: V has one for each.
        swept = V is not None and not V.is_complex() and V.ndim == len(grid) and neighbors.axes[-1:] == (V.ndim - 1,)
        self.swept: torch.Tensor | None = V if swept else None
        self.added: torch.Tensor | None = None if swept else V
        self.is_whole = self.added is None and not neighbors.crossed

    @final
    def with_potential(self, V: torch.Tensor | None) -> Self:
        """Return the operator with another V."""
        return self if V is None and self.V is None else type(self)(self.grid, self.kind, self.neighbors, V)

    @abstractmethod
    def recur(self, X: torch.Tensor, out: torch.Tensor, source: torch.Tensor, gamma: float) -> None:
        """Write A·X + V∘X + γ·source − out into ``out``."""

    def _add_the_rest(self, X: torch.Tensor, out: torch.Tensor) -> None:
        """Add what no sweep takes along: V with values for every channel or complex ones, and ∂_i ∂_j with i ≠ j."""
        X, out = X.view(*self.grid, -1), out.view(*self.grid, -1)
        if self.added is not None:
            add_diagonal(out, self.added, X)
        if self.neighbors.crossed:
            source, scratch = real_view(X), torch.empty_like(real_view(X))
            for i, j, along_i, along_j in self.neighbors.crossed:
                add_neighbors(scratch.zero_(), source, j, along_j, sign=-1)
                add_neighbors(real_view(out), scratch, i, along_i, sign=-1)
