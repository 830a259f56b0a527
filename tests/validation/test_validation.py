"""The validation suite: what it claims, prints and writes, and how it exits. All but the four longest studies run."""

import copy
import dataclasses
import io
import json
import math
import subprocess
import sys
from contextlib import redirect_stdout
from pathlib import Path

import jsonschema
import pytest

import validation.__main__ as command
from validation.claim import Claim
from validation.record import FORMAT, SCHEMA, as_record, changes, load, save
from validation.report import WIDTH, study_report, summary, verdict
from validation.studies import STUDIES
from validation.study import Mode, Outcome, Plot, Study, execute
from validation.sweep import Worst

HEAVY = ("every_wave", "fd_symbol", "temporal_orders", "condensates")  # in full: `python -m validation --quick`
CHEAP = [name for name in STUDIES if name not in HEAVY]

GOOD = Claim("toy", "good", "f", "definition", expected=2.0, measured=2.25, bound=0.5)
BAD = dataclasses.replace(GOOD, name="bad", measured=3.0, detail="at the seam")
NOTHING = dataclasses.replace(GOOD, name="nothing", measured=math.nan)
EXACT = dataclasses.replace(GOOD, name="exact", measured=2.0, bound=0.0)


def toy(*claims: Claim) -> Study:
    return Study("toy", "A toy", lambda _: iter(claims))


def outcome(*claims: Claim) -> Outcome:
    return execute(toy(*claims), Mode())


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, str, Path]:
    """Run the cheap studies once: exit status, what was printed, where it wrote."""
    folder = tmp_path_factory.mktemp("validation")
    cases = [word for name in CHEAP for word in ("--case", name)]
    with redirect_stdout(io.StringIO()) as printed:
        status = command.main(["--quick", "--out", str(folder), *cases])
    return status, printed.getvalue(), folder


@pytest.fixture
def schema() -> jsonschema.Draft202012Validator:
    document = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(document)
    return jsonschema.Draft202012Validator(document)


def test_quick_claims_hold(quick: tuple[int, str, Path]) -> None:
    status, printed, folder = quick
    record = load(folder / "validation.json")
    assert [claim for study in record["studies"] for claim in study["claims"] if not claim["passed"]] == []
    assert status == 0
    assert printed.splitlines()[-1] == f"VERDICT: {record['total']} of {record['total']} claims hold"
    assert [study["name"] for study in record["studies"]] == CHEAP


def test_record_fits_the_schema(quick: tuple[int, str, Path], schema: jsonschema.Draft202012Validator) -> None:
    record = load(quick[2] / "validation.json")
    schema.validate(record)
    assert record["format"] == FORMAT
    assert record["held"] == record["total"] == sum(len(study["claims"]) for study in record["studies"])
    assert record["mode"] == "quick"


@pytest.mark.parametrize("path", [("date",), ("studies", 0, "claims"), ("studies", 0, "claims", 0, "source")])
def test_schema_refuses_a_record_with_a_part_missing(
    quick: tuple[int, str, Path], schema: jsonschema.Draft202012Validator, path: tuple[str | int, ...]
) -> None:
    record = load(quick[2] / "validation.json")
    part = record
    for key in path[:-1]:
        part = part[key]
    del part[path[-1]]
    assert not schema.is_valid(record)


def test_what_fails_to_be_a_number_is_null(schema: jsonschema.Draft202012Validator, tmp_path: Path) -> None:
    record = as_record([outcome(GOOD, BAD, NOTHING, EXACT)], Mode(execution="fft"), 0.1)
    save(record, tmp_path / "r.json")
    schema.validate(load(tmp_path / "r.json"))
    claims = {claim["name"]: claim for claim in record["studies"][0]["claims"]}
    assert (record["held"], record["total"], record["execution"]) == (2, 4, "fft")
    assert claims["nothing"]["measured"] is None
    assert not claims["nothing"]["passed"]
    assert claims["nothing"]["margin"] == 0.0
    assert claims["exact"]["margin"] is None
    assert claims["exact"]["passed"]


