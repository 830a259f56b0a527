"""Stability: the longest time step at which a method is stable."""

import math

import torch

from spectral_ham._internal.checks import check_option, invalid
from spectral_ham.errors import NotHermitianError
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.potentials.pointwise import real_range
from spectral_ham.propagators import METHODS, SCHEMES
from spectral_ham.propagators.runge_kutta import REAL_STABILITY_LIMIT, STABILITY_LIMIT

ETDRK4_LIMIT = 0.4987
"""dt·|V|/ħ at which some mode grows by 1e-3 per ETDRK4 step in real time (measured over all kinetic energies).

Strictly no dt is stable: the worst mode grows by 1e-6 at 0.1, by 1e-3 at 0.5, by 2e-2 at 1, by 1.5e-1 at 2.
"""

EXPLICIT_LIMITS = {
    "euler": (0.0, 2.0),
    "rk4": (STABILITY_LIMIT, REAL_STABILITY_LIMIT),
    "leapfrog": (1.0, 0.0),
    "etdrk4": (ETDRK4_LIMIT, REAL_STABILITY_LIMIT),
}
"""Method → the limits of dt·E/ħ in real and in imaginary time (ETDRK4: of dt·V/ħ)."""

RELATIVE_STEP = 1e-3

Range = tuple[float, float]


def max_stable_dt(
    H: Hamiltonian, method: str, *, T: torch.Tensor | None = None, t: float = 0.0, imaginary: bool = False
) -> float:
    """Return the longest dt at which no mode grows without bound (in imaginary time: at which no decaying mode grows).

    | method | real time | imaginary time |
    |---|---|---|
    | "euler", T + zH[T] | 0: unstable at every dt | 2·ħ/E_max |
    | "rk4" | √8·ħ/max|E| | 2.785·ħ/E_max |
    | "leapfrog", T(t+dt) = T(t−dt) − 2i·dt·H[T]/ħ | ħ/max|E| | 0: unstable at every dt |
    | "etdrk4" | 0.4987·ħ/max|V|, measured: see `ETDRK4_LIMIT` | 2.785·ħ/V_max |
    | splittings, linear H | ∞ | ∞, or 0 where a substep runs backwards |
    | splittings, nonlinear V[T] | πħ/(K_max + max(γ + β·|γ|)) | as for linear H |
    | all others | ∞ | ∞ |

    E, K and V run over `Hamiltonian.spectral_bounds`, the kinetic symbol and the potential. The bounds enclose the
    spectrum, so the true limit is never below the result; it is the result where V is constant.

    A splitting with a nonlinear V turns unstable where a mode gains the phase π per step: pairs k, −k then resonate
    with the background. For a weak V = g|T|² that is dt < 2m·Δ²/(πħg^xx) in 1-D (Weideman & Herbst); the interaction
    moves and widens the resonance, to first order by γ + β·|γ| with γ = n·∂V/∂n at the density n and β = Σ|b_i| of
    the scheme. For a plane wave under "lie" or "strang" (β = 1) that is the limit itself, for other schemes a safe
    one; solitons can differ.

    Args:
        H: the Hamiltonian; Hermitian where its bounds are needed.
        method: a name of `propagators.METHODS`, "euler" or "leapfrog".
        T: the field in which a nonlinear V is taken, linearized: V + n·∂V/∂n. Splittings do without (then γ = 0).
        t: time, for a potential V(t).
        imaginary: imaginary instead of real time.

    Units:
        Those of ħ/energy.

    Raises:
        ValueError: an unknown method; an explicit one with a nonlinear V but no T; a V that is not Hermitian.

    Reference:
        Leforestier et al. (1991), J. Comput. Phys. 94, 59, doi:10.1016/0021-9991(91)90137-A (leapfrog, Euler);
        Weideman & Herbst (1986), SIAM J. Numer. Anal. 23, 485, doi:10.1137/0723033 (nonlinear splitting);
        Buvoli & Minion (2022), J. Comput. Appl. Math. 409, 114126, doi:10.1016/j.cam.2022.114126 (ETDRK4 unstable).

    Example:
        >>> import spectral_ham as sh
        >>> from spectral_ham.analysis.stability import max_stable_dt
        >>> H = sh.Hamiltonian(sh.Torus(8), backend="fd")  # energies from 0 to 2
        >>> [round(max_stable_dt(H, method), 4) for method in ("euler", "rk4", "leapfrog", "strang")]
        [0.0, 1.4142, 0.5, inf]
    """
    check_option("max_stable_dt(method=...)", method, (*METHODS, "euler", "leapfrog"))
    if method in SCHEMES:
        return _splitting_limit(H, method, T, t, imaginary=imaginary)
    if method not in EXPLICIT_LIMITS:
        return math.inf
    low, high = potential_range(H, T, t)
    if method != "etdrk4":
        K_low, K_high = H.kinetic_bounds
        low, high = low + K_low, high + K_high
    largest = high if imaginary else max(abs(low), abs(high))
    return EXPLICIT_LIMITS[method][imaginary] * hbar_of(H) / largest if largest > 0 else math.inf


