"""(K + shift)⁻¹: the preconditioner of every iteration here, and what makes smooth fields to start from."""

import torch

from spectral_ham.errors import SolverError
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.operators.multiplier import FourierMultiplier

ROUNDING = 32 * torch.finfo(torch.float64).eps
"""A residual cannot be asked to fall below this share of the width of the spectrum: H itself is no more precise."""


def kinetic_inverse(H: Hamiltonian, shift: float) -> FourierMultiplier:
    """Return (K + shift)⁻¹."""
    return H.kinetic_function(lambda E: 1 / (E.detach() + shift))


def softest_kinetic(H: Hamiltonian) -> float:
    """Return the smallest kinetic energy above 0, or 1 on a single point."""
    E = H.kinetic.symbol(torch.float64, torch.device("cpu")).detach()
    return float(E[E > 0].min()) if bool((E > 0).any()) else 1.0


def smooth_fields(H: Hamiltonian, channels: tuple[int, ...] = ()) -> torch.Tensor:
    """Return fields without any symmetry whose low modes prevail: starts that overlap with every low state."""
    shape = (*H.torus.shape, *channels)
    noise = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(0), dtype=torch.float64, device="cpu")
    smoothing = kinetic_inverse(H, softest_kinetic(H))
    return smoothing(smoothing(noise))


def not_converged(where: str, reached: float, allowed: float) -> SolverError:
    """Return the error that says how far an iteration has come."""
    return SolverError(
        f"`{where}` must reach a residual of {allowed:.3g}, but stays at {reached:.3g}. Raise tol, give a T0 that is "
        "closer, or ask for a state more or less, so that no degenerate level is cut."
    )
