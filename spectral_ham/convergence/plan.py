"""The checked inputs of a study: resolutions, h, round-off floors, what theory expects, labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from spectral_ham._internal.checks import as_number, check_option, invalid
from spectral_ham.convergence.base import PerResolution, R, Resolution, as_floors, as_steps
from spectral_ham.convergence.study import Expectation, ExpectedOrder


@dataclass(frozen=True)
class Plan:
    """The checked inputs of a study; ``labels`` are its name and those of h and of the error or value."""

    resolutions: tuple[Resolution, ...]
    h: tuple[float, ...]
    floors: tuple[float, ...]
    expected: Expectation
    labels: tuple[str, str, str]


def make_plan(
    where: str,
    resolutions: Sequence[R],
    h: Sequence[float] | Callable[[R], float] | None,
    floor: PerResolution[R],
    expected: Expectation,
    labels: tuple[str, str, str],
) -> Plan:
    """Check the inputs of the study called ``where``."""
    steps = _steps(where, resolutions, h)
    floors = as_floors(f"{where}(floor=...)", floor, resolutions)
    if expected.order == "spectral" and min(floors) == 0:
        remedy = "A spectral claim is an error within round-off: state that budget."
        raise invalid(f"{where}(floor=...)", "above zero when a spectral error is expected", floors, remedy)
    return Plan(tuple(resolutions), steps, floors, expected, labels)


def _steps(where: str, resolutions: Sequence[R], h: Sequence[float] | Callable[[R], float] | None) -> tuple[float, ...]:
    if len(resolutions) < 2:
        raise invalid(f"{where}(resolutions=...)", "at least two resolutions", tuple(resolutions))
    if callable(h):
        return as_steps(f"{where}(h=...)", [h(resolution) for resolution in resolutions])
    if h is not None:
        if len(h) != len(resolutions):
            raise invalid(f"{where}(h=...)", f"one number for each of the {len(resolutions)} resolutions", tuple(h))
        return as_steps(f"{where}(h=...)", h)
    counts = [as_number(f"{where}(resolutions=...) without h", r, positive=True) for r in resolutions]
    if sorted(set(counts)) != counts:
        remedy = "List the coarsest first, and each once; for steps instead of counts, pass h=resolutions."
        raise invalid(f"{where}(resolutions=...)", "strictly increasing", tuple(resolutions), remedy)
    return as_steps(f"{where}(h=...)", [1 / count for count in counts])


def as_expectation(
    where: str,
    order: ExpectedOrder,
    constant: float | None,
    order_tolerance: float,
    constant_tolerance: float,
) -> Expectation:
    """Check what theory says, and return it."""
    if isinstance(order, str):
        check_option(f"{where}(expected_order=...)", order, ("spectral",))
    elif order is not None:
        order = as_number(f"{where}(expected_order=...)", order, positive=True)
    if constant is not None:
        constant = as_number(f"{where}(expected_constant=...)", constant, positive=True)
        if not isinstance(order, float):
            raise invalid(f"{where}(expected_constant=...)", "None without a numeric expected_order", constant)
    return Expectation(
        order,
        constant,
        as_number(f"{where}(order_tolerance=...)", order_tolerance, positive=True),
        as_number(f"{where}(constant_tolerance=...)", constant_tolerance, positive=True),
    )
