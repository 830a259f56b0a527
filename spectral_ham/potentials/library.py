"""Potentials by name, as tensors: real, float64, of the torus's shape.

The torus closes on itself, so a potential that is not periodic has a kink at the seam, half a period from its
center, where a spectral method sees its Fourier coefficients fall off slowly. Each such formula has a smooth
periodic twin with the same curvature at the center.
"""

import math

import torch

from spectral_ham._internal.checks import as_number, as_per_axis, invalid
from spectral_ham._internal.typing import PerAxis
from spectral_ham.geometry.torus import Torus, as_torus


def zero(torus: Torus) -> torch.Tensor:
    """V = 0.

    Example:
        >>> import spectral_ham as sh
        >>> sh.potentials.zero(sh.Torus(2))
        tensor([0., 0.], dtype=torch.float64)
    """
    return constant(torus, 0.0)


def constant(torus: Torus, value: float) -> torch.Tensor:
    """V = value everywhere.

    Example:
        >>> import spectral_ham as sh
        >>> sh.potentials.constant(sh.Torus(2), 1.5)
        tensor([1.5000, 1.5000], dtype=torch.float64)
    """
    return torch.full(
        as_torus("potentials.constant(torus)", torus).shape,
        as_number("constant(value=...)", value),
        dtype=torch.float64,
        device="cpu",
    )


def harmonic(torus: Torus, stiffness: PerAxis = 1.0, center: PerAxis | None = None) -> torch.Tensor:
    """V = ½ Σ_i κ_i d_i², d_i the distance to the nearest image of the center along axis i. Kinked at the seam.

    Args:
        torus: where.
        stiffness: κ, one number or one per axis (energy per length²).
        center: where V = 0, one number or one per axis; by default the middle of the torus.

    Example:
        >>> import spectral_ham as sh
        >>> sh.potentials.harmonic(sh.Torus(4), stiffness=2.0)
        tensor([4., 1., 0., 1.], dtype=torch.float64)
    """
    as_torus("potentials.harmonic(torus)", torus)
    kappa = as_per_axis("harmonic(stiffness=...)", stiffness, torus.ndim)
    return _sum(torus, [0.5 * k * d**2 for k, d in zip(kappa, _displacements(torus, center), strict=True)])


def periodic_harmonic(torus: Torus, stiffness: PerAxis = 1.0, center: PerAxis | None = None) -> torch.Tensor:
    """V = ½ Σ_i κ_i (L_i/π)² sin²(π d_i/L_i): smooth and periodic, equal to `harmonic` up to O(d⁴).

    Args:
        torus: where.
        stiffness: κ, one number or one per axis (energy per length²).
        center: where V = 0, one number or one per axis; by default the middle of the torus.

    Example:
        >>> import spectral_ham as sh
        >>> sh.potentials.periodic_harmonic(sh.Torus(4), stiffness=2.0)[2]
        tensor(0., dtype=torch.float64)
    """
    as_torus("potentials.periodic_harmonic(torus)", torus)
    kappa = as_per_axis("periodic_harmonic(stiffness=...)", stiffness, torus.ndim)
    chords = _chords(torus, center)
    return _sum(torus, [0.5 * k * chord**2 for k, chord in zip(kappa, chords, strict=True)])


def gaussian_well(torus: Torus, depth: float, width: PerAxis, center: PerAxis | None = None) -> torch.Tensor:
    """V = −depth · exp(−½ Σ_i d_i²/σ_i²), d_i the distance to the nearest image. Kinked at the seam, by e^{−L²/8σ²}.

    Args:
        torus: where.
        depth: V at the center is −depth.
        width: σ, one number or one per axis (a length).
        center: of the well, one number or one per axis; by default the middle of the torus.

    Example:
        >>> import spectral_ham as sh
        >>> sh.potentials.gaussian_well(sh.Torus(4), depth=2.0, width=1.0)[2]
        tensor(-2., dtype=torch.float64)
    """
    return -gaussian_barrier(torus, depth, width, center)


def gaussian_barrier(torus: Torus, height: float, width: PerAxis, center: PerAxis | None = None) -> torch.Tensor:
    """V = +height · exp(−½ Σ_i d_i²/σ_i²), d_i the distance to the nearest image. Kinked at the seam, by e^{−L²/8σ²}.

    Args:
        torus: where.
        height: V at the center.
        width: σ, one number or one per axis (a length).
        center: of the barrier, one number or one per axis; by default the middle of the torus.

    Example:
        >>> import spectral_ham as sh
        >>> sh.potentials.gaussian_barrier(sh.Torus(4), height=2.0, width=1.0)[2]
        tensor(2., dtype=torch.float64)
    """
    as_torus("potentials.gaussian_barrier(torus)", torus)
    return _gaussian(torus, height, width, _displacements(torus, center))


