"""Orders, error bars and verdicts against published numbers and against sequences whose order is known exactly."""

import json
import math

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid

from spectral_ham.convergence import (
    ConvergenceStudy,
    Expectation,
    Verdict,
    fit_power_law,
    grid_convergence_index,
    observed_orders,
    study_errors,
    study_values,
)

GRIDS = [10, 17, 29, 48, 80]  # refinement ratios all different
EPS = 2.0**-52


def by_grid(table):
    return lambda resolution: table[resolution]


# --- orders ---


@pytest.mark.parametrize("order", [1, 2.5, 4, 8])
def test_orders_of_a_pure_power_are_exact(order):
    h = [1 / n for n in GRIDS]
    errors = [0.3 * step**order for step in h]
    assert observed_orders(h, errors) == pytest.approx([order] * 4, rel=1e-12)
    law = fit_power_law(h, errors)
    assert (law.order, law.constant) == pytest.approx((order, 0.3), rel=1e-12)
    assert law.used == (0, 1, 2, 3, 4)


def test_fit_is_the_least_squares_line_of_numpy():
    h = [0.4, 0.2, 0.1, 0.05]
    errors = [0.161, 0.0402, 0.00998, 0.002501]
    law = fit_power_law(h, errors)
    slope, intercept = np.polyfit(np.log(h), np.log(errors), 1)
    assert law.used == (0, 1, 2, 3)
    assert (law.order, law.constant) == pytest.approx((slope, math.exp(intercept)), rel=1e-12)


def test_zero_error_has_no_order():
    assert observed_orders([0.4, 0.2, 0.1], [1.0, 0.0, 0.0]) == (None, None)


def test_fit_leaves_out_round_off_and_coarse_grids_and_says_so():
    h = [1.0, 0.5, 0.25, 0.125, 0.0625, 0.03125]
    errors = [0.9, 0.25, 0.0625, 0.0625 / 4, 1.1e-4, 0.9e-4]
    law = fit_power_law(h, errors, floor=1e-4)
    assert (law.pre_asymptotic, law.used, law.at_floor) == ((0,), (1, 2, 3), (4, 5))
    assert law.order == pytest.approx(2, rel=1e-12)


def test_round_off_below_the_share_moves_an_order_by_its_bound_at_most():
    """The rule error ≥ floor/0.02 promises 0.02/ln 2 per pair of ratio 2, to first order in 0.02."""
    floor = 1e-6
    errors = [200 * floor, 50.001 * floor + floor]
    assert abs(fit_power_law([0.2, 0.1], errors, floor=floor).order - 2) <= 0.02 / math.log(2)
    with pytest.raises(ValueError, match="at least two above the floor"):
        fit_power_law([0.2, 0.1], [200 * floor, 49.9 * floor], floor=floor)


@pytest.mark.parametrize("function", [observed_orders, fit_power_law, grid_convergence_index])
@pytest.mark.parametrize(
    ("h", "numbers", "message"),
    [
        ([0.1], [1.0], "at least two resolutions"),
        ([0.1, 0.2], [1.0, 2.0], "strictly decreasing"),
        ([0.2, 0.2], [1.0, 2.0], "strictly decreasing"),
        ([0.2, -0.1], [1.0, 2.0], "a positive finite number"),
        ([0.2, 0.1], [1.0, math.nan], "a finite number, got nan"),
        ([0.2, 0.1], [1.0, math.inf], "a finite number, got inf"),
        ([0.2, 0.1], [1.0], "one number for each of the 2 resolutions"),
    ],
)
def test_bad_numbers_are_named(function, h, numbers, message):
    with pytest.raises(ValueError, match=message):
        function(h, numbers)


@pytest.mark.parametrize("function", [observed_orders, fit_power_law])
def test_negative_errors_are_named(function):
    with pytest.raises(ValueError, match="zero or above"):
        function([0.2, 0.1], [1.0, -0.25])


# --- Richardson extrapolation and GCI ---


