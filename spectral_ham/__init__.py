"""Hamiltonian operators for tensor fields on a periodic torus with an anisotropic metric.

H[T] = -(ħ²/2m) Σ_ij g^ij ∂_i ∂_j T + V·T

The public names stand in ``__init__.pyi``; each is imported when it is first asked for.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
