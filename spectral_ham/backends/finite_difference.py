"""The central finite-difference backend: orders 2, 4, 6, 8, … from one formula."""

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from numbers import Integral
from typing import ClassVar, final

import torch

from spectral_ham._internal.checks import invalid
from spectral_ham._internal.typing import BackendName
from spectral_ham.backends.base import Backend, Stencil, without_nyquist
from spectral_ham.geometry.torus import mode_numbers

ORDERS = (2, 4, 6, 8)


def second_derivative_weights(order: int) -> tuple[Fraction, ...]:
    """Return w_0, …, w_R (R = order/2) of the central ∂² on spacing 1, exactly.

    w_r = 2 (−1)^{r+1} (R!)² / (r² (R−r)! (R+r)!) for r ≥ 1, and w_0 = −2 Σ_r w_r.

    Reference:
        Fornberg (1998), SIAM Review 40(3), doi:10.1137/S0036144596322507, section 3.

    Example:
        >>> [str(w) for w in second_derivative_weights(4)]
        ['-5/2', '4/3', '-1/12']
    """
    R = order // 2
    w = [2 * (-1) ** (r + 1) * _ratio(R, r) / r**2 for r in range(1, R + 1)]
    return (-2 * sum(w, Fraction(0)), *w)


def first_derivative_weights(order: int) -> tuple[Fraction, ...]:
    """Return 0, d_1, …, d_R (R = order/2) of the central ∂ on spacing 1, exactly.

    d_r = (−1)^{r+1} (R!)² / (r (R−r)! (R+r)!).

    Reference:
        Fornberg (1998), SIAM Review 40(3), doi:10.1137/S0036144596322507, section 3.

    Example:
        >>> [str(d) for d in first_derivative_weights(4)]
        ['0', '2/3', '-1/12']
    """
    R = order // 2
    return (Fraction(0), *((-1) ** (r + 1) * _ratio(R, r) / r for r in range(1, R + 1)))


def _ratio(R: int, r: int) -> Fraction:
    return Fraction(math.factorial(R) ** 2, math.factorial(R - r) * math.factorial(R + r))


@final
@dataclass(frozen=True)
class FiniteDifference(Backend):
    """Central differences of even order p = 2R: error −k²·C·(kΔ)^p with C = 1/12, 1/90, 1/560, 1/3150.

    Symbols, with θ = kΔ = 2πn/N and s = sin²(θ/2):

        ∂² ↔ −(2/Δ²) Σ_{n=1}^{R} (4s)^n / (n² binom(2n, n))        ∂ ↔ (2i/Δ) Σ_{r=1}^{R} d_r sin(rθ)

    The first is the series of θ² = 4 arcsin²(√s), cut after R terms: all its terms are positive, so the
    symbol is ≤ 0 in floating point too, is exactly 0 at k = 0, and approaches −k² from above.

    Args:
        stencil_order: 2, 4, 6 or 8; the stencil reaches stencil_order/2 points to each side.

    Reference:
        Fornberg (1998), SIAM Review 40(3), doi:10.1137/S0036144596322507, section 3;
        arcsin² series: NIST DLMF 4.24.

    Example:
        >>> FiniteDifference(2).second_derivative_symbol(4, 1.0)
        tensor([-0.0000, -2.0000, -4.0000, -2.0000], dtype=torch.float64)
    """

    stencil_order: int = 2
    name: ClassVar[BackendName] = "fd"

    def __post_init__(self) -> None:
        order = self.stencil_order
        # 4.0 equals 4, and would be taken for it by every cache; True is no order.
        if isinstance(order, bool) or not isinstance(order, Integral) or order not in ORDERS:
            raise invalid("stencil_order=...", f"one of {', '.join(map(str, ORDERS))}", order)

    @property
    def min_points(self) -> int:
        """Order + 1, so that no point is its own neighbor twice."""
        return self.stencil_order + 1

    @cached_property
    def stencil(self) -> Stencil:
        """The weights as floats, rounded once from the exact rationals."""
        return Stencil(
            second=tuple(map(float, second_derivative_weights(self.stencil_order))),
            first=tuple(map(float, first_derivative_weights(self.stencil_order))),
        )

    def second_derivative_symbol(self, n: int, spacing: float) -> torch.Tensor:
        """Return the negative square of the modified wavenumber of ∂²."""
        s = torch.sin(math.pi / n * mode_numbers(n)) ** 2
        total = torch.zeros_like(s)
        for m in range(self.stencil_order // 2, 0, -1):  # small terms first
            total += (4 * s) ** m / (m**2 * math.comb(2 * m, m))
        return -2 / spacing**2 * total

    def first_derivative_symbol(self, n: int, spacing: float) -> torch.Tensor:
        """Return the modified wavenumber of ∂, zero at the Nyquist mode."""
        theta = 2 * math.pi / n * mode_numbers(n)
        total = torch.zeros_like(theta)
        for r, d in enumerate(self.stencil.first):
            total += d * torch.sin(r * theta)
        return without_nyquist(2 / spacing * total)
