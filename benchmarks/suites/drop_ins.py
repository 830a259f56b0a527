"""The drop-in functions and the kernel that they replace, without V, as callers of that kernel use it."""

from collections.abc import Iterator
from functools import partial

import torch

import spectral_ham as sh
from benchmarks.harness import floors, reference
from benchmarks.harness.candidate import OURS, Candidate, relative_error
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import FLAT, HBAR, MASS, METRIC
from benchmarks.harness.yardsticks import copy_and_pair
from benchmarks.rivals import replaced_kernel
from benchmarks.suites.operators import hamiltonian

FD, SPECTRAL = "H fd2, no V", "H spectral, no V"


def candidates(problem: Problem) -> Iterator[Candidate]:
    """Yield the replaced kernel in both forms and with both boundaries, the drop-ins, and H itself."""
    yield from copy_and_pair(problem)
    yield from replaced(problem)
    T, g = problem.T, torch.tensor(METRIC, device=problem.T.device)
    for operation, backend, exact, floor in (
        (FD, "fd", reference.fd, floors.stencil(T, 2)),
        (SPECTRAL, "spectral", reference.spectral, floors.spectral(T)),
    ):
        error = relative_error(problem.exact(exact, potential=False))
        drop_in = partial(
            sh.hamiltonian_evolution_with_metric, T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g, backend=backend
        )
        yield Candidate(operation, f"{OURS}, drop-in", problem, drop_in, error, floor)
        H = hamiltonian(problem, backend, potential=False)
        yield Candidate(operation, f"{OURS}, auto", problem, partial(H, T), error, floor)


def replaced(problem: Problem) -> Iterator[Candidate]:
    """Judge each by the operator that it means: its own boundary, and g^xx along axis 1."""
    T, g, exchanged = problem.T, torch.tensor(METRIC, device=problem.T.device), METRIC[::-1]
    metric = partial(replaced_kernel.hamiltonian_evolution_with_metric, T, HBAR, MASS, g)
    flat = partial(replaced_kernel.hamiltonian_evolution, T, HBAR, MASS)
    for form, call, weights in (("metric", metric, exchanged), ("flat", flat, FLAT)):
        for boundary, exact in (
            ("zeros", partial(reference.zero_padded_fd, g=weights)),
            ("circular", partial(reference.fd, g=weights)),
        ):
            yield Candidate(
                FD,
                f"replaced conv2d, {form}, {boundary}",
                problem,
                partial(call, padding=boundary),
                relative_error(problem.exact(exact, potential=False)),
                floors.stencil(T, 2),
                note="the metric: half the work" if form == "flat" else "",
            )
