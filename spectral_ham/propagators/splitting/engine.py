"""What runs a splitting: an engine takes the steps and owns the tables that it multiplies by."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import torch

if TYPE_CHECKING:
    from spectral_ham.propagators.splitting.splitting import Splitting

Tables: TypeAlias = Mapping[tuple[object, ...], torch.Tensor]
"""Name → table."""


class Engine(ABC):
    """Takes steps of a splitting with a static V, forward and, where they are unitary, backward.

    Ready for one kind of field. Nothing is recorded.
    """

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """What the tables hold."""

    @staticmethod
    @abstractmethod
    def tables_of(splitting: "Splitting", T: torch.Tensor, steps: int) -> Tables:
        """Return the tables of a run of fields like T, differentiable by what they are computed from."""

    @classmethod
    @abstractmethod
    def of(cls, splitting: "Splitting", T: torch.Tensor, tables: Tables | None = None) -> "Engine":
        """Return the engine for fields like T, with the values of ``tables`` if they are known."""

    @abstractmethod
    def advance(self, T: torch.Tensor, steps: int, out: torch.Tensor | None) -> torch.Tensor:
        """Return T after ``steps`` steps, in ``out`` (contiguous, like T) if it is given."""

    @abstractmethod
    def pullback(
        self, T: torch.Tensor, G: torch.Tensor, steps: int, tables: Sequence[torch.Tensor], needed: Sequence[bool]
    ) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
        """Return the cotangents of the field before ``steps`` unitary steps, and of the tables that are ``needed``.

        The steps are undone factor by factor beside the cotangent: nothing is kept of the run, two fields are alive.

        Args:
            T: the field after the steps.
            G: its cotangent.
            steps: how many.
            tables: those of `tables_of`, in order.
            needed: which of them want a cotangent.
        """
