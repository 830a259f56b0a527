"""Lowest eigenstates of H, and its ground state: matrix-free, preconditioned by one Fourier multiplication."""

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import torch

from spectral_ham._internal.checks import as_count, as_number, check_field, invalid
from spectral_ham.eigen.minimize import (
    ROUNDING,
    kinetic_inverse,
    minimized,
    not_converged,
    smooth_fields,
    softest_kinetic,
)
from spectral_ham.errors import NotHermitianError
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.potentials import MatrixPotential

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]

DENSE_MAX_SIZE = 1024
"""Up to so many unknowns a dense eigendecomposition is cheaper than an iteration."""

GUARD_STATES = 4
"""More states than asked for are iterated: they keep a degenerate level whole, and widen the gap to the rest."""

ROUND, MAX_ROUNDS = 25, 20
MAX_RESTARTS = 200


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
        >>> from spectral_ham.eigen.states import eigenstates
        >>> energies, states = eigenstates(sh.Hamiltonian(sh.Torus(9), backend="fd"), 4)
        >>> (energies[1:] - energies[0]).round(decimals=4)  # 1 − cos(2π/9) twice: e^{±ikx} are degenerate
        tensor([0.2340, 0.2340, 0.8264], dtype=torch.float64)
        >>> states.shape
        torch.Size([4, 9])
    """
    problem = _problem("eigenstates(H)", H)
    k, tol = as_count("eigenstates(k=...)", k), as_number("eigenstates(tol=...)", tol, positive=True)
    if k > problem.size:
        raise invalid("eigenstates(k=...)", f"at most the number of unknowns, {problem.size}", k)
    energies, states = _solve(problem, k, tol, None)
    return energies, states / math.sqrt(H.torus.cell_volume)


def ground_state(
    H: Hamiltonian, T0: torch.Tensor | None = None, *, tol: float = 1e-10
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the state of lowest energy at fixed norm, and its energy ``H.energy(state)``.

    For a linear H it is the first of `eigenstates`; its energy is the eigenvalue if the norm is 1. For a nonlinear H
    (`GrossPitaevskii`, or a `NonlinearPotential` with an antiderivative) the energy is minimized by conjugate gradients
    with the preconditioner (K + shift)⁻¹, until it is still and ‖H[T] − μT‖ ≤ tol·(μ − V_min)·‖T‖, where
    μ = ⟨T, H[T]⟩/⟨T, T⟩ is the chemical potential. That is a local minimum: a condensate that attracts itself may have
    several.

    Args:
        H: Hermitian and independent of time (a nonlinear V[T](t) is taken at t = 0).
        T0: where to start; its norm Σ|T0|²ΔV is kept. By default a smooth field of norm 1.
        tol: bound of the residual, relative to μ − V_min (for a linear H: to E − V_min).

    Shape:
        T0 and the state: torus.shape, with a `MatrixPotential` torus.shape + (D,), with a nonlinear potential
        torus.shape + any channels. The state is float64 or complex128, the energy a 0-d float64 tensor. No gradient is
        recorded.

    Raises:
        NotHermitianError: V is not Hermitian.
        SolverError: the residual stays above its bound.
        ValueError: an H that depends on time, or on the channel; a T0 that does not fit, is not finite or is 0; a
            nonlinear potential whose energy is not defined.

    Example:
        >>> import spectral_ham as sh
        >>> from spectral_ham.eigen.states import ground_state
        >>> trap = sh.potentials.harmonic(torus := sh.Torus(64, lengths=16.0))
        >>> state, E = ground_state(sh.Hamiltonian(torus, potential=trap))
        >>> round(float(E), 8)
        0.5
        >>> condensate = sh.Hamiltonian(torus, potential=sh.GrossPitaevskii(g=10.0, external=trap))
        >>> state, E = ground_state(condensate)
        >>> round(float(E), 4)
        1.9471
    """
    tol = as_number("ground_state(tol=...)", tol, positive=True)
    T0 = None if T0 is None else _checked_start(H, T0)
    norm = 1.0 if T0 is None else float(T0.abs().square().sum()) * H.torus.cell_volume
    if not math.isfinite(norm) or norm == 0:
        raise invalid("ground_state(T0=...)", "a field of positive finite norm", norm)
    if H.is_linear:
        problem = _problem("ground_state(H)", H)
        if T0 is not None and T0.shape != problem.shape:
            raise invalid("ground_state(T0=...)", f"of shape {problem.shape}", T0)
        state = _solve(problem, 1, tol, T0)[1][0]
    else:
        state = _positive(smooth_fields(H)) if T0 is None else T0
    with torch.no_grad():
        state = state * (math.sqrt(norm / H.torus.cell_volume) / torch.linalg.vector_norm(state))
        state = state if H.is_linear else minimized(H, state, tol)
        return state, H.energy(state)


def _positive(T: torch.Tensor) -> torch.Tensor:
    """Return a field without nodes, as ground states are."""
    return torch.exp(T / T.abs().max())


def _checked_start(H: Hamiltonian, T0: torch.Tensor) -> torch.Tensor:
    """Return T0 in double precision."""
    check_field("ground_state(T0=...)", T0, H.torus.shape)
    return T0.detach().to(torch.complex128 if T0.is_complex() else torch.float64)


