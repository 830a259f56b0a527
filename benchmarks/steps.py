"""Steps in time: Strang, a fourth-order scheme, and a term of the Chebyshev series, per step and per term."""

from collections.abc import Iterator
from functools import partial

import torch

from benchmarks import competitors, floors, reference
from benchmarks.candidate import OURS, Candidate, Group, relative_error
from benchmarks.operators import hamiltonian
from benchmarks.problem import DT, Problem, first_channel
from benchmarks.yardsticks import copy_and_pair
from spectral_ham.propagators import SCHEMES, Chebyshev, propagator

STEPS, FOURTH_ORDER_STEPS = 64, 16
MANY_STEPS = 1000
CHEBYSHEV_DT = 20.0
SCHEME4 = "blanes_moan4"


def splitting(problem: Problem, scheme: str, operation: str, steps: int = STEPS) -> Candidate:
    """Return n steps by `advance`, in the field's own layout there and back."""
    step = propagator(scheme, hamiltonian(problem, "spectral"), DT)
    exact = relative_error(problem.exact_at(steps * DT, reference.spectral))
    return Candidate(
        operation,
        f"{OURS}, {scheme}",
        problem,
        partial(step.advance, problem.T, steps),
        lambda result: exact(first_channel(result)),
        floors.strang(problem.T) * (len(SCHEMES[scheme].kinetic) * steps),
        parts=steps,
    )


def chebyshev(problem: Problem) -> Candidate:
    """Return the terms of one long step, fd2."""
    step = Chebyshev(hamiltonian(problem, "fd"), CHEBYSHEV_DT)
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


def candidates(problem: Problem, steps: int = STEPS, fourth: int = FOURTH_ORDER_STEPS) -> Iterator[Candidate]:
    """Yield the package and the others; ``fourth``: steps of fourth order, none if 0."""
    yield from copy_and_pair(problem)
    yield splitting(problem, "strang", "Strang step", steps)
    yield from competitors.strang_steps(problem, steps)
    yield chebyshev(problem)
    if fourth:
        yield splitting(problem, SCHEME4, "4th-order step", fourth)
        yield from competitors.fourth_order_steps(problem, fourth)


def group(shape: tuple[int, ...], seconds: float = 4.0, steps: int = STEPS, fourth: int = FOURTH_ORDER_STEPS) -> Group:
    """Return the group of one shape."""
    name = f"steps, {'×'.join(map(str, shape))}"
    return Group(name, lambda device: candidates(Problem(shape, device=device, waves=True), steps, fourth), seconds)


def neighbors(odd: tuple[int, ...], even: tuple[int, ...], seconds: float = 4.0) -> Group:
    """Return a group in which an odd grid and its even neighbor are visited in turn."""

    def make(device: torch.device) -> Iterator[Candidate]:
        for shape in (odd, even):
            problem = Problem(shape, device=device, waves=True)
            yield from copy_and_pair(problem)
            yield splitting(problem, "strang", "Strang step", 16)

    return Group(f"Strang step, N = {odd[0]} beside {even[0]}", make, seconds)


def memory(shape: tuple[int, ...], seconds: float = 3.0) -> Group:
    """Return the group whose peak shows what a thousand steps hold."""

    def make(device: torch.device) -> Iterator[Candidate]:
        problem = Problem(shape, device=device, waves=True)
        yield from copy_and_pair(problem)
        yield splitting(problem, "strang", f"{MANY_STEPS} Strang steps", MANY_STEPS)

    return Group(f"{MANY_STEPS} Strang steps, {'×'.join(map(str, shape))}", make, seconds)


def alone(shape: tuple[int, ...], seconds: float = 3.0) -> Group:
    """Return the group of one shape without other packages."""

    def make(device: torch.device) -> Iterator[Candidate]:
        problem = Problem(shape, device=device, waves=True)
        yield from copy_and_pair(problem)
        yield splitting(problem, "strang", "Strang step")
        yield chebyshev(problem)

    return Group(f"our steps, {'×'.join(map(str, shape))}", make, seconds)
