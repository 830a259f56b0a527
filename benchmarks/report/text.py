"""Rows as Markdown tables."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tabulate import tabulate

from benchmarks.harness.candidate import OURS
from benchmarks.harness.results import Results, is_ours
from benchmarks.suites.scaling import CURVES, SIZES, THEORY, exponent, times_of

HEADERS = ("candidate", "min ms", "median ms", "× copy", "× pair", "of limit", "error", "peak", "note")
Rows = Sequence[Mapping[str, Any]]


def table(headers: Sequence[str], rows: Iterable[Sequence[str]], *, text: Sequence[int] = (0,)) -> str:
    """Return a Markdown table; the columns in ``text`` are aligned to the left."""
    aligned = tuple("left" if column in text else "right" for column in range(len(headers)))
    return tabulate(list(rows), headers=headers, tablefmt="pipe", colalign=aligned, disable_numparse=True)


def row_table(rows: Rows) -> str:
    """Return all that was measured of some rows, in order of operation, then of time."""
    operations = list(dict.fromkeys(row["operation"] for row in rows))
    ordered = sorted(rows, key=lambda row: (operations.index(row["operation"]), row["minimum_ms"]))
    adds = any(row["adds"] is not None for row in rows)
    headers = ("operation", *HEADERS[:5], *(["× add"] if adds else []), *HEADERS[5:])
    return table(headers, (_cells(row, adds) for row in ordered), text=(0, 1, len(headers) - 1))


def _cells(row: Mapping[str, Any], adds: bool) -> tuple[str, ...]:
    return (
        row["operation"],
        f"**{row['name']}**" if is_ours(row) else row["name"],
        f"{row['minimum_ms']:.4g}",
        f"{row['median_ms']:.4g}",
        f"{row['copies']:.3g}",
        f"{row['pairs']:.3g}",
        *([optional(row["adds"], ".3g")] if adds else []),
        optional(row["of_limit"], ".2f"),
        optional(row["error"], ".1e"),
        optional(row["peak_fields"], ".1f"),
        row["note"],
    )


def optional(value: float | None, form: str) -> str:
    """Return a number, or a dash for what was not measured."""
    return "–" if value is None else format(value, form)


def sections(results: Results, part: str) -> str:
    """Return a heading and a table for each shape and dtype of a part."""
    written = []
    for case, dtype in results.cases(part):
        rows = [row for row in results.rows(part) if (row["case"], row["dtype"]) == (case, dtype)]
        written.append(f"### {part}: {case}, {dtype}\n\n{row_table(_distinct(rows))}")
    return "\n\n".join(written)


def _distinct(rows: Rows) -> Rows:
    """Keep one of each name: two groups of one shape have their own yardsticks."""
    return list({(row["operation"], row["name"]): row for row in rows}.values())


def competitors(results: Results) -> str:
    """Return the package beside every other way, operation by operation: how many times faster it is."""
    rows = []
    for part, operations in (("operators", ("H fd2", "H spectral")), ("steps", ("Strang step", "4th-order step"))):
        for case, dtype in results.cases(part):
            for operation in operations:
                rows += _beside(results.rows(part), case, dtype, operation)
    headers = (
        "operation",
        "case",
        "package",
        "its ms",
        "ours, ms",
        "we are × faster",
        "at equal error",
        "its error",
        "note",
    )
    return table(headers, rows, text=(0, 1, 2, len(headers) - 1))


def _beside(rows: Rows, case: str, dtype: str, operation: str) -> list[tuple[str, ...]]:
    same = [row for row in rows if (row["case"], row["dtype"], row["operation"]) == (case, dtype, operation)]
    own = next((row for row in same if is_ours(row)), None)
    return [
        (
            operation,
            case if dtype == "complex64" else f"{case}, {dtype}",
            row["name"],
            f"{row['minimum_ms']:.3g}",
            f"{own['minimum_ms']:.3g}",
            f"{row['minimum_ms'] / own['minimum_ms']:.3g}",
            optional(at_equal_error(own, row), ".3g"),
            optional(row["error"], ".1e"),
            row["note"],
        )
        for row in same
        if own is not None and not is_ours(row)
    ]


def at_equal_error(own: Mapping[str, Any], other: Mapping[str, Any]) -> float | None:
    """Return the ratio of times if both took the steps that ours needs for its error: t·(error)^{1/p} at order p.

    None for what is no step in time, and for an error so large that it follows no order.
    """
    order = {"Strang step": 2, "4th-order step": 4}.get(own["operation"])
    if order is None or other["error"] > 1:
        return None
    ratio: float = other["minimum_ms"] / own["minimum_ms"] * max(1.0, other["error"] / own["error"]) ** (1 / order)
    return ratio


def exponents(results: Results) -> str:
    """Return the fitted exponents of the time per point."""
    rows = [
        (
            curve,
            THEORY[curve],
            *(
                optional(exponent(times_of(results.rows("scaling"), operation, name, channels), channels), ".2f")
                for channels in SIZES
            ),
        )
        for curve, (operation, name) in CURVES.items()
    ]
    return table(
        ("execution", "theory", *("1 channel" if channels == 1 else f"{channels} channels" for channels in SIZES)), rows
    )


def speed(results: Results, case: str) -> str:
    """Return the short table of the README: the drop-ins' case."""
    replaced = [row for row in results.rows("drop-ins") if row["case"] == case and "replaced" in row["name"]]
    metric, flat = (
        min((row["minimum_ms"] for row in replaced if form in row["name"]), default=float("nan"))
        for form in ("metric", "flat")
    )
    rows = []
    for label, part, operation, name in (
        ("H of fd, order 2", "drop-ins", "H fd2, no V", "auto"),
        ("the same, drop-in", "drop-ins", "H fd2, no V", "drop-in"),
        ("H of spectral", "drop-ins", "H spectral, no V", "auto"),
        ("the same, drop-in", "drop-ins", "H spectral, no V", "drop-in"),
        ("one Strang step of 64, spectral, with V", "steps", "Strang step", "strang"),
    ):
        row = results.find(part, case, operation, f"{OURS}, {name}")
        if row is not None:
            ms = row["minimum_ms"]
            same = part == "drop-ins"  # a step in time is another thing than a call of the replaced kernel
            faster = (f"{metric / ms:.3g}", f"{flat / ms:.3g}") if same else ("–", "–")
            rows.append((label, f"{ms:.3g}", f"{row['copies']:.3g}", f"{row['pairs']:.3g}", *faster))
    headers = ("", "ms", "× copy", "× FFT pair", "× faster than the replaced kernel", "than its flat form")
    return table(headers, rows)
