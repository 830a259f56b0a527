"""All plane waves of a grid at once, their exact energies, and the backward error of an operator on them."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

import spectral_ham as sh
from spectral_ham.exact import fd_plane_wave_energy, plane_wave, plane_wave_energy
from validation.cases import UNITS

Modes = tuple[int, ...]
Units = Mapping[str, float]

AMPLITUDE = 0.6 - 0.8j
"""Of modulus 1, with a phase that no symmetry of a grid has."""

CHUNK_NUMBERS = 2**21
"""Complex numbers per chunk of waves: 32 MB in double precision."""


def all_modes(torus: sh.Torus) -> list[Modes]:
    """Return every mode of the grid: −N/2 < n ≤ N/2 on each axis."""
    return list(itertools.product(*(range(-((N - 1) // 2), N // 2 + 1) for N in torus.shape)))


def nyquist_axes(torus: sh.Torus, modes: Modes) -> list[int]:
    """Return the axes on which the wave alternates from point to point (even N, n = N/2)."""
    return [axis for axis, (n, N) in enumerate(zip(modes, torus.shape, strict=True)) if 2 * n == N]


def spectral_energy(torus: sh.Torus, modes: Modes, metric: sh.InverseMetric, units: Units = UNITS) -> float:
    """Return the energy of a wave on a spectral grid: the continuum's, without the cross terms of Nyquist axes.

    At n = N/2 the grid cannot tell k from −k: an odd derivative has no value there but 0, while k² is what it is.
    """
    alternating = nyquist_axes(torus, modes)
    if alternating and metric.tensor.ndim == 2:
        g = metric.tensor.clone()
        for axis in alternating:
            own = float(g[axis, axis])
            g[axis, :], g[:, axis] = 0.0, 0.0
            g[axis, axis] = own
        metric = sh.InverseMetric(g)
    return plane_wave_energy(torus, modes, metric, **units)


def energies(
    torus: sh.Torus,
    waves: Sequence[Modes],
    metric: sh.InverseMetric,
    backend: str,
    stencil_order: int = 2,
    units: Units = UNITS,
) -> torch.Tensor:
    """Return the exact energy of each wave on the grid of ``backend``: float64, (waves,)."""
    if backend == "spectral":
        listed = [spectral_energy(torus, modes, metric, units) for modes in waves]
    else:
        listed = [fd_plane_wave_energy(torus, modes, metric, stencil_order, **units) for modes in waves]
    return torch.tensor(listed, dtype=torch.float64)


def largest_energy(
    torus: sh.Torus, metric: sh.InverseMetric, backend: str, stencil_order: int = 2, units: Units = UNITS
) -> float:
    """Return max|symbol| of the kinetic part of H: the largest exact energy among the corners of the Fourier grid.

    A quadratic form is largest in a corner. So is the symbol of fd without cross terms; with them its maximum can be
    larger, and a bound that is built on this number stricter.
    """
    corners = itertools.product(*({-((N - 1) // 2), (N - 1) // 2, N // 2} for N in torus.shape))
    return float(energies(torus, list(corners), metric, backend, stencil_order, units).max())


def wave_chunks(torus: sh.Torus, waves: Sequence[Modes]) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield the waves as channels, a chunk at a time: torus.shape + (waves in the chunk,), complex128."""
    step = max(1, CHUNK_NUMBERS // torus.size)
    for start in range(0, len(waves), step):
        chunk = waves[start : start + step]
        fields = torch.stack([plane_wave(torus, modes, amplitude=AMPLITUDE) for modes in chunk], dim=-1)
        yield slice(start, start + len(chunk)), fields


def residuals(H: Any, T: torch.Tensor, E: torch.Tensor | float) -> torch.Tensor:
    """Return max|HT − E T| over the grid for each channel, the difference taken in double precision.

    Args:
        H: an operator on fields.
        T: grid axes, then one channel axis.
        E: one energy, or one per channel.
    """
    wide = torch.complex128 if T.is_complex() else torch.float64
    difference: torch.Tensor = (H(T).to(wide) - E * T.to(wide)).abs()
    return difference.flatten(0, -2).amax(0)


def relative_residuals(H: Any, T: torch.Tensor, E: torch.Tensor, scale: float) -> torch.Tensor:
    """Return the backward error of each channel: ‖HT − E T‖_max / (scale · max|T|)."""
    return residuals(H, T, E) / (scale * float(T.abs().max()))
