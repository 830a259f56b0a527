"""What the reader sees: a table per study, a summary, and the verdict. At most 120 columns wide."""

import math
from collections.abc import Sequence
from textwrap import fill

from tabulate import tabulate

from validation.claim import Claim
from validation.study import Outcome

WIDTH = 120


def study_report(outcome: Outcome) -> str:
    """Return the claims of a study as a table, under what is measured and where the answers come from."""
    title = f"{outcome.study.name}: {outcome.study.title}"
    statements = dict.fromkeys(f"{claim.formula} [{claim.source}]" for claim in outcome.claims)
    explained = [fill(text, WIDTH, initial_indent="  ", subsequent_indent="    ") for text in statements]
    rows = [
        (
            claim.name,
            f"{claim.expected:.4g}",
            f"{claim.measured:.4g}",
            f"{claim.bound:.2g}",
            _margin(claim),
            "ok" if claim.passed else "FAIL",
        )
        for claim in outcome.claims
    ]
    headers = ("claim", "expected", "measured", "± bound", "margin", "")
    aligned = ("left", "right", "right", "right", "right", "left")
    table = tabulate(rows, headers=headers, colalign=aligned, disable_numparse=True)
    held = f"{outcome.held} of {len(outcome.claims)} claims hold, {outcome.seconds:.1f} s"
    return "\n".join([title, "=" * len(title), *explained, "", table, held, ""])


def summary(outcomes: Sequence[Outcome]) -> str:
    """Return one line per study, every failed claim with its details, and the verdict."""
    rows = []
    for outcome in outcomes:
        worst = min(outcome.claims, key=lambda claim: claim.margin, default=None)
        rows.append(
            (
                outcome.study.name,
                f"{outcome.held} of {len(outcome.claims)}",
                f"{outcome.seconds:.1f}",
                "" if worst is None else _margin(worst),
                "" if worst is None else worst.name,
            )
        )
    headers = ("study", "hold", "seconds", "least margin", "claim with the least margin (bound/deviation)")
    aligned = ("left", "right", "right", "right", "left")
    table = tabulate(rows, headers=headers, colalign=aligned, disable_numparse=True)
    failures = [_failure(claim) for outcome in outcomes for claim in outcome.claims if not claim.passed]
    return "\n\n".join([table, *failures, verdict(outcomes)])


def verdict(outcomes: Sequence[Outcome]) -> str:
    """Return the last line: how many claims hold."""
    held, total = sum(outcome.held for outcome in outcomes), sum(len(outcome.claims) for outcome in outcomes)
    return f"VERDICT: {held} of {total} claims hold"


def _failure(claim: Claim) -> str:
    text = (
        f"FAILED {claim.study}, {claim.name}: expected {claim.expected:.8g}, measured {claim.measured:.8g}, may be off "
        f"by {claim.bound:.3g}. Formula: {claim.formula}. Source: {claim.source}."
    )
    return fill(text + (f" Worst case: {claim.detail}" if claim.detail else ""), WIDTH, subsequent_indent="  ")


def _margin(claim: Claim) -> str:
    if math.isinf(claim.margin):
        return "exact"
    return f"{claim.margin:.1f}" if claim.margin < 10 else f"{claim.margin:.0f}"
