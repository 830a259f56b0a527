"""Benchmark results as data: files, comparison with a reference, the gate, promises, tables and the command."""

import json

import pytest
import torch

import benchmarks.__main__ as command
from benchmarks import suites, targets
from benchmarks.harness import candidate, compare, results
from benchmarks.harness.candidate import OURS, Group
from benchmarks.harness.machine import numba_version
from benchmarks.harness.problem import Problem
from benchmarks.harness.results import Results
from benchmarks.report import evolution, review, text
from benchmarks.report.figure import METHODS
from benchmarks.report.pages import RENDERERS
from benchmarks.suites import operators, scaling
from benchmarks.suites.review_claims import AS_IT_WAS, FIXES
from benchmarks.targets import TARGETS
from spectral_ham import propagators

SHAPE = (14, 11, 2, 2)
CPU = torch.device("cpu")
STEM = results.stem(suites.QUICK, numba_version())
FLOPS = {"float32": 1e11, "float64": 5e10}


@pytest.fixture(scope="module")
def rows():
    with torch.no_grad():
        listed = operators.candidates(Problem(SHAPE), others=False)
        return [candidate.rounded(row) for row in candidate.measure(listed, 1, 0.0, FLOPS)]


def test_the_fitted_exponent_is_that_of_the_data():
    overhead = {2: 1e9, 4: 1e9}
    assert scaling.exponent(overhead | {N: 3.0 * N**2 * N for N in (64, 128, 256)}, 16) == pytest.approx(1)
    assert scaling.exponent(overhead | {N: 3.0 * N**2 for N in (64, 128, 256)}, 16) == pytest.approx(0)
    assert scaling.exponent({64: 1.0, 128: 2.0, 256: 3.0}, 1) is None  # one size alone is large enough


def test_a_part_is_written_and_read_back(tmp_path, rows):
    document = results.as_document("operators", rows, FLOPS)
    results.write(document, tmp_path / "new")
    read = results.Results.load(tmp_path / "new")
    assert read.documents["operators"] == json.loads(json.dumps(document))
    found = read.find("operators", "14×11×2×2", "H fd2")
    assert found is not None
    assert results.key_of(found) == "14×11×2×2 complex64 | H fd2 | spectral_ham, auto"
    assert read.find("operators", "14×11×2×2", "H fd3") is None
    assert read.rows("steps") == []
    assert {"threads", "processor", "torch", "numba"} <= set(read.documents["operators"]["machine"])
    (tmp_path / "old.json").write_text('{"format": "old"}', encoding="utf-8")
    with pytest.raises(ValueError, match="must have the format"):
        results.read(tmp_path / "old.json")


def document_with(rows, **machine):
    document = results.as_document(suites.QUICK, rows, FLOPS)
    document["machine"] |= machine
    return document


def doctored(document, factor, name=OURS):
    """Return the document as if what is named so had been ``factor`` times as fast."""
    changed = json.loads(json.dumps(document))
    for row in changed["rows"]:
        if row["name"].startswith(name):
            row["copies"] /= factor
            row["pairs"] /= factor
    return changed


def test_comparison_flags_a_tenth_and_fails_at_twice(rows):
    document = document_with(rows)
    own = sum(results.is_ours(row) for row in document["rows"])
    for factor, flagged, failed in ((1.0, 0, 0), (1.08, 0, 0), (1.12, own, 0), (1.9, own, 0), (2.1, own, own)):
        found = list(compare.changes(document, doctored(document, factor)))
        assert len(found) == own
        assert sum(change.is_flagged for change in found) == flagged
        assert sum(change.is_failure for change in found) == failed
    assert f"{own} of {own} ratios" in compare.report(document, doctored(document, 1.5))
    assert list(compare.changes(document, doctored(document, 2.1, "torch"))) == list(
        compare.changes(document, document)
    )


def test_one_bad_yardstick_is_no_failure_and_a_missing_row_is_one(rows):
    document = document_with(rows)
    slow_copy = json.loads(json.dumps(document))
    for row in slow_copy["rows"]:
        row["copies"] /= 5
    assert not any(change.is_failure for change in compare.changes(document, slow_copy))
    fewer = document | {"rows": document["rows"][:-1]}
    assert compare.missing(fewer, document) == [results.key_of(document["rows"][-1])]


