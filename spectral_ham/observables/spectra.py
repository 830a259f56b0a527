"""The power spectrum, and its share at high wavenumbers."""

import math

import torch

from spectral_ham._internal.checks import as_number, as_real, check_field, invalid
from spectral_ham._internal.memo import geometry_memo
from spectral_ham.execution.fft import transform
from spectral_ham.geometry.torus import Torus, as_torus, mode_numbers, on_axis
from spectral_ham.observables._sums import squared_per_point


def spectrum(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return S_k = (ΔV/N) Σ_channels |T̂_k|² for every mode, N grid points: real, torus.shape, in FFT order.

    Σ_k S_k = ‖T‖² (Parseval).

    Units:
        [T]²·length^d.

    Example:
        >>> import spectral_ham as sh
        >>> torus = sh.Torus(4, lengths=2.0)
        >>> S = sh.observables.spectrum(torus, sh.exact.plane_wave(torus, 1))  # ‖T‖² = 2, in one mode
        >>> [round(share, 9) for share in S.tolist()]
        [0.0, 2.0, 0.0, 0.0]
    """
    check_field("spectrum(T)", T, as_torus("spectrum(torus)", torus).shape)
    return squared_per_point(torus, transform(T, range(torus.ndim))) * (torus.cell_volume / torus.size)


def spectrum_tail(torus: Torus, T: torch.Tensor, fraction: float = 1 / 3) -> torch.Tensor:
    """Return the share of Σ|T̂_k|² with |k_i| > (1 − fraction)·π/Δ_i on any axis i: 0-d, real, in [0, 1].

    A field that the grid resolves has next to nothing there; 1/3 is what the product of two fields can alias into.

    Args:
        torus: the grid.
        T: a field.
        fraction: how much of each axis's wavenumbers is tail, in (0, 1].

    Raises:
        ValueError: a fraction outside (0, 1].

    Example:
        >>> import math, torch, spectral_ham as sh
        >>> x, = (torus := sh.Torus(12, lengths=2 * math.pi)).coordinates()
        >>> T = torch.exp(1j * x) + 0.5 * torch.exp(5j * x)  # |n| > 4 holds 0.25 of 1.25
        >>> sh.observables.spectrum_tail(torus, T)
        tensor(0.2000, dtype=torch.float64)
    """
    where = "spectrum_tail(fraction=...)"
    if as_number(where, fraction, positive=True) > 1:
        raise invalid(where, "at most 1", fraction)
    check_field("spectrum_tail(T)", T, as_torus("spectrum_tail(torus)", torus).shape)
    S = spectrum(torus, T).to(torch.float64)
    return (torch.vdot(_high_modes(torus, fraction, S.device), S.flatten()) / S.sum()).to(as_real(T.dtype))


def _high_modes(torus: Torus, fraction: float, device: torch.device) -> torch.Tensor:
    """Return 1 for modes with |n_i| > (1 − fraction)·N_i/2 on any axis, else 0: (N,), kept."""

    def build() -> torch.Tensor:
        high = torch.zeros(torus.shape, dtype=torch.bool, device="cpu")
        for axis, n in enumerate(torus.shape):
            high |= on_axis(axis, mode_numbers(n).abs() > math.floor((1 - fraction) * n / 2), torus.ndim)
        return high.flatten().to(device, torch.float64)

    return geometry_memo.get(("high modes", torus.shape, fraction, device), build)