@pytest.mark.parametrize(
    ("values", "h", "kind", "p", "extrapolated", "percent"),
    [
        # Celik et al. (2008), Table 1; h from the printed r21 and r32, values finest first in the table
        ((6.063, 5.972, 5.863), (1, 1.5, 2.0), "monotonic", 1.53, 6.1685, (1.5, 2.2)),
        ((10.7880, 10.7250, 10.6050), (1, 2.0, 2 * 2.143), "monotonic", 0.75, 10.8801, (0.6, 1.1)),
        ((6.0042, 5.9624, 6.0909), (1, 2.0, 2 * 2.143), "oscillatory", 1.51, 6.0269, (0.7, 0.5)),
    ],
)
def test_published_table_of_celik_et_al(values, h, kind, p, extrapolated, percent):
    bar = grid_convergence_index(h[::-1], values[::-1])
    fine, medium, _ = values
    assert bar.kind == f"{kind} convergence"
    assert bar.order == pytest.approx(p, abs=0.005)
    assert bar.extrapolated == pytest.approx(extrapolated, abs=1e-4)  # r32 is printed with four digits
    relative = (abs(fine - medium) / fine, bar.gci)
    assert [100 * number for number in relative] == pytest.approx(percent, abs=0.05)
    assert bar.safety_factor == 1.25


@pytest.mark.parametrize("order", [0.7, 2, 3.3, 6])
@pytest.mark.parametrize("constant", [0.4, -2.0])
def test_unequal_ratios_give_back_order_and_limit(order, constant):
    h = [1 / n for n in GRIDS]
    bar = grid_convergence_index(h, [5 + constant * step**order for step in h])
    # ε21 carries a rounding error of 2 eps·5: relative to ε21 it moves p by that over ln r
    tolerance = 20 * EPS * 5 / abs(constant * (h[-2] ** order - h[-1] ** order))
    assert bar.orders == pytest.approx((order,) * 3, abs=tolerance)
    assert bar.extrapolated == pytest.approx(5, abs=tolerance * bar.uncertainty + 4 * EPS * 5)
    assert bar.kind == "monotonic convergence"
    assert bar.asymptotic_ratio == pytest.approx(1, abs=100 * tolerance)


def test_error_bar_is_the_safety_factor_times_the_true_error_of_a_pure_power():
    bar = grid_convergence_index([0.4, 0.2, 0.1], [3 + step**2 for step in (0.4, 0.2, 0.1)])
    assert bar.uncertainty == pytest.approx(1.25 * 0.1**2, rel=1e-12)
    assert bar.gci == pytest.approx(1.25 * 0.1**2 / 3.01, rel=1e-12)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1.0, 2.0, 4.0], "monotonic divergence"),
        ([1.0, 2.0, 0.0], "oscillatory divergence"),
        ([1.0, 1.0, 2.0], "monotonic divergence"),
    ],
)
def test_divergence_is_named_and_has_no_error_bar(values, kind):
    bar = grid_convergence_index([0.4, 0.2, 0.1], values)
    assert bar.kind == kind
    assert bar.uncertainty is bar.extrapolated is bar.gci is None


def test_equal_changes_over_unequal_steps_may_still_converge():
    """With h = 8, 2, 1 a linear f has changes 6 and 1: a plain ratio test would call any of them by the wrong order."""
    assert grid_convergence_index([8.0, 2.0, 1.0], [8.0, 2.0, 1.0]).order == pytest.approx(1, rel=1e-10)
    assert grid_convergence_index([8.0, 2.0, 1.0], [2.0, 1.0, 0.4]).kind == "monotonic divergence"


def test_equal_values_are_no_change():
    bar = grid_convergence_index([0.4, 0.2, 0.1], [2.0, 1.0, 1.0])
    assert (bar.kind, bar.order, bar.uncertainty) == ("no change", None, 0.0)


