"""H as a Hermitian matrix on flattened fields."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch

from spectral_ham._internal.checks import invalid
from spectral_ham.eigen.preconditioner import ROUNDING, kinetic_inverse, softest_kinetic
from spectral_ham.errors import NotHermitianError
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.operators.multiplier import FourierMultiplier

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]


@dataclass(frozen=True)
class MatrixProblem:
    """H as a matrix on flattened fields: it takes X of shape (size, columns)."""

    call: str
    H: Hamiltonian
    shape: tuple[int, ...]
    device: torch.device
    bounds: tuple[float, float]
    preconditioner: FourierMultiplier

    @property
    def size(self) -> int:
        """Number of unknowns."""
        return math.prod(self.shape)

    def apply(self, X: "Array") -> "Array":
        """Return H X."""
        return self._columns(self.H, X)

    def precondition(self, X: "Array") -> "Array":
        """Return (K + shift)⁻¹ X."""
        return self._columns(self.preconditioner, X)

    def _columns(self, operator: Hamiltonian | FourierMultiplier, X: "Array") -> "Array":
        import numpy as np

        fields = torch.from_numpy(np.ascontiguousarray(X)).to(self.device).reshape(*self.shape, -1)
        with torch.no_grad():
            return cast("Array", operator(fields).reshape(X.shape).cpu().numpy())

    @property
    def rounding(self) -> float:
        """The residual below which there is nothing to gain."""
        return ROUNDING * (self.bounds[1] - self.bounds[0])

    def allowed(self, energies: "Array", tol: float) -> "Array":
        """Return the largest residual that each state may have."""
        import numpy as np

        return cast("Array", np.maximum(tol * (energies - self.bounds[0]), self.rounding))


def matrix_problem(where: str, H: Hamiltonian) -> MatrixProblem:
    """Refuse an H that is not one Hermitian matrix for every channel, or for the channels of a matrix potential."""
    if not H.is_static:
        raise invalid(where, "linear and independent of time", H.potential, "Pass H.with_potential(V) with V frozen.")
    V = H.potential_at(0.0)
    if not H.is_hermitian:
        raise invalid(where, "Hermitian", V, "Pass H.with_potential(V) with V's Hermitian part.", NotHermitianError)
    if V is not None and not V.is_channel_independent and not V.mixes_channels:
        remedy = "Channels do not mix: pass H.with_potential(V[..., a]) for each."
        raise invalid(where, "the same for every channel", V, remedy)
    bounds = H.spectral_bounds()
    shift = 0.0 if V is None else V.mean().real - V.bounds()[0]
    return MatrixProblem(
        where.removesuffix("(H)"),
        H,
        H.torus.shape + ((V.values.shape[-1],) if V is not None and V.mixes_channels else ()),
        torch.device("cpu") if V is None else V.values.device,
        bounds,
        kinetic_inverse(H, max(shift, softest_kinetic(H))),
    )
