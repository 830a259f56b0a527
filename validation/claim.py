"""One claim: a number that is measured, the number that it should be, and how far it may be off."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """|measured − expected| ≤ bound.

    Args:
        study: name of the study that makes the claim.
        name: what is claimed, unique within the study.
        formula: what is measured, and where ``bound`` comes from.
        source: where ``expected`` comes from: a DOI, an equation, or "definition".
        expected: the right answer; never taken from the code under test.
        measured: what the code gives; NaN where it gives nothing.
        bound: how far ``measured`` may be off; 0 claims equality, bit for bit.
        detail: where the worst case is, for the reader of a failure.
    """

    study: str
    name: str
    formula: str
    source: str
    expected: float
    measured: float
    bound: float
    detail: str = ""

    @property
    def deviation(self) -> float:
        """|measured − expected|."""
        return abs(self.measured - self.expected)

    @property
    def passed(self) -> bool:
        """Whether the claim holds; NaN never does."""
        return self.deviation <= self.bound

    @property
    def margin(self) -> float:
        """How many times smaller than the bound the deviation is: below 1 the claim fails, infinite if it is exact."""
        if math.isnan(self.deviation):
            return 0.0
        return self.bound / self.deviation if self.deviation else math.inf
