"""Run a user's computation over resolutions and judge what it returns: by its errors, or by its values."""

from collections.abc import Callable, Sequence

from spectral_ham._internal.checks import as_number, invalid
from spectral_ham._internal.typing import Scalar
from spectral_ham.convergence.base import CONSTANT_TOLERANCE, ORDER_TOLERANCE, PerResolution, R, above_floor, as_errors
from spectral_ham.convergence.orders import pair_orders
from spectral_ham.convergence.plan import Plan, as_expectation, make_plan
from spectral_ham.convergence.richardson import GridConvergence, grid_convergence_index
from spectral_ham.convergence.study import ConvergenceStudy, ExpectedOrder, StudyRow
from spectral_ham.convergence.verdicts import Judgment, judge_errors, judge_values, meets, value_changes


def study_errors(
    run: Callable[[R], Scalar],
    resolutions: Sequence[R],
    *,
    h: Sequence[float] | Callable[[R], float] | None = None,
    floor: PerResolution[R] = 0.0,
    expected_order: ExpectedOrder = None,
    expected_constant: float | None = None,
    order_tolerance: float = ORDER_TOLERANCE,
    constant_tolerance: float = CONSTANT_TOLERANCE,
    name: str = "convergence study",
    h_label: str = "h",
    error_label: str = "error",
) -> ConvergenceStudy:
    """Study error ≈ C·h^p, where ``run(resolution)`` returns the error itself: code verification.

    It works over grids (h = 1/N, or the spacing) and over time steps (h = dt, or 1/steps) alike. A spectral method is
    never given an order: with ``expected_order="spectral"`` the study passes when the error falls within ``floor``, its
    round-off budget, and stays there.

    Args:
        run: computes one resolution, and returns an error: a number or a 0-d tensor, zero or above.
        resolutions: coarsest first, at least two; a number or a tuple (points per axis) each.
        h: the small parameter: one per resolution, or a function of it; 1/resolution if None.
        floor: round-off budget in units of the error: one number, one per resolution, or a function of it. Rows with
            error < floor/0.02 are left out of the fit, and said to be.
        expected_order: the order in theory, or "spectral".
        expected_constant: C in theory, to compare with error/h^p on the finest row of the fit, p the expected order.
        order_tolerance: how far p may be off, absolute; also how far pairwise orders of one fit may differ.
        constant_tolerance: how far C may be off, relative.
        name: what is studied, for the report.
        h_label: what h is, with its unit, for table and plot.
        error_label: what the error is, with its unit, for table and plot.

    Raises:
        ValueError: fewer than two resolutions, h not strictly decreasing, an error that is negative, NaN or Inf,
            "spectral" without a floor. What ``run`` raises goes through, with a note that names the resolution.

    Reference:
        Roache (1998), AIAA J. 36, 696, doi:10.2514/2.457; Salari & Knupp (2000), SAND2000-1444, doi:10.2172/759450.

    Example:
        The trapezoid rule for ∫₀¹ x³ dx is of order 2, with the constant 1/4:

        >>> import spectral_ham as sh
        >>> def error(n):
        ...     return abs(sum((j / n) ** 3 for j in range(1, n)) / n + 0.5 / n - 0.25)
        >>> study = sh.convergence.study_errors(error, [8, 16, 32], expected_order=2, expected_constant=0.25)
        >>> study.passed, round(study.order, 6), round(study.constant, 6)
        (True, 2.0, 0.25)
    """
    where = "study_errors"
    expected = as_expectation(where, expected_order, expected_constant, order_tolerance, constant_tolerance)
    plan = make_plan(where, resolutions, h, floor, expected, (name, h_label, error_label))
    return _conclude_errors(plan, as_errors(f"{where}(run=...)", _run(where, run, resolutions), len(plan.h)))


