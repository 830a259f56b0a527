"""How the time per point grows with N: one group per size, and exponents fitted to what they measured."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from benchmarks.harness.candidate import OURS, Candidate
from benchmarks.harness.problem import Problem
from benchmarks.harness.yardsticks import copy_and_pair
from benchmarks.suites.operators import ours

SIZES = {16: (16, 32, 64, 128, 256, 512), 1: (32, 64, 128, 256, 512, 1024, 2048)}
"""Channels → N of N×N points."""

CURVES = {
    "stencil, order 2": ("H fd2", f"{OURS}, stencil"),
    "stencil, order 8": ("H fd8", f"{OURS}, stencil"),
    "dense": ("H spectral", f"{OURS}, dense"),
    "fft": ("H spectral", f"{OURS}, fft"),
}
"""Execution → operation and candidate."""

THEORY = {"stencil, order 2": "0", "stencil, order 8": "0", "dense": "1", "fft": "0, and a logarithm"}
LEAST_FITTED = 2**16
"""Numbers of a field below which the cost of a call, rather than that of its numbers, decides."""


def shape_of(channels: int, N: int) -> tuple[int, ...]:
    """Return (N, N, D, D) with D² channels."""
    D = math.isqrt(channels)
    return N, N, D, D


def candidates(problem: Problem) -> Iterator[Candidate]:
    """Yield the yardsticks and every execution of fd2, fd8 and spectral."""
    yield from copy_and_pair(problem)
    for name in ("H fd2", "H fd8", "H spectral"):
        yield from ours(problem, name)


def shapes() -> list[tuple[int, ...]]:
    """Return all sizes."""
    return [shape_of(channels, N) for channels, sizes in SIZES.items() for N in sizes]


def times_of(rows: Iterable[Mapping[str, Any]], operation: str, name: str, channels: int) -> dict[int, float]:
    """Return N → milliseconds."""
    cases = {"×".join(map(str, shape_of(channels, N))): N for N in SIZES[channels]}
    return {
        cases[row["case"]]: row["minimum_ms"]
        for row in rows
        if row["operation"] == operation and row["name"] == name and row["case"] in cases
    }


def exponent(times: Mapping[int, float], channels: int) -> float | None:
    """Return the slope of log(time per point) over log N, from `LEAST_FITTED` on; None for a single size."""
    fitted = [(math.log(N), math.log(ms / N**2)) for N, ms in times.items() if N**2 * channels >= LEAST_FITTED]
    if len(fitted) < 2:
        return None
    mean_x, mean_y = (sum(values) / len(fitted) for values in zip(*fitted, strict=True))
    slope: float = sum((x - mean_x) * (y - mean_y) for x, y in fitted) / sum((x - mean_x) ** 2 for x, _ in fitted)
    return slope
