"""Gradients: forward and backward through H·T, and through n steps in time by each way of remembering."""

from collections.abc import Iterator

import torch

import spectral_ham as sh
from benchmarks.harness import floors, reference
from benchmarks.harness.candidate import OURS, Candidate, relative_error
from benchmarks.harness.measure import Call
from benchmarks.harness.problem import DT, Problem, first_channel
from benchmarks.harness.yardsticks import copy_and_pair
from benchmarks.suites.operators import MAIN, OPERATIONS, hamiltonian

FORWARD, BOTH = "{} Strang steps", "{} Strang steps, forward + backward"
STEPS = (64, 256)


def operator(problem: Problem, name: str) -> Candidate:
    """Return H·T and the gradient of Re⟨W, H·T⟩, which is H·W; here W = T."""
    operation, T = OPERATIONS[name], problem.T
    H = hamiltonian(problem, operation.backend, stencil_order=operation.stencil_order)
    leaf = T.clone().requires_grad_()

    def call() -> torch.Tensor:
        with torch.enable_grad():
            return torch.autograd.grad(H(leaf), leaf, T)[0]

    error = relative_error(problem.exact(operation.exact))
    return Candidate(f"{name}, forward + backward", f"{OURS}, auto", problem, call, error, operation.floor(T) * 2)


def forward(problem: Problem, steps: int) -> Candidate:
    """Return n Strang steps by `evolve`, nothing recorded."""
    H, T = hamiltonian(problem, "spectral"), problem.T
    exact = relative_error(problem.exact_at(steps * DT, reference.spectral))
    return Candidate(
        FORWARD.format(steps),
        f"{OURS}, forward",
        problem,
        lambda: sh.evolve(H, T, steps * DT, method="strang", dt=DT).final,
        lambda result: exact(first_channel(result)),
        floors.strang(T) * steps,
        parts=steps,
    )


def both(problem: Problem, steps: int, gradient: str) -> Candidate:
    """Return n Strang steps and the gradients of Re⟨T, T(t)⟩ with respect to T and V, with W = T."""
    error = relative_error(reference.strang(problem.first_channel.to(torch.complex128), problem.wide_V, -DT, steps))
    return Candidate(
        BOTH.format(steps),
        f"{OURS}, {gradient}",
        problem,
        _both(problem, steps, gradient),
        lambda result: error(first_channel(result)),
        floors.strang(problem.T) * (3 * steps),
        parts=steps,
    )


def _both(problem: Problem, steps: int, gradient: str) -> Call:
    T, V = problem.T.clone().requires_grad_(), problem.wide_V.clone().requires_grad_()

    def call() -> torch.Tensor:
        with torch.enable_grad():
            H = sh.Hamiltonian(
                sh.Torus(problem.shape[:2]),
                inverse_metric=reference.METRIC,
                potential=V,
                hbar=reference.HBAR,
                mass=reference.MASS,
            )
            final = sh.evolve(H, T, steps * DT, method="strang", dt=DT, gradient=gradient).final
            return torch.autograd.grad(final, (T, V), problem.T)[0]

    return call


def operators(problem: Problem) -> Iterator[Candidate]:
    """Yield H·T."""
    yield from copy_and_pair(problem)
    for name in MAIN:
        yield operator(problem, name)


def runs(problem: Problem) -> Iterator[Candidate]:
    """Yield runs in time."""
    yield from copy_and_pair(problem)
    yield forward(problem, STEPS[0])
    for gradient in ("reversible", "autograd", "checkpoint"):
        yield both(problem, STEPS[0], gradient)
    for n in STEPS[1:]:
        yield both(problem, n, "reversible")