def test_two_grids_take_the_expected_order_and_factor_three():
    bar = grid_convergence_index([0.2, 0.1], [3.04, 3.01], expected_order=2)
    assert bar.safety_factor == 3
    assert bar.extrapolated == pytest.approx(3, rel=1e-12)
    with pytest.raises(ValueError, match="Two grids cannot show an order"):
        grid_convergence_index([0.2, 0.1], [3.04, 3.01])


@pytest.mark.parametrize(
    ("order", "expected", "factor", "used"),
    [
        (2.0, 2, 1.25, 2.0),
        (1.9, 2, 1.25, 1.9),
        (2.1, 2, 1.25, 2.0),  # a p above the theory would shorten the bar
        (1.7, 2, 3.0, 1.7),
        (0.3, 2, 3.0, 0.5),
        (3.0, 2, 3.0, 2.0),
        (0.3, None, 3.0, 0.5),
        (12.0, None, 3.0, 10.0),
        (0.9, None, 1.25, 0.9),
    ],
)
def test_implausible_orders_get_the_large_safety_factor(order, expected, factor, used):
    values = [step**order for step in (4.0, 2.0, 1.0)]
    bar = grid_convergence_index([4.0, 2.0, 1.0], values, expected_order=expected)
    assert (bar.safety_factor, bar.order_used) == pytest.approx((factor, used), rel=1e-9)
    assert bar.uncertainty == pytest.approx(factor * (2**order - 1) / (2**used - 1), rel=1e-9)


def test_asymptotic_ratio_needs_an_order_from_elsewhere():
    h, values = [0.4, 0.2, 0.1], [1 + step + step**2 for step in (0.4, 0.2, 0.1)]
    assert grid_convergence_index(h, values).asymptotic_ratio is None
    # order 1 expected: ε32/(2 ε21) = (0.2 + 0.12)/(2 (0.1 + 0.03))
    ratio = grid_convergence_index(h, values, expected_order=1).asymptotic_ratio
    assert ratio == pytest.approx(0.32 / 0.26, rel=1e-12)


# --- studies of errors ---


def power(n, C=0.75, p=4):
    return C / n**p


def test_study_of_a_power_law_passes_with_its_constant():
    study = study_errors(power, GRIDS, expected_order=4, expected_constant=0.75)
    assert study.passed
    assert study.verdict is Verdict.CONVERGES
    assert (study.order, study.constant) == pytest.approx((4, 0.75), rel=1e-10)
    assert [row.resolution for row in study.rows] == GRIDS
    assert all(row.used for row in study.rows)
    assert study.rows[0].order is None


@pytest.mark.parametrize(
    ("expectation", "passed"),
    [
        ({"expected_order": 4.04}, True),
        ({"expected_order": 4.06}, False),
        ({"expected_order": 4.06, "order_tolerance": 0.1}, True),
        ({"expected_order": 2}, False),
        ({"expected_order": 4, "expected_constant": 0.75 * 1.019}, True),
        ({"expected_order": 4, "expected_constant": 0.75 * 1.021}, False),
        ({"expected_order": 4, "expected_constant": 0.75 / 2}, False),
        ({}, True),
        ({"expected_order": "spectral", "floor": 1e-12}, False),
    ],
)
def test_the_theory_is_met_within_its_tolerances_only(expectation, passed):
    study = study_errors(power, GRIDS, **expectation)
    assert study.passed is passed
    assert study.explanation.endswith(": met." if passed else ": not met.")
    assert study.verdict is Verdict.CONVERGES


def test_next_order_terms_shrink_out_of_the_fit():
    study = study_errors(lambda n: 3 / n**2 + 60 / n**4, [4, 8, 16, 32, 64, 128], expected_order=2, expected_constant=3)
    assert study.passed
    assert [row.used for row in study.rows] == [False, False, False, True, True, True]
    assert study.constant == pytest.approx(3 + 60 / 128**2, rel=1e-12)
    assert "over resolutions 32 to 128" in study.explanation
    assert study.table().count("pre-asymptotic") == 3


