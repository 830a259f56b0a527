"""Claims from a convergence study: its order, and its constant where the theory gives one."""

from collections.abc import Callable, Iterator

from spectral_ham.convergence import ConvergenceStudy
from validation.claim import Claim

ORDER_FORMULA = "p of error = C·h^p, fitted where round-off is below 2 % of the error; |p − theory| ≤ 0.05"
CONSTANT_FORMULA = "C of error = C·h^p on the finest grid of the fit; |C/theory − 1| ≤ 2 %"
FLOOR_FORMULA = "error at the finest resolution ≤ round-off budget, 16 eps·max|symbol|/max|exact|"


def order_claims(claim: Callable[..., Claim], study: ConvergenceStudy) -> Iterator[Claim]:
    """Yield the claims that the order of ``study``, and its constant if one is expected, are those of the theory."""
    expected = study.expected
    if expected.power is None:
        raise ValueError(f"`order_claims` must be given a study that expects an order, got {study.name!r}.")
    yield claim(
        name=f"{study.name}: order",
        formula=ORDER_FORMULA,
        expected=expected.power,
        measured=_number(study.order),
        bound=expected.order_tolerance,
        detail=study.explanation,
    )
    if expected.constant is not None:
        yield claim(
            name=f"{study.name}: constant",
            formula=CONSTANT_FORMULA,
            expected=expected.constant,
            measured=_number(study.constant),
            bound=expected.constant_tolerance * expected.constant,
            detail=study.explanation,
        )


def floor_claim(claim: Callable[..., Claim], study: ConvergenceStudy) -> Claim:
    """Return the claim that the error of a spectral ``study`` ends within its round-off budget."""
    finest = study.rows[-1]
    return claim(
        name=f"{study.name}: error at {finest.resolution} points",
        formula=FLOOR_FORMULA,
        expected=0.0,
        measured=_number(finest.error),
        bound=finest.floor,
        detail=study.explanation,
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else value
