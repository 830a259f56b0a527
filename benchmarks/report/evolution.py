"""The part evolution as tables, and the part long-runs."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.harness.results import Results
from benchmarks.report.figure import METHODS
from benchmarks.report.text import table
from benchmarks.suites.long_runs import DT

ERRORS = (1e-3, 1e-6, 1e-9)
Rows = Sequence[Mapping[str, Any]]


def cost_tables(results: Results) -> str:
    """Return one table per problem: the cheapest run within each error, as CPU ms (operator products)."""
    rows = [row for row in results.rows("evolution") if "backend" in row]
    problems: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        problems.setdefault(row["problem"], []).append(row)
    return "\n\n".join(f"### {problem}\n\n{_costs(points)}" for problem, points in problems.items())


def _costs(points: Rows) -> str:
    backends = list(dict.fromkeys(p["backend"] for p in points))
    rows = [
        (
            method if "," in method else f"`{method}`",
            *(cheapest([p for p in points if p["backend"] == b], method, error) for b in backends for error in ERRORS),
        )
        for method in METHODS
        if any(p["method"] == method for p in points)
    ]
    return table(("method", *(f"{backend}, {error:.0e}" for backend in backends for error in ERRORS)), rows)


def cheapest(points: Rows, method: str, error: float) -> str:
    """Return the least cost of a method within an error."""
    within = [p for p in points if p["method"] == method and p["error"] <= error]
    best = min(within, key=lambda p: p["cpu_ms"], default=None)
    return "–" if best is None else f"{best['cpu_ms']:.3g} ({best['products']:.0f})"


def memory_table(results: Results) -> str:
    """Return the memory of a run."""
    rows = [row for row in results.rows("evolution") if "peak_fields" in row]
    return table(("method", "fields"), [(f"`{row['method']}`", f"{row['peak_fields']:.1f}") for row in rows])


def long_runs(results: Results) -> str:
    """Return what many steps do to the norm, and whether they can be undone."""
    rows = [(row["name"], str(row["steps"]), f"{row['value']:.2g}") for row in results.rows("long-runs")]
    return table((f"dt = {DT}", "steps", "measured"), rows)
