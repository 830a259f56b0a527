"""Potentials that multiply pointwise: one value per grid point, or one per grid point and channel."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from spectral_ham._internal.checks import check_same_device, invalid
from spectral_ham._internal.exponential import exponential
from spectral_ham.geometry.torus import Torus, on_axis
from spectral_ham.potentials.base import StaticPotential, checked_values, in_double, like_field

SEPARABLE_TOLERANCE = 4e-16


class PointwisePotential(StaticPotential):
    """(V·T)_x = V_x T_x with a tensor that multiplies: what its two kinds share."""

    @property
    @final
    def is_hermitian(self) -> bool:
        """Whether V is real, by value and whatever the dtype."""
        values = self.values
        return not values.is_complex() or self._answer("Hermitian", lambda: not bool(values.detach().imag.any()))

    @final
    def exponential(self, z: complex | torch.Tensor) -> StaticPotential:
        """Return e^{zV}, pointwise."""
        return self.unchecked(exponential(z, in_double(self.values)))

    @final
    def squared(self) -> StaticPotential:
        """Return V², pointwise."""
        return self.unchecked(self.values * self.values)

    @final
    def mean(self) -> complex:
        """Return the mean value."""
        return self._answer("mean", lambda: complex(self.values.detach().mean()))

    @final
    def bounds(self) -> tuple[float, float]:
        """Return the smallest and the largest real part."""
        return self._answer("bounds", lambda: real_range(self.values))


@final
@dataclass(frozen=True, init=False, eq=False)
class ScalarPotential(PointwisePotential):
    """(V·T)_{x…} = V_x T_{x…}: the same value for all channels of a grid point.

    Args:
        values: V, real or complex, of the torus's shape.

    Shape:
        (N_x, N_y, …).

    Raises:
        ValueError: NaN or Inf, or (in a Hamiltonian) a shape that is not the torus's.
        TypeError: no tensor, or half precision or integers.

    Example:
        >>> import torch, spectral_ham as sh
        >>> V = sh.ScalarPotential(torch.tensor([0.0, 1.0, 2.0], dtype=torch.float64))
        >>> V.bounds()
        (0.0, 2.0)
    """

    values: torch.Tensor
    is_channel_independent: ClassVar[bool] = True

    def __init__(self, values: torch.Tensor) -> None:
        self._set(values=checked_values("ScalarPotential(values=...)", values))

    def on(self, torus: Torus) -> StaticPotential:
        """Return itself."""
        if self.values.shape != torus.shape:
            raise invalid("ScalarPotential(values=...)", f"of the grid's shape {torus.shape}", self.values)
        return self

    def _find_uniform(self) -> bool:
        low, high = self.bounds()
        return low == high and (not self.values.is_complex() or bool((self.values == self.values.flatten()[0]).all()))

    def separable_parts(self) -> list[torch.Tensor] | None:
        """Return 1-D parts with V_{ij…} = V_0[i] + V_1[j] + …, or None if V is no such sum."""
        return self._answer("separable", lambda: separated(self.values))

    def diagonal(self, T: torch.Tensor) -> torch.Tensor:
        """Return V."""
        check_same_device("potential=...", self.values, T)
        return self.values

    def apply(self, T: torch.Tensor) -> torch.Tensor:
        """Return V·T."""
        V = like_field(self.diagonal(T), T)
        return V.reshape(V.shape + (1,) * (T.ndim - V.ndim)) * T


@final
@dataclass(frozen=True, init=False, eq=False)
class ElementwisePotential(PointwisePotential):
    """(V·T)_{x a b…} = V_{x a b…} T_{x a b…}: a value of its own for each grid point and channel.

    Args:
        values: V, real or complex, of exactly the field's shape.

    Shape:
        (N_x, N_y, …) + channels.

    Raises:
        ValueError: NaN or Inf, or a shape that is not the field's.
        TypeError: no tensor, or half precision or integers.

    Example:
        >>> import torch, spectral_ham as sh
        >>> V = sh.ElementwisePotential(torch.ones(3, 2, dtype=torch.float64))
        >>> V.apply(torch.full((3, 2), 2.0, dtype=torch.float64)).sum()
        tensor(12., dtype=torch.float64)
    """

    values: torch.Tensor

    def __init__(self, values: torch.Tensor) -> None:
        self._set(values=checked_values("ElementwisePotential(values=...)", values))

    def on(self, torus: Torus) -> StaticPotential:
        """Return itself."""
        if self.values.shape[: torus.ndim] != torus.shape:
            needs = f"of the field's shape, which begins with the grid {torus.shape}"
            raise invalid("ElementwisePotential(values=...)", needs, self.values)
        return self

    def _find_uniform(self) -> bool:
        return False  # channels differ: no multiple of the identity

    def diagonal(self, T: torch.Tensor) -> torch.Tensor:
        """Return V, of T's shape."""
        check_same_device("potential=...", self.values, T)
        if self.values.shape != T.shape:
            remedy = (
                "For one value per grid point pass the grid's shape (drop the channel axes, as in V[..., 0, 0]); "
                "for a matrix that mixes channels use MatrixPotential."
            )
            raise invalid(
                "potential=...", f"of the grid's shape or of the field's {tuple(T.shape)}", self.values, remedy
            )
        return self.values

    def apply(self, T: torch.Tensor) -> torch.Tensor:
        """Return V∘T."""
        return like_field(self.diagonal(T), T) * T


def real_range(values: torch.Tensor) -> tuple[float, float]:
    """Return the smallest and the largest real part."""
    real = values.detach().real if values.is_complex() else values.detach()
    low, high = torch.aminmax(real)
    return float(low), float(high)


def separated(V: torch.Tensor) -> list[torch.Tensor] | None:
    """Return 1-D parts with V[i, j, …] = V_0[i] + V_1[j] + … to rounding, or None if V is not such a sum.

    Example:
        >>> import torch
        >>> x, y = torch.arange(3.0, dtype=torch.float64), torch.arange(2.0, dtype=torch.float64)
        >>> separated(x[:, None] * y[None, :]) is None
        True
        >>> [part.tolist() for part in separated(x[:, None] + y[None, :])]
        [[0.0, 1.0, 2.0], [0.0, 1.0]]
    """
    values = V.detach().to(torch.float64)
    corner = values[(0,) * V.ndim]
    parts = [values[tuple(slice(None) if i == axis else 0 for i in range(V.ndim))] - corner for axis in range(V.ndim)]
    total = corner.expand(V.shape)
    for axis, part in enumerate(parts):
        total = total + on_axis(axis, part, V.ndim)
    parts[0] = parts[0] + corner
    scale = float(values.abs().max())
    return parts if float((total - values).abs().max()) <= 8 * SEPARABLE_TOLERANCE * scale else None
