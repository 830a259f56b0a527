"""Crank–Nicolson: implicit, unitary, second order; solved by GMRES with a Fourier preconditioner."""

from dataclasses import dataclass, field
from typing import ClassVar, final

import torch

from spectral_ham._internal.checks import as_number
from spectral_ham.errors import SolverError
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.propagators.base import OneStep
from spectral_ham.propagators.method import Facts

RESTART = 20
MAX_RESTARTS = 50


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
        target = tol * float(torch.linalg.vector_norm(B))
        X = self._multiply(self._preconditioner, B)
        residual = B - self._operator(X)
        for _ in range(MAX_RESTARTS):
            if float(torch.linalg.vector_norm(residual)) <= target:
                return X
            X = X + self._correction(residual, target)
            residual = B - self._operator(X)
        reached = float(torch.linalg.vector_norm(residual) / torch.linalg.vector_norm(B))
        raise SolverError(
            f"`CrankNicolson(tol={tol})` must be reachable, but the residual is {reached:.3g} after "
            f"{RESTART * MAX_RESTARTS} iterations. Raise tol (rounding limits it), or shorten dt."
        )

    def _correction(self, residual: torch.Tensor, target: float) -> torch.Tensor:
        """Return the GMRES correction from at most ``RESTART`` right-preconditioned Krylov vectors."""
        scale = torch.linalg.vector_norm(residual)
        basis = [residual / scale]
        rows: list[torch.Tensor] = []
        for k in range(RESTART):
            candidate = self._operator(self._multiply(self._preconditioner, basis[k]))
            column = torch.zeros(RESTART + 1, dtype=candidate.dtype, device=candidate.device)
            for i, vector in enumerate(basis):
                column[i] = torch.linalg.vecdot(vector.flatten(), candidate.flatten())
                candidate = candidate - column[i] * vector
            norm = torch.linalg.vector_norm(candidate)
            column[k + 1] = norm
            rows.append(column)
            system = torch.stack(rows, dim=1)[: k + 2]
            rhs = torch.zeros(k + 2, 1, dtype=system.dtype, device=system.device)
            rhs[0] = scale
            y = torch.linalg.lstsq(system, rhs).solution
            if float(torch.linalg.vector_norm(system @ y - rhs)) <= target or float(norm) == 0:
                break
            basis.append(candidate / norm)
        combined = torch.zeros_like(residual)
        for weight, vector in zip(y.flatten(), basis, strict=False):
            combined = combined + weight * vector
        return self._multiply(self._preconditioner, combined)
