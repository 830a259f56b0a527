"""What a call costs that moves hardly any data: a field of 6×6, in units of one torch addition of such a field."""

from collections.abc import Iterator
from functools import partial

import torch

import spectral_ham as sh
from benchmarks.harness import reference
from benchmarks.harness.candidate import OURS, Candidate, relative_error
from benchmarks.harness.measure import Call
from benchmarks.harness.problem import DT, Problem
from benchmarks.harness.reference import FLAT, HBAR, MASS, METRIC
from benchmarks.harness.yardsticks import addition, copy_and_pair, repeated
from benchmarks.suites.operators import OPERATIONS, hamiltonian

CALLS = 20
"""In one sample: one call is too short for the clock."""

OPERATOR, DROP_IN = (6, 6), (6, 6, 1, 1)
MAIN = ("H fd2", "H spectral")
STEP = "Strang step"
SHAPES = (OPERATOR, DROP_IN)


def candidates(problem: Problem) -> Iterator[Candidate]:
    """Yield H(T) and a step of a ready propagator, with V and without, or the drop-ins where T has channel axes."""
    yield from copy_and_pair(problem, CALLS)
    if problem.shape == OPERATOR:
        yield addition(problem, CALLS)
        yield from _operators(problem)
        yield from _steps(problem)
    else:
        yield from _drop_ins(problem)


def _operators(problem: Problem) -> Iterator[Candidate]:
    for name in MAIN:
        operation = OPERATIONS[name]
        for label, potential in ((f"{name}, no V", False), (name, True)):
            H = hamiltonian(problem, operation.backend, potential=potential)
            exact = problem.exact(operation.exact, potential=potential)
            yield _many(problem, label, "auto", partial(H, problem.T), exact)


def _steps(problem: Problem) -> Iterator[Candidate]:
    exact = reference.strang(problem.T.to(torch.complex128), problem.wide_V, DT, 1)
    for backend in ("fd", "spectral"):
        step = sh.propagators.propagator("strang", hamiltonian(problem, backend), DT)
        judged = exact if backend == "spectral" else None
        yield _many(problem, f"{STEP}, {backend}", "strang", partial(step, problem.T), judged)


def _drop_ins(problem: Problem) -> Iterator[Candidate]:
    T = problem.T
    flat = partial(sh.hamiltonian_evolution, T, hbar_cog=HBAR, m_cog=MASS)
    metric = partial(sh.hamiltonian_evolution_with_metric, T, hbar_cog=HBAR, m_cog=MASS)
    as_tensor = torch.tensor(METRIC, device=T.device)
    for name, call, g in (
        ("flat", flat, FLAT),
        ("metric", partial(metric, g_inv_diag=METRIC), METRIC),
        ("metric, a tensor", partial(metric, g_inv_diag=as_tensor), METRIC),
    ):
        exact = problem.exact(partial(reference.fd, g=g), potential=False)
        yield _many(problem, "H fd2, no V", f"drop-in, {name}", call, exact)


def _many(problem: Problem, operation: str, name: str, call: Call, exact: torch.Tensor | None) -> Candidate:
    error = None if exact is None else relative_error(exact)
    return Candidate(operation, f"{OURS}, {name}", problem, repeated(call, CALLS), error, parts=CALLS)
