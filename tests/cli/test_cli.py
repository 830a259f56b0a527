"""The command line: exit status, output, files, messages; and that broken operators do not pass."""

import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest
import torch

import spectral_ham as sh
from spectral_ham.cli.about import about, citation
from spectral_ham.cli.main import main
from spectral_ham.convergence import ConvergenceStudy, Verdict

UGLY = ["--metric", "2.0", "0.3", "0.3", "0.5", "--lengths", "5", "7", "--modes", "2", "-1"]
GRIDS = ["--grids", "21", "30", "45", "63"]


def converge(capsys, *arguments):
    """Run ``spectral-ham converge --json`` and return its exit status and study."""
    status = main(["converge", "--json", *arguments])
    return status, ConvergenceStudy.from_json(capsys.readouterr().out)


@pytest.mark.parametrize(("order", "execution"), [(2, "auto"), (4, "fft"), (6, "dense"), (8, "stencil")])
def test_fd_shows_its_order_and_its_constant(capsys, order, execution):
    scheme = ["--backend", "fd", "--stencil-order", str(order), "--execution", execution]
    status, study = converge(capsys, *scheme, *UGLY, *GRIDS)
    assert status == 0
    assert study.passed
    assert study.expected.order == order
    assert abs(study.order - order) <= 0.05
    assert study.constant == pytest.approx(study.expected.constant, rel=0.02)


@pytest.mark.parametrize("metric", [["2.0"], ["2.0", "0.5", "1.5"], ["2", ".3", "0", ".3", "1", ".2", "0", ".2", "1"]])
def test_one_and_three_dimensions(capsys, metric):
    status, study = converge(capsys, "--backend", "fd", "--metric", *metric, "--grids", "15", "24", "36")
    assert status == 0
    assert study.constant == pytest.approx(study.expected.constant, rel=0.02)


@pytest.mark.parametrize("field", ["plane-wave", "bump"])
@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_spectral_reaches_its_budget(capsys, field, dtype):
    status, study = converge(capsys, "--field", field, "--dtype", dtype, *UGLY, *GRIDS)
    assert status == 0
    assert study.expected.order == "spectral"
    assert study.order is None
    assert study.rows[-1].error <= study.rows[-1].floor
    # a budget that is never nearly used would let errors pass
    assert study.rows[-1].error > study.rows[-1].floor / 200


def test_fd_on_all_modes_at_once_shows_its_order(capsys):
    status, study = converge(capsys, "--backend", "fd", "--field", "bump", "--grids", "45", "64", "90", "128")
    assert status == 0
    assert study.expected.constant is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["--grids", "6", "9"],  # spectral, under-resolved
        ["--backend", "fd", "--grids", "9", "12", "15", "--modes", "4", "4"],  # not asymptotic
        ["--backend", "fd", "--stencil-order", "8", "--dtype", "complex64"],  # round-off hides the order
    ],
)
def test_theory_that_is_not_met_exits_with_1(capsys, arguments):
    status, study = converge(capsys, *arguments)
    assert status == 1
    assert not study.passed


def swapped_axes(torus, inverse_metric, **options):
    return sh.Hamiltonian(torus, inverse_metric=inverse_metric.tensor.flip(-1), **options)


def lower_order(torus, stencil_order, **options):
    return sh.Hamiltonian(torus, stencil_order=2, **options)


def relative_error_of_1e_6(torus, **options):
    return sh.Hamiltonian(torus, mass=1 + 1e-6, **options)


class DoubledError:
    """2·H_fd − H_spectral: the order of the stencil is right, its constant is twice what it should be."""

    def __init__(self, torus, backend, **options):
        self.torus = torus
        self.fd = sh.Hamiltonian(torus, backend=backend, **options)
        self.spectral = sh.Hamiltonian(torus, backend="spectral", **options | {"execution": "auto"})

    def __call__(self, T):
        return 2 * self.fd(T) - self.spectral(T)

    def spectral_bounds(self):
        return self.fd.spectral_bounds()


@pytest.mark.parametrize(
    ("broken", "backend", "verdict"),
    [
        (swapped_axes, "fd", Verdict.DIVERGES),
        (swapped_axes, "spectral", Verdict.DIVERGES),
        (lower_order, "fd", Verdict.CONVERGES),
        (DoubledError, "fd", Verdict.CONVERGES),
        (relative_error_of_1e_6, "spectral", Verdict.DIVERGES),
    ],
)
def test_broken_operators_do_not_pass(capsys, monkeypatch, broken, backend, verdict):
    arguments = ["--backend", backend, "--stencil-order", "4", "--metric", "2.0", "0.5", *GRIDS]
    assert converge(capsys, *arguments)[0] == 0
    monkeypatch.setattr("spectral_ham.cli.converge.Hamiltonian", broken)
    status, study = converge(capsys, *arguments)
    assert status == 1
    assert study.verdict is verdict


