"""What a potential is: something that adds V·T to the kinetic term."""

from abc import ABC, abstractmethod
from typing import final

import torch

from spectral_ham._checks import check_field_dtype, check_tensor
from spectral_ham.torus import Torus


class Potential(ABC):
    """V in H[T] = −(ħ²/2m) ∇²_g T + V·T."""

    @abstractmethod
    def on(self, torus: Torus) -> "Potential":
        """Return this potential bound to ``torus``, refusing values that do not fit it."""

    @abstractmethod
    def at(self, t: float) -> "StaticPotential":
        """Return V at time ``t``."""


class StaticPotential(Potential):
    """A potential that does not depend on time. Its values are finite; see the subclasses for their shape."""

    @final
    def at(self, t: float) -> "StaticPotential":  # noqa: ARG002
        """Return itself."""
        return self

    values: torch.Tensor

    @property
    @abstractmethod
    def is_hermitian(self) -> bool:
        """Whether V is Hermitian, by value: a complex V with zero imaginary part is real."""

    @property
    @abstractmethod
    def is_channel_independent(self) -> bool:
        """Whether V acts on every channel alike, so that H is one matrix over grid points."""

    @abstractmethod
    def diagonal(self, T: torch.Tensor) -> torch.Tensor | None:
        """Return the values that multiply T pointwise (the grid's or T's shape), or None if V mixes channels."""

    @abstractmethod
    def apply(self, T: torch.Tensor) -> torch.Tensor:
        """Return V·T."""

    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """Return the smallest and the largest eigenvalue of a Hermitian V."""


def checked_values(where: str, V: object) -> torch.Tensor:
    """Return V if it is a finite tensor of a supported dtype; a complex V without imaginary part becomes real."""
    check_tensor(where, V)
    values: torch.Tensor = V  # type: ignore[assignment]
    check_field_dtype(where, values.dtype)
    if not bool(torch.isfinite(values.detach()).all()):
        raise ValueError(f"`{where}` must be finite, but contains NaN or Inf.")
    if values.is_complex() and not values.requires_grad and not bool(values.imag.any()):
        return values.real.contiguous()
    return values
