"""The review's speed claims beside the measurements, as tables."""

from benchmarks.candidate import OURS
from benchmarks.report import optional, table
from benchmarks.results import Results
from benchmarks.review_claims import AS_IT_WAS, CLAIMS, FIXES, PROFILE, SHAPES, SHARES

CASES = tuple("×".join(map(str, shape)) for shape in SHAPES)


def fixes_table(results: Results) -> str:
    """Return what each fix was said to save, and what it saves: 1 − t_fixed/t_as_it_was."""
    names = (*CLAIMS, None)
    rows = [
        (
            name or "the package instead",
            CLAIMS[name] if name else "–",
            *(optional(_saved(results, case, name), ".0f") + " %" for case in CASES),
            *(optional(_peak(results, case, name), ".1f") for case in CASES[:1]),
        )
        for name in names
    ]
    headers = ("fix", "claimed", *(f"saved, {case}" for case in CASES), f"peak memory, fields, {CASES[0]}")
    return table(headers, rows)


def profile_table(results: Results) -> str:
    """Return the estimated and the measured shares of a call."""
    rows = [
        (name, estimate, *(optional(_share(results, case, name), ".1f") + " %" for case in CASES))
        for name, estimate in PROFILE.items()
    ]
    return table(("part of a call", "estimated", *(f"measured, {case}" for case in CASES)), rows)


def _milliseconds(results: Results, case: str, operation: str, name: str) -> float | None:
    row = results.find("review", case, operation, name)
    return None if row is None else row["minimum_ms"]


def _saved(results: Results, case: str, name: str | None) -> float | None:
    before = _milliseconds(results, case, FIXES, AS_IT_WAS)
    operation = (FIXES, name) if name else ("H fd2, no V", f"{OURS}, auto")
    after = _milliseconds(results, case, *operation)
    return None if before is None or after is None else 100 * (1 - after / before)


def _peak(results: Results, case: str, name: str | None) -> float | None:
    operation = (FIXES, name) if name else ("H fd2, no V", f"{OURS}, auto")
    row = results.find("review", case, *operation)
    return None if row is None else row["peak_fields"]


def _share(results: Results, case: str, name: str) -> float | None:
    whole, part = _milliseconds(results, case, FIXES, AS_IT_WAS), _milliseconds(results, case, SHARES, name)
    return None if whole is None or part is None else 100 * part / whole
