"""Observables: what a field shows. Pure, differentiable functions that return tensors and never wait for a device.

The first argument is the torus, or H where the operator takes part; the second is the field T, grid axes first.
No function normalizes T: a mean is divided by ‖T‖² where it is formed. The energy is `Hamiltonian.energy`.
"""

from spectral_ham.observables.densities import current, density
from spectral_ham.observables.momenta import momentum, momentum_spread
from spectral_ham.observables.norms import fidelity, norm
from spectral_ham.observables.positions import position, position_spread
from spectral_ham.observables.spectra import spectrum, spectrum_tail

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