def periodic_gaussian_well(torus: Torus, depth: float, width: PerAxis, center: PerAxis | None = None) -> torch.Tensor:
    """V = −depth · exp(−½ Σ_i (L_i/πσ_i)² sin²(π d_i/L_i)): smooth and periodic, the twin of `gaussian_well`.

    Args:
        torus: where.
        depth: V at the center is −depth.
        width: σ, one number or one per axis (a length).
        center: of the well, one number or one per axis; by default the middle of the torus.

    Example:
        >>> import spectral_ham as sh
        >>> sh.potentials.periodic_gaussian_well(sh.Torus(4), depth=2.0, width=1.0)[2]
        tensor(-2., dtype=torch.float64)
    """
    return -periodic_gaussian_barrier(torus, depth, width, center)


def periodic_gaussian_barrier(
    torus: Torus, height: float, width: PerAxis, center: PerAxis | None = None
) -> torch.Tensor:
    """V = +height · exp(−½ Σ_i (L_i/πσ_i)² sin²(π d_i/L_i)): smooth and periodic, the twin of `gaussian_barrier`.

    Args:
        torus: where.
        height: V at the center.
        width: σ, one number or one per axis (a length).
        center: of the barrier, one number or one per axis; by default the middle of the torus.

    Example:
        >>> import spectral_ham as sh
        >>> sh.potentials.periodic_gaussian_barrier(sh.Torus(4), height=2.0, width=1.0)[2]
        tensor(2., dtype=torch.float64)
    """
    as_torus("potentials.periodic_gaussian_barrier(torus)", torus)
    return _gaussian(torus, height, width, _chords(torus, center))


def cosine_lattice(torus: Torus, amplitude: PerAxis = 1.0, periods: PerAxis = 1) -> torch.Tensor:
    """V = Σ_i V_i cos(2π n_i (x_i − origin_i)/L_i), an optical lattice: its spectrum is Mathieu's.

    Args:
        torus: where.
        amplitude: V_i, one number or one per axis (an energy).
        periods: n_i, how many periods fit the axis: one whole number or one per axis.

    Raises:
        ValueError: a number of periods that is not whole, which would not be periodic.

    Example:
        >>> import spectral_ham as sh
        >>> sh.potentials.cosine_lattice(sh.Torus(4), amplitude=0.5)[::2]
        tensor([ 0.5000, -0.5000], dtype=torch.float64)
    """
    as_torus("potentials.cosine_lattice(torus)", torus)
    amplitudes = as_per_axis("cosine_lattice(amplitude=...)", amplitude, torus.ndim)
    counts = as_per_axis("cosine_lattice(periods=...)", periods, torus.ndim)
    if any(n != round(n) for n in counts):
        raise invalid("cosine_lattice(periods=...)", "a whole number per axis", periods)
    coordinates = zip(torus.coordinates(), torus.origin, torus.lengths, strict=True)
    phases = [2 * math.pi * (x - start) / length for x, start, length in coordinates]
    return _sum(torus, [a * torch.cos(n * p) for a, n, p in zip(amplitudes, counts, phases, strict=True)])


def _gaussian(torus: Torus, height: float, width: PerAxis, distances: list[torch.Tensor]) -> torch.Tensor:
    sigma = as_per_axis("gaussian(width=...)", width, torus.ndim, positive=True)
    exponent = _sum(torus, [0.5 * (d / s) ** 2 for d, s in zip(distances, sigma, strict=True)])
    return as_number("gaussian(height=...)", height) * torch.exp(-exponent)


def _displacements(torus: Torus, center: PerAxis | None) -> list[torch.Tensor]:
    """Signed distances to the nearest image of the center, per axis."""
    middle = tuple(x0 + length / 2 for x0, length in zip(torus.origin, torus.lengths, strict=True))
    at = middle if center is None else as_per_axis("center=...", center, torus.ndim)
    return [
        torch.remainder(x - c + length / 2, length) - length / 2
        for x, c, length in zip(torus.coordinates(), at, torus.lengths, strict=True)
    ]


def _chords(torus: Torus, center: PerAxis | None) -> list[torch.Tensor]:
    """(L/π) sin(π d/L): a distance that is smooth across the seam."""
    displacements = zip(_displacements(torus, center), torus.lengths, strict=True)
    return [length / math.pi * torch.sin(math.pi * d / length) for d, length in displacements]


def _sum(torus: Torus, terms: list[torch.Tensor]) -> torch.Tensor:
    total = torch.zeros(torus.shape, dtype=torch.float64, device="cpu")
    for term in terms:
        total += term
    return total
