"""The planner: which execution is fastest. Pure: a key and candidates in, a name out; no field passes through it."""

import math
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from spectral_ham._internal.memo import Memo

DENSE_MAX_POINTS, DENSE_MAX_ROUGH_POINTS = 64, 128
DENSE_MIN_REALS = 16
ROUGH_PRIME = 17
"""From this prime factor on FFTs are several times slower than at other N."""

SLICES_MAX_POINTS = 64
"""Up to here matrix products beat a stencil of order 4 or more that is swept slice by slice, not by a fused kernel."""

SECONDS_PER_CHOICE = 0.05
TRIALS = 20
DENSE_MAX_TRIED = 512


@dataclass(frozen=True)
class PlanKey:
    """What the choice depends on."""

    shape: tuple[int, ...]
    reals_per_point: int
    """Real numbers per grid point: twice the channels of a complex field."""
    double: bool
    """Whether they have double precision."""
    reach: int = 1
    """Points to each side that a stencil sees."""
    fused: bool = True
    """Whether a stencil runs as one fused kernel."""
    elsewhere: tuple[object, ...] = ()
    """What only a measurement can tell: device, threads, backend, terms."""


def estimate(key: PlanKey, candidates: Collection[str]) -> str:
    """Return the name of the candidate that is likely to be fastest: the same one on every machine.

    A stencil moves the fewest bytes. Matrix products beat the FFT up to about 64 points per axis if enough numbers
    per point fill the rows of the product, and up to 128 where N has a prime factor of 17 or more; beyond, their cost
    of N per point loses to log N. In double precision they are taken at such N for few numbers, too, since FFT
    libraries can lose two digits there (MKL on AVX-512 does).

    Args:
        key: the problem.
        candidates: names of executions that can run it; "fft" is always among them.

    Example:
        >>> estimate(PlanKey((28, 28), 512, double=False), ["fft", "dense"])
        'dense'
        >>> estimate(PlanKey((512, 512), 2, double=False), ["fft", "dense"])
        'fft'
        >>> estimate(PlanKey((34, 32), 2, double=True), ["fft", "dense"])
        'dense'
        >>> estimate(PlanKey((28, 28), 512, double=False, reach=4, fused=False), ["fft", "dense", "stencil"])
        'dense'
    """
    pays = "dense" in candidates and key.reals_per_point >= DENSE_MIN_REALS
    largest = max(key.shape)
    if "stencil" in candidates:
        slow = not key.fused and key.reach > 1 and largest <= SLICES_MAX_POINTS
        return "dense" if slow and pays else "stencil"
    is_rough = max(map(largest_prime_factor, key.shape)) >= ROUGH_PRIME
    small = largest <= (DENSE_MAX_ROUGH_POINTS if is_rough else DENSE_MAX_POINTS)
    rounds_better = "dense" in candidates and key.double and is_rough
    return "dense" if small and (pays or rounds_better) else "fft"


_measured: Memo[str] = Memo()
_one_at_a_time = threading.Lock()


def measure(
    key: PlanKey,
    candidates: Mapping[str, Callable[[], Callable[[], object]]],
    clock: Callable[[], float] = time.perf_counter,
) -> str:
    """Return the name of the candidate that is fastest here: each is run for a moment, once in a process for each key.

    Args:
        key: the problem.
        candidates: name → what prepares a call; the call has finished its work when it returns. A candidate that can
            only be slow is left out.
        clock: seconds.

    Example:
        >>> ticks = iter(range(100))
        >>> quick, slow = (lambda: None), (lambda: [next(ticks) for _ in range(9)])
        >>> candidates = {"slow": lambda: slow, "quick": lambda: quick}
        >>> measure(PlanKey((8,), 2, double=True), candidates, clock=lambda: next(ticks))
        'quick'
    """

    def fastest() -> str:
        tried = [name for name in candidates if name != "dense" or max(key.shape) <= DENSE_MAX_TRIED]
        shortest = {name: _shortest(candidates[name](), clock, SECONDS_PER_CHOICE / len(tried)) for name in tried}
        return min(shortest, key=lambda name: shortest[name])

    with _one_at_a_time:  # two measurements side by side would time each other
        return _measured.get(key, fastest)


def _shortest(call: Callable[[], object], clock: Callable[[], float], budget: float) -> float:
    """Return the least time of a few calls after one that prepares tables."""
    call()
    shortest, total = math.inf, 0.0
    for _ in range(TRIALS):
        start = clock()
        call()
        took = clock() - start
        shortest, total = min(shortest, took), total + took
        if total > budget:
            break
    return shortest


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
