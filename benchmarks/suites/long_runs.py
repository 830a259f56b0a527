"""Long Strang runs: what a million steps do to the norm, and whether a hundred thousand can be undone."""

import math
from typing import Any

import torch

import spectral_ham as sh

PART = "long-runs"
SHAPE = (16, 16)
DT = 0.05
BLOCK = 5000
MILLION, HUNDRED_THOUSAND = 10**6, 10**5


def stepper(dt: float) -> sh.propagators.Propagator:
    """Return Strang steps in a lattice that does not separate, on a 16² grid."""
    torus = sh.Torus(SHAPE, lengths=(5.0, 4.0))
    x, y = torus.coordinates()
    V = 1.5 * torch.cos(2 * math.pi * x / 5) * torch.cos(2 * math.pi * y / 4)
    H = sh.Hamiltonian(torus, inverse_metric=(1.2, 0.7), potential=V, hbar=0.8, mass=1.3)
    return sh.propagators.propagator("strang", H, dt)


def start(dtype: torch.dtype) -> torch.Tensor:
    """Return a fixed random field of unit norm."""
    T = torch.randn(*SHAPE, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    return (T / torch.linalg.vector_norm(T)).to(dtype)


def advance(T: torch.Tensor, dt: float, steps: int) -> torch.Tensor:
    """Return T after many steps, half steps merged within blocks."""
    step = stepper(dt)
    for _ in range(steps // BLOCK):
        T = step.advance(T, BLOCK)
    return T


def norm_drift(dtype: torch.dtype, steps: int) -> float:
    """Return ‖T(end)‖/‖T₀‖ − 1."""
    T = start(dtype)
    before, after = (float(torch.linalg.vector_norm(x.to(torch.complex128))) for x in (T, advance(T, DT, steps)))
    return after / before - 1


def return_error(steps: int) -> float:
    """Return ‖back(forth(T₀)) − T₀‖ in complex128."""
    T = start(torch.complex128)
    return float(torch.linalg.vector_norm(advance(advance(T, DT, steps), -DT, steps) - T))


def measure(scale: float = 1.0) -> list[dict[str, Any]]:
    """Return one row per run."""
    million, hundred_thousand = (int(n * scale) // BLOCK * BLOCK for n in (MILLION, HUNDRED_THOUSAND))
    found: list[dict[str, Any]] = []
    with torch.inference_mode():
        for dtype in ("complex128", "complex64"):
            value = norm_drift(getattr(torch, dtype), million)
            found.append({"name": f"norm drift, {dtype}", "steps": million, "value": value})
        back = return_error(hundred_thousand)
    return [*found, {"name": "forward and back, complex128", "steps": hundred_thousand, "value": back}]
