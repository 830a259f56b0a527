"""How the benchmark measures: interleaved, with minima, memory, limits, and units of its own yardsticks."""

import gc
import time

import pytest
import torch

from benchmarks import candidate, floors, measure, operators, steps, yardsticks
from benchmarks.candidate import COPY, PAIR, Candidate
from benchmarks.problem import Problem

SHAPE = (14, 11, 2, 2)
SQUARE = (12, 12, 2, 2)
FLOPS = {"float32": 1e11, "float64": 5e10}


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def logged(calls, name):
    def call():
        calls.append(name)
        return torch.empty(0)

    return call


def test_candidates_are_interleaved_after_warm_ups():
    calls = []
    times = measure.interleaved({"a": logged(calls, "a"), "b": logged(calls, "b")}, rounds=2)
    visit = 1 + measure.CALLS_PER_VISIT
    assert "".join(calls) == ("a" * 3 + "b" * 3) + ("a" * visit + "b" * visit) * 2
    assert times["a"].samples == 2 * measure.CALLS_PER_VISIT
    assert 0 < times["a"].minimum <= times["a"].median


def test_rounds_end_with_the_time_but_not_before_the_least():
    times = measure.interleaved({"a": lambda: None}, rounds=50, seconds=0.0)
    assert times["a"].samples == measure.LEAST_ROUNDS * measure.CALLS_PER_VISIT


def test_one_thread_is_timed_by_its_cpu(monkeypatch):
    assert measure.clock() is time.process_time
    asleep = measure.interleaved({"asleep": lambda: time.sleep(0.002)}, rounds=1)["asleep"]
    assert asleep.minimum < 0.002
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    assert measure.clock() is time.perf_counter


def test_peak_bytes_counts_what_is_alive_at_once():
    x = torch.ones(2**16, dtype=torch.complex64)

    def two_at_once():
        first = x + 1
        second = first + 1
        del first
        return second

    assert measure.peak_bytes(two_at_once) == pytest.approx(2 * x.nbytes, rel=1e-3)
    assert measure.peak_bytes(lambda: x.add_(1)) < 100


@pytest.fixture(scope="module")
def rows():
    with torch.no_grad():
        return candidate.measure(operators.candidates(Problem(SHAPE), others=False), 1, 0.0, FLOPS)


def test_rows_are_in_units_of_their_own_yardsticks(rows):
    by_name = {(row.operation, row.name): row for row in rows}
    copy = by_name[candidate.YARDSTICK, COPY]
    assert (copy.copies, copy.error) == (1.0, 0.0)
    assert copy.of_limit == pytest.approx(1)
    assert by_name[candidate.YARDSTICK, PAIR].pairs == 1.0
    for row in rows:
        assert row.copies == pytest.approx(row.minimum_ms / copy.minimum_ms)
        assert 0 < row.minimum_ms <= row.median_ms
        assert row.peak_fields < 10
    assert len({row.key for row in rows}) == len(rows)


def test_floors_are_those_of_the_least_schedules():
    T = torch.empty(32, 32, 2, 4, dtype=torch.complex64)
    points, V = T.numel(), 4 / 8  # bytes of V per complex number: 4 for each grid point of 8 channels
    for floor, nbytes, flops in (
        (floors.copy(T), 16, 0),
        (floors.stencil(T, 2), 16 + V, (8 * 1 + 4) * 2),
        (floors.stencil(T, 8), 16 + V, (8 * 4 + 4) * 2),
        (floors.spectral(T), 40 + V, min(8 * 32, 20 * 5)),
        (floors.strang(T), 16 + V, min(8 * 32, 20 * 5)),
        (floors.chebyshev_term(T, 2), 40 + V, (8 * 1 + 4) * 2 + 6),
        (floors.window(T, 64), 65 * 8, 65 * 10 * 5),
        (floors.copy(T) * 3, 48, 0),
    ):
        assert (floor.bytes / points, floor.flops / points) == (nbytes, flops)
    small = torch.empty(8, 8, 1, 1, dtype=torch.complex64)
    assert floors.spectral(small).flops / small.numel() == 20 * 3  # FFT and matrices nearly meet at N = 8
    assert floors.strang(torch.empty(4, 4, 1, 1)).flops / 16 == 8 * 4 / 2  # matrices, on half the real numbers


def test_the_limit_is_the_larger_of_traffic_and_arithmetic():
    problem = Problem(SHAPE)
    listed = [*yardsticks.copy_and_pair(problem), *operators.ours(problem, "H fd8", pinned=False)]
    by_traffic, by_arithmetic = (
        candidate.measure(listed, 1, 0.0, dict.fromkeys(FLOPS, flops))[-1] for flops in (1e30, 1e3)
    )
    least = (2 + 1 / 8) / 2  # T and the result, and V in one real number for four complex ones: in copies
    assert by_traffic.of_limit == pytest.approx(least / by_traffic.copies)
    per_number = 36  # 8R + 4 additions and products at order 2R = 8, of a real number
    assert by_arithmetic.of_limit == pytest.approx(
        per_number * 2 * problem.T.numel() / 1e3 / (by_arithmetic.minimum_ms / 1e3)
    )


def test_steps_are_counted_one_by_one():
    problem = Problem(SQUARE, waves=True)
    many = [*yardsticks.copy_and_pair(problem), steps.splitting(problem, "strang", "Strang step", 64)]
    row = candidate.measure(many, 1, 0.0, FLOPS)[-1]
    whole = measure.interleaved({"all": many[-1].call}, 1)["all"].minimum
    assert row.parts == 64
    assert row.minimum_ms == pytest.approx(1e3 * whole / 64, rel=3)


def test_names_that_would_hide_each_other_are_refused():
    problem = Problem(SHAPE)
    with pytest.raises(ValueError, match="different names"):
        candidate.measure([*yardsticks.copy_and_pair(problem)] * 2, 1, 0.0, FLOPS)


def test_garbage_of_others_is_not_counted():
    frozen = []
    problem = Problem(SHAPE)
    spy = Candidate("x", "spy", problem, lambda: frozen.append(gc.get_freeze_count()), None)
    candidate.measure([*yardsticks.copy_and_pair(problem), spy], 1, 0.0, FLOPS)
    assert frozen[-1] > 0
    assert gc.get_freeze_count() == 0
