"""What the pages of the documentation show of the committed results: name → Markdown."""

import re
from collections.abc import Callable, Mapping

from benchmarks.harness.machine import machine_line
from benchmarks.harness.results import Results
from benchmarks.report.evolution import cost_tables, long_runs, memory_table
from benchmarks.report.review import fixes_table, profile_table
from benchmarks.report.text import competitors, exponents, sections, speed
from benchmarks.targets import TARGETS, predictions, verdicts

DROP_INS = "28×28×16×16"
REST = ("overhead", "evolve-overhead", "drop-ins", "windows", "steps", "gradients", "memory", "shapes")


def _speed(results: Results) -> str:
    """Return the drop-ins' case in short."""
    return f"{DROP_INS}, complex64, minima; {_machines(results, 'drop-ins', 'steps')}\n\n{speed(results, DROP_INS)}"


def _machine(results: Results) -> str:
    """Return where everything was measured, what it was compared with, and what was missing."""
    documents = list(results.documents.values())
    versions = {f"{name} {version}" for d in documents for name, version in d["packages"].items()}
    missing = {name for d in documents for name in d["skipped"]}
    peaks = [d["peak_gflops"]["float32"] for d in documents if d["peak_gflops"]]
    skipped = f"; skipped, for they were not installed: {', '.join(sorted(missing))}" if missing else ""
    return (
        f"{_machines(results, *results.documents)}\n\nBeside it: {', '.join(sorted(versions)) or 'no other package'}"
        f"{skipped}. The peak, by a product of 2048² matrices in float32: {min(peaks):.0f} to {max(peaks):.0f} Gflop/s."
    )


def _machines(results: Results, *parts: str) -> str:
    """Return the machine of each part, once if they are the same but for the load."""
    lines = (machine_line(results.documents[part]) for part in parts)
    return " ".join(sorted({re.sub(r", load average [^;]*;", ";", line) for line in lines}))


RENDERERS: Mapping[str, Callable[[Results], str]] = {
    "speed": _speed,
    "bench-machine": _machine,
    "bench-targets": lambda results: verdicts(TARGETS, results),
    "bench-competitors": competitors,
    "bench-exponents": exponents,
    "bench-model": lambda _: predictions(TARGETS),
    "bench-operators": lambda results: sections(results, "operators"),
    "bench-rest": lambda results: "\n\n".join(sections(results, part) for part in REST if results.rows(part)),
    "review-profile": profile_table,
    "review-fixes": fixes_table,
    "evolution-cpu": lambda results: f"{_machines(results, 'evolution')}\n\n{cost_tables(results)}",
    "evolution-memory": memory_table,
    "long-runs": long_runs,
}
"""Region of a page → its text."""
