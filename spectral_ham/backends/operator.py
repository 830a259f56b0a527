"""A constant-coefficient operator of second order on the torus, A = Σ c_ij ∂_i ∂_j, as data."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from spectral_ham._internal.checks import invalid
from spectral_ham._internal.frozen import Frozen
from spectral_ham._internal.memo import geometry_memo
from spectral_ham._internal.typing import Scalar
from spectral_ham.backends.base import Backend
from spectral_ham.geometry.torus import Torus, on_axis


@dataclass(frozen=True, eq=False)
class ConstantCoefficientOperator(Frozen):
    """A = Σ_t c_t ∂_i ∂_j over the pairs t = (i, j), i ≤ j, of ``terms``.

    ħ²/2m and the metric are folded into the coefficients; those off the diagonal carry the factor 2 of
    g^ij + g^ji. A coefficient is a float, or a 0-d tensor where a gradient (or an accelerator that must not
    be waited for) asks for one.
    """

    torus: Torus
    backend: Backend
    terms: tuple[tuple[int, int], ...]
    coefficients: tuple[Scalar, ...]
    is_static: bool = field(init=False)
    """Whether all coefficients are floats."""

    def __post_init__(self) -> None:
        least = self.backend.min_points
        if min(self.torus.shape[i] for pair in self.terms for i in pair) < least:
            remedy = "Refine the grid, lower `stencil_order`, or use backend='spectral'."
            needs = f"at least {least} points per axis for {self.backend!r}"
            raise invalid("Torus(shape=...)", needs, self.torus.shape, remedy)
        self._set(is_static=all(isinstance(c, float) for c in self.coefficients))

    @property
    def has_cross_terms(self) -> bool:
        """Whether some ∂_i ∂_j with i ≠ j takes part."""
        return any(i != j for i, j in self.terms)

    def with_coefficients(self, coefficients: Sequence[Scalar]) -> "ConstantCoefficientOperator":
        """Return the operator with the same terms and other coefficients."""
        if all(new is old for new, old in zip(coefficients, self.coefficients, strict=True)):
            return self
        return ConstantCoefficientOperator(self.torus, self.backend, self.terms, tuple(coefficients))

    def detached(self, device: torch.device) -> "ConstantCoefficientOperator":
        """Return the operator with coefficients that record no gradient, on ``device``."""
        values = (c.detach().to(device) if isinstance(c, torch.Tensor) else c for c in self.coefficients)
        return ConstantCoefficientOperator(self.torus, self.backend, self.terms, tuple(values))

    def term(self, t: int) -> "ConstantCoefficientOperator":
        """Return ∂_i ∂_j of one term."""
        return ConstantCoefficientOperator(self.torus, self.backend, (self.terms[t],), (1.0,))

    def axis_symbol(self, axis: int, derivative: int, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Return the cached 1-D symbol of ∂² (derivative 2) or D of ∂ ↔ i·D (derivative 1) along ``axis``: (N,)."""
        n, spacing, backend = self.torus.shape[axis], self.torus.spacing[axis], self.backend

        def build() -> torch.Tensor:
            describe = backend.second_derivative_symbol if derivative == 2 else backend.first_derivative_symbol
            return describe(n, spacing).to(device, dtype)

        return geometry_memo.get(("symbol", derivative, n, spacing, backend, dtype, device), build)

    def axis_range(self, axis: int) -> tuple[float, float]:
        """Return the smallest and the largest value of the 1-D symbol of ∂² along ``axis``."""

        def build() -> torch.Tensor:
            return torch.stack(torch.aminmax(self.axis_symbol(axis, 2, torch.float64, torch.device("cpu"))))

        key = ("range", self.torus.shape[axis], self.torus.spacing[axis], self.backend)
        low, high = geometry_memo.get(key, build).tolist()
        return low, high

    def symbol(self, dtype: torch.dtype, device: torch.device, scale: float = 1.0) -> torch.Tensor:
        """Return scale · Σ_i c_ii S_i(k_i) − Σ_{i<j} c_ij D_i(k_i) D_j(k_j) over all modes."""
        total, ndim = torch.zeros((), dtype=dtype, device=device), self.torus.ndim
        for (i, j), c in zip(self.terms, self.coefficients, strict=True):
            if i == j:
                term = on_axis(i, self.axis_symbol(i, 2, dtype, device), ndim)
            else:
                first_i, first_j = (on_axis(a, self.axis_symbol(a, 1, dtype, device), ndim) for a in (i, j))
                term = -first_i * first_j
            total = total + (c * scale) * term
        return total.expand(self.torus.shape)
