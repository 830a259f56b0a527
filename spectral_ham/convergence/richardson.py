"""Richardson extrapolation and the grid convergence index (GCI): an error bar when no exact answer is known."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from spectral_ham._internal.checks import as_number, invalid
from spectral_ham.convergence.base import as_steps, as_values

Kind: TypeAlias = Literal[
    "monotonic convergence",
    "oscillatory convergence",
    "monotonic divergence",
    "oscillatory divergence",
    "no change",
    "two grids",
]

LOWEST_ORDER = 0.5  # Oberkampf & Roy (2010), chapter 8
HIGHEST_ORDER = 10.0  # no method here is above order 8: a larger p is cancellation, and would make the error bar vanish
PLAUSIBLE = 0.1  # relative distance of the observed from the expected order, Oberkampf & Roy (2010), chapter 8
LN_LIMIT = 600.0  # exp(600) is still a float


@dataclass(frozen=True)
class GridConvergence:
    """What the values f₁ (finest), f₂, f₃ say about the answer at h = 0.

    Args:
        kind: how the values approach it.
        value: f₁, on the finest grid.
        order: the apparent order p on the three finest grids; None where they define none.
        orders: the same for every three neighboring grids, coarsest first.
        order_used: p within the plausible range, which the two next numbers use.
        extrapolated: f₁ + (f₁ − f₂)/(r₂₁^p − 1); None if the values diverge.
        uncertainty: F_s·|f₂ − f₁|/(r₂₁^p − 1), in units of the value; None if the values diverge.
        safety_factor: F_s, 1.25 or 3.
        asymptotic_ratio: U₃₂/(r₂₁^p U₂₁), which is 1 in the asymptotic range. Its p must not come from the same three
            grids (the ratio would always be 1): it is the expected order, else the order on the next coarser three
            grids, and None when there is neither.

    Example:
        >>> import spectral_ham as sh
        >>> round(sh.convergence.grid_convergence_index([4.0, 2.0, 1.0], [26.0, 14.0, 11.0]).extrapolated, 6)
        10.0
    """

    kind: Kind
    value: float
    order: float | None
    orders: tuple[float | None, ...]
    order_used: float | None
    extrapolated: float | None
    uncertainty: float | None
    safety_factor: float
    asymptotic_ratio: float | None

    @property
    def gci(self) -> float | None:
        """The grid convergence index, uncertainty/|value|, a fraction; None if it is not defined."""
        return self.uncertainty / abs(self.value) if self.uncertainty is not None and self.value else None


def grid_convergence_index(
    h: Iterable[float], values: Iterable[float], *, expected_order: float | None = None
) -> GridConvergence:
    """Return GCI = F_s·|(f₂ − f₁)/f₁|/(r₂₁^p − 1) with the apparent order p of the three finest grids.

    p solves p ln r₂₁ = ln|ε₃₂/ε₂₁| + ln((r₂₁^p − s)/(r₃₂^p − s)), with ε₃₂ = f₃ − f₂, ε₂₁ = f₂ − f₁, s = sign(ε₃₂/ε₂₁)
    and any refinement ratios r₂₁ = h₂/h₁ and r₃₂ = h₃/h₂. p < 0 means divergence, s = −1 oscillation. F_s is 1.25, or 3
    with two grids (p is then the expected order) and where p is implausible: more than 10 % off the expected order, or
    without one outside 0.5 … 10. The index never uses a p above the expected order: it would make the bar too short.

    Args:
        h: grid spacing or any other small parameter, coarsest first: positive, strictly decreasing.
        values: the computed value on each grid, coarsest first.
        expected_order: the order in theory, if known.

    Raises:
        ValueError: fewer than two grids, two grids without ``expected_order``, h not strictly decreasing, NaN or Inf.

    Reference:
        Celik, Ghia, Roache, Freitas, Coleman & Raad (2008), J. Fluids Eng. 130, 078001, eqs. 3 to 7,
        doi:10.1115/1.2960953; Oberkampf & Roy (2010), Verification and Validation in Scientific Computing, chapter 8,
        doi:10.1017/CBO9780511760396.

    Example:
        The first column of Table 1 of the reference:

        >>> import spectral_ham as sh
        >>> bar = sh.convergence.grid_convergence_index([2.0, 1.5, 1.0], [5.863, 5.972, 6.063])
        >>> f"p = {bar.order:.2f}, extrapolated {bar.extrapolated:.4f}, GCI {bar.gci:.1%}"
        'p = 1.53, extrapolated 6.1685, GCI 2.2%'
    """
    where = "grid_convergence_index"
    steps = as_steps(f"{where}(h=...)", h)
    checked = as_values(f"{where}(values=...)", values, len(steps))
    if expected_order is not None:
        expected_order = as_number(f"{where}(expected_order=...)", expected_order, positive=True)
    elif len(steps) == 2:
        remedy = "Two grids cannot show an order: add a third, or name the order in theory."
        raise invalid(f"{where}(expected_order=...)", "a number when there are two grids", None, remedy)
    triplets = [_apparent_order(steps[i : i + 3], checked[i : i + 3]) for i in range(len(steps) - 2)]
    kind, order = triplets[-1] if triplets else ("two grids", None)
    orders = tuple(p for _, p in triplets)
    if kind.endswith("divergence"):
        return GridConvergence(kind, checked[-1], order, orders, None, None, None, 3.0, None)
    used, factor = _index_order(order, expected_order)
    correction = _correction(steps, checked, used)
    return GridConvergence(
        kind=kind,
        value=checked[-1],
        order=order,
        orders=orders,
        order_used=used,
        extrapolated=checked[-1] + correction,
        uncertainty=factor * abs(correction),
        safety_factor=factor,
        asymptotic_ratio=_asymptotic_ratio(steps, checked, expected_order, orders),
    )


def _apparent_order(h: Sequence[float], values: Sequence[float]) -> tuple[Kind, float | None]:
    e32, e21 = values[0] - values[1], values[1] - values[2]
    if e21 == 0:
        return "no change", None
    if e32 == 0:
        return "monotonic divergence", None
    sign = math.copysign(1.0, e32) * math.copysign(1.0, e21)
    p = _solve_order(h, math.log(abs(e32)) - math.log(abs(e21)), sign)
    if sign > 0:
        return ("monotonic convergence" if p > 0 else "monotonic divergence"), p
    return ("oscillatory convergence" if p > 0 else "oscillatory divergence"), p


def _solve_order(h: Sequence[float], ln_ratio: float, sign: float) -> float:
    """Return the p with ln((h₃^p − s h₂^p)/(h₂^p − s h₁^p)) = ln|ε₃₂/ε₂₁|; the left side increases with p."""
    from scipy.optimize import brentq

    a, b = math.log(h[0] / h[1]), math.log(h[1] / h[2])

    def excess(p: float) -> float:
        if sign < 0:
            return math.log((math.exp(a * p) + 1) / (1 + math.exp(-b * p))) - ln_ratio
        return math.log(math.expm1(a * p) / -math.expm1(-b * p) if p else a / b) - ln_ratio

    low, high = -LN_LIMIT / b, LN_LIMIT / a
    if excess(low) > 0 or excess(high) < 0:
        return low if excess(low) > 0 else high
    return float(brentq(excess, low, high, xtol=1e-12, rtol=1e-14))


def _index_order(order: float | None, expected: float | None) -> tuple[float, float]:
    """Return the p that the index uses, and its safety factor."""
    highest = HIGHEST_ORDER if expected is None else expected
    if order is None:
        return highest, 3.0
    nearby = abs(order - highest) <= PLAUSIBLE * highest
    plausible = LOWEST_ORDER <= order <= HIGHEST_ORDER if expected is None else nearby
    return min(max(order, LOWEST_ORDER), highest), 1.25 if plausible else 3.0


def _correction(h: Sequence[float], values: Sequence[float], p: float) -> float:
    """Return (f₁ − f₂)/(r₂₁^p − 1), what Richardson adds to the value on the finest of the grids."""
    return (values[-1] - values[-2]) / math.expm1(p * math.log(h[-2] / h[-1]))


def _asymptotic_ratio(
    h: Sequence[float], values: Sequence[float], expected: float | None, orders: Sequence[float | None]
) -> float | None:
    p = expected if expected is not None else (orders[-2] if len(orders) > 1 else None)
    if p is None or p <= 0 or len(h) < 3 or values[-1] == values[-2]:
        return None
    coarse, fine = _correction(h[:-1], values[:-1], p), _correction(h, values, p)
    ratio: float = abs(coarse / fine) / (h[-2] / h[-1]) ** p
    return ratio
