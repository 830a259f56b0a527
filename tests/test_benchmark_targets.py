"""Promises: verdicts are computed from the data, and every case of the plan has one."""

import copy

import pytest

from benchmarks import promises, report, review_report, targets
from benchmarks.promises import TARGETS
from benchmarks.results import Results
from benchmarks.review_claims import AS_IT_WAS, CLAIMS, FIXES, PROFILE
from benchmarks.targets import AUTO, MIDDLE, SMALL, Limit, Measured, Target

MUST, AIM = Limit(2.0, 20), Limit(1.5)


def results_of(part, *rows):
    filled = {"case": SMALL, "dtype": "complex64", "name": AUTO, "minimum_ms": 1.0, "error": 0.0, "note": ""}
    return Results({part: {"rows": [filled | row for row in rows]}})


def verdict(value, unit_us=None, more=False, must=MUST, aim=AIM):
    return Target("x", "copy", must, aim, lambda _: Measured(value, unit_us), more).verdict(Results({}))


def test_verdicts():
    assert [verdict(v) for v in (1.5, 1.6, 2.0, 2.1)] == ["target met", "must met", "must met", "missed"]
    assert verdict(2.9, unit_us=20.0) == "must met"  # 2 copies of 20 µs and 20 µs more are 3 copies
    assert verdict(3.1, unit_us=20.0) == "missed"
    more = {"more": True, "must": Limit(5), "aim": Limit(7)}
    assert [verdict(v, **more) for v in (8, 6, 4)] == ["target met", "must met", "missed"]
    assert Target("x", "copy", Limit(1), Limit(1), lambda _: None).verdict(Results({})) == "not measured"


def test_values_are_read_from_the_right_rows():
    row = {"operation": "H fd2", "copies": 1.25, "pairs": 0.5, "minimum_ms": 0.05}
    results = results_of("operators", row, row | {"case": MIDDLE, "copies": 9.0})
    assert targets.in_copies("operators", SMALL, "H fd2")(results) == Measured(1.25, pytest.approx(40.0))
    assert targets.in_pairs("operators", SMALL, "H fd2")(results).value == 0.5
    assert targets.in_copies("operators", "1×1×1×1", "H fd2")(results) is None
    ours, slow, slower = ({"operation": "a", "name": n, "minimum_ms": t} for n, t in (("o", 1), ("s", 3), ("t", 4)))
    faster = targets.faster("drop-ins", SMALL, ("a", "o"), [("a", "s"), ("a", "t")])
    assert faster(results_of("drop-ins", ours, slow, slower)).value == 3
    assert faster(results_of("drop-ins", ours)) is None
    grids = ({"case": f"{N}×{N}×16×16", "operation": "H fd2", "minimum_ms": t} for N, t in ((31, 1.2), (32, 1.0)))
    ratio = targets.per_point(31, 32, "H fd2")(results_of("shapes", *grids)).value
    assert ratio == pytest.approx(1.2 * 32**2 / 31**2)
    held = {"operation": "H fd2", "name": "x", "peak_fields": 1.5}
    assert targets.peak(SMALL, "H fd2", "x", result=1)(results_of("memory", held)).value == 0.5


def test_every_promise_finds_its_row_in_the_committed_results():
    results = Results.load()
    assert [target.what for target in TARGETS if target.verdict(results) == "not measured"] == []
    assert len({target.what for target in TARGETS}) == len(TARGETS)


def test_every_case_of_the_plan_has_a_promise():
    text = "\n".join(target.what for target in TARGETS)
    for part in (
        "H fd2, 28", "H fd2, 64", "H fd8, 28", "H fd8, 64", "H fd2, 1024²", "H fd2, 4096²", "H spectral, 28",
        "H spectral, 64", "H spectral, 128", "H spectral, 256", "H spectral, 512²", "H spectral, 4096²",
        "Strang step, 28", "Strang step, 64", "Strang step, 512²", "Chebyshev term", "reversible", "memory at 256",
        "all frames", "final frame", "replaced conv2d, 28", "expsolve, 512²", "torchfsm", "N = 31", "N = 97",
        "fft, one channel", "1000 Strang steps",
    ):  # fmt: skip
        assert part in text, part


def test_doctored_data_change_the_verdict():
    results = Results.load()
    documents = copy.deepcopy(dict(results.documents))
    for row in documents["operators"]["rows"]:
        row["copies"] *= 100
    slow = Results(documents)
    fd2 = next(target for target in TARGETS if target.what.startswith("H fd2, 64"))
    assert fd2.verdict(slow) == "missed"
    assert "**missed**" in targets.verdicts([fd2], slow)
    assert targets.verdicts([fd2], Results({})).startswith("1 not measured.")


def test_the_models_figures_are_kept_apart_from_what_was_measured():
    table = targets.predictions(TARGETS)
    assert "H200, by a model" in table
    assert "H200" not in targets.verdicts(TARGETS, Results.load())
    assert promises.TARGETS[0].h200 in table


def test_tables_of_the_committed_results():
    results = Results.load()
    for package in ("torchfsm", "expsolve", "exponax", "py-pde", "torch.roll", "replaced conv2d"):
        assert package in report.competitors(results), package
    assert report.exponents(results).count("–") == 0
    assert all(name in review_report.fixes_table(results) for name in CLAIMS)
    assert all(name in review_report.profile_table(results) for name in PROFILE)
    assert "–" in review_report.fixes_table(Results({}))  # without data, no number


@pytest.mark.parametrize(
    ("name", "after", "expected"),
    [
        ("no .item()", 9.0, "overstated"),
        ("no .item()", 8.5, "holds"),
        ("fused: one convolution for both axes", 5.0, "understated"),
    ],
)
def test_claims_of_the_review_are_judged_by_what_was_saved(name, after, expected):
    before = {"operation": FIXES, "name": AS_IT_WAS, "minimum_ms": 10.0, "peak_fields": 7.0}
    fixed = {"operation": FIXES, "name": name, "minimum_ms": after, "peak_fields": 14.0}
    results = results_of("review", before, fixed, fixed | {"name": "unfold instead of convolution"})
    assert review_report.verdict(results, name) == expected
    assert review_report.verdict(results, "unfold instead of convolution") == "wrong: more memory"
    assert review_report.verdict(results, "cached kernels") == "not measured"
