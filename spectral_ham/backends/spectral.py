"""The Fourier spectral backend: derivatives that are exact for every mode that the grid resolves."""

import math
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch

from spectral_ham._internal.typing import BackendName
from spectral_ham.backends.base import Backend, Stencil, without_nyquist
from spectral_ham.geometry.torus import mode_numbers


@final
@dataclass(frozen=True)
class Spectral(Backend):
    """∂² ↔ −k² and ∂ ↔ i·k with k = 2πn/L: exact for |n| < N/2.

    The Nyquist mode of even N is kept in k² and zeroed in k.

    Args:
        stencil_order: accepted and unused, so that flipping the flag between backends is enough.

    Reference:
        Trefethen, Spectral Methods in MATLAB (2000), chapter 3, doi:10.1137/1.9780898719598.

    Example:
        >>> import math
        >>> Spectral().second_derivative_symbol(4, math.pi / 2)
        tensor([-0., -1., -4., -1.], dtype=torch.float64)
        >>> Spectral().first_derivative_symbol(4, math.pi / 2)
        tensor([ 0.,  1.,  0., -1.], dtype=torch.float64)
    """

    stencil_order: int = field(default=2, compare=False, repr=False)
    name: ClassVar[BackendName] = "spectral"

    @property
    def min_points(self) -> int:
        """One point is enough: it carries the constant mode."""
        return 1

    @property
    def stencil(self) -> Stencil | None:
        """None: the spectral derivative couples all points of an axis."""
        return None

    def second_derivative_symbol(self, n: int, spacing: float) -> torch.Tensor:
        """Return −k²."""
        return -(_wavenumbers(n, spacing) ** 2)

    def first_derivative_symbol(self, n: int, spacing: float) -> torch.Tensor:
        """Return k, zero at the Nyquist mode."""
        return without_nyquist(_wavenumbers(n, spacing))


def _wavenumbers(n: int, spacing: float) -> torch.Tensor:
    return mode_numbers(n) * (2 * math.pi / (n * spacing))