def hbar_of(H: Hamiltonian) -> float:
    """Return the value of ħ, which may be a tensor that needs a gradient.

    Example:
        >>> import spectral_ham as sh
        >>> from spectral_ham.analysis.stability import hbar_of
        >>> hbar_of(sh.Hamiltonian(sh.Torus(8), hbar=0.5))
        0.5
    """
    return float(H.hbar.detach()) if isinstance(H.hbar, torch.Tensor) else H.hbar


def energy_width(H: Hamiltonian, T: torch.Tensor, t: float) -> float:
    """Return E_max − E_min of the bounds, V[T] linearized at T.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.analysis.stability import energy_width
        >>> energy_width(sh.Hamiltonian(sh.Torus(8), backend="fd"), torch.ones(8), 0.0)
        2.0
    """
    return sum(high - low for low, high in (H.kinetic_bounds, potential_range(H, T, t)))


def is_hermitian_at(H: Hamiltonian, t: float) -> bool:
    """Tell whether H is Hermitian at time t; V[T] is real.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.analysis.stability import is_hermitian_at
        >>> H = sh.Hamiltonian(sh.Torus(8), potential=lambda t: torch.full((8,), 1j * t, dtype=torch.complex128))
        >>> is_hermitian_at(H, 0.0), is_hermitian_at(H, 1.0)
        (True, False)
    """
    V = H.potential_at(t) if H.is_linear else None
    return V is None or V.is_hermitian


def potential_range(H: Hamiltonian, T: torch.Tensor | None = None, t: float = 0.0) -> Range:
    """Return the smallest and the largest eigenvalue of V; of V + n·∂V/∂n in the state T for a nonlinear V.

    Raises:
        ValueError: a V that is not Hermitian, or a nonlinear one and no T.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.analysis.stability import potential_range
        >>> H = sh.Hamiltonian(sh.Torus(4), potential=sh.GrossPitaevskii(g=3.0))
        >>> low, high = potential_range(H, torch.ones(4, dtype=torch.complex128))  # 2gn
        >>> round(low, 9), round(high, 9)
        (6.0, 6.0)
    """
    if not H.is_linear and T is None:
        raise invalid("max_stable_dt(T=...)", "the field in which the nonlinear potential is taken", None)
    V = H.potential_at(t, T)
    if V is None:
        return 0.0, 0.0
    if not V.is_hermitian:
        raise NotHermitianError(
            "`max_stable_dt(H, ...)` must be called for a Hermitian H, but the potential is not Hermitian: "
            "its eigenvalues are not real. Pass its Hermitian part."
        )
    return V.bounds() if H.is_linear or T is None else real_range(V.values + _density_slope(H, T, t))


def _density_slope(H: Hamiltonian, T: torch.Tensor, t: float) -> torch.Tensor:
    """Return n·∂V/∂n, from V at (1 ± ε)T: (1 ± ε)² scales n."""
    with torch.no_grad():
        up, down = (H.potential_at(t, (1 + sign * RELATIVE_STEP) * T) for sign in (1, -1))
    if up is None or down is None:
        return torch.zeros(H.torus.shape, dtype=torch.float64)
    return (up.values - down.values) / (4 * RELATIVE_STEP)


def _splitting_limit(H: Hamiltonian, method: str, T: torch.Tensor | None, t: float, *, imaginary: bool) -> float:
    scheme = SCHEMES[method]
    if imaginary:
        return math.inf if scheme.is_forward else 0.0
    if H.is_linear:
        return math.inf
    slopes = (0.0, 0.0) if T is None else real_range(_density_slope(H, T, t))
    beta = math.fsum(map(abs, scheme.potential))
    phase_rate = H.kinetic_bounds[1] + max(slope + beta * abs(slope) for slope in slopes)
    return math.pi * hbar_of(H) / phase_rate if phase_rate > 0 else math.inf
