"""The times of a run: its interval, its steps, the saved times, and the checks that they make sense."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol

import torch

from spectral_ham._internal.checks import as_number, invalid
from spectral_ham._internal.clock import time_of_step

SAME = 1e-9
"""Two times closer than this share of a step are one."""


@dataclass(frozen=True)
class Schedule:
    """The interval of a run and its saved times.

    Args:
        start: t0.
        end: t0 + time.
        saved: saved times, in the order of the run; at least one.
    """

    start: float
    end: float
    saved: tuple[float, ...]

    @property
    def duration(self) -> float:
        """Signed length of the run."""
        return self.end - self.start

    def steps(self, dt: float) -> int:
        """Return n = max(1, ⌈|time|/dt − 1e-9⌉)."""
        return max(1, math.ceil(abs(self.duration) / dt - SAME))

    @cached_property
    def targets(self) -> tuple[float, ...]:
        """The saved times, and the end if it is none of them."""
        ends = abs(self.saved[-1] - self.end) <= SAME * max(abs(self.duration), 1e-300)
        return self.saved if ends else (*self.saved, self.end)


class Pace(Protocol):
    """How a run gets from target to target: the clock of its steps."""

    @property
    def steps(self) -> int:
        """Steps of the whole run."""

    @property
    def dt(self) -> float | None:
        """Length of every step, signed; None where lengths differ."""

    def length(self, done: int) -> float:
        """Return the length of step number ``done``."""

    def time(self, done: int) -> float:
        """Return when step number ``done`` begins."""

    def reached(self, number: int, target: float) -> tuple[int, float]:
        """Return how many whole steps lie before target ``number``, and the time from there to the target."""


@dataclass(frozen=True)
class EqualSteps:
    """Steps of the same length dt = (end − start)/steps; targets may lie between them."""

    schedule: Schedule
    steps: int

    @property
    def dt(self) -> float:
        """Length of a step, signed."""
        return self.schedule.duration / self.steps

    def length(self, done: int) -> float:  # noqa: ARG002
        """Return dt."""
        return self.dt

    def time(self, done: int) -> float:
        """Return start + done·dt."""
        return time_of_step(self.schedule.start, self.dt, done)

    def reached(self, number: int, target: float) -> tuple[int, float]:  # noqa: ARG002
        """Return the steps before the target, and what is left; within 1e-9 of a step a target is on it."""
        if self.dt == 0:
            return 0, 0.0
        position = (target - self.schedule.start) / self.dt
        done = min(self.steps, math.floor(position + SAME))
        rest = position - done
        return done, rest * self.dt if rest > SAME else 0.0


@dataclass(frozen=True)
class Leaps:
    """One step from each target to the next, whatever its length."""

    schedule: Schedule

    @property
    def steps(self) -> int:
        """As many as targets."""
        return len(self.schedule.targets)

    @property
    def dt(self) -> None:
        """None: lengths differ."""
        return

    def length(self, done: int) -> float:
        """Return the time from the target that was reached last to the next."""
        return self._lengths[done]

    @cached_property
    def _lengths(self) -> tuple[float, ...]:
        """All lengths; the first stands for all that differ by rounding alone: one propagator serves them."""
        whole, first = self.schedule.duration or 1.0, dict[float, float]()
        lengths = (later - earlier for earlier, later in pairwise((self.schedule.start, *self.schedule.targets)))
        return tuple(first.setdefault(round(length / whole, 12), length) for length in lengths)

    def time(self, done: int) -> float:
        """Return the target that was reached last."""
        return self.schedule.targets[done - 1] if done else self.schedule.start

    def reached(self, number: int, target: float) -> tuple[int, float]:  # noqa: ARG002
        """Return the steps up to the target, which ends the last of them."""
        return number + 1, 0.0


def schedule(time: float, t0: float, save_times: Iterable[float] | torch.Tensor | None, *, imaginary: bool) -> Schedule:
    """Return the checked schedule of `evolve`.

    Raises:
        ValueError: an imaginary time that is not positive, or saved times that are not monotone or not within the run.
    """
    span, start = as_number("evolve(time=...)", time), as_number("evolve(t0=...)", t0)
    if imaginary and span <= 0:
        remedy = "Imaginary time runs one way."
        raise invalid("evolve(time=...)", "positive in imaginary time", span, remedy)
    end = start + span
    if save_times is None:
        return Schedule(start, end, (end,))
    if not isinstance(save_times, Iterable):
        raise invalid("evolve(save_times=...)", "a sequence of times, or None for the end", save_times, error=TypeError)
    listed = save_times.tolist() if isinstance(save_times, torch.Tensor) else list(save_times)
    times = tuple(as_number("evolve(save_times=...)", t) for t in listed)
    if not times:
        raise invalid("evolve(save_times=...)", "at least one time, or None for the end", [])
    sign = -1.0 if span < 0 else 1.0
    ordered = all(sign * (later - earlier) > 0 for earlier, later in pairwise(times))
    slack = SAME * abs(span)
    if not ordered or sign * (times[0] - start) < -slack or sign * (times[-1] - end) > slack:
        needs = f"strictly monotone from t0 = {start} to t0 + time = {end}"
        raise invalid("evolve(save_times=...)", needs, times)
    return Schedule(start, end, times)
