"""A smooth periodic field with known derivatives, for the method of manufactured solutions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from spectral_ham._internal.checks import as_count, as_per_axis, invalid
from spectral_ham._internal.frozen import Frozen
from spectral_ham._internal.typing import Device, PerAxis
from spectral_ham.exact.base import IntPerAxis, as_integers, broadcast_sum, check_complex, metric_rows, turns
from spectral_ham.geometry.inverse_metric import InverseMetric
from spectral_ham.geometry.torus import Torus, on_axis

SHIFTS = (math.sqrt(2), math.sqrt(3), math.sqrt(5))
"""Channel c is shifted by c times these fractions of the period: irrational, so that no two channels coincide."""


@dataclass(frozen=True, init=False)
class ManufacturedField(Frozen):
    """T = Π_i exp(κ_i [cos(K_i (x_i − a_i)) − 1] + i k_i (x_i − a_i)): von Mises bumps on a plane wave.

    K = 2π·periods/L and k = 2π·modes/L. Channel c is channel 0 translated by c·(√2, √3, √5) periods, axis by axis, so
    channels are different fields. The Fourier coefficients of a bump are Bessel functions I_n(κ)e^{−κ}: T is entire,
    a spectral grid resolves it to rounding with few points, a stencil at its own order.

    Args:
        torus: the grid.
        kappa: κ ≥ 0, sharpness of the bumps, one number or one per axis; the maximum of ``abs(T)`` is 1.
        periods: bumps per period L, integers, one or one per axis.
        modes: integers n in k = 2πn/L, one or one per axis.
        center: a, coordinates of a maximum of channel 0, one number or one per axis; None: origin + L/3.
        channels: shape of the channel axes.

    Raises:
        ValueError: a negative κ, a count below 1, or arguments that do not fit the torus.
        TypeError: something that is not a number.

    Reference:
        K. Salari and P. Knupp, Code Verification by the Method of Manufactured Solutions, SAND2000-1444 (2000),
        doi:10.2172/759450.

    Example:
        >>> import spectral_ham as sh
        >>> field = sh.exact.ManufacturedField(sh.Torus((24, 21), lengths=(2.0, 3.0)), kappa=(0.8, 0.5), channels=(2,))
        >>> field.values().shape, field.laplacian(sh.InverseMetric((2.0, 0.5))).shape
        (torch.Size([24, 21, 2]), torch.Size([24, 21, 2]))
    """

    torus: Torus
    kappa: tuple[float, ...]
    periods: tuple[int, ...]
    modes: tuple[int, ...]
    center: tuple[float, ...]
    channels: tuple[int, ...]

    def __init__(
        self,
        torus: Torus,
        *,
        kappa: PerAxis = 1.0,
        periods: IntPerAxis = 1,
        modes: IntPerAxis = 1,
        center: PerAxis | None = None,
        channels: Sequence[int] = (),
    ) -> None:
        name, d = "ManufacturedField", torus.ndim
        if center is None:
            center = [start + length / 3 for start, length in zip(torus.origin, torus.lengths, strict=True)]
        sharpness = as_per_axis(f"{name}(kappa=...)", kappa, d)
        if min(sharpness) < 0:
            raise invalid(f"{name}(kappa=...)", "zero or positive", kappa, "Shift `center` by half a bump instead.")
        bumps = as_integers(f"{name}(periods=...)", periods, d)
        if min(bumps) < 1:
            raise invalid(f"{name}(periods=...)", "integers of at least 1", periods, "kappa=0 makes an axis flat.")
        self._set(
            torus=torus,
            kappa=sharpness,
            periods=bumps,
            modes=as_integers(f"{name}(modes=...)", modes, d),
            center=as_per_axis(f"{name}(center=...)", center, d),
            channels=tuple(as_count(f"{name}(channels=...)", n) for n in channels),
        )

    def values(self, dtype: torch.dtype = torch.complex128, device: Device = "cpu") -> torch.Tensor:
        """Return T on the grid, of shape ``torus.shape + channels``, computed in complex128 and cast."""
        return self._cast("values", self._values(), dtype, device)

    def second_derivative(
        self, i: int, j: int, dtype: torch.dtype = torch.complex128, device: Device = "cpu"
    ) -> torch.Tensor:
        """Return ∂_i ∂_j T = (f_i' f_j' + δ_ij f_i'') T, with T = exp Σ_i f_i, of shape ``torus.shape + channels``."""
        for name, axis in (("i", i), ("j", j)):
            if axis not in range(self.torus.ndim):
                where = f"ManufacturedField.second_derivative({name}=...)"
                raise invalid(where, f"an axis of this {self.torus.ndim}-D torus", axis)
        return self._cast("second_derivative", self._second_derivative(i, j), dtype, device)

    def laplacian(
        self,
        inverse_metric: InverseMetric | None = None,
        dtype: torch.dtype = torch.complex128,
        device: Device = "cpu",
    ) -> torch.Tensor:
        """Return ∇²_g T = Σ_ij g^ij ∂_i ∂_j T, of shape ``torus.shape + channels``; None is the flat metric."""
        axes = range(self.torus.ndim)
        g = metric_rows("ManufacturedField.laplacian(inverse_metric=...)", inverse_metric, len(axes))
        field = broadcast_sum(g[i][j] * self._second_derivative(i, j) for i in axes for j in axes)
        return self._cast("laplacian", field, dtype, device)

    def _values(self) -> torch.Tensor:
        return broadcast_sum(self._exponent(axis)[0] for axis in range(self.torus.ndim)).exp()

    def _second_derivative(self, i: int, j: int) -> torch.Tensor:
        (_, df_i, d2f_i), (_, df_j, _) = self._exponent(i), self._exponent(j)
        return (df_i * df_j + (d2f_i if i == j else 0)) * self._values()

    def _exponent(self, axis: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """f, f', f'' of T = exp Σ f along ``axis``, on an open grid with the channels as one last axis."""
        kappa, L = self.kappa[axis], self.torus.lengths[axis]
        K, k = 2 * math.pi * self.periods[axis] / L, 2 * math.pi * self.modes[axis] / L
        bump, phase = self._angle(axis, self.periods[axis]), self._angle(axis, self.modes[axis])
        f = torch.complex(kappa * (bump.cos() - 1), phase)
        df = torch.complex(-kappa * K * bump.sin(), torch.full_like(bump, k))
        d2f = -kappa * K**2 * bump.cos()
        return f, df, d2f

    def _angle(self, axis: int, mode: int) -> torch.Tensor:
        """2π·mode·(x − a)/L, modulo 2π, for every channel."""
        torus = self.torus
        channel = torch.arange(math.prod(self.channels), dtype=torch.float64, device="cpu")
        shift = (self.center[axis] - torus.origin[axis]) / torus.lengths[axis] + SHIFTS[axis] * channel
        fraction = turns(torus, axis, mode)[:, None] - mode * shift
        return on_axis(axis, 2 * math.pi * (fraction % 1), torus.ndim)

    def _cast(self, method: str, field: torch.Tensor, dtype: torch.dtype, device: Device) -> torch.Tensor:
        check_complex(f"ManufacturedField.{method}(dtype=...)", dtype)
        return field.reshape(self.torus.shape + self.channels).to(device, dtype)
