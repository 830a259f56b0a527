"""Hamiltonian operators for tensor fields on a periodic torus with an anisotropic metric.

H[T] = -(ħ²/2m) Σ_ij g^ij ∂_i ∂_j T + V·T
"""

from spectral_ham._cache import clear_cache
from spectral_ham._checks import LargeMetricWarning, NotHermitianError, UnsupportedDTypeError
from spectral_ham.metric import InverseMetric
from spectral_ham.torus import Torus

__version__ = "0.1.0"

__all__ = [
    # geometry
    "Torus",
    "InverseMetric",
    # housekeeping
    "clear_cache",
    # named errors and warnings
    "UnsupportedDTypeError",
    "NotHermitianError",
    "LargeMetricWarning",
]
