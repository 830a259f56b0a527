"""Plane waves on a finite-difference grid: the dispersion relation of the stencils, from tabulated weights."""

import math
from collections.abc import Mapping
from fractions import Fraction

from spectral_ham._internal.checks import as_number, invalid
from spectral_ham._internal.typing import Scalar
from spectral_ham.exact.base import IntPerAxis, as_integers, kinetic_factor, metric_rows
from spectral_ham.geometry.inverse_metric import InverseMetric
from spectral_ham.geometry.torus import Torus

FIRST_DERIVATIVE_WEIGHTS: Mapping[int, tuple[Fraction, ...]] = {
    2: (Fraction(0), Fraction(1, 2)),
    4: (Fraction(0), Fraction(2, 3), Fraction(-1, 12)),
    6: (Fraction(0), Fraction(3, 4), Fraction(-3, 20), Fraction(1, 60)),
    8: (Fraction(0), Fraction(4, 5), Fraction(-1, 5), Fraction(4, 105), Fraction(-1, 280)),
}
"""d_0, d_1, … for each order: ∂T(x) ≈ Σ_j d_j (T(x + j dx) − T(x − j dx))/dx.

Reference: B. Fornberg, Math. Comp. 51 (1988) 699, doi:10.1090/S0025-5718-1988-0935077-0, Table 1.
"""

SECOND_DERIVATIVE_WEIGHTS: Mapping[int, tuple[Fraction, ...]] = {
    2: (Fraction(-2), Fraction(1)),
    4: (Fraction(-5, 2), Fraction(4, 3), Fraction(-1, 12)),
    6: (Fraction(-49, 18), Fraction(3, 2), Fraction(-3, 20), Fraction(1, 90)),
    8: (Fraction(-205, 72), Fraction(8, 5), Fraction(-1, 5), Fraction(8, 315), Fraction(-1, 560)),
}
"""c_0, c_1, … for each order: ∂²T(x) ≈ [c_0 T(x) + Σ_j c_j (T(x + j dx) + T(x − j dx))]/dx².

Reference: B. Fornberg, Math. Comp. 51 (1988) 699, doi:10.1090/S0025-5718-1988-0935077-0, Table 1.
"""


def fd_plane_wave_symbol(
    torus: Torus, modes: IntPerAxis, inverse_metric: InverseMetric | None = None, stencil_order: int = 2
) -> float:
    """Symbol of the finite-difference ∇²_g on a plane wave: Σ_i g^ii S(θ_i) − Σ_{i≠j} g^ij D(θ_i) D(θ_j).

    With θ = 2πn/N = k dx: S = (c_0 + 2 Σ_j c_j cos jθ)/dx² and D = 2 Σ_j d_j sin(jθ)/dx. S is evaluated as
    −4 Σ_j c_j sin²(jθ/2)/dx², the same because c_0 = −2 Σ_j c_j, and exactly 0 at θ = 0. D is 0 at the Nyquist mode of
    an even N. A correct stencil meets this to rounding on every mode; how fast it tends to −Σ_ij g^ij k_i k_j is a
    second question (`leading_error_constant`).

    Args:
        torus: the grid.
        modes: the integers n in k = 2πn/L, one number or one per axis.
        inverse_metric: g^ij; None is flat.
        stencil_order: 2, 4, 6 or 8.

    Raises:
        ValueError: arguments that do not fit the torus, another order, or an axis with N ≤ ``stencil_order``.

    Reference:
        B. Fornberg, Math. Comp. 51 (1988) 699, doi:10.1090/S0025-5718-1988-0935077-0 (the weights).

    Example:
        >>> import math, spectral_ham as sh
        >>> sh.exact.fd_plane_wave_symbol(sh.Torus(8), 4, stencil_order=2)
        -4.0
    """
    where = "fd_plane_wave_symbol"
    numbers = as_integers(f"{where}(modes=...)", modes, torus.ndim)
    g = metric_rows(f"{where}(inverse_metric=...)", inverse_metric, torus.ndim)
    _check_order(where, stencil_order)
    if min(torus.shape) <= stencil_order:
        wanted = f"less than the points on every axis of the grid {torus.shape}"
        raise invalid(f"{where}(stencil_order=...)", wanted, stencil_order, "Take a lower order or more points.")
    grid = list(zip(numbers, torus.shape, torus.spacing, strict=True))
    S = [_second_symbol(n, N, stencil_order) / dx**2 for n, N, dx in grid]
    D = [_first_symbol(n, N, stencil_order) / dx for n, N, dx in grid]
    axes = range(torus.ndim)
    return math.fsum(g[i][i] * S[i] if i == j else -g[i][j] * D[i] * D[j] for i in axes for j in axes)