def study_values(
    run: Callable[[R], Scalar],
    resolutions: Sequence[R],
    *,
    exact: float | None = None,
    h: Sequence[float] | Callable[[R], float] | None = None,
    floor: PerResolution[R] = 0.0,
    expected_order: ExpectedOrder = None,
    expected_constant: float | None = None,
    order_tolerance: float = ORDER_TOLERANCE,
    constant_tolerance: float = CONSTANT_TOLERANCE,
    name: str = "convergence study",
    h_label: str = "h",
    value_label: str = "value",
) -> ConvergenceStudy:
    """Study value ≈ exact + C·h^p, where ``run(resolution)`` returns a value: solution verification.

    With ``exact`` the errors |value − exact| are judged as in ``study_errors``. Without it the changes are: every three
    neighboring rows give an order, and the finest value gets an error bar, ``study.gci``. Such a bar can be too short
    where p exceeds the theory: name ``expected_order`` if you know it, and prefer an exact value.

    Args:
        run: computes one resolution, and returns a value: a number or a 0-d tensor.
        resolutions: as in ``study_errors``.
        exact: the exact value, if it is known.
        h: as in ``study_errors``.
        floor: round-off budget in units of the value, as in ``study_errors``.
        expected_order: as in ``study_errors``. Two resolutions without ``exact`` need a number here.
        expected_constant: |C| in theory.
        order_tolerance: as in ``study_errors``.
        constant_tolerance: as in ``study_errors``.
        name: what is studied, for the report.
        h_label: what h is, with its unit, for table and plot.
        value_label: what the value is, with its unit, for table and plot.

    Raises:
        ValueError: as in ``study_errors``, or two resolutions with neither ``exact`` nor an expected order.

    Example:
        >>> import spectral_ham as sh
        >>> study = sh.convergence.study_values(lambda n: 10 + 3 / n**2, [8, 16, 32, 64])
        >>> print(study.explanation)
        The values converge at order 2.000; the value is 10, and 10.000732 ± 0.00092 on the finest grid; expected
        convergence: met.
    """
    where = "study_values"
    expected = as_expectation(where, expected_order, expected_constant, order_tolerance, constant_tolerance)
    target = None if exact is None else as_number(f"{where}(exact=...)", exact)
    label = value_label if exact is None else f"|{value_label} − exact|"
    plan = make_plan(where, resolutions, h, floor, expected, (name, h_label, label))
    if target is None and len(plan.h) == 2 and expected.power is None:
        remedy = "Two values cannot show an order: add a third, or name the order or the exact value."
        raise invalid(f"{where}(resolutions=...)", "at least three", plan.resolutions, remedy)
    values = _run(where, run, resolutions)
    if target is None:
        return _conclude_values(plan, values)
    return _conclude_errors(plan, [abs(value - target) for value in values], values, target)


def _conclude_errors(
    plan: Plan, errors: Sequence[float], values: Sequence[float] | None = None, exact: float | None = None
) -> ConvergenceStudy:
    judgment = judge_errors(plan.resolutions, plan.h, errors, plan.floors, plan.expected)
    passed = meets(judgment, errors, plan.floors, plan.expected)
    orders = (None, *pair_orders(plan.h, errors))
    visible = above_floor(errors, plan.floors)
    return _record(plan, judgment, passed, orders, visible, errors=errors, values=values, exact=exact)


def _conclude_values(plan: Plan, values: Sequence[float]) -> ConvergenceStudy:
    gci = grid_convergence_index(plan.h, values, expected_order=plan.expected.power)
    judgment = judge_values(plan.resolutions, plan.h, values, plan.floors, gci, plan.expected)
    changes, floors = value_changes(values), plan.floors[1:]
    passed = meets(judgment, changes, floors, plan.expected)
    orders = (None, None, *gci.orders)
    visible = [i + 1 for i in above_floor(changes, floors)]
    return _record(plan, judgment, passed, orders, visible, values=values, gci=gci)


def _record(
    plan: Plan,
    judgment: Judgment,
    passed: bool,
    orders: Sequence[float | None],
    visible: Sequence[int],
    *,
    errors: Sequence[float] | None = None,
    values: Sequence[float] | None = None,
    exact: float | None = None,
    gci: GridConvergence | None = None,
) -> ConvergenceStudy:
    """Put a study together; an order is shown where round-off disturbs neither of the rows that it compares."""
    rows = tuple(
        StudyRow(
            resolution=resolution,
            h=plan.h[i],
            error=None if errors is None else errors[i],
            value=None if values is None else values[i],
            order=orders[i] if {i - 1, i} <= set(visible) else None,
            floor=plan.floors[i],
            used=i in judgment.used,
        )
        for i, resolution in enumerate(plan.resolutions)
    )
    name, h_label, error_label = plan.labels
    return ConvergenceStudy(
        name=name,
        rows=rows,
        verdict=judgment.verdict,
        explanation=f"{judgment.clause}; expected {plan.expected}: {'met' if passed else 'not met'}.",
        passed=passed,
        order=judgment.order,
        constant=judgment.constant,
        expected=plan.expected,
        gci=gci,
        exact=exact,
        h_label=h_label,
        error_label=error_label,
    )


def _run(where: str, run: Callable[[R], Scalar], resolutions: Sequence[R]) -> list[float]:
    """Run the coarsest first; name the resolution that raises or returns no finite number."""
    numbers = []
    for resolution in resolutions:
        try:
            result = run(resolution)
        except Exception as error:
            error.add_note(f"Raised by run({resolution!r}) of `{where}`.")
            raise
        numbers.append(as_number(f"{where}(run=...)({resolution!r})", result))
    return numbers