def test_other_conditions_are_named(rows):
    here, there = document_with(rows, numba="0.61"), document_with(rows, numba=None)
    assert compare.uncomparable(here, document_with(rows, numba="0.62")) is None
    assert "numba" in compare.uncomparable(here, there)
    assert "threads" in compare.uncomparable(document_with(rows, threads=1), document_with(rows, threads=2))


def test_with_and_without_numba_have_references_of_their_own(tmp_path, rows, monkeypatch):
    for numba in ("0.61", None):
        results.write(document_with(rows, numba=numba), tmp_path)
    assert {path.name for path in tmp_path.glob("*.json")} == {"quick.json", "quick-without-numba.json"}
    assert results.Results.load(tmp_path).documents["quick"]["machine"]["numba"] == "0.61"
    for numba in ("0.68", None):
        monkeypatch.setattr(command, "numba_version", lambda numba=numba: numba)
        found = command._reference(tmp_path, "quick")
        assert (found["machine"]["numba"] is None) == (numba is None)
    assert (results.REFERENCE / "quick-without-numba.json").exists()


def tiny(device):
    return operators.candidates(Problem(SHAPE, device=device), ("H fd2",), others=False)


@pytest.fixture
def tiny_parts(monkeypatch):
    """Let every part be one tiny group."""
    monkeypatch.setattr(command, "PARTS", {part: (Group(f"tiny {part}", tiny, 0.0),) for part in suites.PARTS})
    monkeypatch.setattr(command, "STUDIES", dict.fromkeys(suites.STUDIES, list))
    monkeypatch.setattr(command, "peak_flops", lambda _: FLOPS)


@pytest.mark.usefixtures("tiny_parts")
def test_check_sets_the_exit_status(tmp_path, capsys):
    run = ["--rounds", "1", "--check", "--compare", str(tmp_path)]
    with pytest.raises(FileNotFoundError, match=r"quick.*\.json"):
        command.main(run)
    assert command.main(["--rounds", "1", "--quick", "--out", str(tmp_path)]) == 0
    written = results.read(tmp_path / f"{STEM}.json")
    for factor, status, said in ((1e-3, 0, "No ratio"), (1e3, 1, "FAILED 14×11×2×2 complex64 | H fd2")):
        results.write(doctored(written, factor), tmp_path)
        capsys.readouterr()
        assert command.main(run) == status
        out = capsys.readouterr().out
        assert said in out
        assert ("A second, longer look" in out) == bool(status)


@pytest.mark.usefixtures("tiny_parts")
def test_all_parts_are_measured_compared_and_drawn(tmp_path, capsys):
    assert command.main(["--rounds", "1", "--out", str(tmp_path / "a"), "--figures", str(tmp_path)]) == 0
    assert set(results.Results.load(tmp_path / "a").documents) == {*suites.PARTS, *suites.STUDIES}
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "speed.png").unlink()
    assert command.main(["--read", str(tmp_path / "a"), "--figures", str(tmp_path)]) == 0
    assert (tmp_path / "speed.png").exists()
    assert command.main(["--rounds", "1", "--part", "steps", "--compare", str(tmp_path / "a")]) == 0
    assert "steps: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--part", "no"],
        ["--only", "none"],
        ["--figures", "x", "--part", "steps"],
        ["--device", "abacus"],
        ["--read", "x", "--check"],
    ],
)
def test_wrong_flags_are_refused(arguments, capsys):
    with pytest.raises((SystemExit, RuntimeError)):
        command.main(arguments)
    assert capsys.readouterr().out == ""


@pytest.mark.slow
def test_check_passes_on_this_machine():
    assert command.main(["--check"]) == 0


def results_of(part, *rows):
    filled = {
        "case": "28×28×16×16",
        "dtype": "complex64",
        "name": f"{OURS}, auto",
        "minimum_ms": 1.0,
        "error": 0.0,
        "note": "",
    }
    return Results({part: {"rows": [filled | row for row in rows]}})


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
    assert review.verdict(results, name) == expected
    assert review.verdict(results, "unfold instead of convolution") == "wrong: more memory"
    assert review.verdict(results, "cached kernels") == "not measured"


