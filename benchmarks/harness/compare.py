"""Ratios beside those of a reference: what became slower, in units of a copy and of an FFT pair of the same run."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.results import Document, is_ours, key_of

FLAGGED = 1.1
"""A ratio that grew by more must be explained."""

FAILED = 2.0
"""A ratio that grew by more is a failure, in both units: either yardstick may have had a bad day."""


@dataclass(frozen=True)
class Change:
    """One row of the package beside the same row of the reference."""

    key: str
    copies: float
    """How many times larger the ratio to a copy is."""
    pairs: float
    """The same for the FFT pair."""

    @property
    def is_flagged(self) -> bool:
        """Whether either ratio is more than a tenth worse."""
        return max(self.copies, self.pairs) > FLAGGED

    @property
    def is_failure(self) -> bool:
        """Whether both ratios more than doubled."""
        return min(self.copies, self.pairs) > FAILED

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.key}: {self.copies:.2f} times the reference in copies, {self.pairs:.2f} times in FFT pairs"


def changes(document: Document, reference: Document) -> Iterator[Change]:
    """Yield every row of the package that both have."""
    before = {key_of(row): row for row in reference["rows"] if is_ours(row)}
    for row in document["rows"]:
        old = before.get(key_of(row)) if is_ours(row) else None
        if old is not None:
            yield Change(key_of(row), row["copies"] / old["copies"], row["pairs"] / old["pairs"])


def missing(document: Document, reference: Document) -> list[str]:
    """Return the package's rows of the reference that were not measured: a gate must not open by vanishing."""
    measured = {key_of(row) for row in document["rows"] if is_ours(row)}
    return [key_of(row) for row in reference["rows"] if is_ours(row) and key_of(row) not in measured]


def uncomparable(document: Document, reference: Document) -> str | None:
    """Return why ratios of the two should not be compared, or None."""
    for what in ("device", "threads", "numba"):
        now, then = _of(document, what), _of(reference, what)
        if now != then:
            return f"{what}: {now} here, {then} in the reference"
    return None


def _of(document: Document, what: str) -> Any:
    value = document["machine"].get(what)
    return (value is not None) if what == "numba" else value  # its version does not matter, its presence does


def report(document: Document, reference: Document) -> str:
    """Return the flagged changes as text."""
    found = list(changes(document, reference))
    flagged = [str(change) for change in found if change.is_flagged]
    why = uncomparable(document, reference)
    head = f"{document['part']}: {len(flagged)} of {len(found)} ratios are more than {FLAGGED - 1:.0%} worse"
    return "\n".join([head + (f" (not the same conditions: {why})" if why else ""), *sorted(flagged)])
