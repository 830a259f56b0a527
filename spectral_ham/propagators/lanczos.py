"""Lanczos propagation: e^{zH} in the Krylov space of the field, with an error bound from what it finds there."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias, final

import torch

from spectral_ham._internal.checks import as_count, as_number
from spectral_ham.propagators.base import Propagator
from spectral_ham.propagators.method import Facts

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]

QUADRATURE_NODES = 24
SAFETY = 0.9
MAX_BASIS_BYTES = 2 * 2**30


@final
@dataclass(frozen=True, eq=False)
class Lanczos(Propagator):
    """T ↦ ‖T‖ Q e^{z𝒯} e_1, where H Q = Q 𝒯 + β_m q_{m+1} e_mᵀ in the Krylov space of T, all channels together.

    A step is cut into substeps s with

        ‖error‖ ≤ ‖T‖ β_m ∫_0^s |[e^{−iu𝒯/ħ}]_{m1}| du/ħ ≤ tol·‖T‖·s/dt,

    a bound for exact arithmetic (the integral by Gauss–Legendre quadrature). The basis is reorthogonalized.

    Args:
        hamiltonian: Hermitian, independent of time.
        dt: the step.
        imaginary: imaginary time; the bound is then relative to the growth of the lowest state.
        tol: bound of the error of one step, relative to ‖T‖.
        krylov_dim: m ≥ 2, the fields that are held (and three more); fewer where they would exceed 2 GiB, but at
            least 4.

    Reference:
        Lubich (2008), From Quantum to Classical Molecular Dynamics, section III.2.2, Theorem 2.5,
        doi:10.4171/067; Park & Light (1986), J. Chem. Phys. 85, 5870, doi:10.1063/1.451548.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.propagators import Exact, Lanczos
        >>> H = sh.Hamiltonian(sh.Torus(16), backend="fd")
        >>> T = torch.randn(16, dtype=torch.complex128)
        >>> float((Lanczos(H, 2.0, tol=1e-10)(T) - Exact(H, 2.0)(T)).norm() / T.norm()) < 1e-10
        True
    """

    tol: float = 1e-12
    krylov_dim: int = 24
    name: ClassVar[str] = "lanczos"
    facts = Facts(order=None, is_error_controlled=True)

    def _prepare(self) -> None:
        as_number("Lanczos(tol=...)", self.tol, positive=True)
        as_count("Lanczos(krylov_dim=...)", self.krylov_dim, minimum=2)
        self._require_static()
        self._require_hermitian()
        self._require_plain_hbar()

    def _advance(self, T: torch.Tensor, steps: int, t: float, out: torch.Tensor | None) -> torch.Tensor:  # noqa: ARG002
        self._require_no_gradient(T)
        whole = steps * self.dt / float(self.hamiltonian.hbar)
        done = 0.0
        while abs(done) < abs(whole) * (1 - 1e-14):
            T, taken = self._substep(T, whole - done)
            done += taken
        return T

    def _substep(self, T: torch.Tensor, remaining: float) -> tuple[torch.Tensor, float]:
        """Return the field after the longest substep that meets the bound, and its length dt/ħ."""
        basis, energies, states, beta = self._krylov_space(T)
        norm = float(torch.linalg.vector_norm(T))
        if norm == 0:
            return T, remaining
        rate = self.tol / (abs(self.dt) / float(self.hamiltonian.hbar))
        s = remaining
        while beta > 0 and (bound := beta * self._leak(energies, states, s)) > rate * abs(s):
            s *= max(0.1, min(SAFETY, SAFETY * (rate * abs(s) / bound) ** (1 / len(energies))))
        weights = norm * (states @ (self._exponential(energies, s) * states[0]))
        unit = float if self.imaginary else complex
        result = basis[0] * unit(weights[0])
        for vector, weight in zip(basis[1:], weights[1:], strict=True):
            result = result.add_(vector, alpha=unit(weight))
        return result, s

    def dimension(self, T: torch.Tensor) -> int:
        """Return m for fields like T, bounded by memory and by the size of the problem."""
        affordable = max(4, MAX_BASIS_BYTES // (T.numel() * T.element_size()))
        return min(self.krylov_dim, affordable, T.numel())

    def _krylov_space(self, T: torch.Tensor) -> "tuple[list[torch.Tensor], Array, Array, float]":
        """Return an orthonormal basis of span{T, HT, …}, the eigenpairs of 𝒯, and the last β."""
        from scipy.linalg import eigh_tridiagonal

        basis: list[torch.Tensor] = []
        alphas: list[float] = []
        betas: list[float] = []
        candidate = T
        scale = float(torch.linalg.vector_norm(T))
        while True:
            basis.append(candidate / (scale or 1.0))
            candidate = self._apply_hamiltonian(basis[-1])
            alphas.append(float(_inner(basis[-1], candidate).real))
            for _ in range(2):  # twice is enough: Parlett, The Symmetric Eigenvalue Problem, section 6-9
                for vector in basis:
                    overlap = _inner(vector, candidate)
                    candidate = candidate - overlap * vector
            scale = float(torch.linalg.vector_norm(candidate))
            negligible = 4 * torch.finfo(T.dtype).eps * (abs(alphas[-1]) + sum(betas[-1:]))
            if len(basis) == self.dimension(T) or scale <= negligible:
                break
            betas.append(scale)
        energies, states = eigh_tridiagonal(alphas, betas)
        return basis, energies, states, scale if scale > negligible else 0.0

    def _exponential(self, energies: "Array", s: float) -> "Array":
        """Return e^{−sE} relative to the lowest state, or e^{−isE}."""
        import numpy as np

        return np.exp(-s * energies) if self.imaginary else np.exp(-1j * s * energies)

    def _leak(self, energies: "Array", states: "Array", s: float) -> float:
        """Return ∫_0^s |[e^{−u𝒯}]_{m1}| du: what has reached the end of the chain."""
        import numpy as np

        nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE_NODES)
        u = s * (nodes + 1) / 2
        ends = np.array([abs(np.sum(states[-1] * self._exponential(energies, x) * states[0])) for x in u])
        return float(abs(s) / 2 * np.sum(weights * ends))


def _inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    product: torch.Tensor = torch.linalg.vecdot(a.flatten(), b.flatten())
    return product
