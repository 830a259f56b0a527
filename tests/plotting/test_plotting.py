"""What a convergence figure shows, read back from its artists."""

import math
import subprocess
import sys

import numpy as np
import pytest

from spectral_ham.convergence import study_errors, study_values
from spectral_ham.plotting import new_figure, plot_convergence

GRIDS = [4, 8, 16, 32, 64, 128]
FLOOR = 1e-7


def second_order(n):
    return 3 / n**2 + 60 / n**4


@pytest.fixture
def study():
    return study_errors(
        second_order, GRIDS, floor=FLOOR, expected_order=2, name="demo", h_label="Δx (m)", error_label="error (J)"
    )


def test_one_study_shows_its_numbers(study):
    ax = plot_convergence(study)
    curve, full, triangle = ax.get_lines()
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title(loc="left")) == ("Δx (m)", "error (J)", "demo")
    assert list(curve.get_xdata()) == [row.h for row in study.rows]
    assert list(curve.get_ydata()) == [row.error for row in study.rows]
    assert curve.get_markerfacecolor() == "white"
    assert list(full.get_ydata()) == [row.error for row in study.rows if row.used] != list(curve.get_ydata())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [f"slope {study.order:.2f}", "round-off floor"]
    assert len(triangle.get_xdata()) == 4


def test_triangle_has_the_expected_slope_and_says_so(study):
    ax = plot_convergence(study)
    x, y = ax.get_lines()[-1].get_data()
    assert math.log(max(y) / min(y)) / math.log(max(x) / min(x)) == pytest.approx(2, rel=1e-12)
    assert [text.get_text() for text in ax.texts] == ["2"]
    assert max(y) < study.rows[-2].error
    assert len(plot_convergence(study, reference_slopes=False).get_lines()) == 2


def test_floor_is_a_band_up_to_the_budget_of_each_h():
    study = study_errors(second_order, GRIDS, floor=lambda n: FLOOR * n)
    (band,) = plot_convergence(study).collections
    vertices = {(float(x), float(y)) for x, y in band.get_paths()[0].vertices}
    assert {(1 / n, FLOOR * n) for n in GRIDS} <= vertices
    assert not plot_convergence(study_errors(second_order, GRIDS)).collections


def test_several_studies_differ_in_color_and_marker(study):
    spectral = study_errors(lambda n: math.exp(-n), GRIDS, floor=FLOOR, expected_order="spectral")
    ax = plot_convergence({"fd": study, "spectral": spectral})
    curves = [line for line in ax.get_lines() if not line.get_label().startswith("_")]
    assert [line.get_label() for line in curves] == [f"fd: slope {study.order:.2f}", "spectral"]
    assert len({line.get_color() for line in curves}) == len({line.get_marker() for line in curves}) == 2
    assert len(ax.texts) == 1  # no triangle for a spectral study: it has no order
    assert len(ax.collections) == 1  # one band, however many studies share it
    assert len(ax.get_legend().get_texts()) == 3


def test_exact_zero_lies_on_the_lower_edge():
    ax = plot_convergence(study_errors({4: 1e-2, 8: 1e-4, 16: 0.0}.get, [4, 8, 16]))
    assert ax.get_lines()[0].get_ydata()[-1] == ax.get_ylim()[0] > 0


def test_values_show_the_distance_to_their_extrapolation():
    study = study_values(lambda n: 10 + 3 / n**2, [8, 16, 32, 64], value_label="E (J)")
    ax = plot_convergence(study)
    assert ax.get_ylabel() == "|E (J) − extrapolated|"
    assert list(ax.get_lines()[0].get_ydata()) == pytest.approx([3 / n**2 for n in (8, 16, 32, 64)], rel=1e-9)


def test_diverging_values_show_their_changes():
    ax = plot_convergence(study_values(lambda n: n**2, [1, 2, 4]))
    assert ax.get_ylabel() == "change of value"
    assert list(ax.get_lines()[0].get_ydata()) == [3, 12]


def test_known_errors_keep_their_label():
    assert plot_convergence(study_values(lambda n: 1 + 1 / n, [1, 2, 4], exact=1.0)).get_ylabel() == "|value − exact|"


def test_ticks_do_not_crowd():
    study = study_errors(second_order, list(range(8, 128)))
    ax = plot_convergence(study)
    ticks = np.log(ax.get_xticks())
    assert 2 <= len(ticks) <= 11
    assert min(np.diff(ticks)) > 0.1 * math.log(127 / 8)


def test_given_axes_are_drawn_into(study, tmp_path):
    figure = new_figure()
    left, right = figure.subplots(1, 2)
    assert plot_convergence(study, ax=right) is right
    assert not left.lines
    figure.savefig(tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_no_study_is_refused():
    with pytest.raises(ValueError, match="at least one study"):
        plot_convergence({})


def test_missing_matplotlib_names_the_extra(study, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ImportError, match=r"spectral-ham\[plot\]"):
        plot_convergence(study)


def test_import_loads_no_matplotlib_and_plotting_no_pyplot():
    code = """
import sys, spectral_ham.plotting as plotting
assert "matplotlib" not in sys.modules
from spectral_ham.convergence import study_errors
plotting.plot_convergence(study_errors(lambda n: 1 / n, [1, 2, 4]))
assert "matplotlib.figure" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)
