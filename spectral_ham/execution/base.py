"""What an execution is: a way of running Σ c_ij ∂_i ∂_j, prepared once for each kind of field."""

import math
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple, Self, final

import torch

from spectral_ham._internal.checks import as_real
from spectral_ham.backends import ConstantCoefficientOperator


class Kind(NamedTuple):
    """What the preparation of an operator depends on, beside the operator."""

    shape: tuple[int, ...]
    """Of the field: the grid, then the channels."""
    dtype: torch.dtype
    device: torch.device
    threads: int
    """Of torch."""
    fused: bool
    """Whether numba's kernels may work on the field's memory."""

    @property
    def real(self) -> torch.dtype:
        """The real dtype of the field's precision."""
        return self.dtype.to_real()

    def reals_per_point(self, grid: tuple[int, ...]) -> int:
        """Real numbers per point of ``grid``: twice the channels of a complex field."""
        return math.prod(self.shape[len(grid) :]) * (2 if self.dtype.is_complex else 1)


class Prepared(ABC):
    """X ↦ A·X + V∘X, ready for one kind of field: it owns its weights or tables, and V in the field's precision.

    X is contiguous, grid axes first, any channel axes behind. No gradient is recorded.
    """

    execution: ClassVar[str]
    """Name of the execution that prepares it."""
    V: torch.Tensor | None = None
    """None, or real or complex values of the grid's shape or of X's; never complex for a real X."""
    nbytes: int = 0
    """What the tables hold."""

    @abstractmethod
    def apply(self, X: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return A·X + V∘X, written into ``out`` (like X, overlapping nothing) if it is given."""

    @abstractmethod
    def recur(self, X: torch.Tensor, out: torch.Tensor, source: torch.Tensor, gamma: float) -> None:
        """Write A·X + V∘X + γ·source − out into ``out``, a term of a three-term recurrence; all three are like X."""

    @abstractmethod
    def with_potential(self, V: torch.Tensor | None) -> Self:
        """Return the same operator, tables shared, with another V."""


class Execution(ABC):
    """A way of running Σ c_ij ∂_i ∂_j."""

    name: ClassVar[str]
    needs_stencil: ClassVar[bool] = False
    """Whether it runs local stencils only; else every circulant operator."""

    @final
    def unsupported_reason(self, operator: ConstantCoefficientOperator) -> str:
        """Return why this execution cannot run the operator, or an empty string if it can."""
        if self.needs_stencil and operator.backend.stencil is None:
            return f"backend={operator.backend.name!r} has no local stencil"
        return ""

    @abstractmethod
    def prepare(self, operator: ConstantCoefficientOperator, kind: Kind) -> Prepared:
        """Return the operator, without V, ready for fields of one kind: the coefficients folded in, on its device."""


def real_view(X: torch.Tensor) -> torch.Tensor:
    """View complex channels as twice as many real ones: A is real, so it acts on both parts alike.

    Real arithmetic halves the flops of a real-times-complex product, and needs no promoted copy of the tables.
    """
    if not X.is_complex():
        return X
    # A last axis of length 1 may have any stride, and then only the longer way is open.
    return X.view(as_real(X.dtype)) if X.stride(-1) == 1 else torch.view_as_real(X).flatten(-2)


def add_diagonal(out: torch.Tensor, V: torch.Tensor, X: torch.Tensor) -> None:
    """Add V∘X to ``out`` in place, without a temporary field; V has the grid's shape or X's, X is (N_x, …, C)."""
    per_point = V.ndim == X.ndim - 1
    if V.is_complex() or not X.is_complex():
        out.addcmul_(V.unsqueeze(-1) if per_point else V.view(X.shape), X)
    elif per_point:
        real_view(out).addcmul_(V.unsqueeze(-1), real_view(X))
    else:
        torch.view_as_real(out).addcmul_(V.view(X.shape).unsqueeze(-1), torch.view_as_real(X))
