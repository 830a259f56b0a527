"""What is kept of a run: fields and observables at the saved times, progress, and the restart file."""

import math
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from spectral_ham._internal.norm import two_norm
from spectral_ham.evolution.problem import Problem
from spectral_ham.evolution.restart import RestartFile
from spectral_ham.evolution.times import SAME
from spectral_ham.propagators import Counters

if TYPE_CHECKING:
    from spectral_ham.evolution.solution import Trajectory

Observable: TypeAlias = Callable[[torch.Tensor, float], torch.Tensor]
Observer: TypeAlias = Callable[[torch.Tensor, float], object]


@dataclass(frozen=True, eq=False)
class State:
    """Where a run stands.

    Args:
        t: the time.
        T: the field.
        done: steps behind it.
        norm: ‖T‖₂.
    """

    t: float
    T: torch.Tensor
    done: int
    norm: float

    @classmethod
    def at(cls, t: float, T: torch.Tensor, done: int) -> "State":
        """Return the state with T's norm."""
        return cls(t, T, done, two_norm(T))

    @property
    def is_finite(self) -> bool:
        """Whether T has no NaN or Inf."""
        return math.isfinite(self.norm)


@dataclass(frozen=True)
class Kept:
    """Times, fields, and observables that were saved so far, and what was spent on the run."""

    times: list[float]
    fields: list[torch.Tensor]
    values: dict[str, list[torch.Tensor]]
    counters: Counters


class Recorder:
    """Keeps what was asked for, shows progress, and writes the restart file.

    Args:
        problem: what is solved.
        observables: name → f(T, t).
        callback: called at the saved times.
        progress: the title of a progress bar, or None.
        file: where the run is written to, or None.
    """

    def __init__(
        self,
        problem: Problem,
        observables: Mapping[str, Observable] | None = None,
        callback: Observer | None = None,
        progress: str | None = None,
        file: RestartFile | None = None,
    ) -> None:
        self._schedule = problem.schedule
        self._start = State(problem.schedule.start, problem.T, 0, problem.norm)
        self._observables = observables or {}
        self._callback = callback
        self._file = file
        self._progress = progress
        self._bar: Any = None
        self._open = ExitStack()

    def __enter__(self) -> "Recorder":
        bar = _bar() if self._progress is not None and sys.stderr.isatty() else None
        if self._file is not None:
            self._open.enter_context(self._file)
        if bar is not None:
            shown = bar(total=abs(self._schedule.duration), unit="t", desc=self._progress)
            self._bar = self._open.enter_context(closing(shown))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def start(self) -> tuple[State, Kept]:
        """Return the state to start from, and what was kept before: those of the restart file, if there is one."""
        written = None if self._file is None else self._file.load()
        if written is None:
            return self._start, Kept([], [], {name: [] for name in self._observables}, Counters())
        kept = Kept(written["times"], written["fields"], written["values"], Counters(**written["counters"]))
        return State.at(written["t"], written["T"], written["done"]), kept

    def passed(self, before: State, state: State, kept: Kept) -> None:
        """Show progress after a block of steps, and write the restart file."""
        if self._bar is not None:
            self._bar.update(abs(state.t - before.t))
        if self._file is not None:
            ends = abs(state.t - self._schedule.end) <= SAME * abs(self._schedule.duration)
            position = {"t": state.t, "T": state.T, "done": state.done}
            if ends or self._file.due():
                self._file.write({**position, **vars(kept), "counters": vars(kept.counters)})

    def finish(self, trajectory: "Trajectory") -> "Trajectory":
        """Return the finished run.

        Raises:
            RestartError: it could not be written to the restart file; it carries the run.
        """
        if self._file is not None and not self._file.is_written:
            error = self._file.failure()
            error.trajectory = trajectory
            raise error
        return trajectory

    def save(self, kept: Kept, t: float, T: torch.Tensor) -> None:
        """Keep field and observables if ``t`` is a time to save: the last target may be the end alone."""
        if len(kept.times) == len(self._schedule.saved):
            return
        kept.times.append(t)
        kept.fields.append(T)
        for name, observe in self._observables.items():
            kept.values[name].append(_as_tensor(observe(T, t)))
        if self._callback is not None:
            self._callback(T, t)


def _bar() -> Any:
    try:
        from tqdm import tqdm
    except ImportError as error:
        needs = 'tqdm installed: pip install "spectral-ham[validation]"'
        raise ImportError(f"`evolve(progress=True)` must have {needs}.") from error
    return tqdm


def _as_tensor(value: torch.Tensor | float) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=torch.float64)
