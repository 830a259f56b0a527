"""Crank–Nicolson: implicit, unitary, second order; solved by GMRES with a Fourier preconditioner."""

from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, final

import torch

from spectral_ham._internal.checks import as_number
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.propagators.base import OneStep
from spectral_ham.propagators.method import Facts
from spectral_ham.solvers.gmres import gmres


@final
@dataclass(frozen=True, eq=False)
class CrankNicolson(OneStep):
    """(1 − zH/2) T' = (1 + zH/2) T: a plane wave of energy E gains the phase factor (1 − iEdt/2ħ)/(1 + iEdt/2ħ).

    The system is solved by GMRES, preconditioned by (1 − z(K + V̄)/2)⁻¹ with the mean V̄ of the potential: one Fourier
    multiplication, which for a constant V is the solution itself.

    Args:
        hamiltonian: linear and independent of time.
        dt: the step.
        imaginary: imaginary time.
        tol: bound of the residual of each solve, relative to ‖(1 + zH/2)T‖; None is 1e-12, and 1e-5 for single
            precision.

    Raises:
        SolverError: the residual stays above ``tol`` after 1000 iterations.

    Reference:
        Crank & Nicolson (1947), Proc. Camb. Phil. Soc. 43, 50, doi:10.1017/S0305004100023197;
        Saad & Schultz (1986), SIAM J. Sci. Stat. Comput. 7, 856 (GMRES), doi:10.1137/0907058.

    Example:
        >>> import math, torch, spectral_ham as sh
        >>> from spectral_ham.propagators import CrankNicolson
        >>> torus = sh.Torus(8, lengths=2 * math.pi)
        >>> wave = sh.exact.plane_wave(torus, 2)  # E = 2
        >>> after = CrankNicolson(sh.Hamiltonian(torus), 0.5)(wave)
        >>> torch.allclose(after, (1 - 0.5j) / (1 + 0.5j) * wave)
        True
    """

    tol: float | None = None
    name: ClassVar[str] = "crank_nicolson"
    facts = Facts(order=2, is_symmetric=True, is_unitary=True)
    _preconditioner: FourierMultiplier = field(init=False, repr=False)

    def _prepare(self) -> None:
        if self.tol is not None:
            as_number("CrankNicolson(tol=...)", self.tol, positive=True)
        self._require_static()
        V = self.hamiltonian.potential_at(0.0)
        mean = 0.0 if V is None else V.mean()
        if self.hamiltonian.is_real:
            mean = mean.real  # a complex number without imaginary part would make a real field complex
        self._set(_preconditioner=self.hamiltonian.kinetic_function(lambda E: 1 / (1 - self.z / 2 * (E + mean))))

    def _step(self, T: torch.Tensor, t: float) -> torch.Tensor:
        self._require_no_gradient(T)
        return self._solve(T + self.z / 2 * self._apply_hamiltonian(T, t))

    def _operator(self, X: torch.Tensor) -> torch.Tensor:
        return X - self.z / 2 * self._apply_hamiltonian(X)

    def _solve(self, B: torch.Tensor) -> torch.Tensor:
        """Return X with ‖(1 − zH/2)X − B‖ ≤ tol·‖B‖."""
        double = B.dtype in (torch.complex128, torch.float64)
        tol = self.tol if self.tol is not None else 1e-12 if double else 1e-5
        return gmres(self._operator, partial(self._multiply, self._preconditioner), B, tol, where="CrankNicolson")