def test_report_is_readable(capsys):
    assert main(["converge", "--backend", "fd", "--metric", "2.0", "0.5", *GRIDS]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("H, fd of order 2, plane-wave of modes 1, 2, complex128: PASS, converges\n|")
    assert out.endswith(": met.\n")
    assert err == ""


def test_out_writes_json_and_figure(capsys, tmp_path):
    status, study = converge(capsys, "--backend", "fd", *GRIDS, "--out", str(tmp_path / "new" / "folder"))
    assert status == 0
    written = (tmp_path / "new" / "folder" / "study.json").read_text(encoding="utf-8")
    assert ConvergenceStudy.from_json(written) == study
    assert (tmp_path / "new" / "folder" / "convergence.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metric", "1", "-1"], "positive definite"),
        (["--metric", "nan", "1"], "NaN or Inf"),
        (["--metric", "1", "2", "3", "4", "5"], "`--metric` must be 1, 2 or 3 numbers"),
        (["--metric", "1", "0.3", "0.2", "1"], "symmetric"),
        (["--lengths", "0"], "a positive finite number"),
        (["--metric", "1", "1", "--lengths", "1", "2", "3"], "one per axis"),
        (["--metric", "1", "1", "--modes", "1"], "`--modes` must be one number for each of the 2 axes"),
        (["--modes", "0", "0"], "not all zero"),
        (["--grids", "0", "8"], "`--grids` must be an integer of at least 1"),
        (["--grids", "8"], "at least two resolutions"),
        (["--grids", "32", "16"], "strictly decreasing"),
        (["--backend", "magic"], "'spectral'"),
        (["--backend", "fd", "--stencil-order", "3"], "2, 4, 6"),
        (["--execution", "stencil"], "execution"),
        (["--field", "cone"], "'plane-wave', 'bump'"),
        (["--dtype", "float16"], "'complex64', 'complex128'"),
    ],
)
def test_bad_usage_exits_with_2_and_the_message_of_the_package(capsys, arguments, message):
    assert main(["converge", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("spectral-ham: `")
    assert message in err
    assert "Traceback" not in err


def test_folder_that_cannot_be_written_is_bad_usage(capsys, tmp_path):
    (tmp_path / "file").touch()
    assert main(["converge", "--metric", "1", "--grids", "8", "32", "--out", str(tmp_path / "file")]) == 2
    assert "file" in capsys.readouterr().err


def test_missing_matplotlib_is_named_before_files_are_written(capsys, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert main(["converge", "--metric", "1", "--grids", "8", "32", "--out", str(tmp_path / "new")]) == 2
    assert "spectral-ham[plot]" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("arguments", [[], ["unknown"], ["converge", "--grids", "x"], ["converge", "--stencil-order"]])
def test_wrong_flags_exit_with_2(capsys, arguments):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: spectral-ham" in capsys.readouterr().err


def test_version_and_help_exit_with_0(capsys):
    for arguments, shown in ((["--version"], f"spectral-ham {sh.__version__}\n"), (["converge", "--help"], "--metric")):
        with pytest.raises(SystemExit) as left:
            main(arguments)
        assert left.value.code == 0
        assert shown in capsys.readouterr().out


def test_bench_forwards_its_arguments_and_its_status(capsys, monkeypatch):
    import benchmarks.__main__

    seen = []
    monkeypatch.setattr(benchmarks.__main__, "main", lambda arguments: seen.append(arguments) or 1)
    path = list(sys.path)
    assert main(["bench", "--check", "--out", "folder"]) == 1
    assert seen == [["--check", "--out", "folder"]]
    assert sys.path == path
    monkeypatch.undo()
    with pytest.raises(SystemExit) as left:
        main(["bench", "--help"])
    assert left.value.code == 0
    assert "usage: spectral-ham bench" in capsys.readouterr().out


def test_bench_outside_a_clone_says_what_to_do(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sh, "__file__", str(tmp_path / "site-packages" / "spectral_ham" / "__init__.py"))
    assert main(["bench"]) == 2
    assert "clone the repository" in capsys.readouterr().err


def test_about_lists_versions_and_threads(capsys):
    assert main(["about"]) == 0
    out = capsys.readouterr().out
    assert out == about() + "\n"
    for shown in (
        f"spectral_ham {sh.__version__}",
        f"torch {torch.__version__}",
        f"threads: {torch.get_num_threads()} ",
    ):
        assert shown in out


def test_about_survives_a_missing_extra(monkeypatch):
    monkeypatch.setattr("spectral_ham.cli.about.PACKAGES", ("no-such-package",))
    assert "no-such-package is not installed" in about()


def test_citation_is_balanced_bibtex_of_this_version():
    assert sh.__version__ in citation()
    assert citation().count("{") == citation().count("}")


def test_entry_point_is_main():
    (script,) = entry_points(group="console_scripts", name="spectral-ham")
    assert script.load() is main


def test_runs_in_a_process_of_its_own_without_greek_letters():
    """A terminal in ASCII gets question marks, and the exit status of the study."""
    arguments = ["converge", "--backend", "fd", "--grids", "16", "32"]
    command = [sys.executable, "-W", "error", "-m", "spectral_ham", *arguments]
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "?x" in done.stdout


def test_version_loads_nothing_heavy_beside_torch():
    code = """
import sys
from spectral_ham.cli.main import main
try:
    main(["--version"])
except SystemExit:
    pass
assert not {"scipy", "matplotlib", "tabulate", "spectral_ham.convergence", "spectral_ham.exact"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)
