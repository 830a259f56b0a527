"""The state of lowest energy at fixed norm, for an H that may be nonlinear: preconditioned conjugate gradients."""

import math

import torch

from spectral_ham.errors import SolverError
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.operators.multiplier import FourierMultiplier

MAX_ITERATIONS = 2000
FIRST_ANGLE, SMALLEST_ANGLE, LARGEST_ANGLE = 0.1, 1e-5, 1.0

ROUNDING = 32 * torch.finfo(torch.float64).eps
"""A residual cannot be asked to fall below this share of the width of the spectrum: H itself is no more precise."""


def minimized(H: Hamiltonian, T: torch.Tensor, tol: float) -> torch.Tensor:
    """Return the state that T leads to, of T's norm, at which H.energy is least: there H[T] = μT.

    Args:
        H: Hermitian, independent of time, with a defined energy.
        T: where to start, in double precision. A stationary T is returned as it is.
        tol: bound of ‖H[T] − μT‖/‖T‖, and of the last change of the energy per norm, relative to μ − V_min.

    Raises:
        SolverError: not within 2000 iterations.

    Reference:
        Antoine, Levitt & Tang (2017), J. Comput. Phys. 343, 92, section 3, doi:10.1016/j.jcp.2017.04.040.
    """
    size2, kinetic_max = float(inner(T, T)), float(kinetic_energies(H).max())
    HT, E = H(T), float(H.energy(T))
    theta, change = FIRST_ANGLE, 0.0
    p = z_old = torch.zeros_like(T)
    overlap_old = math.inf
    reached = allowed = math.inf
    for _ in range(MAX_ITERATIONS):
        mu = float(inner(T, HT)) / size2
        residual = HT - mu * T
        reached = math.sqrt(float(inner(residual, residual)) / size2)
        V_min, V_max = H.potential_at(0.0, T).bounds()  # type: ignore[union-attr]  # V is there: H is nonlinear
        rounding = ROUNDING * (kinetic_max + V_max - V_min)
        allowed = max(tol * (mu - V_min), rounding)
        if reached <= allowed and change <= allowed:
            return T
        z = kinetic_inverse(H, max(mu - V_min, softest_kinetic(H)))(residual)
        overlap = float(inner(residual, z))
        beta = max(0.0, (overlap - float(inner(residual, z_old))) / overlap_old)  # Polak–Ribière
        p = _tangent(beta * p - z, T)
        if float(inner(p, residual)) >= 0:
            p = _tangent(-z, T)
        z_old, overlap_old = z, overlap
        volume = size2 * H.torus.cell_volume
        T, HT, E_new, theta = _descend(H, T, p, HT, E + rounding * volume, theta)
        change, E = abs(E - E_new) / volume, E_new
    raise not_converged("ground_state", reached, allowed)


def _tangent(p: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Return the part of p that keeps T's norm."""
    return p - (inner(T, p) / inner(T, T)) * T


def _descend(
    H: Hamiltonian, T: torch.Tensor, p: torch.Tensor, HT: torch.Tensor, E_max: float, theta: float
) -> tuple[torch.Tensor, torch.Tensor, float, float]:
    """Return the point T(θ) = cos θ·T + sin θ·p of the great circle where the slope of the energy is 0, by one secant.

    Slopes, 2 Re⟨dT/dθ, H[T(θ)]⟩, tell more than energies, whose differences drown in rounding at residuals of 1e-8.
    Energies only guard: one above ``E_max`` shortens θ.
    """
    p = p * (torch.linalg.vector_norm(T) / torch.linalg.vector_norm(p))
    cos, sin = math.cos(theta), math.sin(theta)
    slope = float(inner(p, HT))
    slope_there = float(inner(cos * p - sin * T, H(cos * T + sin * p)))
    best = theta * slope / (slope - slope_there) if slope_there > slope else 2 * theta
    theta = min(best, LARGEST_ANGLE)
    while True:
        there = math.cos(theta) * T + math.sin(theta) * p
        E = float(H.energy(there))
        if theta < SMALLEST_ANGLE or E_max >= E:
            return there, H(there), E, max(theta, SMALLEST_ANGLE)
        theta /= 4


def inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return Re Σ a*·b."""
    product: torch.Tensor = torch.linalg.vecdot(a.flatten(), b.flatten()).real
    return product


def kinetic_energies(H: Hamiltonian) -> torch.Tensor:
    """Return the symbol of K over all modes."""
    return H.kinetic.symbol(torch.float64, torch.device("cpu")).detach()


def kinetic_inverse(H: Hamiltonian, shift: float) -> FourierMultiplier:
    """Return (K + shift)⁻¹."""
    return H.kinetic_function(lambda E: 1 / (E.detach() + shift))


def softest_kinetic(H: Hamiltonian) -> float:
    """Return the smallest kinetic energy above 0, or 1 on a single point."""
    E = kinetic_energies(H)
    return float(E[E > 0].min()) if bool((E > 0).any()) else 1.0


def smooth_fields(H: Hamiltonian, channels: tuple[int, ...] = ()) -> torch.Tensor:
    """Return fields without any symmetry whose low modes prevail: starts that overlap with every low state."""
    shape = (*H.torus.shape, *channels)
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    smoothing = kinetic_inverse(H, softest_kinetic(H))
    return smoothing(smoothing(noise))


def not_converged(where: str, reached: float, allowed: float) -> SolverError:
    """Return the error that says how far an iteration has come."""
    return SolverError(
        f"`{where}` must reach a residual of {allowed:.3g}, but stays at {reached:.3g}. Raise tol, give a T0 that is "
        "closer, or ask for a state more or less, so that no degenerate level is cut."
    )