def test_time_steps_work_like_grids():
    """Explicit Euler for y' = −y to t = 1: error ≈ (1/2e)·dt, from e^{−1} − (1 − dt)^{1/dt}."""
    dts = [0.02, 0.01, 0.005, 0.0025]
    study = study_errors(
        lambda dt: math.exp(-1) - (1 - dt) ** round(1 / dt),
        dts,
        h=dts,
        expected_order=1,
        expected_constant=0.5 / math.e,
        h_label="dt (s)",
    )
    assert study.passed
    assert "dt (s)" in study.table()


def test_round_off_is_excluded_and_reported():
    floor = 1e-10
    study = study_errors(lambda n: power(n) + 0.7 * floor, [8, 16, 32, 64, 256, 512], floor=floor, expected_order=4)
    assert study.passed
    assert [row.used for row in study.rows] == [True, True, True, True, False, False]
    assert study.rows[4].error > floor > study.rows[5].error
    assert ["near round-off" in line for line in study.table().splitlines()[2:]] == [False] * 4 + [True, False]
    assert ["at round-off" in line for line in study.table().splitlines()[2:]] == [False] * 5 + [True]


@pytest.mark.parametrize("floor", [1e-12, [1e-12] * 4, lambda _: 1e-12], ids=["number", "sequence", "function"])
def test_spectral_claim_is_met_by_the_budget_never_by_an_order(floor):
    grids = [8, 16, 32, 64]
    study = study_errors(lambda n: math.exp(-0.9 * n) + 3e-13, grids, floor=floor, expected_order="spectral")
    assert study.passed
    assert study.order is study.constant is None
    assert "within the round-off" in study.explanation


def test_exponential_decay_is_called_spectral_before_it_reaches_the_floor():
    study = study_errors(lambda n: math.exp(-0.5 * n), [8, 16, 24, 32], floor=1e-14, expected_order="spectral")
    assert study.verdict is Verdict.SPECTRAL
    assert study.order is None
    assert not study.passed
    assert study_errors(lambda n: math.exp(-0.5 * n), [8, 16, 24, 32]).passed


@pytest.mark.parametrize("p", [2, 4, 8])
def test_growing_orders_of_a_power_law_are_not_called_spectral(p):
    """The symbol error of a stencil of order p approaches p from below: that is not spectral."""
    study = study_errors(lambda n: 1 / (n**p + 10.0**p), [8, 14, 22, 40])
    assert study.verdict is Verdict.NOT_ASYMPTOTIC
    assert not study.passed


def test_error_that_rises_from_the_floor_does_not_converge():
    table = {8: 1e-3, 16: 1e-14, 32: 1e-9}
    study = study_errors(by_grid(table), [8, 16, 32], floor=1e-13, expected_order="spectral")
    assert study.verdict is Verdict.DIVERGES
    assert not study.passed
    assert "floor at resolution 16 and above it at 32" in study.explanation


def test_error_slightly_above_its_budget_fails_the_spectral_claim():
    table = {8: 1e-14, 16: 2e-14, 32: 3e-13}
    assert not study_errors(by_grid(table), [8, 16, 32], floor=1e-13, expected_order="spectral").passed
    assert study_errors(by_grid(table), [8, 16, 32], floor=4e-13, expected_order="spectral").passed


@pytest.mark.parametrize("residue", [0.0, 1e-3, -1e-7])
def test_wrong_limit_does_not_converge(residue):
    """The classic bug that a look at the finest error alone misses: the error tends to a constant."""
    grids = [64, 256, 1024, 4096]
    study = study_errors(lambda n: abs(1 / n**2 + residue), grids, expected_order=2)
    assert study.passed is (residue == 0)
    if residue > 0:
        assert study.verdict is Verdict.DIVERGES


def test_plateau_without_a_floor_says_what_to_do():
    study = study_errors(lambda n: 1 / n**8 + 1e-15, [16, 32, 64, 128, 256])
    assert study.verdict is Verdict.DIVERGES
    assert "pass `floor=`" in study.explanation


