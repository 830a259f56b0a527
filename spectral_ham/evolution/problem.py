"""What `evolve` solves."""

from dataclasses import dataclass
from functools import cached_property

import torch

from spectral_ham._internal.mode import carries_derivative
from spectral_ham._internal.norm import two_norm
from spectral_ham.evolution.times import Schedule
from spectral_ham.operators.hamiltonian import Hamiltonian


@dataclass(frozen=True, eq=False)
class Problem:
    """iħ ∂T/∂t = H[T], or ħ ∂T/∂τ = −H[T] in imaginary time, from T over the interval of a schedule.

    Args:
        H: the Hamiltonian.
        T: the field at the start, in the dtype of the evolution.
        schedule: interval and saved times.
        imaginary: imaginary time.
    """

    H: Hamiltonian
    T: torch.Tensor
    schedule: Schedule
    imaginary: bool

    @cached_property
    def norm(self) -> float:
        """‖T‖₂."""
        return two_norm(self.T)

    @cached_property
    def is_hermitian(self) -> bool:
        """Whether H is Hermitian, judged once."""
        return self.H.is_hermitian

    @cached_property
    def is_recorded(self) -> bool:
        """Whether autograd records: T, the kinetic part, ħ, or V at the start carries a derivative."""
        if not torch.is_grad_enabled():
            return False
        H = self.H
        V = H.potential_at(self.schedule.start, self.T)
        sources = (self.T, H.hbar, *H.kinetic.coefficients, None if V is None else V.values)
        return any(isinstance(x, torch.Tensor) and carries_derivative(x) for x in sources)
