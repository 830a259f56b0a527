"""The rules that turn errors or values into a verdict, an order and one sentence."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from spectral_ham.convergence.base import FLOOR_SHARE, Resolution, above_floor
from spectral_ham.convergence.orders import fit_power_law, pair_orders
from spectral_ham.convergence.richardson import GridConvergence
from spectral_ham.convergence.study import Expectation, Verdict


@dataclass(frozen=True)
class Judgment:
    """A verdict and what it rests on: ``used`` are the fitted rows, ``clause`` is a sentence without its period."""

    verdict: Verdict
    clause: str
    order: float | None = None
    constant: float | None = None
    used: tuple[int, ...] = ()


def judge_errors(
    resolutions: Sequence[Resolution],
    h: Sequence[float],
    errors: Sequence[float],
    floors: Sequence[float],
    expected: Expectation,
) -> Judgment:
    """Return what the errors show.

    The first rule that fits: an error that rises from the floor does not converge; fewer than two rows above the floor
    show no order; an error whose finest order is within ``order_tolerance`` of zero does not converge; a settled order
    converges, where settled means that two pairs agree, or one pair with the theory; an exponential error is spectral;
    what ends within the floor is at the round-off floor; the rest is not yet asymptotic.
    """
    kept = above_floor(errors, floors)
    fell = next((i for i in range(len(h)) if i not in kept), len(h))
    if kept and kept[-1] > fell:
        clause = f"The error is at the floor at resolution {resolutions[fell]} and above it at {resolutions[kept[-1]]}"
        return Judgment(Verdict.DIVERGES, clause)
    if len(kept) < 2:
        return Judgment(Verdict.ROUND_OFF, _floor_clause("The error", resolutions, errors, floors))
    law = fit_power_law(h, errors, floor=floors, order_tolerance=expected.order_tolerance)
    span = f"over resolutions {resolutions[law.used[0]]} to {resolutions[law.used[-1]]}"
    if law.order <= expected.order_tolerance:
        hint = "" if any(floors) else " (if this is round-off, pass `floor=`)"
        return Judgment(Verdict.DIVERGES, f"The error does not fall {span}{hint}", law.order, None, law.used)
    power = _agreeing_power(law.order, expected)
    if len(law.used) > 2 or power is not None:
        constant = errors[law.used[-1]] / h[law.used[-1]] ** (law.order if power is None else power)
        clause = f"The error falls as {constant:.4g}·h^{law.order:.3f} {span}"
        return Judgment(Verdict.CONVERGES, clause, law.order, constant, law.used)
    return _judge_unsettled(resolutions, h, errors, floors, kept)


def _judge_unsettled(
    resolutions: Sequence[Resolution],
    h: Sequence[float],
    errors: Sequence[float],
    floors: Sequence[float],
    kept: Sequence[int],
) -> Judgment:
    steps, sizes = [h[i] for i in kept], [errors[i] for i in kept]
    orders = pair_orders(steps, sizes)
    shown = _listed(orders)
    if _is_exponential(steps, orders):
        return Judgment(Verdict.SPECTRAL, f"The error falls exponentially, at pairwise orders that grow: {shown}")
    if _floor_start(errors, floors) is not None:
        clause = _floor_clause("The error", resolutions, errors, floors)
        return Judgment(Verdict.ROUND_OFF, f"{clause}, and before it falls at pairwise orders {shown}")
    clause = f"The pairwise orders {shown} have not settled"
    if len(orders) == 1:
        clause = f"One pair above the floor shows order {shown}, and a third resolution is needed to see it settle"
    return Judgment(Verdict.NOT_ASYMPTOTIC, clause, orders[-1], None, tuple(kept[-2:]))


def judge_values(
    resolutions: Sequence[Resolution],
    h: Sequence[float],
    values: Sequence[float],
    floors: Sequence[float],
    gci: GridConvergence,
    expected: Expectation,
) -> Judgment:
    """Return what values show when no exact one is known: the rules of ``judge_errors``, on the changes between rows.

    An order (of three rows) is settled when two of them agree, or one with the theory.
    """
    changes = value_changes(values)
    if changes[-1] <= floors[-1] / FLOOR_SHARE:
        return Judgment(Verdict.ROUND_OFF, _floor_clause("The change", resolutions[1:], changes, floors[1:]))
    if gci.uncertainty is None:
        return Judgment(Verdict.DIVERGES, f"The changes do not shrink ({gci.kind})", gci.order)
    bar = f"the value is {gci.extrapolated:.8g}, and {gci.value:.8g} ± {gci.uncertainty:.2g} on the finest grid"
    if gci.order is None:
        clause = f"Two resolutions show no order; if the expected one holds, {bar}"
        return Judgment(Verdict.NOT_ASYMPTOTIC, clause, used=(0, 1))
    settled = _settled_triplets(gci.orders, expected.order_tolerance)
    used = tuple(range(len(h) - settled - 2, len(h)))
    if gci.kind == "oscillatory convergence":
        clause = f"The values oscillate about their limit with order {gci.order:.3f}; {bar}"
        return Judgment(Verdict.OSCILLATES, clause, gci.order, None, used)
    power = _agreeing_power(gci.order, expected)
    if settled > 1 or power is not None:
        p = gci.order if power is None else power
        constant = changes[-1] / (h[-2] ** p - h[-1] ** p)
        clause = f"The values converge at order {gci.order:.3f}; {bar}"
        return Judgment(Verdict.CONVERGES, clause, gci.order, constant, used)
    orders = pair_orders(h[1:], changes)
    if _is_exponential(h[1:], orders):
        clause = f"The changes fall exponentially, at pairwise orders that grow: {_listed(orders)}"
        return Judgment(Verdict.SPECTRAL, f"{clause}; {bar}")
    clause = f"The orders {_listed(gci.orders)} have not settled; {bar}"
    if len(gci.orders) == 1:
        clause = f"Three resolutions show order {gci.order:.3f}, and a fourth is needed to see it settle; {bar}"
    return Judgment(Verdict.NOT_ASYMPTOTIC, clause, gci.order, None, used)


def meets(judgment: Judgment, errors: Sequence[float], floors: Sequence[float], expected: Expectation) -> bool:
    """Whether the theory is met, or where nothing is expected, whether there is convergence."""
    if expected.order == "spectral":
        return _floor_start(errors, floors) is not None
    if expected.power is None:
        return judgment.verdict in (Verdict.CONVERGES, Verdict.SPECTRAL, Verdict.ROUND_OFF)
    agrees = judgment.order is not None and _agreeing_power(judgment.order, expected) is not None
    if judgment.verdict is not Verdict.CONVERGES or not agrees:
        return False
    C = expected.constant
    return C is None or abs((judgment.constant or 0.0) / C - 1) <= expected.constant_tolerance


def value_changes(values: Sequence[float]) -> list[float]:
    """Return |f_{i+1} − f_i|."""
    return [abs(fine - coarse) for coarse, fine in pairwise(values)]


def _agreeing_power(order: float, expected: Expectation) -> float | None:
    """Return the expected order if ``order`` lies within its tolerance, else None."""
    power = expected.power
    return power if power is not None and abs(order - power) <= expected.order_tolerance else None


def _settled_triplets(orders: Sequence[float | None], tolerance: float) -> int:
    """Return how many of the finest ``orders`` lie within ``tolerance`` of the finest."""
    count, finest = 0, orders[-1]
    for p in reversed(orders):
        if p is None or finest is None or abs(p - finest) > tolerance:
            break
        count += 1
    return count


def _is_exponential(h: Sequence[float], orders: Sequence[float | None]) -> bool:
    """Whether error ≈ exp(−a/h): at least three orders that grow, at rates a that do not fall by more than 10 %.

    A power law fails: where its order settles, its rate falls as h does.
    """
    known = [p for p in orders if p is not None]
    if len(known) < max(3, len(orders)) or any(fine <= coarse for coarse, fine in pairwise(known)):
        return False
    rates = [p * math.log(a / b) / (1 / b - 1 / a) for p, (a, b) in zip(known, pairwise(h), strict=True)]
    return all(fine >= 0.9 * coarse for coarse, fine in pairwise(rates))


def _listed(orders: Sequence[float | None]) -> str:
    return ", ".join("none" if p is None else f"{p:.2f}" for p in orders)


def _floor_start(errors: Sequence[float], floors: Sequence[float]) -> int | None:
    """Return the row from which on every error is within its floor; None if the finest is not."""
    start = len(errors)
    while start > 0 and errors[start - 1] <= floors[start - 1]:
        start -= 1
    return start if start < len(errors) else None


def _floor_clause(
    subject: str, resolutions: Sequence[Resolution], errors: Sequence[float], floors: Sequence[float]
) -> str:
    start = _floor_start(errors, floors)
    if start is not None:
        return f"{subject} is within the round-off floor from resolution {resolutions[start]} on"
    times = errors[-1] / floors[-1]
    return f"{subject} at resolution {resolutions[-1]} is {times:.3g} times the round-off floor: too near for an order"
