"""What a potential is: something that adds V·T to the kinetic term."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, ClassVar, Self, TypeVar, final

import torch

from spectral_ham._internal.checks import check_field_dtype, check_tensor, is_finite
from spectral_ham._internal.frozen import Frozen
from spectral_ham._internal.memo import Memo
from spectral_ham.geometry.torus import Torus

Answer = TypeVar("Answer")


class Potential(ABC):
    """V in H[T] = −(ħ²/2m) ∇²_g T + V·T."""

    @abstractmethod
    def on(self, torus: Torus) -> "Potential":
        """Return this potential bound to ``torus``, refusing values that do not fit it."""

    @abstractmethod
    def at(self, t: float, T: torch.Tensor | None = None) -> "StaticPotential":
        """Return V at time ``t`` in the state ``T`` (which only a nonlinear potential looks at)."""

    is_static: ClassVar[bool] = False
    """Whether V is the same at all times and for all fields."""
    is_linear: ClassVar[bool] = True
    """Whether V·T is linear in T."""
    shows_field: ClassVar[bool] = False
    """Whether a function of the user's sees the field, which it may keep."""

    @abstractmethod
    def identity(self, times: Sequence[float], T: torch.Tensor) -> Iterable[tuple[str, object]]:
        """Return (name, value) of every number that V depends on; of a function, its values at ``times`` in ``T``."""

    @abstractmethod
    def energy_density(self, T: torch.Tensor, t: float) -> torch.Tensor | None:
        """Return the interaction energy per volume of a nonlinear V; None for a linear one, which is in ⟨T, HT⟩."""


class StaticPotential(Frozen, Potential):
    """A potential that does not depend on time. Its values are finite; see the subclasses for their shape.

    Answers that are read off the values are kept, and found again where the values have been written into.
    """

    values: torch.Tensor
    is_static: ClassVar[bool] = True
    mixes_channels: ClassVar[bool] = False
    """Whether V is a matrix between channels, and no pointwise product."""
    is_channel_independent: ClassVar[bool] = False
    """Whether V acts on every channel alike, so that H is one matrix over grid points."""

    @cached_property
    def _answers(self) -> Memo[Any]:
        return Memo()

    @final
    def _answer(self, question: str, find: Callable[[], Answer]) -> Answer:
        found: Answer = self._answers.get(question, find, (self.values,))
        return found

    @final
    def at(self, t: float, T: torch.Tensor | None = None) -> "StaticPotential":  # noqa: ARG002
        """Return itself."""
        return self

    @final
    def identity(self, times: Sequence[float], T: torch.Tensor) -> Iterable[tuple[str, object]]:  # noqa: ARG002
        """Return the values."""
        return [("values", self.values)]

    @final
    def energy_density(self, T: torch.Tensor, t: float) -> None:
        """Return None."""

    @final
    @classmethod
    def unchecked(cls, values: torch.Tensor) -> Self:
        """Return the potential without looking at its values, where they are computed for every field."""
        potential = object.__new__(cls)
        potential._set(values=values)
        return potential

    @property
    @abstractmethod
    def is_hermitian(self) -> bool:
        """Whether V is Hermitian, by value: a complex V with zero imaginary part is real."""

    @abstractmethod
    def diagonal(self, T: torch.Tensor) -> torch.Tensor | None:
        """Return the values that multiply T pointwise (the grid's or T's shape), or None if V mixes channels."""

    @abstractmethod
    def apply(self, T: torch.Tensor) -> torch.Tensor:
        """Return V·T."""

    @abstractmethod
    def exponential(self, z: complex | torch.Tensor) -> "StaticPotential":
        """Return e^{zV}, a multiplication of the same kind: its `apply` is the exact flow of V alone."""

    @abstractmethod
    def squared(self) -> "StaticPotential":
        """Return V², the multiplication applied twice: e^{2zV} from e^{zV} without an exponential."""

    @property
    @final
    def is_uniform(self) -> bool:
        """Whether V is the same at every grid point, by value, so that V commutes with the kinetic part."""
        return self._answer("uniform", self._find_uniform)

    @abstractmethod
    def _find_uniform(self) -> bool:
        """Return whether all grid points have the same values."""

    def separable_parts(self) -> list[torch.Tensor] | None:
        """Return 1-D parts with V_{ij…} = V_0[i] + V_1[j] + … for every channel, or None if V is no such sum."""
        return None

    @abstractmethod
    def mean(self) -> complex:
        """Return the mean over grid points and channels of V's diagonal."""

    @abstractmethod
    def bounds(self) -> tuple[float, float]:
        """Return the smallest and the largest eigenvalue of a Hermitian V."""

    @final
    def combined(self, w: float, other: "StaticPotential", v: float) -> "StaticPotential":
        """Return w·V + v·other, for two potentials of one kind."""
        return type(self)(w * self.values + v * other.values)  # type: ignore[call-arg]


def like_field(values: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Cast values to T's precision, real values staying real, so that a product keeps T's dtype."""
    return values.to(T.dtype if values.is_complex() else T.dtype.to_real())


def in_double(values: torch.Tensor) -> torch.Tensor:
    """Cast values to double precision, real values staying real."""
    return values.to(torch.complex128 if values.is_complex() else torch.float64)


def checked_values(where: str, V: object) -> torch.Tensor:
    """Return V if it is a finite tensor of a supported dtype; a complex V without imaginary part becomes real."""
    check_tensor(where, V)
    values: torch.Tensor = V  # type: ignore[assignment]
    check_field_dtype(where, values.dtype)
    if not is_finite(values):
        raise ValueError(f"`{where}` must be finite, but contains NaN or Inf.")
    if values.is_complex() and not values.requires_grad and not bool(values.imag.any()):
        return values.real.contiguous()
    return values
