"""Mean and spread of the position, axis by axis, on a circle: the seam is a point like any other."""

import math

import torch

from spectral_ham._internal.checks import check_field
from spectral_ham.geometry.torus import Torus, as_torus
from spectral_ham.observables._sums import marginals, squared_per_point


def position(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return the circular mean x̄ = origin + (L/2π)·arg Σ n e^{2πi(x − origin)/L} for every axis: real, (d,).

    n = Σ_channels |T|²; the result lies within [origin, origin + L]. It follows a packet across the seam, where a plain
    mean jumps; for a uniform n it is arbitrary.

    Units:
        length.

    Reference:
        Mardia & Jupp, Directional Statistics (2000), section 2.2, doi:10.1002/9780470316979.

    Example:
        >>> import torch, spectral_ham as sh
        >>> torus = sh.Torus(8, origin=-4.0)  # x = −4, …, 3
        >>> T = torch.tensor([1.0, 0, 0, 0, 0, 0, 1.0, 0], dtype=torch.float64)  # at −4 and 2
        >>> sh.observables.position(torus, T)
        tensor([3.], dtype=torch.float64)
    """
    check_field("position(T)", T, as_torus("position(torus)", torus).shape)
    turns = [torch.remainder(m.angle() / (2 * math.pi), 1.0) for m in _circular_moments(torus, T)]
    mean = [start + L * turn for start, L, turn in zip(torus.origin, torus.lengths, turns, strict=True)]
    return torch.stack(mean).to(T.dtype.to_real())


def position_spread(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return the circular spread Δx = (L/2π)·√(−2 ln R), R = |Σ n e^{2πix/L}| / Σ n, for every axis: real, (d,).

    The standard deviation of a periodized Gaussian density; infinite for a uniform one.

    Units:
        length.

    Reference:
        Mardia & Jupp, Directional Statistics (2000), section 2.3, doi:10.1002/9780470316979.

    Example:
        >>> import torch, spectral_ham as sh
        >>> x, = (torus := sh.Torus(64, lengths=20.0, origin=-10.0)).coordinates()
        >>> sh.observables.position_spread(torus, torch.exp(-x**2 / 4))  # |T|² is a Gaussian of standard deviation 1
        tensor([1.0000], dtype=torch.float64)
    """
    check_field("position_spread(T)", T, as_torus("position_spread(torus)", torus).shape)
    R = [m.abs().clamp(max=1.0) for m in _circular_moments(torus, T)]  # only rounding can pass 1
    spread = [L / (2 * math.pi) * (-2 * r.log()).sqrt() for L, r in zip(torus.lengths, R, strict=True)]
    return torch.stack(spread).to(T.dtype.to_real())


def _circular_moments(torus: Torus, T: torch.Tensor) -> list[torch.Tensor]:
    """Return Σ n e^{2πi(x − origin)/L} / Σ n per axis, complex128."""
    moments = []
    for n, share in zip(torus.shape, marginals(torus, squared_per_point(torus, T)), strict=True):
        angle = torch.arange(n, dtype=torch.float64, device=T.device) * (2 * math.pi / n)
        moments.append((share * torch.polar(torch.ones_like(angle), angle)).sum())
    return moments