def test_one_pair_needs_the_theory_to_count():
    assert study_errors(power, [10, 20]).verdict is Verdict.NOT_ASYMPTOTIC
    assert study_errors(power, [10, 20], expected_order=4).passed
    assert not study_errors(power, [10, 20], expected_order=2).passed


def test_everything_at_round_off_is_no_order():
    study = study_errors(lambda _: 1e-15, [10, 20, 40], floor=1e-14, expected_order=2)
    assert study.verdict is Verdict.ROUND_OFF
    assert not study.passed
    assert study_errors(lambda _: 1e-15, [10, 20, 40], floor=1e-14).passed


def test_one_row_above_the_floor_is_no_order():
    study = study_errors(by_grid({10: 1e-2, 20: 1e-15, 40: 1e-15}), [10, 20, 40], floor=1e-14)
    assert study.verdict is Verdict.ROUND_OFF
    assert "from resolution 20 on" in study.explanation


def test_orders_are_not_shown_where_round_off_disturbs_them():
    study = study_errors(lambda n: power(n) + 1e-10, [8, 16, 32, 256, 512], floor=1e-10, expected_order=4)
    assert [row.order is None for row in study.rows] == [True, False, False, True, True]
    values = by_grid({2: 26.0, 4: 14.0, 8: 11.0, 16: 10.25, 32: 10.24999})
    study = study_values(values, [2, 4, 8, 16, 32], floor=1e-4)
    assert [row.order is None for row in study.rows] == [True, True, False, False, True]


def test_three_rows_are_too_few_to_call_spectral():
    study = study_errors(lambda n: math.exp(-0.5 * n), [8, 16, 24])
    assert study.verdict is Verdict.NOT_ASYMPTOTIC


def test_exact_zero_errors_need_no_floor():
    study = study_errors(lambda _: 0.0, [10, 20, 40])
    assert study.verdict is Verdict.ROUND_OFF


def test_scattered_orders_are_not_asymptotic():
    table = {8: 1.0, 16: 0.4, 32: 0.05, 64: 0.03}
    assert study_errors(by_grid(table), [8, 16, 32, 64]).verdict is Verdict.NOT_ASYMPTOTIC


# --- studies of values ---


def quadrature(n):
    x = np.linspace(0, 1, n + 1)
    return trapezoid(np.exp(x), x)


def test_values_with_an_exact_answer_are_judged_by_their_errors():
    study = study_values(
        quadrature, [10, 20, 40], exact=math.e - 1, expected_order=2, expected_constant=(math.e - 1) / 12
    )
    assert study.passed
    assert study.exact == math.e - 1
    assert study.gci is None
    assert study.rows[0].error == abs(study.rows[0].value - study.exact)


def test_values_without_an_exact_answer_get_an_error_bar_that_holds_it():
    study = study_values(quadrature, [10, 14, 20, 40], expected_order=2, expected_constant=(math.e - 1) / 12)
    assert study.passed
    assert study.verdict is Verdict.CONVERGES
    assert study.gci is not None
    assert abs(study.gci.value - (math.e - 1)) <= study.gci.uncertainty
    assert abs(study.gci.extrapolated - (math.e - 1)) < 0.01 * study.gci.uncertainty
    assert study.rows[0].error is None


@pytest.mark.parametrize(
    ("values", "verdict", "passed"),
    [
        ([26.0, 14.0, 11.0, 10.25], Verdict.CONVERGES, True),
        ([26.0, 14.0, 11.0], Verdict.NOT_ASYMPTOTIC, False),
        ([6.0909, 5.9624, 6.0042], Verdict.OSCILLATES, False),
        ([1.0, 2.0, 4.0, 8.0], Verdict.DIVERGES, False),
        ([3.0, 2.0, 1.0, 0.0], Verdict.DIVERGES, False),
        ([3.0, 2.0, 2.0], Verdict.ROUND_OFF, True),
        ([3.0, 2.0, 1.2, 0.5], Verdict.NOT_ASYMPTOTIC, False),
    ],
)
def test_verdicts_on_values(values, verdict, passed):
    grids = [2, 4, 8, 16][: len(values)]
    study = study_values(by_grid(dict(zip(grids, values, strict=True))), grids)
    assert study.verdict is verdict
    assert study.passed is passed


