"""What is known of a method without building it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

if TYPE_CHECKING:
    from spectral_ham.operators.hamiltonian import Hamiltonian
    from spectral_ham.propagators.base import Propagator


@final
@dataclass(frozen=True)
class Facts:
    """What holds of a method for every H and dt.

    Args:
        order: the power p of the error dt^p over a fixed time; None where there is no such error.
        is_symmetric: whether a step with −dt undoes one with dt, to rounding.
        is_unitary: whether ‖T‖ is kept, for a Hermitian H in real time, to rounding or the tolerance of a solver.
        is_error_controlled: whether the error over any dt is within a tolerance, so that no dt has to be found.
    """

    order: int | None
    is_symmetric: bool = False
    is_unitary: bool = False
    is_error_controlled: bool = False


@final
@dataclass(frozen=True)
class Method:
    """A method by its facts; called, it builds the propagator of one step.

    Args:
        name: the flag.
        build: (hamiltonian, dt, imaginary, …) ↦ propagator.
        facts: see `Facts`.
        is_splitting: whether it is a product of kinetic and potential exponentials.
    """

    name: str
    build: Callable[..., "Propagator"]
    facts: Facts
    is_splitting: bool = False

    def __call__(self, H: "Hamiltonian", dt: float, imaginary: bool = False, **options: Any) -> "Propagator":
        """Return the propagator of one step dt."""
        return self.build(H, dt, imaginary, **options)

    @property
    def order(self) -> int | None:
        """The power p of the error dt^p over a fixed time; None where there is no such error."""
        return self.facts.order

    @property
    def is_symmetric(self) -> bool:
        """Whether a step with −dt undoes one with dt, to rounding."""
        return self.facts.is_symmetric

    @property
    def is_unitary(self) -> bool:
        """Whether ‖T‖ is kept for a Hermitian H in real time."""
        return self.facts.is_unitary

    @property
    def is_error_controlled(self) -> bool:
        """Whether the error over any dt is within a tolerance."""
        return self.facts.is_error_controlled
