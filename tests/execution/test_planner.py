"""The planner: a table by default, a measurement if asked for; the choice never changes H[T] beyond rounding."""

import pytest
import torch
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.fields import field
from spectral_ham._internal.memo import Memo
from spectral_ham.execution import bound, planner
from spectral_ham.execution.bound import EXECUTIONS
from spectral_ham.execution.dense import Dense
from spectral_ham.execution.numba import jit
from spectral_ham.execution.planner import PlanKey, estimate, measure

ALL = ("fft", "dense", "stencil")
MANY, FEW = 512, 2


@pytest.fixture(autouse=True)
def nothing_measured(monkeypatch):
    monkeypatch.setattr(planner, "_measured", Memo())


@pytest.mark.parametrize(
    ("key", "candidates", "choice"),
    [
        (PlanKey((64, 60), MANY, double=False), ("fft", "dense"), "dense"),
        (PlanKey((65, 8), MANY, double=False), ("fft", "dense"), "fft"),
        (PlanKey((97, 8), MANY, double=False), ("fft", "dense"), "dense"),
        (PlanKey((131, 8), MANY, double=False), ("fft", "dense"), "fft"),
        (PlanKey((34, 28), FEW, double=False), ("fft", "dense"), "fft"),
        (PlanKey((34, 28), FEW, double=True), ("fft", "dense"), "dense"),
        (PlanKey((28, 28), MANY, double=False), ("fft",), "fft"),
        (PlanKey((28, 28), MANY, double=False, reach=4), ALL, "stencil"),
        (PlanKey((28, 28), MANY, double=False, reach=1, fused=False), ALL, "stencil"),
        (PlanKey((28, 28), MANY, double=False, reach=2, fused=False), ALL, "dense"),
        (PlanKey((28, 28), FEW, double=False, reach=4, fused=False), ALL, "stencil"),
        (PlanKey((200, 200), MANY, double=False, reach=4, fused=False), ALL, "stencil"),
    ],
)
def test_the_table(key, candidates, choice):
    assert estimate(key, candidates) == choice


class Clock:
    """Time passes only where a candidate says so."""

    def __init__(self):
        self.now, self.calls = 0.0, []

    def __call__(self):
        return self.now

    def lasting(self, name, seconds):
        def call():
            self.calls.append(name)
            self.now += seconds

        return lambda: call


def test_a_measurement_takes_the_fastest_and_is_remembered():
    clock, key = Clock(), PlanKey((8, 8), 2, double=True)
    candidates = {"fft": clock.lasting("fft", 3e-3), "dense": clock.lasting("dense", 1e-3)}
    assert measure(key, candidates, clock) == "dense"
    spent = len(clock.calls)
    assert clock.now < 2 * planner.SECONDS_PER_CHOICE
    assert measure(key, {"fft": clock.lasting("fft", 0.0)}, clock) == "dense"
    assert len(clock.calls) == spent
    assert measure(PlanKey((8, 8), 4, double=True), {"fft": clock.lasting("fft", 0.0)}, clock) == "fft"


def test_a_slow_candidate_is_tried_once_after_its_tables_and_a_hopeless_one_never():
    clock = Clock()
    slow, quick = clock.lasting("slow", 1.0), clock.lasting("quick", 1e-6)
    assert measure(PlanKey((8,), 2, double=True), {"slow": slow, "quick": quick}, clock) == "quick"
    assert clock.calls.count("slow") == 2
    assert clock.calls.count("quick") == 1 + planner.TRIALS
    dense = clock.lasting("dense", 0.0)
    assert measure(PlanKey((8, 4096), 2, double=True), {"fft": quick, "dense": dense}, clock) == "fft"
    assert "dense" not in clock.calls


@pytest.mark.parametrize(("backend", "dtype"), [("spectral", torch.float64), ("fd", torch.complex64)], ids=str)
def test_measured_H_is_H(backend, dtype):
    T, V, torus = field((13, 12, 3), dtype), field((13, 12), torch.float64), sh.Torus((13, 12))
    H, reference = (sh.Hamiltonian(torus, potential=V, backend=backend, execution=e) for e in ("measure", "fft"))
    assert_allclose(H(T), reference(T), rtol=0, atol=300 * torch.finfo(dtype).eps)
    again = sh.Hamiltonian(torus, backend=backend, execution="measure")
    assert again.execution_for(T) == H.execution_for(T)
    assert H.execution_for(T) in EXECUTIONS
    assert len(planner._measured.values()) == 1


def test_what_was_measured_is_what_runs(monkeypatch):
    """And not what a table says, which is the stencil."""
    monkeypatch.setattr(bound, "measure", lambda *_: "dense")
    ran, genuine = [], Dense.prepare
    monkeypatch.setattr(Dense, "prepare", lambda *given: (ran.append(1), genuine(*given))[1])
    sh.Hamiltonian(sh.Torus((9, 8)), backend="fd", execution="measure")(field((9, 8, 2)))
    assert ran == [1]


def test_a_new_number_of_threads_is_a_new_question():
    H, T = sh.Hamiltonian(sh.Torus((9, 8)), execution="measure"), field((9, 8, 2))
    H(T)
    torch.set_num_threads(2)
    try:
        H(T)
    finally:
        torch.set_num_threads(1)
    assert len(planner._measured.values()) == 2


@pytest.mark.parametrize(("fused", "choice"), [(True, "stencil"), (False, "dense")])
def test_auto_knows_whether_kernels_are_fused(monkeypatch, fused, choice):
    monkeypatch.setattr(jit, "is_on", lambda: fused)
    H = sh.Hamiltonian(sh.Torus((20, 20)), backend="fd", stencil_order=8)
    assert H.execution_for(field((20, 20, 16))) == choice
