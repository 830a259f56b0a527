"""Mean and spread of the momentum, by the backend's own first derivative."""

import torch

from spectral_ham._internal.checks import check_field
from spectral_ham.execution.fft import transform
from spectral_ham.geometry.torus import on_axis
from spectral_ham.observables._sums import marginals, squared_per_point
from spectral_ham.operators.arguments import check_hamiltonian
from spectral_ham.operators.hamiltonian import Hamiltonian


def momentum(H: Hamiltonian, T: torch.Tensor) -> torch.Tensor:
    """Return ⟨p_j⟩ = ħ Σ_k D_j |T̂_k|² / Σ_k |T̂_k|² for every axis j: real, (d,).

    i·D_j is the backend's symbol of ∂_j: D_j = k_j for "spectral", a modified wavenumber for "fd", and 0 at the
    Nyquist mode of an even N. Undefined (NaN) for T = 0.

    Units:
        ħ/length.

    Example:
        >>> import math, spectral_ham as sh
        >>> torus = sh.Torus((8, 5), lengths=2 * math.pi)
        >>> sh.observables.momentum(sh.Hamiltonian(torus, hbar=0.5), sh.exact.plane_wave(torus, (3, -1)))
        tensor([ 1.5000, -0.5000], dtype=torch.float64)
    """
    check_field("momentum(T)", T, check_hamiltonian("momentum(H)", H).torus.shape)
    return torch.stack([mean for mean, _ in _momentum_moments(H, T)]).to(T.dtype.to_real())


def momentum_spread(H: Hamiltonian, T: torch.Tensor) -> torch.Tensor:
    """Return Δp_j = √⟨(p_j − ⟨p_j⟩)²⟩ for every axis j, p_j as in `momentum`: real, (d,).

    Units:
        ħ/length.

    Example:
        >>> import math, torch, spectral_ham as sh
        >>> x, = (torus := sh.Torus(8, lengths=2 * math.pi)).coordinates()
        >>> sh.observables.momentum_spread(sh.Hamiltonian(torus), torch.cos(2 * x))  # k = 2 and −2, half and half
        tensor([2.], dtype=torch.float64)
    """
    check_field("momentum_spread(T)", T, check_hamiltonian("momentum_spread(H)", H).torus.shape)
    return torch.stack([variance.sqrt() for _, variance in _momentum_moments(H, T)]).to(T.dtype.to_real())


def modified_wavenumbers(H: Hamiltonian, T: torch.Tensor) -> list[torch.Tensor]:
    """Return D of the backend's ∂ ↔ i·D for every axis, as open grids on T's device."""
    axes = range(H.torus.ndim)
    return [on_axis(a, H.kinetic.axis_symbol(a, 1, torch.float64, T.device), H.torus.ndim) for a in axes]


def _momentum_moments(H: Hamiltonian, T: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return mean and variance of ħD per axis, float64."""
    S = squared_per_point(H.torus, transform(T, range(H.torus.ndim)))
    moments = []
    for D, share in zip(modified_wavenumbers(H, T), marginals(H.torus, S), strict=True):
        p = H.hbar * D.flatten()
        mean = (share * p).sum()
        moments.append((mean, (share * (p - mean) ** 2).sum()))
    return moments
