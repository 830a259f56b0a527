"""Every exception and warning of the package."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spectral_ham.evolution.solution import Trajectory


class UnsupportedDTypeError(TypeError):
    """The dtype has too little precision, or no meaning, for a Hamiltonian (half precision, integers, bool)."""


class NotHermitianError(ValueError):
    """A method that is defined for a Hermitian H only was given a complex potential."""


class SolverError(RuntimeError):
    """An iterative solver did not reach its tolerance."""


class EvolutionError(ArithmeticError):
    """The field became NaN or Inf. ``trajectory`` holds what was saved before, its ``final`` is the last good field.

    Args:
        message: what happened, when, and what to do.
        trajectory: the run up to ``time``.
        time: of the last good field.
    """

    def __init__(self, message: str, trajectory: "Trajectory", time: float) -> None:
        super().__init__(message)
        self.trajectory = trajectory
        self.time = time


class RestartError(ValueError):
    """A restart file cannot be used: a bad path, a damaged or foreign file, another run, another process, a full disk.

    Where a finished run could not be written, ``trajectory`` holds it.
    """

    trajectory: "Trajectory | None" = None


class RestartWarning(UserWarning):
    """A restart file could not be written for now, or its newest state is damaged and the one before it is used."""


class LargeMetricWarning(UserWarning):
    """An inverse metric component is so large that it rules the stable time step and the rounding error."""


class Advice(UserWarning):
    """A warning before a run starts; the message names the remedy."""


class UnstableStepWarning(Advice):
    """The step is beyond the stability limit of the method: some modes grow without bound."""


class SplittingResonanceWarning(Advice):
    """The step is so long that a splitting exchanges states of different energy, or feeds noise, at constant norm."""


class UnderresolvedWarning(Advice):
    """The grid or the finite-difference order is too coarse for the field."""


class PrecisionWarning(Advice):
    """Rounding in the field's dtype alone is above the asked tolerance."""