def test_values_that_converge_exponentially_are_spectral():
    study = study_values(lambda n: 1 + math.exp(-0.5 * n), [8, 16, 24, 32, 40], floor=1e-15)
    assert study.verdict is Verdict.SPECTRAL


def test_changes_within_the_floor_are_round_off():
    """The trapezoid rule on a periodic function is spectral: changes fall to the rounding of a sum near 1.27."""

    def mean(n):
        return float(np.mean(np.exp(np.cos(2 * np.pi * np.arange(n) / n))))

    study = study_values(mean, [6, 12, 24, 48], floor=8 * EPS, expected_order="spectral")
    assert study.passed
    assert study.verdict is Verdict.ROUND_OFF
    assert "from resolution 48 on" in study.explanation


def test_change_just_above_the_floor_shows_no_order():
    study = study_values(by_grid({2: 3.0, 4: 2.0, 8: 1.999}), [2, 4, 8], floor=1e-4, expected_order="spectral")
    assert study.verdict is Verdict.ROUND_OFF
    assert not study.passed
    assert "10 times the round-off floor" in study.explanation


def test_oscillation_of_the_right_order_is_still_not_convergence_at_that_order():
    study = study_values(lambda n: 10 + (-1) ** round(math.log2(n)) / n**2, [2, 4, 8, 16], expected_order=2)
    assert study.order == pytest.approx(2, rel=1e-10)
    assert study.verdict is Verdict.OSCILLATES
    assert not study.passed


def test_two_values_need_an_expected_order():
    with pytest.raises(ValueError, match="Two values cannot show an order"):
        study_values(quadrature, [10, 20])
    study = study_values(quadrature, [10, 20], expected_order=2)
    assert study.verdict is Verdict.NOT_ASYMPTOTIC
    assert study.gci.safety_factor == 3
    assert study_values(quadrature, [10, 20], exact=math.e - 1, expected_order=2).passed


# --- bad input ---


@pytest.mark.parametrize(
    ("resolutions", "options", "message"),
    [
        ([10], {}, "at least two resolutions"),
        ([20, 10], {}, "List the coarsest first"),
        ([10, 10], {}, "strictly increasing"),
        ([0.2, 0.1], {}, "pass h=resolutions"),
        ([0, 10], {}, "a positive finite number"),
        ([10, 20], {"h": [0.1]}, "one number for each of the 2 resolutions"),
        ([10, 20], {"h": [0.1, 0.1]}, "strictly decreasing"),
        ([10, 20], {"h": lambda n: float(n)}, "strictly decreasing"),
        ([10, 20], {"floor": -1.0}, "zero or above"),
        ([10, 20], {"floor": [1.0]}, "one number for each of the 2 resolutions"),
        ([10, 20], {"expected_order": "exponential"}, "one of 'spectral'"),
        ([10, 20], {"expected_order": "spectral"}, "state that budget"),
        ([10, 20], {"expected_order": -2}, "a positive finite number"),
        ([10, 20], {"expected_constant": 1.0}, "None without a numeric expected_order"),
        ([10, 20], {"order_tolerance": 0}, "a positive finite number"),
    ],
)
@pytest.mark.parametrize("study", [study_errors, study_values])
def test_bad_plans_are_refused_before_anything_runs(study, resolutions, options, message):
    def run(n):
        pytest.fail("ran")

    with pytest.raises(ValueError, match=message):
        study(run, resolutions, **options)


