"""Restart files on disk: damage, other runs, other processes, bad paths and full disks all end in named errors."""

import errno
import os
import sys

import pytest
import torch

import spectral_ham as sh
from spectral_ham.evolution.restart import file_format

pytestmark = pytest.mark.filterwarnings("ignore::spectral_ham.analysis.preflight.Advice")

TORUS = sh.Torus(6, lengths=4.1)
T0 = torch.randn(6, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))


def run(path, potential=None, T=T0, hbar=0.9, **changed):
    H = sh.Hamiltonian(TORUS, potential=potential, hbar=hbar)
    given = {"method": "rk4", "dt": 0.01, "save_times": [0.1, 0.2], "observables": {"n": lambda T, _: T.norm()}}
    with torch.no_grad():
        return sh.evolve(H, T, 0.2, restart=path, restart_every=1e-9, **{**given, **changed})


def driven(strength):
    return lambda t: strength * t * torch.ones(6, dtype=torch.float64)


def trap(strength):
    return sh.GrossPitaevskii(1.0, external=torch.full((6,), strength, dtype=torch.float64))


def saturable(strength):
    return sh.NonlinearPotential(lambda T, _: strength / (1 + T.abs() ** 2))


OTHERS = {
    "V": ({"potential": torch.ones(6)}, {"potential": torch.zeros(6)}, "values"),
    "V(t)": ({"potential": driven(1.0)}, {"potential": driven(2.0)}, r"V at t = 0\.06"),
    "V[T]": ({"potential": saturable(1.0)}, {"potential": saturable(2.0)}, r"V\[1T\]"),
    "g": ({"potential": sh.GrossPitaevskii(1.0)}, {"potential": sh.GrossPitaevskii(2.0)}, r"\(g\) was 1.0, is 2.0"),
    "external": ({"potential": trap(1.0)}, {"potential": trap(2.0)}, "external"),
    "hbar": ({}, {"hbar": 1.8}, r"hbar was 0\.9, is 1\.8"),
    "dtype": ({}, {"T": T0.to(torch.complex64)}, "dtype"),
    "T": ({}, {"T": 2 * T0}, r"T \(values\)"),
    "dt": ({}, {"dt": 0.02}, r"dt was 0\.01, is 0\.02"),
    "an observable renamed": (
        {},
        {"observables": {"m": lambda T, _: T.norm()}},
        r"was \['n'\], is \['m'\]",
    ),
    "an observable dropped": ({}, {"observables": None}, r"observables was \['n'\], is \[\]"),
}


@pytest.mark.parametrize("case", OTHERS)
def test_another_run_is_refused_with_what_differs(tmp_path, case):
    first, second, message = OTHERS[case]
    run(tmp_path / "run", **first)
    before = (tmp_path / "run").read_bytes()
    with pytest.raises(sh.RestartError, match=message):
        run(tmp_path / "run", **second)
    assert (tmp_path / "run").read_bytes() == before
    run(tmp_path / "run", **first)  # the run itself is taken


def damaged(data):
    yield b""
    yield data[: len(data) // 2]
    yield data[:-1]
    yield data + b"0"
    yield data.replace(b"restart 3", b"restart 2", 1)
    for bit in range(0, 8 * len(data), 8 * len(data) // 60):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        yield bytes(flipped)


def test_no_damaged_file_is_accepted_or_overwritten(tmp_path):
    path = tmp_path / "run"
    run(path)
    good = path.read_bytes()
    (tmp_path / "run.previous").unlink()
    for data in damaged(good):
        path.write_bytes(data)
        with pytest.raises(sh.RestartError, match=r"`evolve\(restart=...\)` must be a restart file"):
            run(path)
        assert path.read_bytes() == data


def test_any_pickle_is_no_restart_file(tmp_path):
    run(tmp_path / "run")
    torch.save(file_format.read(tmp_path / "run"), tmp_path / "other")
    with pytest.raises(sh.RestartError, match="it is of another kind"):
        run(tmp_path / "other")


def test_the_state_before_serves_where_the_newest_is_damaged(tmp_path):
    path = tmp_path / "run"
    whole = run(path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(sh.RestartWarning, match="goes on from the state written before"):
        again = run(path)
    assert torch.equal(again.fields, whole.fields)
    assert again.stats == whole.stats
    assert (tmp_path / "run.damaged").exists()


def test_a_second_run_of_the_same_file_is_refused(tmp_path):
    def second(T, t):
        with pytest.raises(sh.RestartError, match="must be a file of this run alone"):
            run(tmp_path / "run")

    run(tmp_path / "run", callback=second)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run", "run.previous"]


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 300, ".", "/no/such/folder/run"])
def test_bad_paths_are_named(path):
    with pytest.raises(sh.RestartError, match=r"`evolve\(restart=...\)` must be "):
        run(path)
    with pytest.raises(TypeError, match=r"`evolve\(restart=...\)` must be the path of a file"):
        run(b"run")


def test_a_full_disk_keeps_the_run(tmp_path, monkeypatch):
    def full(stream, content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(file_format, "write", full)
    with pytest.warns(sh.RestartWarning, match="No space left"), pytest.raises(sh.RestartError) as caught:
        run(tmp_path / "run")
    assert torch.equal(caught.value.trajectory.fields, run(None).fields)
    assert list(tmp_path.iterdir()) == []


def test_links_are_followed_and_views_saved_alone(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "run")
    whole = run(tmp_path / "link", T=torch.stack([T0] * 50_000)[0])
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "run").stat().st_size < 20_000
    assert torch.equal(run(tmp_path / "link").fields, whole.fields)


def test_a_run_that_cannot_begin_leaves_no_lock(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with pytest.raises(ImportError, match="must have tqdm installed"):
        run(tmp_path / "run", progress=True)
    assert list(tmp_path.iterdir()) == []
