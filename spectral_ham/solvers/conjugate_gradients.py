"""Nonlinear conjugate gradients on a sphere: the point of least energy at fixed norm."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

MAX_ITERATIONS = 2000
FIRST_ANGLE, SMALLEST_ANGLE, LARGEST_ANGLE = 0.1, 1e-5, 1.0

Map = Callable[[torch.Tensor], torch.Tensor]


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What a point of the iteration says of itself.

    Args:
        allowed: residual, relative to ‖T‖, at which the iteration may end.
        rounding: change of the energy per norm that rounding can cause.
        preconditioner: an approximate inverse of the second derivative.
    """

    allowed: float
    rounding: float
    preconditioner: Map


@dataclass(frozen=True, eq=False)
class Minimum:
    """Where the iteration ended.

    Args:
        T: the point.
        residual: ‖G[T] − μT‖/‖T‖.
        allowed: bound of the residual there.
        is_converged: whether residual and energy stand still within their bounds.
    """

    T: torch.Tensor
    residual: float
    allowed: float
    is_converged: bool


def conjugate_gradients(
    T: torch.Tensor,
    *,
    energy: Callable[[torch.Tensor], float],
    gradient: Map,
    surroundings: Callable[[torch.Tensor, float], Surroundings],
    cell_volume: float = 1.0,
) -> Minimum:
    """Return the point of the sphere ‖T‖ = const where the energy E is least: there G[T] = μT.

    Args:
        T: where to start. A stationary T is returned as it is.
        energy: T ↦ E[T].
        gradient: T ↦ G[T] = ∂E/∂T*, per volume.
        surroundings: (T, μ) ↦ bounds and preconditioner, with μ = ⟨T, G[T]⟩/⟨T, T⟩.
        cell_volume: weight of a number in E: dE = 2 Re⟨dT, G[T]⟩·cell_volume.

    Reference:
        Antoine, Levitt & Tang (2017), J. Comput. Phys. 343, 92, section 3, doi:10.1016/j.jcp.2017.04.040.

    Example:
        >>> import torch
        >>> from spectral_ham.solvers.conjugate_gradients import Surroundings, conjugate_gradients
        >>> levels = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
        >>> found = conjugate_gradients(
        ...     torch.ones(3, dtype=torch.float64),
        ...     energy=lambda T: float((levels * T**2).sum()),
        ...     gradient=lambda T: levels * T,
        ...     surroundings=lambda T, mu: Surroundings(1e-9, 1e-14, lambda r: r / levels),
        ... )
        >>> found.is_converged, torch.allclose(found.T.abs(), torch.tensor([3**0.5, 0, 0], dtype=torch.float64))
        (True, True)
    """
    size2 = float(inner(T, T))
    volume = size2 * cell_volume
    G, E = gradient(T), energy(T)
    theta, change = FIRST_ANGLE, 0.0
    p = z_old = torch.zeros_like(T)
    overlap_old = reached = allowed = math.inf
    for _ in range(MAX_ITERATIONS):
        mu = float(inner(T, G)) / size2
        residual = G - mu * T
        reached = math.sqrt(float(inner(residual, residual)) / size2)
        here = surroundings(T, mu)
        allowed = here.allowed
        if reached <= allowed and change <= allowed:
            return Minimum(T, reached, allowed, True)
        z = here.preconditioner(residual)
        overlap = float(inner(residual, z))
        beta = max(0.0, (overlap - float(inner(residual, z_old))) / overlap_old)  # Polak–Ribière
        p = _tangent(beta * p - z, T)
        if float(inner(p, residual)) >= 0:
            p = _tangent(-z, T)
        z_old, overlap_old = z, overlap
        T, G, E_new, theta = _descend(energy, gradient, T, p, G, E + here.rounding * volume, theta)
        change, E = abs(E - E_new) / volume, E_new
    return Minimum(T, reached, allowed, False)


def inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return Re Σ a*·b."""
    product: torch.Tensor = torch.linalg.vecdot(a.flatten(), b.flatten()).real
    return product


def _tangent(p: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Return the part of p that keeps T's norm."""
    return p - (inner(T, p) / inner(T, T)) * T


def _descend(
    energy: Callable[[torch.Tensor], float],
    gradient: Map,
    T: torch.Tensor,
    p: torch.Tensor,
    G: torch.Tensor,
    E_max: float,
    theta: float,
) -> tuple[torch.Tensor, torch.Tensor, float, float]:
    """Return the point T(θ) = cos θ·T + sin θ·p of the great circle where the slope of the energy is 0, by one secant.

    Slopes, 2 Re⟨dT/dθ, G[T(θ)]⟩, tell more than energies, whose differences drown in rounding at residuals of 1e-8.
    Energies only guard: one above ``E_max`` shortens θ.
    """
    p = p * (torch.linalg.vector_norm(T) / torch.linalg.vector_norm(p))
    cos, sin = math.cos(theta), math.sin(theta)
    slope = float(inner(p, G))
    slope_there = float(inner(cos * p - sin * T, gradient(cos * T + sin * p)))
    best = theta * slope / (slope - slope_there) if slope_there > slope else 2 * theta
    theta = min(best, LARGEST_ANGLE)
    while True:
        there = math.cos(theta) * T + math.sin(theta) * p
        E = energy(there)
        if theta < SMALLEST_ANGLE or E_max >= E:
            return there, gradient(there), E, max(theta, SMALLEST_ANGLE)
        theta /= 4