@dataclass(frozen=True)
class _Problem:
    """H as a matrix on flattened fields: it takes X of shape (size, columns)."""

    H: Hamiltonian
    shape: tuple[int, ...]
    device: torch.device
    bounds: tuple[float, float]
    preconditioner: FourierMultiplier

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def apply(self, X: "Array") -> "Array":
        return self._columns(self.H, X)

    def precondition(self, X: "Array") -> "Array":
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


def _problem(where: str, H: Hamiltonian) -> _Problem:
    """Refuse an H that is not one Hermitian matrix for every channel, or for the channels of a matrix potential."""
    if not H.is_static:
        raise invalid(where, "linear and independent of time", H.potential, "Pass H.with_potential(V) with V frozen.")
    V = H.potential_at(0.0)
    if not H.is_hermitian:
        raise invalid(where, "Hermitian", V, "Pass H.with_potential(V) with V's Hermitian part.", NotHermitianError)
    is_matrix = isinstance(V, MatrixPotential)
    if V is not None and not V.is_channel_independent and not is_matrix:
        remedy = "Channels do not mix: pass H.with_potential(V[..., a]) for each."
        raise invalid(where, "the same for every channel", V, remedy)
    bounds = H.spectral_bounds()
    shift = 0.0 if V is None else V.mean().real - V.bounds()[0]
    return _Problem(
        H,
        H.torus.shape + ((V.values.shape[-1],) if V is not None and is_matrix else ()),
        torch.device("cpu") if V is None else V.values.device,
        bounds,
        kinetic_inverse(H, max(shift, softest_kinetic(H))),
    )


def _solve(problem: _Problem, k: int, tol: float, T0: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
    """Return k energies, and states with Σ|T|² = 1."""
    block = k + max(GUARD_STATES, k // 4)
    if problem.size <= max(DENSE_MAX_SIZE, 5 * block):
        energies, X = _dense(problem, k)
    else:
        energies, X = _lobpcg(problem, k, tol, _start(problem, block, T0))
    states = torch.from_numpy(X.T.copy()).reshape(k, *problem.shape)
    return torch.from_numpy(energies.copy()).to(problem.device), states.to(problem.device)


def _dense(problem: _Problem, k: int) -> "tuple[Array, Array]":
    import numpy as np
    from scipy.linalg import eigh

    return cast("tuple[Array, Array]", eigh(problem.apply(np.eye(problem.size)), subset_by_index=(0, k - 1)))


def _start(problem: _Problem, block: int, T0: torch.Tensor | None) -> "Array":
    H = problem.H
    start = smooth_fields(H, (*problem.shape[H.torus.ndim :], block))
    start = start if H.is_real and (T0 is None or not T0.is_complex()) else start.to(torch.complex128)
    if T0 is not None:
        start[..., 0] = T0.cpu()
    return cast("Array", start.reshape(problem.size, block).numpy())


def _lobpcg(problem: _Problem, k: int, tol: float, X: "Array") -> "tuple[Array, Array]":
    """Iterate in rounds until the first k states are within their bounds: the guard states need not be."""
    from scipy.sparse.linalg import lobpcg

    # Not a tolerance of 0: SciPy reads it as its own default, 1e-8 times the number of unknowns.
    stop = problem.rounding / 4
    for _ in range(MAX_ROUNDS):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that the guard states have not reached it
            X = lobpcg(problem.apply, X, M=problem.precondition, tol=stop, maxiter=ROUND, largest=False)[1]
        energies, X, residuals = _ritz(problem, X)
        if bool((residuals[:k] <= problem.allowed(energies[:k], tol)).all()):
            return energies[:k], X[:, :k]
    return _lanczos(problem, k, tol, X)


def _lanczos(problem: _Problem, k: int, tol: float, X: "Array") -> "tuple[Array, Array]":
    """Iterate without a preconditioner: slow, and the last resort."""
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    operator = LinearOperator((problem.size, problem.size), matvec=problem.apply, dtype=X.dtype)
    try:
        X = eigsh(operator, k=k, which="SA", v0=X.sum(axis=1), maxiter=MAX_RESTARTS)[1]
    except ArpackNoConvergence as error:
        raise not_converged("eigenstates", math.inf, tol) from error
    energies, X, residuals = _ritz(problem, X)
    allowed = problem.allowed(energies[:k], tol)
    if not bool((residuals[:k] <= allowed).all()):
        worst = int((residuals[:k] / allowed).argmax())
        raise not_converged("eigenstates", float(residuals[worst]), float(allowed[worst]))
    return energies[:k], X[:, :k]


def _ritz(problem: _Problem, X: "Array") -> "tuple[Array, Array, Array]":
    """Return energies, orthonormal states and residuals ‖H[T] − ET‖: the best that the span of X holds."""
    import numpy as np

    X = np.linalg.qr(X)[0]
    HX = problem.apply(X)
    energies, U = np.linalg.eigh(X.conj().T @ HX)
    X, HX = X @ U, HX @ U
    return energies, X, np.linalg.norm(HX - X * energies, axis=0)
