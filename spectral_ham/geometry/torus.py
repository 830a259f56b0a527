"""The periodic torus: grid points x_j and wavenumbers k_n, axis by axis."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from spectral_ham._internal.checks import as_count, as_per_axis, has_values, invalid
from spectral_ham._internal.frozen import Frozen
from spectral_ham._internal.memo import geometry_memo, normalized_device
from spectral_ham._internal.typing import Device, PerAxis

MAX_NDIM = 3


@dataclass(frozen=True, init=False)
class Torus(Frozen):
    """A uniform periodic grid in 1, 2 or 3 dimensions: x_j = origin + j·L/N for j = 0 … N − 1.

    Axis 0 is x, axis 1 is y, axis 2 is z (``indexing="ij"``). The right end is left out: it is the left end
    again. N may be odd, even or prime. Wavenumbers are angular, k = 2πn/L, in FFT order.

    Args:
        shape: points per axis (N_x, N_y, …); an int makes a 1-D torus.
        lengths: periods L, one number or one per axis. Give this or ``spacing``, not both.
        spacing: grid spacings L/N, one number or one per axis; 1 if neither is given.
        origin: coordinate of the first point, one number or one per axis.

    Raises:
        ValueError: a count below 1, more than three axes, a length that is not positive and finite, or both
            ``lengths`` and ``spacing``.
        TypeError: something that is not a number.

    Example:
        >>> import math, spectral_ham as sh
        >>> torus = sh.Torus((4, 3), lengths=(2 * math.pi, 6.0))
        >>> torus.spacing
        (1.5707963267948966, 2.0)
        >>> torus.wavenumbers(axis=0)
        tensor([ 0.,  1., -2., -1.], dtype=torch.float64)
        >>> [tuple(x.shape) for x in torus.coordinates()]
        [(4, 1), (1, 3)]
    """

    shape: tuple[int, ...]
    lengths: tuple[float, ...]
    spacing: tuple[float, ...]
    origin: tuple[float, ...]

    def __init__(
        self,
        shape: int | Sequence[int],
        *,
        lengths: PerAxis | None = None,
        spacing: PerAxis | None = None,
        origin: PerAxis = 0.0,
    ) -> None:
        if isinstance(shape, np.ndarray) or (isinstance(shape, torch.Tensor) and has_values(shape)):
            shape = shape.tolist()
        counts = tuple(shape) if isinstance(shape, Sequence) else (shape,)
        if not 1 <= len(counts) <= MAX_NDIM:
            raise invalid("Torus(shape=...)", "1, 2 or 3 counts", shape)
        if lengths is not None and spacing is not None:
            both = f"lengths={lengths!r} and spacing={spacing!r}"
            raise ValueError(f"`Torus` must be given `lengths` or `spacing`, got both: {both}. Drop one.")
        ns = tuple(as_count("Torus(shape=...)", n) for n in counts)
        if lengths is None:
            steps = as_per_axis("Torus(spacing=...)", 1.0 if spacing is None else spacing, len(ns), positive=True)
            periods = tuple(n * step for n, step in zip(ns, steps, strict=True))
        else:
            periods = as_per_axis("Torus(lengths=...)", lengths, len(ns), positive=True)
            steps = tuple(period / n for n, period in zip(ns, periods, strict=True))
        starts = as_per_axis("Torus(origin=...)", origin, len(ns))
        self._set(shape=ns, lengths=periods, spacing=steps, origin=starts)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of grid points."""
        return math.prod(self.shape)

    @property
    def cell_volume(self) -> float:
        """Volume of one grid cell, Π L/N: turns a sum over points into an integral."""
        return math.prod(self.spacing)

    def wavenumbers(self, axis: int, dtype: torch.dtype = torch.float64, device: Device = "cpu") -> torch.Tensor:
        """Return k = 2πn/L along ``axis``, angular, in FFT order (even N: the Nyquist entry is negative).

        Args:
            axis: 0 … ndim − 1 (or negative, counted from the end).
            dtype: dtype of the result; the values are computed in float64 and cast.
            device: where to put the result.

        Shape:
            (N,). A copy, which may be written into.
        """
        axis = self._axis(axis)
        n, length = self.shape[axis], self.lengths[axis]
        target = normalized_device(device)
        key = ("wavenumbers", n, length, dtype, target)
        return geometry_memo.get(key, lambda: (mode_numbers(n) * (2 * math.pi / length)).to(target, dtype)).clone()

    def wavenumber_grids(self, dtype: torch.dtype = torch.float64, device: Device = "cpu") -> tuple[torch.Tensor, ...]:
        """Return one open grid of wavenumbers per axis, ready to broadcast: (N_x, 1), (1, N_y).

        The tables are cached per device and dtype; each call returns fresh copies.
        """
        return tuple(on_axis(axis, self.wavenumbers(axis, dtype, device), self.ndim) for axis in range(self.ndim))

    def coordinates(self, dtype: torch.dtype = torch.float64, device: Device = "cpu") -> tuple[torch.Tensor, ...]:
        """Return one open grid of points x_j = origin + j·L/N per axis, ready to broadcast: (N_x, 1), (1, N_y)."""
        return tuple(
            on_axis(axis, start + step * torch.arange(n, dtype=torch.float64, device="cpu"), self.ndim).to(
                device, dtype
            )
            for axis, (n, step, start) in enumerate(zip(self.shape, self.spacing, self.origin, strict=True))
        )

    def _axis(self, axis: int) -> int:
        if isinstance(axis, bool) or not isinstance(axis, int) or not -self.ndim <= axis < self.ndim:
            raise invalid("Torus.wavenumbers(axis=...)", f"an axis of this {self.ndim}-D torus", axis)
        return axis % self.ndim


def as_torus(where: str, value: object) -> Torus:
    """Return a Torus; refuse anything else, saying what was probably meant."""
    if isinstance(value, Torus):
        return value
    remedy = "Make one: Torus((N_x, N_y), lengths=...)."
    if isinstance(getattr(value, "torus", None), Torus):
        remedy = "Did you mean its torus? Pass H.torus."
    elif isinstance(value, torch.Tensor):
        remedy = "Did you mean the other order? The torus comes first, then the field T."
    raise invalid(where, "a Torus", value, remedy, TypeError)


def on_axis(axis: int, values: torch.Tensor, ndim: int) -> torch.Tensor:
    """Return ``values`` (N, …) on an open grid: N on ``axis``, 1 on the other grid axes, channels behind."""
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)] + list(values.shape[1:]))


def mode_numbers(n: int) -> torch.Tensor:
    """Return the integers 0, 1, …, −2, −1 in FFT order, as float64 (torch's own fftfreq is float32 by default)."""
    j = torch.arange(n, dtype=torch.float64, device="cpu")
    return torch.where(j < (n + 1) // 2, j, j - n)