@pytest.mark.parametrize("study", [study_errors, study_values])
@pytest.mark.parametrize("result", [math.nan, math.inf])
def test_results_that_are_not_finite_name_their_resolution(study, result):
    with pytest.raises(ValueError, match=r"\(20\)` must be a finite number, got (nan|inf)"):
        study(lambda n: result if n == 20 else 1.0, [10, 20, 40])


def test_results_that_are_not_numbers_are_refused():
    with pytest.raises(TypeError, match=r"\(10\)` must be a finite number"):
        study_errors(lambda _: torch.ones(2, dtype=torch.float64), [10, 20])
    with pytest.raises(ValueError, match="zero or above"):
        study_errors(lambda _: -1.0, [10, 20])


def test_a_run_that_raises_keeps_its_error_and_names_the_resolution():
    def run(n):
        if n == 40:
            raise ZeroDivisionError("bad grid")
        return 1.0

    with pytest.raises(ZeroDivisionError, match="bad grid") as caught:
        study_errors(run, [10, 20, 40])
    assert caught.value.__notes__ == ["Raised by run(40) of `study_errors`."]


def test_tensors_and_numpy_numbers_are_taken_from_a_run():
    study = study_errors(lambda n: torch.tensor(1 / n**2, dtype=torch.float64, requires_grad=True), [10, 20, 40])
    assert study.rows[0].error == 0.01
    assert study_errors(lambda n: np.float64(1 / n**2), [10, 20, 40]).order == pytest.approx(2)


def test_tuples_are_resolutions_when_h_is_given():
    study = study_errors(
        lambda shape: 1 / shape[0] ** 2, [(10, 9), (20, 18), (40, 36)], h=lambda shape: 1 / shape[0], expected_order=2
    )
    assert study.passed
    assert "40×36" in study.table()
    with pytest.raises(TypeError, match="without h"):
        study_errors(lambda _: 1.0, [(10, 9), (20, 18)])


# --- the record ---


STUDIES = {
    "errors": lambda: study_errors(power, GRIDS, floor=1e-12, expected_order=4, expected_constant=0.75, name="Δ²"),
    "tuples": lambda: study_errors(lambda s: 1 / s[0], [(4, 3), (8, 6), (16, 12)], h=lambda s: 1 / s[0]),
    "spectral": lambda: study_errors(lambda _: 1e-15, [10, 20], floor=1e-14, expected_order="spectral"),
    "exact": lambda: study_values(quadrature, [10, 20, 40], exact=math.e - 1),
    "values": lambda: study_values(quadrature, [10, 20, 40, 80]),
    "diverges": lambda: study_values(lambda n: float(n), [10, 20, 40]),
}


@pytest.mark.parametrize("kind", STUDIES)
def test_json_gives_back_an_equal_study(kind, tmp_path):
    study = STUDIES[kind]()
    assert ConvergenceStudy.from_json(study.to_json()) == study
    study.save(tmp_path / "study.json")
    text = (tmp_path / "study.json").read_text(encoding="utf-8")
    assert ConvergenceStudy.from_json(text) == study
    assert json.loads(text)["verdict"] == str(study.verdict)


@pytest.mark.parametrize("text", ["{}", "[]", '{"format": "another"}', "no JSON"])
def test_other_json_is_refused(text):
    with pytest.raises(ValueError, match=r"ConvergenceStudy.from_json|Expecting value"):
        ConvergenceStudy.from_json(text)


@pytest.mark.parametrize("kind", STUDIES)
def test_report_shows_every_row_and_the_verdict(kind):
    study = STUDIES[kind]()
    text = str(study)
    assert study.explanation in text
    assert ("PASS" if study.passed else "FAIL") in text
    assert str(study.verdict) in text
    assert len(study.table().splitlines()) == len(study.rows) + 2


def test_expectations_read_like_a_sentence():
    assert str(Expectation()) == "convergence"
    assert str(Expectation("spectral")) == "an error within the round-off budget"
    assert str(Expectation(2, 0.25)) == "order 2 ± 0.05, constant 0.25 ± 2%"
