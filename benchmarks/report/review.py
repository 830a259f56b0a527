"""The review's speed claims beside the measurements, as tables."""

from benchmarks.harness.candidate import OURS
from benchmarks.harness.results import Results
from benchmarks.report.text import optional, table
from benchmarks.suites.review_claims import AS_IT_WAS, CLAIMS, FIXES, PROFILE, SHAPES, SHARES

CASES = tuple("×".join(map(str, shape)) for shape in SHAPES)


def fixes_table(results: Results) -> str:
    """Return what each fix was said to save, and what it saves: 1 − t_fixed/t_as_it_was."""
    rows = [
        (
            name,
            claimed(name),
            *(_percent(_saved(results, case, name), ".0f") for case in CASES),
            optional(_peak(results, name), ".1f"),
            verdict(results, name),
        )
        for name in CLAIMS
    ]
    package = [_percent(_saved(results, case, None), ".0f") for case in CASES]
    rows.append(("the package instead", "–", *package, optional(_peak(results, None), ".1f"), ""))
    headers = ("fix", "claimed", *(f"saved, {case}" for case in CASES), f"memory, fields, {CASES[0]}", "verdict")
    return table(headers, rows, text=(0, len(headers) - 1))


def claimed(name: str) -> str:
    """Return the review's figure."""
    bounds = CLAIMS[name]
    if bounds is None:
        return "less memory"
    return "–".join(map(str, dict.fromkeys(bounds))) + " %"


def verdict(results: Results, name: str) -> str:
    """Judge a claim by the case where the fix saves most; a promise of memory by the memory."""
    bounds = CLAIMS[name]
    if bounds is None:
        before, after = _peak(results, AS_IT_WAS), _peak(results, name)
        if before is None or after is None:
            return "not measured"
        return "holds" if after < before else "wrong: more memory"
    found = [saved for case in CASES if (saved := _saved(results, case, name)) is not None]
    if not found:
        return "not measured"
    if max(found) < bounds[0]:
        return "overstated"
    return "understated" if max(found) > 2 * bounds[1] else "holds"


def profile_table(results: Results) -> str:
    """Return the estimated and the measured shares of a call."""
    rows = [
        (name, estimate, *(_percent(_share(results, case, name), ".1f") for case in CASES))
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


def _percent(value: float | None, form: str) -> str:
    return "–" if value is None else f"{value:{form}} %"


def _peak(results: Results, name: str | None) -> float | None:
    operation = (FIXES, name) if name else ("H fd2, no V", f"{OURS}, auto")
    row = results.find("review", CASES[0], *operation)
    return None if row is None else row["peak_fields"]


def _share(results: Results, case: str, name: str) -> float | None:
    whole, part = _milliseconds(results, case, FIXES, AS_IT_WAS), _milliseconds(results, case, SHARES, name)
    return None if whole is None or part is None else 100 * part / whole
