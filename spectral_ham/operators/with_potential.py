"""What the potential of an operator says of the operator."""

import torch

from spectral_ham._internal.checks import as_complex
from spectral_ham._internal.frozen import Frozen
from spectral_ham.potentials import Potential, StaticPotential


class WithPotential(Frozen):
    """An operator A[T] = K T + V·T with a real kinetic part K."""

    potential: Potential | None

    def potential_at(self, t: float, T: torch.Tensor | None = None) -> StaticPotential | None:
        """Return V at time ``t`` in the state ``T``, or None for V = 0."""
        return None if self.potential is None else self.potential.at(t, T)

    @property
    def is_static(self) -> bool:
        """Whether H is linear and the same at all times."""
        return self.potential is None or self.potential.is_static

    @property
    def is_linear(self) -> bool:
        """Whether H[T] is linear in T."""
        return self.potential is None or self.potential.is_linear

    @property
    def is_hermitian(self) -> bool:
        """Whether H† = H, by value: a complex V with zero imaginary part is real. V(t) is judged at t = 0."""
        V = self.potential_at(0.0) if self.is_linear else None  # V[T] is real
        return V is None or V.is_hermitian

    @property
    def is_real(self) -> bool:
        """Whether H[T] is real for a real T. V(t) is judged at t = 0."""
        V = self.potential_at(0.0) if self.is_linear else None
        return V is None or not V.values.is_complex()


def pointwise(V: Potential | None) -> StaticPotential | None:
    """Return V if it stays and multiplies pointwise, so that it is prepared with the kinetic part."""
    static = None if V is None or not V.is_static else V.at(0.0)
    return None if static is None or static.mixes_channels else static


def complex_where(values: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Return T, made complex where V is."""
    return T.to(as_complex(T.dtype)) if values.is_complex() and not T.is_complex() else T
