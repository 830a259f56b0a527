"""Observables: what a field shows. Pure, differentiable functions that return tensors and never wait for a device.

The first argument is the torus, or H where the operator takes part; the second is the field T, grid axes first.
Nothing renormalizes T: ‖T‖² is what it is, and means are divided by it openly. The energy is `Hamiltonian.energy`.
"""

from spectral_ham.observables.fields import (
    current,
    density,
    fidelity,
    momentum,
    momentum_spread,
    norm,
    position,
    position_spread,
    spectrum,
    spectrum_tail,
)

__all__ = [
    "current",
    "density",
    "fidelity",
    "momentum",
    "momentum_spread",
    "norm",
    "position",
    "position_spread",
    "spectrum",
    "spectrum_tail",
]
