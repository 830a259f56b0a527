"""Benchmark results as data: files, comparison with a reference, the gate, promises, and the command."""

import csv
import json

import pytest
import torch

import benchmarks.__main__ as command
from benchmarks import candidate, compare, operators, parts, report, results, scaling
from benchmarks.candidate import OURS, Group
from benchmarks.machine import numba_version
from benchmarks.problem import Problem

SHAPE = (14, 11, 2, 2)
CPU = torch.device("cpu")
STEM = results.stem(parts.QUICK, numba_version())
FLOPS = {"float32": 1e11, "float64": 5e10}


@pytest.fixture(scope="module")
def rows():
    with torch.no_grad():
        return candidate.measure(operators.candidates(Problem(SHAPE), others=False), 1, 0.0, FLOPS)


def test_the_fitted_exponent_is_that_of_the_data():
    overhead = {2: 1e9, 4: 1e9}
    assert scaling.exponent(overhead | {N: 3.0 * N**2 * N for N in (64, 128, 256)}, 16) == pytest.approx(1)
    assert scaling.exponent(overhead | {N: 3.0 * N**2 for N in (64, 128, 256)}, 16) == pytest.approx(0)
    assert scaling.exponent({64: 1.0, 128: 2.0, 256: 3.0}, 1) is None  # one size alone is large enough


def test_equal_error_takes_more_steps_of_what_errs_more():
    own = {"operation": "Strang step", "minimum_ms": 1.0, "error": 1e-4}
    other = {"operation": "Strang step", "minimum_ms": 2.0, "error": 4e-4}
    assert report.at_equal_error(own, other) == pytest.approx(4)
    assert report.at_equal_error(own, other | {"error": 1e-5}) == pytest.approx(2)
    assert report.at_equal_error(own, other | {"error": 3.0}) is None
    assert report.at_equal_error(own | {"operation": "H fd2"}, other) is None


def test_a_part_is_written_and_read_back(tmp_path, rows):
    document = results.as_document("operators", rows, FLOPS, CPU)
    results.write(document, tmp_path / "new")
    read = results.Results.load(tmp_path / "new")
    assert read.documents["operators"] == json.loads(json.dumps(document))
    found = read.find("operators", "14×11×2×2", "H fd2")
    assert found is not None
    assert results.key_of(found) == "14×11×2×2 complex64 | H fd2 | spectral_ham, auto"
    assert read.find("operators", "14×11×2×2", "H fd3") is None
    assert read.rows("steps") == []
    assert {"threads", "processor", "torch", "numba"} <= set(read.documents["operators"]["machine"])
    with (tmp_path / "new" / "operators.csv").open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file))
    assert [row["name"] for row in listed] == [row.name for row in rows]
    (tmp_path / "old.json").write_text('{"format": "old"}', encoding="utf-8")
    with pytest.raises(ValueError, match="must have the format"):
        results.read(tmp_path / "old.json")


def document_with(rows, **machine):
    document = results.as_document(parts.QUICK, rows, FLOPS, CPU)
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
    monkeypatch.setattr(command, "PARTS", {part: (Group(f"tiny {part}", tiny, 0.0),) for part in parts.PARTS})
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
def test_a_vanished_row_fails_the_check(tmp_path, capsys):
    assert command.main(["--rounds", "1", "--quick", "--out", str(tmp_path)]) == 0
    document = doctored(results.read(tmp_path / f"{STEM}.json"), 1e-3)
    document["rows"].append(document["rows"][-1] | {"operation": "H fd10"})
    results.write(document, tmp_path)
    assert command.main(["--rounds", "1", "--check", "--compare", str(tmp_path)]) == 1
    assert "H fd10 | spectral_ham" in capsys.readouterr().out


@pytest.mark.usefixtures("tiny_parts")
def test_all_parts_are_measured_compared_and_drawn(tmp_path, capsys):
    assert command.main(["--rounds", "1", "--out", str(tmp_path / "a"), "--figure", str(tmp_path / "speed.png")]) == 0
    assert set(results.Results.load(tmp_path / "a").documents) == set(parts.PARTS)
    assert (tmp_path / "speed.png").read_bytes().startswith(b"\x89PNG")
    (tmp_path / "speed.png").unlink()
    assert command.main(["--read", str(tmp_path / "a"), "--figure", str(tmp_path / "speed.png")]) == 0
    assert (tmp_path / "speed.png").exists()
    assert command.main(["--rounds", "1", "--part", "steps", "--compare", str(tmp_path / "a")]) == 0
    assert "steps: " in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--part", "no"],
        ["--only", "no such group"],
        ["--figure", "x.png", "--part", "steps"],
        ["--device", "abacus"],
        ["--read", "x", "--check"],
    ],
)
def test_wrong_flags_are_refused(arguments, capsys):
    with pytest.raises((SystemExit, RuntimeError)):
        command.main(arguments)
    assert capsys.readouterr().out == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_missing_device_is_named(capsys):
    with pytest.raises(SystemExit):
        command.main(["--device", "cuda"])
    assert "no CUDA device" in capsys.readouterr().err


def test_parts_have_distinct_groups_and_a_quick_part_without_others():
    names = [group.name for groups in parts.PARTS.values() for group in groups if groups is not parts.PARTS["quick"]]
    assert len(set(names)) == len(names)
    shape = "28×28×16×16"
    assert any(shape in group.name for group in parts.PARTS[parts.QUICK])


@pytest.mark.slow
def test_check_passes_on_this_machine():
    assert command.main(["--check"]) == 0
