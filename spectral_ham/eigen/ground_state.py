"""The state of lowest energy at fixed norm, for an H that may be nonlinear."""

import math

import torch

from spectral_ham._internal.checks import as_number, check_field, invalid
from spectral_ham.eigen.eigenstates import lowest_states
from spectral_ham.eigen.matrix_problem import matrix_problem
from spectral_ham.eigen.preconditioner import (
    ROUNDING,
    kinetic_inverse,
    not_converged,
    smooth_fields,
    softest_kinetic,
)
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.solvers.conjugate_gradients import Surroundings, conjugate_gradients


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
        >>> from spectral_ham.eigen.ground_state import ground_state
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
        problem = matrix_problem("ground_state(H)", H)
        if T0 is not None and T0.shape != problem.shape:
            raise invalid("ground_state(T0=...)", f"of shape {problem.shape}", T0)
        state = lowest_states(problem, 1, tol, T0)[1][0]
    else:
        state = _positive(smooth_fields(H)) if T0 is None else T0
    with torch.no_grad():
        state = state * (math.sqrt(norm / H.torus.cell_volume) / torch.linalg.vector_norm(state))
        state = state if H.is_linear else _minimized(H, state, tol)
        return state, H.energy(state)


def _positive(T: torch.Tensor) -> torch.Tensor:
    """Return a field without nodes, as ground states are."""
    return torch.exp(T / T.abs().max())


def _checked_start(H: Hamiltonian, T0: torch.Tensor) -> torch.Tensor:
    """Return T0 in double precision."""
    check_field("ground_state(T0=...)", T0, H.torus.shape)
    return T0.detach().to(torch.complex128 if T0.is_complex() else torch.float64)


def _minimized(H: Hamiltonian, T: torch.Tensor, tol: float) -> torch.Tensor:
    """Return the state that T leads to, of T's norm, at which H.energy is least: there H[T] = μT.

    Args:
        H: nonlinear, independent of time, with a defined energy.
        T: where to start, in double precision.
        tol: bound of ‖H[T] − μT‖/‖T‖, and of the last change of the energy per norm, relative to μ − V_min.

    Raises:
        SolverError: not within 2000 iterations.
    """
    softest, kinetic_max = softest_kinetic(H), H.kinetic_bounds[1]

    def surroundings(T: torch.Tensor, mu: float) -> Surroundings:
        V = H.potential_at(0.0, T)
        V_min, V_max = (0.0, 0.0) if V is None else V.bounds()
        rounding = ROUNDING * (kinetic_max + V_max - V_min)
        allowed = max(tol * (mu - V_min), rounding)
        return Surroundings(allowed, rounding, kinetic_inverse(H, max(mu - V_min, softest)))

    found = conjugate_gradients(
        T,
        energy=lambda T: float(H.energy(T)),
        gradient=H,
        surroundings=surroundings,
        cell_volume=H.torus.cell_volume,
    )
    if not found.is_converged:
        raise not_converged("ground_state", found.residual, found.allowed)
    return found.T
