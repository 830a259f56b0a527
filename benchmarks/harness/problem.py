"""The field, the potential and the exact results that the candidates of a case share."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch

from benchmarks.harness import reference
from benchmarks.harness.measure import CPU

Operation = Callable[[torch.Tensor], torch.Tensor]

DT = 0.25
"""Time step: the error of a Strang step stands above complex64 rounding, that of every competitor below 1."""


@dataclass(frozen=True)
class Problem:
    """A random field (N_x, N_y, channels…) of one dtype in a real potential of one value per grid point.

    ``waves``: wavelengths of nine points or more in a lattice, for steps in time; else white noise in white noise.
    """

    shape: tuple[int, ...]
    torch_dtype: torch.dtype = torch.complex64
    device: torch.device = CPU
    waves: bool = False

    @property
    def case(self) -> str:
        """The shape, as text."""
        return "×".join(map(str, self.shape))

    @property
    def dtype(self) -> str:
        """The dtype, as text."""
        return str(self.torch_dtype).removeprefix("torch.")

    @property
    def real_dtype(self) -> str:
        """The dtype of its real numbers, as text."""
        return str(self.torch_dtype.to_real()).removeprefix("torch.")

    @property
    def key(self) -> tuple[str, str]:
        """What copies and FFT pairs are told apart by."""
        return self.case, self.dtype

    @property
    def channels(self) -> int:
        """Number of numbers per grid point."""
        return self.T[0, 0].numel()

    @cached_property
    def T(self) -> torch.Tensor:
        """The field, in the layout that users have: channels last."""
        make = reference.random_waves if self.waves else reference.random_field
        return make(self.shape, self.torch_dtype).to(self.device).contiguous()

    @cached_property
    def channels_first(self) -> torch.Tensor:
        """The field as (channels, N_x, N_y)."""
        return channels_first(self.T).contiguous()

    @cached_property
    def wide_V(self) -> torch.Tensor:
        """V in float64."""
        return (reference.lattice if self.waves else reference.random_potential)(self.shape).to(self.device)

    @cached_property
    def V(self) -> torch.Tensor:
        """V in the field's precision."""
        return self.wide_V.to(self.torch_dtype.to_real())

    def exact(self, operation: Operation, *, potential: bool = True) -> torch.Tensor:
        """Return operation(T) + V·T in double precision."""
        return _exact(self, operation, potential)

    def exact_at(self, t: float, operation: Operation) -> torch.Tensor:
        """Return e^{−iHt/ħ} of the first channel in complex128, with H = operation + V."""
        return _exact_at(self, t, operation)

    @property
    def first_channel(self) -> torch.Tensor:
        """The field's first channel: all others evolve alike."""
        return first_channel(self.T)


@lru_cache(maxsize=6)
def _exact(problem: Problem, operation: Operation, potential: bool) -> torch.Tensor:
    wide = problem.T.to(torch.complex128 if problem.T.is_complex() else torch.float64)
    result = operation(wide)
    return result + reference.with_channels(problem.wide_V, wide) * wide if potential else result


@lru_cache(maxsize=6)
def _exact_at(problem: Problem, t: float, operation: Operation) -> torch.Tensor:
    first, V = problem.first_channel.to(torch.complex128), problem.wide_V
    E_max = float(reference.kinetic_energies(problem.shape).max() + V.max())
    return reference.evolved(lambda T: operation(T) + V * T, E_max, first, t)


def first_channel(T: torch.Tensor) -> torch.Tensor:
    """Return the first channel of a field, grid axes first."""
    return T.reshape(*T.shape[:2], -1)[..., 0]


def channels_first(T: torch.Tensor) -> torch.Tensor:
    """Return a view of a field as (channels, N_x, N_y)."""
    return T.reshape(*T.shape[:2], -1).movedim(-1, 0)
