"""What was promised, beside what was measured: limits in copies, FFT pairs and times, each with a verdict."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.candidate import OURS
from benchmarks.report import at_equal_error, table
from benchmarks.results import Results

SMALL, MIDDLE = "28×28×16×16", "64×64×16×16"
ONE = {N: f"{N}×{N}×1×1" for N in (512, 1024, 4096)}
AUTO = f"{OURS}, auto"

VERDICTS = ("target met", "must met", "missed", "not measured")

Row = dict[str, Any]


@dataclass(frozen=True)
class Limit:
    """factor · unit + extra, or at least factor where more is better."""

    factor: float
    extra_us: float = 0.0


@dataclass(frozen=True)
class Measured:
    """A value, and the microseconds that one unit of it takes (None: it is no time)."""

    value: float
    unit_us: float | None = None


@dataclass(frozen=True)
class Target:
    """One promise."""

    what: str
    unit: str
    must: Limit
    target: Limit
    measure: Callable[[Results], Measured | None]
    more_is_better: bool = False
    h200: str = ""
    """What a model predicts for an H200; nobody has run it."""

    def verdict(self, results: Results) -> str:
        """Return one of `VERDICTS`."""
        measured = self.measure(results)
        if measured is None:
            return "not measured"
        if self._holds(self.target, measured):
            return "target met"
        return "must met" if self._holds(self.must, measured) else "missed"

    def _holds(self, limit: Limit, measured: Measured) -> bool:
        if self.more_is_better:
            return measured.value >= limit.factor
        extra = limit.extra_us / measured.unit_us if measured.unit_us else 0.0
        return measured.value <= limit.factor + extra

    def cells(self, results: Results) -> tuple[str, ...]:
        """Return the row of the table."""
        measured = self.measure(results)
        value = "–" if measured is None else f"{measured.value:.3g} {self.unit}"
        verdict = self.verdict(results)
        return (
            self.what,
            self._text(self.must),
            self._text(self.target),
            value,
            f"**{verdict}**" if verdict == "missed" else verdict,
        )

    def _text(self, limit: Limit) -> str:
        sign = "≥" if self.more_is_better else "≤"
        extra = f" + {limit.extra_us:g} µs" if limit.extra_us else ""
        return f"{sign} {limit.factor:g} {self.unit}{extra}"


def in_copies(part: str, case: str, operation: str, name: str = AUTO) -> Callable[[Results], Measured | None]:
    """Return the time in copies of the same field."""
    return lambda results: _in_unit(results.find(part, case, operation, name), "copies")


def in_pairs(part: str, case: str, operation: str, name: str = AUTO) -> Callable[[Results], Measured | None]:
    """Return the time in FFT pairs of the same field, channels first."""
    return lambda results: _in_unit(results.find(part, case, operation, name), "pairs")


def _in_unit(row: Row | None, unit: str) -> Measured | None:
    return None if row is None else Measured(row[unit], 1e3 * row["minimum_ms"] / row[unit])


def faster(
    part: str, case: str, ours: tuple[str, str], others: Sequence[tuple[str, str]]
) -> Callable[[Results], Measured | None]:
    """Return how many times faster ours (operation, name) is than the fastest of the others."""

    def measure(results: Results) -> Measured | None:
        own = results.find(part, case, *ours)
        found = [row for other in others if (row := results.find(part, case, *other)) is not None]
        if own is None or not found:
            return None
        return Measured(min(row["minimum_ms"] for row in found) / own["minimum_ms"])

    return measure


def same_error(
    part: str, case: str, ours: tuple[str, str], other: tuple[str, str]
) -> Callable[[Results], Measured | None]:
    """Return `at_equal_error` of two rows."""

    def measure(results: Results) -> Measured | None:
        own, its = (results.find(part, case, *row) for row in (ours, other))
        found = None if own is None or its is None else at_equal_error(own, its)
        return None if found is None else Measured(found)

    return measure


def ratio(part: str, top: tuple[str, str, str], bottom: tuple[str, str, str], what: str) -> Any:
    """Return the quotient of ``what`` of two rows, each named by case, operation and name."""

    def measure(results: Results) -> Measured | None:
        above, below = (results.find(part, *row) for row in (top, bottom))
        return None if above is None or below is None else Measured(above[what] / below[what])

    return measure


def per_point(odd: int, even: int, operation: str, name: str = AUTO) -> Callable[[Results], Measured | None]:
    """Return time per point at N = odd over that at N = even."""

    def measure(results: Results) -> Measured | None:
        rows = [results.find("shapes", f"{N}×{N}×16×16", operation, name) for N in (odd, even)]
        found = [row["minimum_ms"] / N**2 for row, N in zip(rows, (odd, even), strict=True) if row is not None]
        return Measured(found[0] / found[1]) if len(found) == 2 else None

    return measure


def peak(case: str, operation: str, name: str, *, result: int) -> Callable[[Results], Measured | None]:
    """Return the fields held at once, without the ``result`` that a call returns."""

    def measure(results: Results) -> Measured | None:
        row = results.find("memory", case, operation, name)
        return None if row is None else Measured(max(0.0, row["peak_fields"] - result))

    return measure


def verdicts(targets: Sequence[Target], results: Results) -> str:
    """Return the table, and above it how many are met."""
    found = [target.verdict(results) for target in targets]
    counts = ", ".join(f"{found.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in found)
    headers = ("what", "must", "target", "measured", "verdict")
    rows = (target.cells(results) for target in targets)
    return f"{counts}.\n\n{table(headers, rows, text=(0, 4))}"


def predictions(targets: Sequence[Target]) -> str:
    """Return what the model says of a GPU."""
    return table(("what", "H200, by a model"), ((t.what, t.h200) for t in targets if t.h200), text=(0, 1))