def fd_plane_wave_energy(
    torus: Torus,
    modes: IntPerAxis,
    inverse_metric: InverseMetric | None = None,
    stencil_order: int = 2,
    *,
    hbar: Scalar = 1.0,
    mass: Scalar = 1.0,
    potential: Scalar = 0.0,
) -> float:
    """E = −(ħ²/2m)·symbol + V0 with the finite-difference symbol of `fd_plane_wave_symbol`.

    Args:
        torus: the grid.
        modes: the integers n in k = 2πn/L, one number or one per axis.
        inverse_metric: g^ij; None is flat.
        stencil_order: 2, 4, 6 or 8.
        hbar: ħ.
        mass: m.
        potential: V0, a constant.

    Raises:
        ValueError: as `fd_plane_wave_symbol`, or ħ or m that is not positive.

    Example:
        >>> import spectral_ham as sh
        >>> sh.exact.fd_plane_wave_energy(sh.Torus(8), 4, stencil_order=2, mass=2.0, potential=0.5)
        1.5
    """
    V0 = as_number("fd_plane_wave_energy(potential=...)", potential)
    c = kinetic_factor("fd_plane_wave_energy", hbar, mass)
    return V0 - c * fd_plane_wave_symbol(torus, modes, inverse_metric, stencil_order)


def leading_error_constant(stencil_order: int) -> Fraction:
    """C in S = −k²(1 − C (k dx)^p + …), the finite-difference symbol of ∂² at order p = ``stencil_order``.

    It is the coefficient of θ^{p+2} in 2 Σ_j c_j cos jθ, as a fraction: 1/12, 1/90, 1/560, 1/3150.

    Raises:
        ValueError: an order other than 2, 4, 6 or 8.

    Example:
        >>> import spectral_ham as sh
        >>> sh.exact.leading_error_constant(4)
        Fraction(1, 90)
    """
    _check_order("leading_error_constant", stencil_order)
    power = stencil_order + 2
    moment = sum(c * j**power for j, c in enumerate(SECOND_DERIVATIVE_WEIGHTS[stencil_order]))
    return Fraction(2 * (-1) ** (power // 2) * moment) / math.factorial(power)


def _check_order(where: str, stencil_order: int) -> None:
    if isinstance(stencil_order, bool) or stencil_order not in SECOND_DERIVATIVE_WEIGHTS:
        raise invalid(f"{where}(stencil_order=...)", "2, 4, 6 or 8", stencil_order)


def _second_symbol(n: int, N: int, order: int) -> float:
    weights = SECOND_DERIVATIVE_WEIGHTS[order]
    return -4 * math.fsum(float(c) * math.sin(math.pi * (n * j % N) / N) ** 2 for j, c in enumerate(weights))


def _first_symbol(n: int, N: int, order: int) -> float:
    if 2 * n % N == 0:  # sin(jπ) is 0 at the Nyquist mode, but not its rounded value
        return 0.0
    weights = FIRST_DERIVATIVE_WEIGHTS[order]
    return 2 * math.fsum(float(d) * math.sin(2 * math.pi * (n * j % N) / N) for j, d in enumerate(weights))
