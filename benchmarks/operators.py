"""H·T with a real V, one value per grid point: the package, what it replaces, plain torch and other packages."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

import spectral_ham as sh
from benchmarks import competitors, floors, reference, replaced_kernel
from benchmarks.candidate import OURS, Candidate, Group, relative_error
from benchmarks.floors import Floor
from benchmarks.problem import Problem
from benchmarks.reference import HBAR, MASS, METRIC, with_channels
from benchmarks.yardsticks import copy_and_pair, other_yardsticks, plain_stencils
from spectral_ham.execution import EXECUTIONS

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
    for execution in dict.fromkeys(("auto", *EXECUTIONS)) if pinned else ("auto",):
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
        yield from competitors.hamiltonians(problem)


def group(
    shape: tuple[int, ...],
    dtype: torch.dtype = torch.complex64,
    operations: tuple[str, ...] = EVERY,
    *,
    seconds: float = 4.0,
    pinned: bool = True,
    others: bool = True,
) -> Group:
    """Return the group of one shape and dtype."""

    def make(device: torch.device) -> Iterator[Candidate]:
        return candidates(Problem(shape, dtype, device), operations, pinned=pinned, others=others)

    name = f"H·T, {'×'.join(map(str, shape))}, {str(dtype).removeprefix('torch.')}"
    return Group(name, make, seconds)


def neighbors(odd: tuple[int, ...], even: tuple[int, ...], seconds: float = 4.0) -> Group:
    """Return a group in which a prime or odd grid and its even neighbor are visited in turn."""

    def make(device: torch.device) -> Iterator[Candidate]:
        for shape in (odd, even):
            problem = Problem(shape, device=device)
            yield from copy_and_pair(problem)
            for name in MAIN:
                yield from ours(problem, name, pinned=False)

    return Group(f"H·T, N = {odd[0]} beside {even[0]}", make, seconds)


def memory(shape: tuple[int, ...], seconds: float = 1.0) -> Group:
    """Return the group whose peaks show what H(T, out=...) holds beside T and the result."""

    def make(device: torch.device) -> Iterator[Candidate]:
        problem = Problem(shape, device=device)
        yield from copy_and_pair(problem)
        yield ours_into(problem, "H fd2", "stencil")
        yield ours_into(problem, "H spectral", "dense")
        yield ours_into(problem, "H spectral", "fft")

    return Group(f"H(T, out=...), {'×'.join(map(str, shape))}", make, seconds)
