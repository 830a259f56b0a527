"""The planner: which execution is likely to be fastest. Pure: a key and the candidates' names in, a name out."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache

DENSE_MAX_POINTS = 128
DENSE_MIN_REALS = 16
ROUGH_PRIME = 17


@dataclass(frozen=True)
class PlanKey:
    """What the choice depends on."""

    shape: tuple[int, ...]
    reals_per_point: int
    """Real numbers per grid point: twice the channels of a complex field."""
    double: bool
    """Whether they have double precision."""


def choose(key: PlanKey, candidates: Collection[str]) -> str:
    """Return the name of the candidate that is likely to be fastest.

    A stencil moves the fewest bytes. Matrix products beat the FFT up to about 128 points per axis if enough
    numbers per point fill the rows of the product; beyond, their cost of N per point loses to log N. In double
    precision they are also taken where N has a prime factor of 17 or more, since FFT libraries can lose two digits
    there (MKL on AVX-512 does: 35 eps at N = 34, 350 eps at N = 206).

    Args:
        key: the problem.
        candidates: names of executions that can run it; "fft" is always among them.

    Example:
        >>> choose(PlanKey((28, 28), 512, double=False), ["fft", "dense"])
        'dense'
        >>> choose(PlanKey((512, 512), 2, double=False), ["fft", "dense"])
        'fft'
        >>> choose(PlanKey((34, 32), 2, double=True), ["fft", "dense"])
        'dense'
    """
    if "stencil" in candidates:
        return "stencil"
    pays = key.reals_per_point >= DENSE_MIN_REALS
    rounds_better = key.double and max(map(largest_prime_factor, key.shape)) >= ROUGH_PRIME
    if "dense" in candidates and max(key.shape) <= DENSE_MAX_POINTS and (pays or rounds_better):
        return "dense"
    return "fft"


@lru_cache(maxsize=256)
def largest_prime_factor(n: int) -> int:
    """Return the largest prime that divides n, 1 for n = 1.

    Example:
        >>> [largest_prime_factor(n) for n in (1, 32, 34, 97)]
        [1, 2, 17, 97]
    """
    largest, factor = 1, 2
    while factor * factor <= n:
        while n % factor == 0:
            largest, n = factor, n // factor
        factor += 1
    return max(largest, n)
