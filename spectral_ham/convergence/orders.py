"""Observed orders and the power law error ≈ C·h^p, for errors against a known answer."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import linear_regression

from spectral_ham._internal.checks import as_number, invalid
from spectral_ham.convergence.base import ORDER_TOLERANCE, above_floor, as_errors, as_floors, as_steps


def observed_orders(h: Iterable[float], errors: Iterable[float]) -> tuple[float | None, ...]:
    """Return p_i = ln(e_i / e_{i+1}) / ln(h_i / h_{i+1}) for each pair of neighbors.

    Args:
        h: the small parameter, coarsest first: positive, strictly decreasing.
        errors: the error at each h, zero or above.

    Shape:
        One entry fewer than ``h``; None where an error of a pair is zero.

    Raises:
        ValueError: fewer than two points, h not strictly decreasing, a count that differs, NaN, Inf or negative errors.
        TypeError: something that is not a number.

    Example:
        >>> import spectral_ham as sh
        >>> sh.convergence.observed_orders([0.4, 0.2, 0.1], [16.0, 4.0, 1.0])
        (2.0, 2.0)
    """
    steps = as_steps("observed_orders(h=...)", h)
    return pair_orders(steps, as_errors("observed_orders(errors=...)", errors, len(steps)))


def pair_orders(h: Sequence[float], errors: Sequence[float]) -> tuple[float | None, ...]:
    """Return the pairwise orders of checked numbers."""
    pairs = zip(pairwise(h), pairwise(errors), strict=True)
    return tuple(
        math.log(e_coarse / e_fine) / math.log(coarse / fine) if e_coarse and e_fine else None
        for (coarse, fine), (e_coarse, e_fine) in pairs
    )


@dataclass(frozen=True)
class PowerLaw:
    """The fit error ≈ constant · h^order, and which points it rests on (indices, coarsest first).

    Args:
        order: p.
        constant: C, in units of error / h^p.
        used: the points of the asymptotic range, which were fitted.
        pre_asymptotic: coarser points, left out since their pairwise order has not settled.
        at_floor: points left out since round-off is more than 2 % of their error.

    Example:
        >>> import spectral_ham as sh
        >>> law = sh.convergence.fit_power_law([0.4, 0.2, 0.1, 0.05], [0.5, 0.04, 0.01, 0.0025])
        >>> round(law.order, 3), round(law.constant, 3), law.used, law.pre_asymptotic
        (2.0, 1.0, (1, 2, 3), (0,))
    """

    order: float
    constant: float
    used: tuple[int, ...]
    pre_asymptotic: tuple[int, ...]
    at_floor: tuple[int, ...]


def fit_power_law(
    h: Iterable[float],
    errors: Iterable[float],
    *,
    floor: float | Sequence[float] = 0.0,
    order_tolerance: float = ORDER_TOLERANCE,
) -> PowerLaw:
    """Fit ln error = ln C + p ln h by least squares over the asymptotic range.

    The range is found by rule. First every point goes whose error is below floor/0.02: round-off could
    move its order by 0.03. Of the rest, the finest pair gives an order, and coarser pairs join as long as theirs lies
    within ``order_tolerance`` of it.

    Args:
        h: the small parameter, coarsest first: positive, strictly decreasing.
        errors: the error at each h, zero or above.
        floor: the round-off budget, in units of the error: one number or one per point.
        order_tolerance: how far a pairwise order of the range may lie from the finest one.

    Raises:
        ValueError: bad input as in ``observed_orders``, or fewer than two points above the floor.

    Example:
        >>> import spectral_ham as sh
        >>> law = sh.convergence.fit_power_law([0.4, 0.2, 0.1, 0.05], [0.16, 0.04, 0.01, 3e-3], floor=1e-4)
        >>> round(law.order, 3), law.at_floor
        (2.0, (3,))
    """
    steps = as_steps("fit_power_law(h=...)", h)
    checked = as_errors("fit_power_law(errors=...)", errors, len(steps))
    floors = as_floors("fit_power_law(floor=...)", floor, steps)
    tolerance = as_number("fit_power_law(order_tolerance=...)", order_tolerance, positive=True)
    kept = above_floor(checked, floors)
    if len(kept) < 2:
        remedy = "Add coarser resolutions: an order can be seen only above round-off."
        raise invalid("fit_power_law(errors=...)", f"at least two above the floor {floors}", checked, remedy)
    used = asymptotic_range(steps, checked, kept, tolerance)
    slope, intercept = linear_regression([math.log(steps[i]) for i in used], [math.log(checked[i]) for i in used])
    at_floor = tuple(i for i in range(len(steps)) if i not in kept)
    return PowerLaw(slope, math.exp(intercept), used, tuple(i for i in kept if i not in used), at_floor)


def asymptotic_range(
    h: Sequence[float], errors: Sequence[float], kept: Sequence[int], tolerance: float
) -> tuple[int, ...]:
    """Return the finest of the ``kept`` rows over which the pairwise order stays within ``tolerance`` of the finest."""
    orders = [p for p in pair_orders([h[i] for i in kept], [errors[i] for i in kept]) if p is not None]
    first = len(orders) - 1
    while first > 0 and abs(orders[first - 1] - orders[-1]) <= tolerance:
        first -= 1
    return tuple(kept[first:])
