"""Other packages on the same problems, each used in the fastest way that it documents.

One file per package, which imports it where it is used; a package that is not installed is skipped, and named in
`skipped`.
"""

import importlib.metadata
import importlib.util
from collections.abc import Iterator

from benchmarks.harness.candidate import Candidate
from benchmarks.harness.problem import Problem
from benchmarks.rivals import exponax, expsolve, pypde, torchfsm

PACKAGES = {"torchfsm": "torchfsm", "expsolve": "expsolve", "exponax": "exponax", "py-pde": "pde"}
"""Distribution → module."""


def versions() -> dict[str, str]:
    """Return the installed packages and their versions."""
    return {name: importlib.metadata.version(name) for name in PACKAGES if installed(name)}


def skipped() -> list[str]:
    """Return the packages that are not installed."""
    return [name for name in PACKAGES if not installed(name)]


def installed(name: str) -> bool:
    """Tell whether a package can be measured here."""
    return importlib.util.find_spec(PACKAGES[name]) is not None


def hamiltonians(problem: Problem) -> Iterator[Candidate]:
    """Yield H·T of every package that can do it for this problem."""
    if installed("torchfsm"):
        yield from torchfsm.hamiltonian(problem)
    if installed("expsolve"):
        yield from expsolve.hamiltonian(problem)
    if installed("exponax"):
        yield from exponax.hamiltonian(problem)
    if installed("py-pde"):
        yield from pypde.laplacian(problem)


def strang_steps(problem: Problem, steps: int) -> Iterator[Candidate]:
    """Yield steps of second order in time."""
    if installed("torchfsm"):
        yield from torchfsm.etdrk2(problem, steps)
    if installed("expsolve"):
        yield from expsolve.splitting(problem, "strang", steps)


def fourth_order_steps(problem: Problem, steps: int) -> Iterator[Candidate]:
    """Yield steps of fourth order in time."""
    if installed("expsolve"):
        yield from expsolve.splitting(problem, "blanes_moan4", steps)
