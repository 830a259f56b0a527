"""Steps in time: Strang, a fourth-order scheme, and a term of the Chebyshev series, per step and per term."""

from collections.abc import Iterator
from functools import partial

import spectral_ham as sh
from benchmarks import rivals
from benchmarks.harness import floors, reference
from benchmarks.harness.candidate import OURS, Candidate, relative_error
from benchmarks.harness.problem import DT, Problem, first_channel
from benchmarks.harness.yardsticks import copy_and_pair
from benchmarks.suites.operators import hamiltonian

STEPS, FOURTH_ORDER_STEPS = 64, 16
MANY_STEPS = 1000
CHEBYSHEV_DT = 20.0
SCHEME4 = "blanes_moan4"


def splitting(problem: Problem, scheme: str, operation: str, steps: int = STEPS) -> Candidate:
    """Return n steps by `advance`, in the field's own layout there and back."""
    step = sh.propagators.propagator(scheme, hamiltonian(problem, "spectral"), DT)
    exact = relative_error(problem.exact_at(steps * DT, reference.spectral))
    return Candidate(
        operation,
        f"{OURS}, {scheme}",
        problem,
        partial(step.advance, problem.T, steps),
        lambda result: exact(first_channel(result)),
        floors.strang(problem.T) * (len(sh.propagators.SCHEMES[scheme].kinetic) * steps),
        parts=steps,
    )


def chebyshev(problem: Problem) -> Candidate:
    """Return the terms of one long step, fd2."""
    step = sh.propagators.Chebyshev(hamiltonian(problem, "fd"), CHEBYSHEV_DT)
    exact = relative_error(problem.exact_at(CHEBYSHEV_DT, reference.fd))
    return Candidate(
        "Chebyshev term, fd2",
        f"{OURS}, chebyshev",
        problem,
        partial(step, problem.T),
        lambda result: exact(first_channel(result)),
        floors.chebyshev_term(problem.T, 2) * step.terms,
        parts=step.terms,
    )


def candidates(
    problem: Problem, steps: int = STEPS, fourth: int = FOURTH_ORDER_STEPS, *, others: bool = True
) -> Iterator[Candidate]:
    """Yield the package and the others; ``fourth``: steps of fourth order, none if 0."""
    yield from copy_and_pair(problem)
    yield splitting(problem, "strang", "Strang step", steps)
    yield chebyshev(problem)
    if others:
        yield from rivals.strang_steps(problem, steps)
    if fourth:
        yield splitting(problem, SCHEME4, "4th-order step", fourth)
        yield from rivals.fourth_order_steps(problem, fourth)


def strang(problem: Problem, steps: int, operation: str = "Strang step") -> Iterator[Candidate]:
    """Yield Strang steps alone."""
    yield from copy_and_pair(problem)
    yield splitting(problem, "strang", operation, steps)
