"""Pairwise covers: of a product of choices, few cases in which every two choices still meet."""

from collections.abc import Hashable, Sequence
from itertools import combinations


def pairwise(cases: Sequence[tuple[Hashable, ...]]) -> list[int]:
    """Return the numbers of some of the cases that hold every pair of choices which any case holds: greedy, in order.

    Two faults that need three choices at once to show are rare; a fault of one choice, or of two that meet, is met.

    Example:
        >>> import itertools
        >>> cases = list(itertools.product("ab", "cd", "ef", "gh"))
        >>> len(cases), len(pairwise(cases))
        (16, 6)
    """
    pairs = [{(i, a, j, b) for (i, a), (j, b) in combinations(enumerate(case), 2)} for case in cases]
    missing = set().union(*pairs)
    kept = []
    while missing:
        best = max(range(len(cases)), key=lambda number: len(pairs[number] & missing))
        kept.append(best)
        missing -= pairs[best]
    return sorted(kept)
