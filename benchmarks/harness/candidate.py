"""What is measured: candidates in groups, and one row of results for each."""

import dataclasses
import gc
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.harness.floors import Floor
from benchmarks.harness.measure import WARM_UPS, Call, Times, interleaved, peak_bytes
from benchmarks.harness.problem import Problem

COPY = "copy_"
PAIR = "FFT pair, channels first"
ADD = "addition of 6×6"
YARDSTICK = "yardstick"
OURS = "spectral_ham"


@dataclass(frozen=True)
class Candidate:
    """One way to do ``operation`` on the field of ``problem``."""

    operation: str
    name: str
    problem: Problem
    call: Call
    error: Callable[[Any], float] | None
    """From what ``call`` returned to max|result − exact|/max|exact|; None where a result would mean nothing."""
    floor: Floor | None = None
    """Of one call."""
    parts: int = 1
    """Steps, terms or calls in one call: times are of one."""
    note: str = ""
    """What the others include and this one does not, or what "auto" chose."""
    counts_memory: bool = True
    """Whether torch's allocator sees what this one allocates."""


@dataclass(frozen=True)
class Row:
    """What was measured of one candidate."""

    case: str
    dtype: str
    operation: str
    name: str
    minimum_ms: float
    median_ms: float
    samples: int
    copies: float
    """Minimum, in units of `copy_` of the same field."""
    pairs: float
    """Minimum, in units of the FFT pair of the same field, channels first."""
    adds: float | None
    """Minimum, in units of one torch addition of a 6×6 field, where the group has one."""
    of_limit: float | None
    """t_floor/minimum: 1 is the fastest that this machine could do."""
    error: float | None
    peak_fields: float | None
    """Most memory held at once during a call, the result included, in units of T."""
    parts: int
    note: str

    @property
    def key(self) -> str:
        """What names the row: the same in every run."""
        return f"{self.case} {self.dtype} | {self.operation} | {self.name}"


@dataclass(frozen=True)
class Group:
    """Candidates that are measured together, interleaved."""

    name: str
    make: Callable[[torch.device], Iterable[Candidate]]
    seconds: float = 6.0
    """After which no further round begins."""


def group(
    label: str,
    shapes: Sequence[tuple[int, ...]],
    candidates: Callable[[Problem], Iterable[Candidate]],
    *,
    seconds: float = 4.0,
    dtype: torch.dtype = torch.complex64,
    waves: bool = False,
) -> Group:
    """Return the group of the candidates of one field or of several, visited in turn."""

    def make(device: torch.device) -> Iterator[Candidate]:
        for shape in shapes:
            yield from candidates(Problem(shape, dtype, device, waves))

    cases = " and ".join("×".join(map(str, shape)) for shape in shapes)
    return Group(f"{label}, {cases}, {str(dtype).removeprefix('torch.')}", make, seconds)


def measure(candidates: Iterable[Candidate], rounds: int, seconds: float, peak_flops: Mapping[str, float]) -> list[Row]:
    """Measure all candidates of a group. ``peak_flops``: of a matrix product, per dtype of real numbers."""
    listed = list(candidates)
    device = listed[0].problem.T.device
    errors = [_error(c) for c in listed]
    peaks = [_peak(c, device) for c in listed]
    names = [f"{c.problem.case} {c.problem.dtype} {c.operation} {c.name}" for c in listed]
    if len(set(names)) < len(names):
        raise ValueError(f"Candidates of one group need different names, got {names}.")
    calls = dict(zip(names, (c.call for c in listed), strict=True))
    gc.collect()
    gc.freeze()  # a package that collects garbage in its loop should not pay for the objects of all the others
    try:
        # The two calls above, for the error and the memory, were warm-ups.
        times = interleaved(calls, rounds, seconds=seconds, device=device, warm_ups=WARM_UPS - 2)
    finally:
        gc.unfreeze()
    found = [times[name] for name in names]
    add = next((t.minimum / c.parts for c, t in zip(listed, found, strict=True) if c.name == ADD), None)
    return [
        _row(c, t, error, peak, (*_yardsticks(listed, found, c.problem), add), peak_flops)
        for c, t, error, peak in zip(listed, found, errors, peaks, strict=True)
    ]


def _error(c: Candidate) -> float | None:
    result = c.call()
    return None if c.error is None else c.error(result)


def _peak(c: Candidate, device: torch.device) -> float | None:
    held = peak_bytes(c.call, device) / c.problem.T.nbytes
    return held if c.counts_memory else None


def _yardsticks(listed: list[Candidate], found: list[Times], problem: Problem) -> tuple[float, float]:
    """Return the seconds of the copy and of the pair of the same field."""
    same = {c.name: t.minimum / c.parts for c, t in zip(listed, found, strict=True) if c.problem.key == problem.key}
    return same[COPY], same[PAIR]


def _row(
    c: Candidate,
    t: Times,
    error: float | None,
    peak: float | None,
    yardsticks: tuple[float, float, float | None],
    peak_flops: Mapping[str, float],
) -> Row:
    one, (copy, pair, add) = t.minimum / c.parts, yardsticks
    floor = None
    if c.floor is not None:
        bandwidth = 2 * c.problem.T.nbytes / copy
        floor = max(c.floor.bytes / bandwidth, c.floor.flops / peak_flops[c.problem.real_dtype])
    return Row(
        case=c.problem.case,
        dtype=c.problem.dtype,
        operation=c.operation,
        name=c.name,
        minimum_ms=1e3 * one,
        median_ms=1e3 * t.median / c.parts,
        samples=t.samples,
        copies=one / copy,
        pairs=one / pair,
        adds=None if add is None else one / add,
        of_limit=None if floor is None else floor / t.minimum,
        error=error,
        peak_fields=peak,
        parts=c.parts,
        note=c.note,
    )


def rounded(row: Row) -> dict[str, Any]:
    """Return the row as it is written: four digits, since more would only be noise in a diff."""
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in dataclasses.asdict(row).items()
    }


def relative_error(exact: torch.Tensor) -> Callable[[torch.Tensor], float]:
    """Return the function from a result to max|result − exact|/max|exact|."""
    scale = exact.abs().max()
    return lambda result: float((result.to(exact.dtype) - exact).abs().max() / scale)
