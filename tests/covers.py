"""Pairwise covers: of a product of choices, few cases in which every two choices still meet."""

from collections.abc import Hashable, Iterable, Sequence
from functools import partial
from itertools import combinations
from typing import Any


def cover(cases: Sequence[tuple[Hashable, ...]]) -> list[int]:
    """Return the numbers of some of the cases that hold every pair of choices which any case holds: greedy, in order.

    Two faults that need three choices at once to show are rare; a fault of one choice, or of two that meet, is met.

    Example:
        >>> import itertools
        >>> cases = list(itertools.product("ab", "cd", "ef", "gh"))
        >>> len(cases), len(cover(cases))
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


def pairwise(*given: Iterable[Any]) -> list[tuple[Any, ...]]:
    """Return rows, one value from each axis, that hold every pair of values of two axes: greedy, always the same."""
    axes = [list(axis) for axis in given]
    places = list(combinations(range(len(axes)), 2))
    missing = {(i, a, j, b) for i, j in places for a in range(len(axes[i])) for b in range(len(axes[j]))}

    def gain(row: dict[int, int], axis: int, value: int) -> int:
        chosen = [(min(axis, other), max(axis, other)) for other in row]
        full = {**row, axis: value}
        return sum((i, full[i], j, full[j]) in missing for i, j in chosen)

    rows = []
    while missing:
        i, a, j, b = min(missing)
        row = {i: a, j: b}
        for axis in range(len(axes)):
            if axis not in row:
                turn = len(rows) % len(axes[axis])  # without anything to gain, values take turns
                order = [(turn + k) % len(axes[axis]) for k in range(len(axes[axis]))]
                row[axis] = max(order, key=partial(gain, row, axis))
        missing -= {(i, row[i], j, row[j]) for i, j in places}
        rows.append(tuple(axes[axis][row[axis]] for axis in range(len(axes))))
    return rows
