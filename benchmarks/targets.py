"""What was promised (targets.toml), beside what was measured: limits in copies, FFT pairs and times, with verdicts."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness.candidate import OURS
from benchmarks.harness.results import Results
from benchmarks.report.text import at_equal_error, table

VERDICTS = ("target met", "must met", "missed", "not measured")
FILE = Path(__file__).with_name("targets.toml")
UNITS = {"copies": "copy", "pairs": "pair", "adds": "add", "peak_fields": "fields"}
"""Quantity of a row → its unit; every other quantity is a ratio."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Target:
    """One promise, as targets.toml describes it."""

    what: str
    quantity: str
    row: tuple[str, ...]
    """Part, case, operation and name of a row."""
    others: tuple[tuple[str, ...], ...]
    """The fastest of these rows is divided by ``row``, or ``row`` by the first of them where less is better."""
    must: float
    target: float
    extra_us: tuple[float, float]
    """Microseconds added to must and target."""
    at_least: bool
    source: str
    h200: str
    """What a model predicts for an H200; nobody has run it."""

    @property
    def unit(self) -> str:
        """The unit of the limits."""
        return "×" if self.others else UNITS.get(self.quantity, "×")

    def measure(self, results: Results) -> float | None:
        """Return the value, or None where a row was not measured."""
        if self.quantity == "auto_over_best":
            return _auto_over_best(results, self.row[1], float(self.row[2]))
        own = _find(results, self.row)
        others = [row for other in self.others if (row := _find(results, other)) is not None]
        if own is None or (self.others and not others):
            return None
        if not others:
            return float(own[self.quantity])
        if self.quantity == "equal_error":
            return at_equal_error(own, others[0])
        if self.at_least:
            return min(_value(row, self.quantity) for row in others) / _value(own, self.quantity)
        return _value(own, self.quantity) / _value(others[0], self.quantity)

    def verdict(self, results: Results) -> str:
        """Return one of `VERDICTS`."""
        value = self.measure(results)
        if value is None:
            return "not measured"
        must, target = (limit + self._extra(results, us) for limit, us in zip(self._limits, self.extra_us, strict=True))
        if self.at_least:
            return VERDICTS[0 if value >= target else 1 if value >= must else 2]
        return VERDICTS[0 if value <= target else 1 if value <= must else 2]

    @property
    def _limits(self) -> tuple[float, float]:
        return self.must, self.target

    def _extra(self, results: Results, us: float) -> float:
        """Return microseconds in the unit of the limit."""
        row = _find(results, self.row) if us else None
        return 0.0 if row is None else us * row[self.quantity] / (1e3 * row["minimum_ms"])

    def cells(self, results: Results) -> tuple[str, ...]:
        """Return the row of the table."""
        value, verdict = self.measure(results), self.verdict(results)
        sign = "≥" if self.at_least else "≤"
        limits = (
            f"{sign} {limit:g} {self.unit}" + (f" + {us:g} µs" if us else "")
            for limit, us in zip(self._limits, self.extra_us, strict=True)
        )
        measured = "–" if value is None else f"{value:.3g} {self.unit}"
        return self.what, *limits, measured, f"**{verdict}**" if verdict == "missed" else verdict


def _find(results: Results, row: tuple[str, ...]) -> Row | None:
    return results.find(*row)


def _value(row: Row, quantity: str) -> float:
    """Return a field of a row, or the time per grid point."""
    if quantity == "ms_per_point":
        N_x, N_y = (int(n) for n in row["case"].split("×")[:2])
        return float(row["minimum_ms"]) / (N_x * N_y)
    return float(row[quantity])


def _auto_over_best(results: Results, problem: str, tol: float) -> float | None:
    """Return the worst ratio, over backends, of the time of auto at ``tol`` to the fastest method within ``tol``."""
    rows = [row for row in results.rows("evolution") if row["problem"] == problem and "backend" in row]
    ratios = []
    for auto in rows:
        if auto["method"] == "auto, tol" and auto["setting"] == tol:
            rivals = [r for r in rows if r["backend"] == auto["backend"] and r["error"] <= tol and r is not auto]
            ratios += [auto["cpu_ms"] / min(r["cpu_ms"] for r in rivals)] if rivals else []
    return max(ratios, default=None)


def load(path: Path = FILE) -> tuple[Target, ...]:
    """Read the promises: groups of targets, each inheriting what its group says."""
    groups = tomllib.loads(path.read_text(encoding="utf-8"))["group"]
    return tuple(_target({**group, **own}) for group in groups for own in group["targets"])


def _target(given: Mapping[str, Any]) -> Target:

    return Target(
        what=given["what"],
        quantity=given["quantity"],
        row=_key(given["row"], given),
        others=tuple(_key(other, given) for other in given.get("over", [])),
        must=given["must"],
        target=given["target"],
        extra_us=tuple(given.get("extra_us", (0.0, 0.0))),
        at_least=given.get("at_least", False),
        source=given["source"],
        h200=given.get("h200", ""),
    )


def _key(row: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    """Return part, case, operation and name of "case | operation | name"; the name may be the group's."""
    parts = (*row.split(" | "), given.get("name", f"{OURS}, auto"))
    return given["part"], *parts[:3]


TARGETS = load()
"""Every promise, in the order of the table."""


def verdicts(targets: Sequence[Target], results: Results) -> str:
    """Return the table, and above it how many are met."""
    found = [target.verdict(results) for target in targets]
    counts = ", ".join(f"{found.count(verdict)} {verdict}" for verdict in VERDICTS if verdict in found)
    headers = ("what", "must", "target", "measured", "verdict")
    return f"{counts}.\n\n{table(headers, (target.cells(results) for target in targets), text=(0, 4))}"


def predictions(targets: Sequence[Target]) -> str:
    """Return what the model says of a GPU."""
    return table(("what", "H200, by a model"), ((t.what, t.h200) for t in targets if t.h200), text=(0, 1))