def test_plots_are_pictures(quick: tuple[int, str, Path]) -> None:
    illustrated = ["agreement", "cosine_potential", "dispersion", "fd_orders", "plane_waves", "precision"]
    illustrated += ["stability_limits", "tolerances", "windows_and_waves"]
    assert sorted(path.stem for path in quick[2].glob("*.png")) == sorted((*illustrated, "margins"))
    for path in quick[2].glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_tables_fit(quick: tuple[int, str, Path]) -> None:
    record = load(quick[2] / "validation.json")
    lines = quick[1].splitlines()
    assert [line for line in lines if len(line) > WIDTH and str(quick[2]) not in line] == []
    for study in record["studies"]:
        for claim in study["claims"]:
            assert any(line.startswith(f"{claim['name']} ") for line in lines)


def test_claims_are_named_once(quick: tuple[int, str, Path]) -> None:
    for study in load(quick[2] / "validation.json")["studies"]:
        names = [claim["name"] for claim in study["claims"]]
        assert len(names) == len(set(names))


@pytest.mark.parametrize("name", HEAVY)
def test_heavy_studies_begin_with_claims_that_hold(name: str) -> None:
    first = next(STUDIES[name].run(Mode()))
    assert isinstance(first, Claim)
    assert first.passed


def test_one_file_per_study() -> None:
    files = Path(command.__file__).with_name("studies").glob("[a-z]*.py")
    assert sorted(path.stem for path in files) == sorted(STUDIES)
    assert all(study.name == name for name, study in STUDIES.items())


@pytest.mark.parametrize(
    ("claim", "passed", "margin"),
    [(GOOD, True, 2.0), (BAD, False, 0.5), (NOTHING, False, 0.0), (EXACT, True, math.inf)],
    ids=["good", "bad", "nothing", "exact"],
)
def test_a_claim_holds_within_its_bound(claim: Claim, passed: bool, margin: float) -> None:
    assert claim.passed is passed
    assert claim.margin == margin


def test_the_bound_belongs_to_the_claim() -> None:
    assert dataclasses.replace(GOOD, measured=2.5).passed
    assert not dataclasses.replace(GOOD, measured=math.nextafter(2.5, 3)).passed
    assert not dataclasses.replace(EXACT, measured=2.0 + 1e-15).passed


def test_the_worst_is_kept_and_nan_is_the_worst() -> None:
    small, large, nothing = Worst(1.0, "a"), Worst(2.0, "b"), Worst(math.nan, "c")
    assert small.or_worse(large) is large.or_worse(small) is large
    assert large.or_worse(nothing) is nothing.or_worse(large) is nothing


def test_no_claims_prove_nothing() -> None:
    assert not outcome().passed
    assert outcome(GOOD).passed
    assert not outcome(GOOD, BAD).passed


def test_a_failure_is_told_in_full() -> None:
    told = summary([outcome(GOOD, BAD)])
    assert "FAILED toy, bad: expected 2, measured 3, may be off by 0.5." in told
    assert "Worst case: at the seam" in told
    assert told.endswith("VERDICT: 1 of 2 claims hold")
    assert verdict([outcome(GOOD), outcome(BAD)]) == "VERDICT: 1 of 2 claims hold"
    table = {line.split()[0]: line.split()[-1] for line in study_report(outcome(GOOD, BAD)).splitlines() if line}
    assert (table["good"], table["bad"]) == ("ok", "FAIL")


