"""What this package shares: checks of h, errors and floors, and how much round-off a fit may carry."""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeAlias, TypeVar

from spectral_ham._internal.checks import as_number, invalid

Resolution: TypeAlias = float | tuple[float, ...]
"""What a run is refined by: points per axis (one number or a tuple), a number of steps, a step."""

R = TypeVar("R", bound=Resolution)

PerResolution: TypeAlias = float | Sequence[float] | Callable[[R], float]
"""One number, one number per resolution, or a function of the resolution."""

FLOOR_SHARE = 0.02
"""Round-off may be this share of an error that enters a fit: its order moves by 0.02/ln 2 = 0.03 at the most."""

ORDER_TOLERANCE = 0.05
CONSTANT_TOLERANCE = 0.02


def as_steps(where: str, h: Iterable[float]) -> tuple[float, ...]:
    """Return h as at least two positive floats that decrease strictly: the coarsest first."""
    steps = tuple(as_number(where, step, positive=True) for step in h)
    if len(steps) < 2:
        raise invalid(where, "at least two resolutions", steps)
    if any(fine >= coarse for coarse, fine in pairwise(steps)):
        raise invalid(where, "strictly decreasing", steps, "List the coarsest resolution first, and each once.")
    return steps


def as_errors(where: str, errors: Iterable[float], count: int) -> tuple[float, ...]:
    """Return ``errors`` as ``count`` finite floats, none below zero."""
    numbers = as_values(where, errors, count)
    if min(numbers) < 0:
        raise invalid(where, "zero or above", numbers, "Pass absolute values.")
    return numbers


def as_values(where: str, values: Iterable[float], count: int) -> tuple[float, ...]:
    """Return ``values`` as ``count`` finite floats."""
    numbers = tuple(as_number(where, value) for value in values)
    if len(numbers) != count:
        raise invalid(where, f"one number for each of the {count} resolutions", numbers)
    return numbers


def as_floors(where: str, floor: PerResolution[Any], resolutions: Sequence[Resolution]) -> tuple[float, ...]:
    """Return the round-off floor of every resolution, each zero or above."""
    if callable(floor):
        floor = [floor(resolution) for resolution in resolutions]
    per_row = floor if isinstance(floor, Sequence) else [floor] * len(resolutions)
    return as_errors(where, per_row, len(resolutions))


def above_floor(errors: Sequence[float], floors: Sequence[float]) -> tuple[int, ...]:
    """Return the rows whose error is not zero and has at most the share ``FLOOR_SHARE`` of round-off."""
    return tuple(i for i, (e, floor) in enumerate(zip(errors, floors, strict=True)) if e > floor / FLOOR_SHARE)
