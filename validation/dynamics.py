"""What the studies of time evolution share: a potential that does not commute, a field, references, distances."""

import math

import torch

import spectral_ham as sh
from validation.cases import budget, random_field

EPS = torch.finfo(torch.float64).eps


def coupled_potential(torus: sh.Torus, phase: float = 0.0) -> torch.Tensor:
    """Return 1.5 cos(ax − phase) cos(by + 0.4) + 0.7 sin(ax + by): smooth, and not a sum of one function per axis."""
    a, b = (
        2 * math.pi * (x - start) / L
        for x, start, L in zip(torus.coordinates(), torus.origin, torus.lengths, strict=True)
    )
    V: torch.Tensor = 1.5 * torch.cos(a - phase) * torch.cos(b + 0.4) + 0.7 * torch.sin(a + b)
    return V


def smooth_field(torus: sh.Torus, seed: int, *channels: int) -> torch.Tensor:
    """Return a random field whose high modes are rarer, Σ|T|² = 1."""
    T = random_field((*torus.shape, *channels), seed)
    T = sh.Laplacian(torus).function(lambda s: 1 / (1 - s) ** 2)(T)
    norm: torch.Tensor = torch.linalg.vector_norm(T)
    return T / norm


def gap(T: torch.Tensor, expected: torch.Tensor) -> float:
    """Return ‖T − expected‖₂/‖expected‖₂."""
    return float(torch.linalg.vector_norm(T - expected) / torch.linalg.vector_norm(expected))


def phase_budget(H: sh.Hamiltonian, time: float, steps: int = 1) -> float:
    """Return 16 eps·(steps + |t|·max|E|/ħ): each step rounds once, and so does the phase E·t/ħ."""
    return budget(torch.complex128) * (steps + abs(time) * max(map(abs, H.spectral_bounds())) / float(H.hbar))
