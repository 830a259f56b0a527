"""What a backend is: the Fourier symbols of ∂ and ∂² on one axis, and the stencil weights if it has a stencil."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch

from spectral_ham._internal.typing import BackendName


@dataclass(frozen=True)
class Stencil:
    """Weights of ∂² and ∂ on a uniform grid of spacing 1, for the offsets 0, 1, …, R.

    ∂²: T_j ↦ w_0 T_j + Σ_r w_r (T_{j+r} + T_{j−r}) with ``second = (w_0, …, w_R)``;
    ∂: T_j ↦ Σ_r d_r (T_{j+r} − T_{j−r}) with ``first = (0, d_1, …, d_R)``.
    """

    second: tuple[float, ...]
    first: tuple[float, ...]


class Backend(ABC):
    """A discretization of ∂ and ∂² on one periodic axis. It describes; no field ever passes through it.

    Final classes are frozen dataclasses, so that equal backends share their cached tables.
    """

    name: ClassVar[BackendName]
    stencil_order: int
    """The argument that it was made with: backends are rebuilt from (name, stencil_order)."""

    @property
    @abstractmethod
    def min_points(self) -> int:
        """The fewest points per axis on which the discretization is defined."""

    @property
    @abstractmethod
    def stencil(self) -> Stencil | None:
        """The local stencil, or None if every point sees every other."""

    @abstractmethod
    def second_derivative_symbol(self, n: int, spacing: float) -> torch.Tensor:
        """Return the real symbol of ∂², −(modified wavenumber)² ≤ 0, in FFT order: (n,), float64, CPU."""

    @abstractmethod
    def first_derivative_symbol(self, n: int, spacing: float) -> torch.Tensor:
        """Return D where i·D is the symbol of ∂, in FFT order: (n,), float64, CPU.

        D is real and odd, so its Nyquist entry (even n) is 0: ∂ of a real field is real.
        """


def without_nyquist(symbol: torch.Tensor) -> torch.Tensor:
    """Zero the Nyquist entry of an odd symbol (even N): k and −k are one mode there, so only 0 is odd.

    Example:
        >>> import torch
        >>> without_nyquist(torch.tensor([0.0, 1.0, -2.0, -1.0], dtype=torch.float64)).tolist()
        [0.0, 1.0, 0.0, -1.0]
    """
    n = symbol.shape[0]
    if n % 2 == 0:
        symbol[n // 2] = 0.0
    return symbol
