"""benchmarks/evolution.py: what it measures is what its table says, and the committed results are complete."""

import json
import math
from pathlib import Path

import pytest
import torch

import spectral_ham as sh
from benchmarks import evolution, which_method
from spectral_ham.propagators import METHODS

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def document():
    return json.loads((ROOT / "benchmarks/results/evolution-cpu.json").read_text(encoding="utf-8"))


@pytest.mark.filterwarnings("ignore::spectral_ham.analysis.preflight.Advice")
def test_points_of_strang_fall_with_its_order_and_count_one_pair_per_step():
    H = sh.Hamiltonian(evolution.TORUS, potential=evolution.lattice(), backend="fd")
    T = evolution.smooth_field()
    with torch.no_grad():
        case = evolution.Case(H, T, sh.propagators.Chebyshev(H, evolution.TIME, tol=1e-13)(T), 0.0)
        coarse, fine = (evolution._measure(case, "strang", "dt", evolution.TIME / n) for n in (64, 128))
    assert math.log2(coarse.error / fine.error) == pytest.approx(2, abs=0.1)
    assert (coarse.products, fine.products) == (64, 128)


def test_every_method_has_a_style_and_is_measured(document):
    assert set(which_method.STYLES) == {*METHODS, evolution.AUTO}
    static = next(case for case in document["cases"] if case["problem"] == "static lattice")
    assert {point["method"] for point in static["points"]} == set(which_method.STYLES)
    assert set(document["memory"]) == set(METHODS)


def test_the_references_are_better_than_what_they_judge(document):
    for case in document["cases"]:
        inexact = [p["error"] for p in case["points"] if p["method"] not in ("exact", evolution.AUTO, "magnus4")]
        assert case["reference_error"] < min(inexact)


def test_the_cheapest_run_within_an_error_is_listed():
    points = [{"method": "a", "error": e, "cpu_ms": ms, "products": 1} for e, ms in ((1e-2, 1), (1e-4, 9), (1e-5, 5))]
    assert which_method._cheapest(points, "a", 1e-3) == "5 (1)"
    assert which_method._cheapest(points, "a", 1e-9) == "–"
