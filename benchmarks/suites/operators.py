"""H·T with a real V, one value per grid point: the package, what it replaces, plain torch and other packages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

import spectral_ham as sh
from benchmarks import rivals
from benchmarks.harness import floors, reference
from benchmarks.harness.candidate import OURS, Candidate, relative_error
from benchmarks.harness.floors import Floor
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import HBAR, MASS, METRIC, with_channels
from benchmarks.harness.yardsticks import copy_and_pair, other_yardsticks, plain_stencils
from benchmarks.rivals import replaced_kernel

EXECUTIONS = ("auto", "fft", "dense", "stencil")
PINNED_FLOPS = 5e9
"""A pinned execution that would take more is left out: dense matrices on the largest grids."""


@dataclass(frozen=True)
class Operation:
    """One discretization of H."""

    backend: str
    stencil_order: int
    exact: Callable[[torch.Tensor], torch.Tensor]
    floor: Callable[[torch.Tensor], Floor]


OPERATIONS: dict[str, Operation] = {
    **{
        f"H fd{order}": Operation(
            "fd", order, partial(reference.fd, stencil_order=order), partial(floors.stencil, order=order)
        )
        for order in (2, 4, 6, 8)
    },
    "H spectral": Operation("spectral", 2, reference.spectral, floors.spectral),
}

EVERY = tuple(OPERATIONS)
MAIN = ("H fd2", "H fd8", "H spectral")


def hamiltonian(
    problem: Problem, backend: str, *, stencil_order: int = 2, execution: str = "auto", potential: bool = True
) -> sh.Hamiltonian:
    """Return H on spacing 1 as every candidate means it."""
    return sh.Hamiltonian(
        sh.Torus(problem.shape[:2]),
        inverse_metric=METRIC,
        potential=problem.wide_V if potential else None,
        hbar=HBAR,
        mass=MASS,
        backend=backend,
        stencil_order=stencil_order,
        execution=execution,
    )


def ours(problem: Problem, name: str, *, pinned: bool = True) -> Iterator[Candidate]:
    """Yield H·T by "auto", and by each execution that can run it in reasonable time."""
    operation, T = OPERATIONS[name], problem.T
    error, floor = relative_error(problem.exact(operation.exact)), operation.floor(T)
    for execution in EXECUTIONS if pinned else EXECUTIONS[:1]:
        if execution == "dense" and 4 * sum(T.shape[:2]) * T.numel() > PINNED_FLOPS:
            continue
        try:
            H = hamiltonian(problem, operation.backend, stencil_order=operation.stencil_order, execution=execution)
            H(T)
        except ValueError:  # this execution cannot run this operator
            continue
        chosen = f"runs {H.execution_for(T)}" if execution == "auto" else ""
        yield Candidate(name, f"{OURS}, {execution}", problem, partial(H, T), error, floor, note=chosen)
    yield ours_into(problem, name)


def ours_into(problem: Problem, name: str, execution: str = "auto") -> Candidate:
    """Return H·T written into a given result."""
    operation, T = OPERATIONS[name], problem.T
    H = hamiltonian(problem, operation.backend, stencil_order=operation.stencil_order, execution=execution)
    error, out = relative_error(problem.exact(operation.exact)), torch.empty_like(T)
    return Candidate(name, f"{OURS}, {execution}, out=", problem, lambda: H(T, out=out), error, operation.floor(T))


def replaced(problem: Problem) -> Iterator[Candidate]:
    """Yield the replaced kernel with V; it means g^xx along axis 1, and is judged by that."""
    T, V = problem.T, with_channels(problem.V, problem.T)
    if T.ndim != 4:
        return
    g = torch.tensor(METRIC, dtype=V.dtype, device=T.device)
    exact = relative_error(problem.exact(lambda wide: reference.fd(wide, 2, METRIC[::-1])))
    call = partial(replaced_kernel.hamiltonian_evolution_with_metric, T, HBAR, MASS, g, V, padding="circular")
    yield Candidate("H fd2", "replaced conv2d, metric, circular", problem, call, exact, floors.stencil(T, 2))


def candidates(
    problem: Problem,
    operations: tuple[str, ...] = EVERY,
    *,
    pinned: bool = True,
    others: bool = True,
) -> Iterator[Candidate]:
    """Yield the yardsticks, the package, and with ``others`` everyone else."""
    yield from copy_and_pair(problem)
    for name in operations:
        yield from ours(problem, name, pinned=pinned and name in MAIN)
    if others:
        yield from other_yardsticks(problem)
        yield from plain_stencils(problem)
        yield from replaced(problem)
        yield from rivals.hamiltonians(problem)


def memory(problem: Problem) -> Iterator[Candidate]:
    """Yield what shows by its peak how much H(T, out=...) holds beside T and the result."""
    yield from copy_and_pair(problem)
    yield ours_into(problem, "H fd2", "stencil")
    yield ours_into(problem, "H spectral", "dense")
    yield ours_into(problem, "H spectral", "fft")
