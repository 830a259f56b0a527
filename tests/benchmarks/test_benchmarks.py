"""The benchmark measures what it says and judges everyone fairly."""

import math
import warnings

import pytest
import torch

import spectral_ham as sh
from benchmarks import rivals
from benchmarks.harness import candidate, floors, measure, reference, results, yardsticks
from benchmarks.harness.candidate import ADD, COPY, OURS, PAIR
from benchmarks.harness.problem import DT, Problem, first_channel
from benchmarks.rivals import replaced_kernel
from benchmarks.suites import (
    drop_ins,
    evolution,
    evolve_overhead,
    gradients,
    operators,
    overhead,
    review_claims,
    steps,
    windows,
)

SHAPE = (14, 11, 2, 2)
SQUARE = (12, 12, 2, 2)
ONE_CHANNEL = (12, 12, 1, 1)
EPS = torch.finfo(torch.complex64).eps
CPU = torch.device("cpu")
FLOPS = {"float32": 1e11, "float64": 5e10}


@pytest.fixture(autouse=True)
def no_grad():
    with torch.no_grad():
        yield


def rounding(listed, bound):
    """Assert that every candidate's result is right to rounding, and that only a copy is exact."""
    names = set()
    for c in listed:
        assert c.error is not None, c.name
        error = c.error(c.call())
        assert error <= bound, (c.operation, c.name, error)
        in_single = c.problem.real_dtype == "float32"  # a double-precision reference may agree to the last bit
        assert error > 0 or c.name in (COPY, "clone") or not in_single, (c.operation, c.name)
        names.add(c.name)
    return names


@pytest.mark.parametrize(
    ("shape", "dtype"), [(SHAPE, torch.complex64), (SQUARE, torch.float32), (SHAPE, torch.complex128)]
)
def test_every_operator_computes_what_it_claims(shape, dtype):
    # White noise loses nothing to cancellation: a few roundings per term, 25 terms at order 8, two transforms.
    names = rounding(operators.candidates(Problem(shape, dtype)), 16 * torch.finfo(dtype).eps)
    expected = {"replaced conv2d, metric, circular", "torch.roll", "in-place slices", "FFT pair, native layout"}
    assert names >= {COPY, PAIR, *expected, *(f"{OURS}, {e}" for e in ("auto", "fft", "dense", "stencil"))}
    for package in ("torchfsm", "expsolve"):
        assert (package in names) == rivals.installed(package)


def test_every_drop_in_computes_what_it_claims():
    names = rounding(drop_ins.candidates(Problem(SHAPE)), 16 * EPS)
    assert {f"{OURS}, drop-in", "replaced conv2d, metric, zeros", "replaced conv2d, flat, circular"} <= names


def test_every_window_computes_what_it_claims():
    names = rounding(windows.candidates(Problem(SHAPE)), 64 * EPS)
    assert {f"{OURS}, euler_window", f"{OURS}, loop over H"} <= names


def test_every_fix_of_the_review_keeps_the_result():
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # TorchScript's deprecation must not leave the benchmark
        listed = list(review_claims.candidates(Problem(SHAPE)))
    names = rounding([c for c in listed if c.operation != review_claims.SHARES], 16 * EPS)
    assert set(review_claims.CLAIMS) <= names
    assert {c.name for c in listed if c.operation == review_claims.SHARES} == set(review_claims.PROFILE)


def test_gradients_are_those_of_the_double_precision_run():
    problem = Problem(SQUARE, waves=True)
    for name in operators.MAIN:
        rounding([gradients.operator(Problem(SHAPE), name)], 16 * EPS)
    rounding((gradients.both(problem, 8, way) for way in ("reversible", "autograd", "checkpoint")), 64 * EPS)


def test_steps_have_the_error_of_their_order():
    exact = steps.splitting(Problem(SQUARE, torch.complex128, waves=True), "strang", "Strang step", 8)
    plain = reference.strang(exact.problem.first_channel, exact.problem.wide_V, DT, 8)
    torch.testing.assert_close(first_channel(exact.call()), plain)
    errors = {c.name: c.error(c.call()) for c in steps.candidates(Problem(SQUARE, waves=True), 8, 8)}
    assert 100 * EPS < errors[f"{OURS}, strang"] < 1e-3  # the step's error, far above rounding
    assert errors[f"{OURS}, blanes_moan4"] < 64 * EPS
    assert errors[f"{OURS}, chebyshev"] < 64 * EPS
    if rivals.installed("expsolve"):
        assert errors["expsolve"] == pytest.approx(errors[f"{OURS}, strang"], rel=0.05)
        assert errors["expsolve, blanes_moan4"] < 64 * EPS
    if rivals.installed("torchfsm"):
        assert 100 * EPS < errors["torchfsm, ETDRK2"] < 0.1


def test_exact_evolution_is_the_exponential():
    problem = Problem((10, 9, 1, 1), torch.complex128, waves=True)
    H = operators.hamiltonian(problem, "fd").as_matrix()
    expected = torch.matrix_exp(-1j * 3.0 / reference.HBAR * H) @ problem.first_channel.flatten()
    torch.testing.assert_close(problem.exact_at(3.0, reference.fd).flatten(), expected)
    back = problem.exact_at(-3.0, reference.fd)
    torch.testing.assert_close(
        reference.evolved(lambda T: reference.fd(T) + problem.wide_V * T, 0.2, back, 3.0), problem.first_channel
    )


