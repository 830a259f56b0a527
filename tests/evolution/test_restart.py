"""Restart files: a run that was killed goes on to the same bits, and to the same account of itself."""

import math

import pytest
import torch

import spectral_ham as sh

pytestmark = pytest.mark.filterwarnings("ignore::spectral_ham.analysis.preflight.Advice")

TORUS = sh.Torus((5, 6), lengths=(4.1, 5.3), origin=(-0.4, 0.9))
TIMES = [0.3, 0.55555, 1.0, 1.7]  # the second lies within a step; two intervals differ by rounding alone
COURSES = {
    "steps": {"method": "strang", "dt": 0.001},
    "exact": {"method": "exact"},
    "leaps": {"method": "chebyshev", "tol": 1e-8},
}


class Killed(Exception):
    pass


def problem(course):
    x, y = TORUS.coordinates()
    V = torch.cos(2 * math.pi * (x + 0.4) / 4.1) * torch.cos(2 * math.pi * y / 5.3)
    H = sh.Hamiltonian(TORUS, potential=(lambda t: V * math.cos(t)) if course == "steps" else V, hbar=0.9)
    return H, torch.randn(5, 6, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))


def run(course, path=None, scale=1.0, callback=None, **changed):
    H, T = problem(course)
    given = {"save_times": TIMES, "observables": {"n": lambda T, _: T.abs().sum()}, **COURSES[course], **changed}
    return sh.evolve(H, scale * T, 2.0, restart=path, restart_every=1e-9, callback=callback, **given)


@pytest.mark.parametrize("course", COURSES)
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path, course):
    path, whole, seen = tmp_path / "run", run(course), []

    def kill(T, t):
        if t == 1.0:
            raise Killed

    with pytest.raises(Killed):
        run(course, path, callback=kill)
    for expected in ([1.0, 1.7], []):  # the second time the file holds the finished run
        seen.clear()
        again = run(course, path, callback=lambda _, t: seen.append(t))
        assert seen == expected
        assert again.stats == whole.stats
        for name in ("times", "fields", "final"):
            assert torch.equal(getattr(again, name), getattr(whole, name)), name
        assert torch.equal(again.observables["n"], whole.observables["n"])


@pytest.mark.parametrize("changed", [{"scale": 2.0}, {"dt": 0.002}, {"save_times": [1.0]}, {"imaginary": True}])
def test_a_file_of_another_run_is_refused(tmp_path, changed):
    run("steps", tmp_path / "run")
    with pytest.raises(ValueError, match=r"`evolve\(restart=...\)` must be the file of this very run"):
        run("steps", tmp_path / "run", **changed)


def test_what_no_file_can_serve_is_refused(tmp_path):
    (tmp_path / "text").write_text("no run")
    with pytest.raises(ValueError, match=r"`evolve\(restart=...\)` must be a restart file"):
        run("steps", tmp_path / "text")
    with pytest.raises(ValueError, match=r"`evolve\(restart=...\)` must be used with dt=, not while"):
        run("steps", tmp_path / "run", dt=None, tol=1e-4)
    H, T = problem("leaps")
    with pytest.raises(ValueError, match=r"`evolve\(restart=...\)` must be None while a gradient is recorded"):
        sh.evolve(H, T.requires_grad_(), 1.0, restart=tmp_path / "run")