@pytest.mark.parametrize(("claims", "status"), [((GOOD,), 0), ((GOOD, BAD), 1), ((NOTHING,), 1), ((), 1)])
def test_exit_status(claims: tuple[Claim, ...], status: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(command, "STUDIES", {"toy": toy(*claims)})
    assert command.main(["--no-plots", "--out", str(tmp_path)]) == status
    assert (tmp_path / "validation.json").exists()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--case", "nowhere"], "invalid choice: 'nowhere' (choose from"),
        (["--execution", "abacus"], "invalid choice: 'abacus'"),
        (["--threads", "0"], "--threads must be at least 1, got 0"),
        (["--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_bad_usage(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        command.main(arguments)
    assert left.value.code == 2
    told = capsys.readouterr().err
    assert complaint in told
    assert "nowhere" not in arguments or all(name in told for name in STUDIES)


@pytest.mark.parametrize(("text", "complaint"), [(None, "No such file"), ("{", "Expecting"), ("{}", FORMAT)])
def test_a_baseline_that_cannot_be_read(
    text: str | None, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = tmp_path / "old.json"
    if text is not None:
        baseline.write_text(text)
    assert command.main(["--baseline", str(baseline), "--out", str(tmp_path / "out")]) == 2
    assert complaint in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "taken").write_text("a file")
    assert command.main(["--out", str(tmp_path / "taken")]) == 2
    assert "taken" in capsys.readouterr().err


def test_list_names_every_study(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(STUDIES)


def test_case_and_baseline(quick: tuple[int, str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = quick[2] / "validation.json"
    arguments = ["--quick", "--case", "dispersion", "--baseline", str(old), "--out", str(tmp_path), "--no-plots"]
    assert command.main(arguments) == 0
    assert "  nothing changed" in capsys.readouterr().out
    assert [study["name"] for study in load(tmp_path / "validation.json")["studies"]] == ["dispersion"]
    assert list(tmp_path.glob("*.png")) == []


def test_as_a_command_it_is_quiet_where_there_is_no_terminal(tmp_path: Path) -> None:
    arguments = ["--quick", "--case", "dispersion", "--no-plots", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "validation", *arguments],
        cwd=Path(command.__file__).parents[1],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].startswith("VERDICT: ")


def test_changes_against_a_baseline() -> None:
    old = as_record([outcome(GOOD, BAD, EXACT)], Mode(), 0.1)
    new = copy.deepcopy(old)
    good, bad, exact = new["studies"][0]["claims"]
    assert list(changes(old, new)) == []
    good["passed"], bad["passed"], exact["margin"] = False, True, 5.0
    new["studies"][0]["claims"].append({**exact, "name": "late", "passed": False})
    assert list(changes(old, new)) == [
        "now FAILS: toy: good",
        "now PASSES: toy: bad",
        "margin exact → 5: toy: exact",
        "new: toy: late (FAILS)",
    ]
    assert "gone: toy: late" in list(changes(new, old))


@pytest.mark.parametrize(("factor", "moved"), [(1.0, False), (1.99, False), (2.01, True), (0.51, False), (0.49, True)])
def test_a_margin_moves_by_more_than_two(factor: float, moved: bool) -> None:
    old = as_record([outcome(GOOD)], Mode(), 0.1)
    new = copy.deepcopy(old)
    new["studies"][0]["claims"][0]["margin"] *= factor
    assert len(list(changes(old, new))) == moved


@pytest.mark.parametrize(
    ("forced", "spectral", "fd"),
    [
        (None, ("fft", "dense", "auto"), ("stencil", "fft", "dense", "auto")),
        ("fft", ("fft",), ("fft",)),
        ("stencil", ("auto",), ("stencil",)),
    ],
)
def test_a_forced_execution(forced: str | None, spectral: tuple[str, ...], fd: tuple[str, ...]) -> None:
    mode = Mode(execution=forced)
    assert (mode.executions("spectral"), mode.executions("fd")) == (spectral, fd)
    assert (mode.default("spectral"), mode.default("fd")) == (spectral[0], fd[0])


def test_a_plot_is_drawn_only_if_it_is_saved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(figure: object) -> None:
        raise RuntimeError("drawn")

    study = Study("toy", "A toy", lambda _: iter([GOOD, Plot("never", refuse)]))
    monkeypatch.setattr(command, "STUDIES", {"toy": study})
    assert command.main(["--no-plots", "--out", str(tmp_path)]) == 0
    with pytest.raises(RuntimeError, match="drawn"):
        command.main(["--out", str(tmp_path)])


def test_without_matplotlib_there_are_no_plots(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing() -> None:
        raise ImportError("Plots need matplotlib.")

    monkeypatch.setattr(command, "STUDIES", {"toy": toy(GOOD)})
    monkeypatch.setattr(command, "new_figure", missing)
    assert command.main(["--out", str(tmp_path)]) == 0
    assert "No plots: Plots need matplotlib." in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["validation.json"]
