"""The planner: which execution is likely to be fastest. Pure: a key and the candidates' names in, a name out."""

from collections.abc import Collection
from dataclasses import dataclass

DENSE_MAX_POINTS = 128
DENSE_MIN_REALS = 16


@dataclass(frozen=True)
class PlanKey:
    """What the choice depends on."""

    shape: tuple[int, ...]
    reals_per_point: int
    """Real numbers per grid point: twice the channels of a complex field."""


def choose(key: PlanKey, candidates: Collection[str]) -> str:
    """Return the name of the candidate that is likely to be fastest.

    A stencil moves the fewest bytes. Matrix products beat the FFT up to about 128 points per axis if enough
    numbers per point fill the rows of the product; beyond, their cost of N per point loses to log N.

    Args:
        key: the problem.
        candidates: names of executions that can run it; "fft" is always among them.

    Example:
        >>> choose(PlanKey((28, 28), 512), ["fft", "dense"])
        'dense'
        >>> choose(PlanKey((512, 512), 2), ["fft", "dense"])
        'fft'
    """
    if "stencil" in candidates:
        return "stencil"
    if "dense" in candidates and max(key.shape) <= DENSE_MAX_POINTS and key.reals_per_point >= DENSE_MIN_REALS:
        return "dense"
    return "fft"
