"""When to stop: equal steps, saved times, and the checks that both make sense."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import torch

from spectral_ham._internal.checks import as_number, invalid

SAME = 1e-9
"""Two times closer than this share of a step are one."""


@dataclass(frozen=True)
class Schedule:
    """The interval of a run and where it stops to save.

    Args:
        start: t0.
        end: t0 + time.
        stops: saved times, in the order of the run.
    """

    start: float
    end: float
    stops: tuple[float, ...]

    @property
    def duration(self) -> float:
        """Signed length of the run."""
        return self.end - self.start

    def steps(self, dt: float) -> int:
        """Return n = max(1, ⌈|time|/dt − 1e-9⌉)."""
        return max(1, math.ceil(abs(self.duration) / dt - SAME))

    def halts(self) -> tuple[float, ...]:
        """Return the stops, and the end if it is none of them."""
        ends = self.stops and abs(self.stops[-1] - self.end) <= SAME * max(abs(self.duration), 1e-300)
        return self.stops if ends else (*self.stops, self.end)


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
    stops = tuple(as_number("evolve(save_times=...)", t) for t in listed)
    if not stops:
        raise invalid("evolve(save_times=...)", "at least one time, or None for the end", [])
    sign = -1.0 if span < 0 else 1.0
    ordered = all(sign * (later - earlier) > 0 for earlier, later in pairwise(stops))
    slack = SAME * abs(span)
    if not ordered or sign * (stops[0] - start) < -slack or sign * (stops[-1] - end) > slack:
        needs = f"strictly monotone from t0 = {start} to t0 + time = {end}"
        raise invalid("evolve(save_times=...)", needs, stops)
    return Schedule(start, end, stops)