def test_replaced_kernel_exchanges_the_axes():
    T, g = reference.random_field(SHAPE), torch.tensor([2.0, 0.5])
    replaced = replaced_kernel.hamiltonian_evolution_with_metric(T, 0.1, 1.0, g, padding="circular")
    exchanged = sh.hamiltonian_evolution_with_metric(T, hbar_cog=0.1, m_cog=1.0, g_inv_diag=g.flip(0))
    same = sh.hamiltonian_evolution_with_metric(T, hbar_cog=0.1, m_cog=1.0, g_inv_diag=g)
    torch.testing.assert_close(replaced, exchanged)
    assert not torch.allclose(replaced, same)


def test_replaced_kernel_pads_with_zeros_as_reviewed():
    T, V = reference.random_field(SHAPE), torch.rand(SHAPE)
    replaced, ours = replaced_kernel.hamiltonian_evolution(T, V=V), sh.hamiltonian_evolution(T, V=V)
    torch.testing.assert_close(replaced[1:-1, 1:-1], ours[1:-1, 1:-1])
    for edge in (0, -1):
        assert not torch.isclose(replaced[edge], ours[edge]).any()
        assert not torch.isclose(replaced[:, edge], ours[:, edge]).any()
    circular = replaced_kernel.hamiltonian_evolution(T, V=V, padding="circular")
    torch.testing.assert_close(circular, ours)


@pytest.mark.slow  # numba compiles for seconds
@pytest.mark.skipif(not rivals.installed("py-pde"), reason="py-pde is not installed")
def test_the_five_point_laplacian_of_a_single_channel_is_measured():
    (only,) = rivals.pypde.laplacian(Problem(ONE_CHANNEL))
    assert only.error(only.call()) < 16 * EPS
    assert list(rivals.pypde.laplacian(Problem(SHAPE))) == []


def test_a_missing_package_is_skipped_and_named(monkeypatch):
    monkeypatch.setattr(rivals, "PACKAGES", {"torchfsm": "no_such_module", "expsolve": "no_such_module"})
    assert rivals.skipped() == ["torchfsm", "expsolve"]
    assert rivals.versions() == {}
    monkeypatch.setattr(rivals, "installed", lambda _: False)
    assert list(rivals.hamiltonians(Problem(SHAPE))) == []
    document = results.as_document("quick", [], FLOPS, CPU)
    assert document["skipped"] == ["torchfsm", "expsolve"]


def test_overheads_are_measured_of_right_results(monkeypatch):
    monkeypatch.setattr(overhead, "CALLS", 3)
    listed = [c for shape in overhead.SHAPES for c in overhead.candidates(Problem(shape))]
    judged = [c for c in listed if c.error is not None and c.name != ADD]
    names = rounding([c for c in judged if "FFT" not in c.name], 16 * EPS)
    assert {f"{OURS}, strang", f"{OURS}, drop-in, flat", f"{OURS}, drop-in, metric"} <= names
    rows = {(row.operation, row.name): row for row in candidate.measure(listed, 1, 0.0, FLOPS)}
    assert rows["yardstick", ADD].adds == 1
    row = rows["H fd2", f"{OURS}, auto"]
    assert row.adds == pytest.approx(row.minimum_ms / rows["yardstick", ADD].minimum_ms)


def test_the_loop_by_hand_and_evolve_take_the_same_steps():
    rounding(evolve_overhead.candidates(Problem(SHAPE, waves=True)), 256 * EPS)


@pytest.mark.filterwarnings("ignore::spectral_ham.Advice")
def test_points_of_strang_fall_with_its_order_and_count_one_pair_per_step():
    H = sh.Hamiltonian(evolution.TORUS, potential=evolution.lattice(), backend="fd")
    T = evolution.smooth_field()
    case = evolution.Case(H, T, sh.propagators.Chebyshev(H, evolution.TIME, tol=1e-13)(T), 0.0)
    coarse, fine = (evolution._measure(case, "strang", "dt", evolution.TIME / n) for n in (64, 128))
    assert math.log2(coarse.error / fine.error) == pytest.approx(2, abs=0.1)
    assert (coarse.products, fine.products) == (64, 128)


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


def test_peak_bytes_counts_what_is_alive_at_once():
    x = torch.ones(2**16, dtype=torch.complex64)

    def two_at_once():
        first = x + 1
        second = first + 1
        del first
        return second

    assert measure.peak_bytes(two_at_once) == pytest.approx(2 * x.nbytes, rel=1e-3)
    assert measure.peak_bytes(lambda: x.add_(1)) < 100


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


def test_names_that_would_hide_each_other_are_refused():
    problem = Problem(SHAPE)
    with pytest.raises(ValueError, match="different names"):
        candidate.measure([*yardsticks.copy_and_pair(problem)] * 2, 1, 0.0, FLOPS)