def target(more=False, row="28 | H fd2", **given):
    shared = {"what": "x", "part": "p", "quantity": "copies", "source": "s", "must": 2.0, "target": 1.5}
    return targets._target(shared | {"row": row, "at_least": more} | given)


def test_verdicts():
    def verdict(value, **given):
        row = {"case": "28", "operation": "H fd2", "copies": value, "minimum_ms": value * 0.02}
        return target(**given).verdict(results_of("p", row))

    assert [verdict(v) for v in (1.5, 1.6, 2.0, 2.1)] == ["target met", "must met", "must met", "missed"]
    assert verdict(2.9, extra_us=[20, 0]) == "must met"  # 2 copies of 20 µs and 20 µs more are 3 copies
    assert verdict(3.1, extra_us=[20, 0]) == "missed"
    limits = {"must": 5, "target": 7, "more": True}
    assert [verdict(v, **limits) for v in (8, 6, 4)] == ["target met", "must met", "missed"]
    assert target().verdict(Results({})) == "not measured"
    assert targets.verdicts([target()], Results({})).startswith("1 not measured.")


def test_ratios_are_those_of_the_right_rows():
    ours, slow, slower = (
        {"case": "3×2", "operation": "a", "name": n, "minimum_ms": t} for n, t in zip("ost", (1, 3, 4), strict=True)
    )
    ratio = {"row": "3×2 | a | o", "over": ["3×2 | a | s", "3×2 | a | t"], "quantity": "minimum_ms"}
    assert target(more=True, **ratio).measure(results_of("p", ours, slow, slower)) == 3
    assert target(**ratio).measure(results_of("p", ours, slow, slower)) == pytest.approx(1 / 3)
    assert target(**ratio).measure(results_of("p", ours)) is None
    grids = ({"case": f"{N}×{N}", "operation": "a", "minimum_ms": t} for N, t in ((31, 1.2), (32, 1.0)))
    per_point = target(row="31×31 | a", over=["32×32 | a"], quantity="ms_per_point")
    assert per_point.measure(results_of("p", *grids)) == pytest.approx(1.2 * 32**2 / 31**2)


def test_auto_is_held_against_the_cheapest_method_within_the_tolerance():
    points = [("auto, tol", 1e-6, 1e-9, 6.0), ("a", 0.1, 1e-7, 2.0), ("b", 0.1, 1e-5, 1.0)]
    rows = [
        {"problem": "V", "backend": "fd", "method": m, "setting": s, "error": e, "cpu_ms": ms} for m, s, e, ms in points
    ]
    auto = target(part="evolution", quantity="auto_over_best", row="V | 1e-6")
    assert auto.measure(Results({"evolution": {"rows": rows}})) == 3


def test_every_promise_finds_its_row_in_the_committed_results():
    results = Results.load()
    assert [target.what for target in TARGETS if target.verdict(results) == "not measured"] == []
    assert len({target.what for target in TARGETS}) == len(TARGETS)


def test_every_part_is_committed_and_every_page_can_be_rendered():
    results = Results.load()
    assert set(results.documents) == {*suites.PARTS, *suites.STUDIES}
    assert all(render(results) for render in RENDERERS.values())
    for package in ("torchfsm", "expsolve", "exponax", "py-pde", "torch.roll", "replaced conv2d"):
        assert package in text.competitors(results), package
    assert "–" in review.fixes_table(Results({}))  # without data, no number


def test_every_method_is_measured_drawn_and_judged_by_a_better_reference():
    rows = Results.load().rows("evolution")
    assert set(METHODS) == {*propagators.METHODS, "auto, tol"}
    assert {row["method"] for row in rows if row["problem"] == "static lattice"} == set(METHODS)
    assert {row["method"] for row in rows if "peak_fields" in row} == set(propagators.METHODS)
    for row in rows:
        if "error" in row and row["method"] not in ("exact", "auto, tol", "magnus4"):
            assert row["reference_error"] < row["error"]


def test_the_cheapest_run_within_an_error_is_listed():
    points = [{"method": "a", "error": e, "cpu_ms": ms, "products": 1} for e, ms in ((1e-2, 1), (1e-4, 9), (1e-5, 5))]
    assert evolution.cheapest(points, "a", 1e-3) == "5 (1)"
    assert evolution.cheapest(points, "a", 1e-9) == "–"
