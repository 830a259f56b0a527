"""Lowest states of a large H: SciPy's LOBPCG in rounds, and its Lanczos iteration should that stagnate."""

import math
import warnings
from typing import TYPE_CHECKING, Any, TypeAlias

from spectral_ham.eigen.matrix_problem import MatrixProblem
from spectral_ham.eigen.preconditioner import not_converged

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]

ROUND, MAX_ROUNDS = 25, 20
MAX_RESTARTS = 200


def lobpcg(problem: MatrixProblem, k: int, tol: float, X: "Array") -> "tuple[Array, Array]":
    """Return k energies and states by LOBPCG: rounds until these, not the guard states, are within their bounds."""
    from scipy.sparse import linalg

    # Not a tolerance of 0: SciPy reads it as its own default, 1e-8 times the number of unknowns.
    stop = problem.rounding / 4
    for _ in range(MAX_ROUNDS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the guard states have not reached it
            X = linalg.lobpcg(problem.apply, X, M=problem.precondition, tol=stop, maxiter=ROUND, largest=False)[1]
        energies, X, residuals = _ritz(problem, X)
        if bool((residuals[:k] <= problem.allowed(energies[:k], tol)).all()):
            return energies[:k], X[:, :k]
    return _lanczos(problem, k, tol, X)


def _lanczos(problem: MatrixProblem, k: int, tol: float, X: "Array") -> "tuple[Array, Array]":
    """Return k energies and states by the Lanczos iteration, without a preconditioner: slow, and the last resort."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    operator = LinearOperator((problem.size, problem.size), matvec=problem.apply, dtype=X.dtype)
    try:
        X = eigsh(operator, k=k, which="SA", v0=X.sum(axis=1), maxiter=MAX_RESTARTS)[1]
    except ArpackNoConvergence as error:
        raise not_converged(problem.call, math.inf, tol) from error
    energies, X, residuals = _ritz(problem, X)
    allowed = problem.allowed(energies[:k], tol)
    if not bool((residuals[:k] <= allowed).all()):
        worst = int((residuals[:k] / allowed).argmax())
        raise not_converged(problem.call, float(residuals[worst]), float(allowed[worst]))
    return energies[:k], X[:, :k]


def _ritz(problem: MatrixProblem, X: "Array") -> "tuple[Array, Array, Array]":
    """Return energies, orthonormal states and residuals ‖H[T] − ET‖: the best that the span of X holds."""
    import numpy as np

    X = np.linalg.qr(X)[0]
    HX = problem.apply(X)
    energies, U = np.linalg.eigh(X.conj().T @ HX)
    X, HX = X @ U, HX @ U
    return energies, X, np.linalg.norm(HX - X * energies, axis=0)
