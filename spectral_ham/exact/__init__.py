"""Exact solutions on the periodic torus, to judge the numerical code by.

Everything here follows from the formulas alone: no backend, no execution, no propagator takes part.
Continuum answers: `plane_wave`, `CosineLattice`, `ManufacturedField`. Answers for the finite-difference
grid itself: `fd_plane_wave_symbol`, `fd_plane_wave_energy`, `leading_error_constant`.
"""

from spectral_ham.exact.cosine import CosineLattice
from spectral_ham.exact.finite_difference import (
    FIRST_DERIVATIVE_WEIGHTS,
    SECOND_DERIVATIVE_WEIGHTS,
    fd_plane_wave_energy,
    fd_plane_wave_symbol,
    leading_error_constant,
)
from spectral_ham.exact.manufactured import ManufacturedField
from spectral_ham.exact.plane_wave import plane_wave, plane_wave_energy, plane_wave_symbol

__all__ = [
    "plane_wave",
    "plane_wave_energy",
    "plane_wave_symbol",
    "fd_plane_wave_energy",
    "fd_plane_wave_symbol",
    "leading_error_constant",
    "FIRST_DERIVATIVE_WEIGHTS",
    "SECOND_DERIVATIVE_WEIGHTS",
    "CosineLattice",
    "ManufacturedField",
]
