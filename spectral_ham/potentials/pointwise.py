"""Potentials that multiply pointwise: one value per grid point, or one per grid point and channel."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import torch

from spectral_ham._internal.checks import as_complex, as_real, check_same_device, invalid
from spectral_ham._internal.memo import version_of
from spectral_ham._internal.mode import carries_derivative
from spectral_ham.geometry.torus import Torus
from spectral_ham.potentials.base import StaticPotential, checked_values, in_double, like_field


class PointwisePotential(StaticPotential):
    """(V·T)_x = V_x T_x with a tensor that multiplies: what its two kinds share."""

    @property
    @final
    def is_hermitian(self) -> bool:
        """Whether V is real, by value and whatever the dtype."""
        return not self.values.is_complex() or not bool(self.values.detach().imag.any())

    @final
    def exponential(self, z: complex | torch.Tensor) -> StaticPotential:
        """Return e^{zV}, pointwise."""
        return self.unchecked(torch.exp(z * in_double(self.values)))

    @final
    def mean(self) -> complex:
        """Return the mean value."""
        return complex(self.values.detach().mean())

    @final
    def bounds(self) -> tuple[float, float]:
        """Return the smallest and the largest real part."""
        return real_range(self.values)


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

    def __init__(self, values: torch.Tensor) -> None:
        object.__setattr__(self, "values", checked_values("ScalarPotential(values=...)", values))

    def on(self, torus: Torus) -> StaticPotential:
        """Return itself."""
        if self.values.shape != torus.shape:
            raise invalid("ScalarPotential(values=...)", f"of the grid's shape {torus.shape}", self.values)
        return self

    @cached_property
    def _cast(self) -> dict[torch.dtype, tuple[int, torch.Tensor]]:
        """Values in other precisions, with the version of the values that they were made from."""
        return {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave the casts behind: the values of a copy count their versions anew."""
        return {name: value for name, value in self.__dict__.items() if name != "_cast"}

    def _values_for(self, T: torch.Tensor) -> torch.Tensor:
        """Return the values in T's precision, cast once for all calls; as they are where a derivative flows."""
        V = self.values
        dtype = as_complex(T.dtype) if V.is_complex() else as_real(T.dtype)
        if V.dtype == dtype or torch.compiler.is_compiling() or carries_derivative(V):
            return V
        if (version := version_of(V)) is None:
            return V
        known, cast = self._cast.get(dtype, (None, V))
        if known != version:
            with torch.inference_mode(False), torch.no_grad():
                cast = V.to(dtype)
            self._cast[dtype] = version, cast
        return cast

    @property
    def is_channel_independent(self) -> bool:
        """True."""
        return True

    def diagonal(self, T: torch.Tensor) -> torch.Tensor:
        """Return V."""
        check_same_device("potential=...", self.values, T)
        return self._values_for(T)

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
        object.__setattr__(self, "values", checked_values("ElementwisePotential(values=...)", values))

    def on(self, torus: Torus) -> StaticPotential:
        """Return itself."""
        if self.values.shape[: torus.ndim] != torus.shape:
            needs = f"of the field's shape, which begins with the grid {torus.shape}"
            raise invalid("ElementwisePotential(values=...)", needs, self.values)
        return self

    @property
    def is_channel_independent(self) -> bool:
        """False: channels have values of their own."""
        return False

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
    return float(real.min()), float(real.max())
