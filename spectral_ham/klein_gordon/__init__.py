"""The Klein–Gordon equation of a pair (T, P), second order in time."""

from spectral_ham.klein_gordon.exact import ExactWave
from spectral_ham.klein_gordon.schemes import STABILITY_LIMITS, WAVE_SCHEMES
from spectral_ham.klein_gordon.symplectic import SymplecticWave
from spectral_ham.klein_gordon.wave_equation import Nudge, State, WaveEquation

__all__ = [
    "STABILITY_LIMITS",
    "WAVE_SCHEMES",
    "ExactWave",
    "Nudge",
    "State",
    "SymplecticWave",
    "WaveEquation",
]
