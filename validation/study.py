"""What a study is: a named function from a mode to claims and plots."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from tqdm import tqdm

from validation.cases import Execution
from validation.claim import Claim

if TYPE_CHECKING:
    from matplotlib.figure import Figure

EXECUTIONS: dict[str, tuple[Execution, ...]] = {
    "spectral": ("fft", "dense", "auto"),
    "fd": ("stencil", "fft", "dense", "auto"),
}
"""The ways of running each backend. `fft` is torch.fft.fft2 on a 2-D grid."""


@dataclass(frozen=True)
class Mode:
    """How much is validated.

    Args:
        full: larger grids and more cases; otherwise the quick form.
        execution: the one execution to validate; None is all of them.
    """

    full: bool = False
    execution: Execution | None = None

    def executions(self, backend: str) -> tuple[Execution, ...]:
        """Return the executions of ``backend`` to validate; one that it does not have is replaced by "auto"."""
        able = EXECUTIONS[backend]
        if self.execution is None:
            return able
        return (self.execution,) if self.execution in (*able, "measure") else ("auto",)

    def default(self, backend: str) -> Execution:
        """Return the execution for claims that need only one: "fft" for spectral, "stencil" for fd."""
        return self.executions(backend)[0]


@dataclass(frozen=True)
class Plot:
    """A figure of a study: drawn only if it is saved, so that claims do not need matplotlib.

    Args:
        name: file name without its ending.
        draw: draws into an empty figure.
    """

    name: str
    draw: "Callable[[Figure], None]"


Result: TypeAlias = Claim | Plot


@dataclass(frozen=True)
class Study:
    """Claims about one subject.

    Args:
        name: for ``--case`` and file names.
        title: one line for the reader.
        run: yields the claims, and plots of them.
    """

    name: str
    title: str
    run: Callable[[Mode], Iterator[Result]]


@dataclass(frozen=True)
class Outcome:
    """What a study found."""

    study: Study
    claims: tuple[Claim, ...]
    plots: tuple[Plot, ...]
    seconds: float

    @property
    def held(self) -> int:
        """Number of claims that hold."""
        return sum(claim.passed for claim in self.claims)

    @property
    def passed(self) -> bool:
        """Whether there are claims, and all of them hold."""
        return self.held == len(self.claims) > 0


def execute(study: Study, mode: Mode) -> Outcome:
    """Run a study; a terminal shows progress on stderr."""
    start = time.perf_counter()
    results = list(tqdm(study.run(mode), desc=study.name, unit=" claims", leave=False, disable=None))
    claims = tuple(result for result in results if isinstance(result, Claim))
    plots = tuple(result for result in results if isinstance(result, Plot))
    return Outcome(study, claims, plots, time.perf_counter() - start)
