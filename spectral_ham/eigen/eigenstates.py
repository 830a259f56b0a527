"""Lowest eigenstates of H: matrix-free, preconditioned by one Fourier multiplication."""

import math
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch

from spectral_ham._internal.checks import as_count, as_number, invalid
from spectral_ham.eigen.lobpcg import lobpcg
from spectral_ham.eigen.matrix_problem import MatrixProblem, matrix_problem
from spectral_ham.eigen.preconditioner import smooth_fields
from spectral_ham.operators.hamiltonian import Hamiltonian

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]

DENSE_MAX_SIZE = 1024
"""Up to so many unknowns a dense eigendecomposition is cheaper than an iteration."""

GUARD_STATES = 4
"""More states than asked for are iterated: they keep a degenerate level whole, and widen the gap to the rest."""


def eigenstates(H: Hamiltonian, k: int = 1, *, tol: float = 1e-10) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k lowest energies and states, H[T_j] = E_j T_j, ascending, repeated where degenerate.

    Up to 1024 unknowns by a dense eigendecomposition, above by LOBPCG with the preconditioner (K + shift)⁻¹ (and by
    Lanczos should that stagnate). What is returned has ‖H[T_j] − E_j T_j‖ ≤ tol·(E_j − V_min)·‖T_j‖, or as little as
    rounding of H allows. E_j is within that of an eigenvalue, and within its square if the next level is far.

    Args:
        H: Hermitian, linear, independent of time, and the same for every channel; or with a `MatrixPotential`.
        k: how many.
        tol: bound of the residuals, relative to E_j − V_min.

    Shape:
        Energies: (k,), float64. States: (k,) + torus.shape, with a `MatrixPotential` (k,) + torus.shape + (D,);
        float64, or complex128 for a complex V; orthonormal, Σ T_i*·T_j ΔV = δ_ij. No gradient is recorded.

    Raises:
        NotHermitianError: V is not Hermitian.
        SolverError: a residual stays above its bound.
        ValueError: an H that depends on time or field, or on the channel; more states than unknowns.

    Reference:
        Knyazev (2001), SIAM J. Sci. Comput. 23, 517, doi:10.1137/S1064827500366124 (LOBPCG).

    Example:
        >>> import spectral_ham as sh
        >>> from spectral_ham.eigen.eigenstates import eigenstates
        >>> energies, states = eigenstates(sh.Hamiltonian(sh.Torus(9), backend="fd"), 4)
        >>> (energies[1:] - energies[0]).round(decimals=4)  # 1 − cos(2π/9) twice: e^{±ikx} are degenerate
        tensor([0.2340, 0.2340, 0.8264], dtype=torch.float64)
        >>> states.shape
        torch.Size([4, 9])
    """
    problem = matrix_problem("eigenstates(H)", H)
    k, tol = as_count("eigenstates(k=...)", k), as_number("eigenstates(tol=...)", tol, positive=True)
    if k > problem.size:
        raise invalid("eigenstates(k=...)", f"at most the number of unknowns, {problem.size}", k)
    energies, states = lowest_states(problem, k, tol, None)
    return energies, states / math.sqrt(H.torus.cell_volume)


def lowest_states(
    problem: MatrixProblem, k: int, tol: float, T0: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return k energies, and states with Σ|T|² = 1."""
    block = k + max(GUARD_STATES, k // 4)
    if problem.size <= max(DENSE_MAX_SIZE, 5 * block):
        energies, X = _dense(problem, k)
    else:
        energies, X = lobpcg(problem, k, tol, _start(problem, block, T0))
    states = torch.from_numpy(X.T.copy()).reshape(k, *problem.shape)
    return torch.from_numpy(energies.copy()).to(problem.device), states.to(problem.device)


def _dense(problem: MatrixProblem, k: int) -> "tuple[Array, Array]":
    import numpy as np
    from scipy.linalg import eigh

    return cast("tuple[Array, Array]", eigh(problem.apply(np.eye(problem.size)), subset_by_index=(0, k - 1)))


def _start(problem: MatrixProblem, block: int, T0: torch.Tensor | None) -> "Array":
    H = problem.H
    start = smooth_fields(H, (*problem.shape[H.torus.ndim :], block))
    start = start if H.is_real and (T0 is None or not T0.is_complex()) else start.to(torch.complex128)
    if T0 is not None:
        start[..., 0] = T0.cpu()
    return cast("Array", start.reshape(problem.size, block).numpy())
