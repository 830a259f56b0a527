"""Plane waves: the eigenfunctions of every constant-coefficient operator on the torus."""

import cmath
import math
from numbers import Complex

import torch

from spectral_ham._internal.checks import as_number, invalid
from spectral_ham._internal.typing import Device, Scalar
from spectral_ham.exact.base import (
    IntPerAxis,
    as_integers,
    broadcast_sum,
    check_complex,
    kinetic_factor,
    metric_rows,
    turns,
)
from spectral_ham.geometry.inverse_metric import InverseMetric
from spectral_ham.geometry.torus import Torus, on_axis


def plane_wave(
    torus: Torus,
    modes: IntPerAxis,
    *,
    amplitude: complex | torch.Tensor = 1.0,
    dtype: torch.dtype = torch.complex128,
    device: Device = "cpu",
) -> torch.Tensor:
    """T = A exp(i k·(x − origin)) with k = 2π·modes/L.

    The phases are built from (mode·j) mod N, exact integers, in float64 on the CPU; the field is cast at the end.

    Args:
        torus: the grid.
        modes: the integers n in k = 2πn/L, one number or one per axis; n and n + N are the same wave on the grid.
        amplitude: A, a number, or a tensor with one A per channel: its shape becomes the channel axes.
        dtype: torch.complex64 or torch.complex128.
        device: where to put the result.

    Shape:
        ``torus.shape + amplitude.shape``.

    Raises:
        ValueError: modes that are not one integer per axis, or an amplitude that is not finite.
        TypeError: a dtype that is not complex, or an amplitude that is neither a number nor a tensor.

    Example:
        >>> import spectral_ham as sh
        >>> sh.exact.plane_wave(sh.Torus(4, lengths=2.0, origin=-1.0), 2).real
        tensor([ 1., -1.,  1., -1.], dtype=torch.float64)
        >>> sh.exact.plane_wave(sh.Torus((4, 3)), (1, -1), amplitude=torch.tensor([1.0, 2.0j])).shape
        torch.Size([4, 3, 2])
    """
    numbers = as_integers("plane_wave(modes=...)", modes, torus.ndim)
    check_complex("plane_wave(dtype=...)", dtype)
    A = _amplitude(amplitude)
    turned = broadcast_sum(on_axis(axis, turns(torus, axis, n), torus.ndim) for axis, n in enumerate(numbers))
    phase = 2 * math.pi * (turned % 1)
    wave = torch.polar(torch.ones_like(phase), phase)
    return (wave.reshape(torus.shape + (1,) * A.ndim) * A).to(device, dtype)


def plane_wave_symbol(torus: Torus, modes: IntPerAxis, inverse_metric: InverseMetric | None = None) -> float:
    """Symbol of ∇²_g on a plane wave: −Σ_ij g^ij k_i k_j with k = 2π·modes/L, in the continuum.

    A spectral grid reproduces it for −N/2 < n < N/2 on every axis. On the Nyquist line of an even N the sampled wave
    is the same for k and −k: the grid keeps k² and drops the cross terms, so with g^xy its symbol is another.

    Args:
        torus: the grid; only its lengths count.
        modes: the integers n in k = 2πn/L, one number or one per axis.
        inverse_metric: g^ij; None is flat.

    Raises:
        ValueError: modes or a metric that do not fit the torus.

    Example:
        >>> import math, spectral_ham as sh
        >>> sh.exact.plane_wave_symbol(sh.Torus((8, 6), lengths=2 * math.pi), (3, -1), sh.InverseMetric((2.0, 0.5)))
        -18.5
    """
    where = "plane_wave_symbol"
    numbers = as_integers(f"{where}(modes=...)", modes, torus.ndim)
    g = metric_rows(f"{where}(inverse_metric=...)", inverse_metric, torus.ndim)
    k = [2 * math.pi * n / length for n, length in zip(numbers, torus.lengths, strict=True)]
    axes = range(torus.ndim)
    return -math.fsum(g[i][j] * k[i] * k[j] for i in axes for j in axes)


def plane_wave_energy(
    torus: Torus,
    modes: IntPerAxis,
    inverse_metric: InverseMetric | None = None,
    *,
    hbar: Scalar = 1.0,
    mass: Scalar = 1.0,
    potential: Scalar = 0.0,
) -> float:
    """E = (ħ²/2m) Σ_ij g^ij k_i k_j + V0: H[T] = E·T and T(t) = e^{−iEt/ħ} T(0) for a plane wave in a constant V0.

    Args:
        torus: the grid; only its lengths count.
        modes: the integers n in k = 2πn/L, one number or one per axis.
        inverse_metric: g^ij; None is flat.
        hbar: ħ.
        mass: m.
        potential: V0, a constant.

    Raises:
        ValueError: arguments that do not fit the torus, or ħ or m that is not positive.

    Example:
        >>> import math, spectral_ham as sh
        >>> sh.exact.plane_wave_energy(sh.Torus(8, lengths=2 * math.pi), 3, mass=0.5, potential=1.0)
        10.0
    """
    V0 = as_number("plane_wave_energy(potential=...)", potential)
    return V0 - kinetic_factor("plane_wave_energy", hbar, mass) * plane_wave_symbol(torus, modes, inverse_metric)


def _amplitude(amplitude: complex | torch.Tensor) -> torch.Tensor:
    where = "plane_wave(amplitude=...)"
    if isinstance(amplitude, torch.Tensor):
        return amplitude.to("cpu", torch.complex128)
    if isinstance(amplitude, bool) or not isinstance(amplitude, Complex):
        raise invalid(where, "a number or a tensor of channel amplitudes", amplitude, error=TypeError)
    if not cmath.isfinite(complex(amplitude)):
        raise invalid(where, "finite", amplitude)
    return torch.tensor(complex(amplitude), dtype=torch.complex128, device="cpu")
