"""The ambient metric and backend: who sees it, when it ends, and that the classes never do."""

import asyncio
import contextvars
import math
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import spectral_ham as sh
from spectral_ham.drop_in import context as context_module

T = torch.randn((6, 5, 2, 2), generator=torch.Generator().manual_seed(3), dtype=torch.complex128)
ANISOTROPIC, OTHER = (2.0, 0.5), (0.3, 1.7)


def evolve(**keywords):
    return sh.hamiltonian_evolution_with_metric(T, hbar_cog=0.7, m_cog=1.6, **keywords)


FLAT, WITH_METRIC, WITH_OTHER = evolve(), evolve(g_inv_diag=ANISOTROPIC), evolve(g_inv_diag=OTHER)
SPECTRAL = evolve(backend="spectral")


def sees(expected):
    return torch.equal(evolve(), expected)


@pytest.fixture(autouse=True)
def nothing_left_open():
    """Every test ends as it began: flat, and with the count of open contexts at zero."""
    assert context_module._open_contexts == 0
    yield
    assert sees(FLAT)
    assert context_module._open_contexts == 0


def test_the_four_settings_differ():
    results = [FLAT, WITH_METRIC, WITH_OTHER, SPECTRAL]
    assert not any(torch.equal(a, b) for i, a in enumerate(results) for b in results[:i])


# What is in force


def test_a_context_gives_its_metric_to_the_drop_in_that_takes_one():
    flat = sh.hamiltonian_evolution(T), sh.spatial_laplacian(T), sh.spatial_laplacian_x(T), sh.spatial_laplacian_y(T)
    with sh.GeometryContext(ANISOTROPIC):
        assert sees(WITH_METRIC)
        assert torch.equal(evolve(g_inv_diag=OTHER), WITH_OTHER)
        inside = (
            sh.hamiltonian_evolution(T),
            sh.spatial_laplacian(T),
            sh.spatial_laplacian_x(T),
            sh.spatial_laplacian_y(T),
        )
        assert all(torch.equal(a, b) for a, b in zip(flat, inside, strict=True))


def test_contexts_nest():
    with sh.GeometryContext(ANISOTROPIC):
        with sh.GeometryContext(OTHER):
            assert sees(WITH_OTHER)
        assert sees(WITH_METRIC)
        with sh.GeometryContext(None):
            assert sees(FLAT)
            with sh.GeometryContext(backend="spectral"):
                assert sees(SPECTRAL)
        assert sees(WITH_METRIC)


def test_inherit_keeps_the_outer_value_and_none_takes_it_away():
    both = evolve(g_inv_diag=ANISOTROPIC, backend="spectral")
    with sh.GeometryContext(ANISOTROPIC):
        with sh.GeometryContext(backend="spectral"):
            assert sees(both)
            with sh.GeometryContext(g_inv_diag=sh.INHERIT, backend=sh.INHERIT):
                assert sees(both)
            with sh.GeometryContext(g_inv_diag=None):
                assert sees(SPECTRAL)
            with sh.GeometryContext(backend=None):
                assert sees(WITH_METRIC)
        assert sees(WITH_METRIC)
    assert repr(sh.INHERIT) == "INHERIT"


def test_an_exception_restores():
    with pytest.raises(KeyError), sh.GeometryContext(ANISOTROPIC), sh.GeometryContext(backend="spectral"):
        raise KeyError
    assert sees(FLAT)


def test_one_object_may_be_entered_again():
    geometry = sh.GeometryContext(ANISOTROPIC)
    assert sees(FLAT)
    for _ in range(2):
        with geometry as entered:
            assert entered is geometry
            assert sees(WITH_METRIC)
            with sh.GeometryContext(OTHER):
                assert sees(WITH_OTHER)
                with geometry:
                    assert sees(WITH_METRIC)
                assert sees(WITH_OTHER)
            assert sees(WITH_METRIC)
        assert sees(FLAT)


def test_a_metric_that_is_changed_in_place_counts_at_once():
    g = torch.tensor(ANISOTROPIC, dtype=torch.float64)
    with sh.GeometryContext(g):
        assert sees(WITH_METRIC)
        g.copy_(torch.tensor(OTHER))
        assert torch.allclose(evolve(), WITH_OTHER, rtol=1e-6)
        g.fill_(-1.0)
        with pytest.raises(ValueError, match="positive definite"):
            evolve()


def test_gradients_reach_a_metric_in_a_context():
    g = torch.tensor([2.0, 0.5, 1.0], requires_grad=True)
    with sh.GeometryContext(g):
        evolve().abs().square().sum().backward()
    reference = torch.tensor([2.0, 0.5, 1.0], requires_grad=True)
    evolve(g_inv_diag=reference).abs().square().sum().backward()
    assert torch.equal(g.grad, reference.grad)
    assert g.grad.dtype == torch.float32


def test_a_gradient_outlives_the_context():
    """Backward runs on autograd's own threads, where no context is open: it must not look for one."""
    X = T.clone().requires_grad_()
    with sh.GeometryContext(ANISOTROPIC, backend="spectral"):
        loss = sh.hamiltonian_evolution_with_metric(X, hbar_cog=0.7, m_cog=1.6).abs().square().sum()
    with sh.GeometryContext(OTHER):
        loss.backward()
    reference = T.clone().requires_grad_()
    keywords = {"hbar_cog": 0.7, "m_cog": 1.6, "g_inv_diag": ANISOTROPIC, "backend": "spectral"}
    sh.hamiltonian_evolution_with_metric(reference, **keywords).abs().square().sum().backward()
    assert torch.equal(X.grad, reference.grad)


def test_classes_never_read_it():
    torus = sh.Torus((6, 5))
    H, lap = sh.Hamiltonian(torus), sh.Laplacian(torus)
    outside = H(T), lap(T), H.energy(T), lap.symbol()
    with sh.GeometryContext(ANISOTROPIC, backend="fd"):
        inside = H(T), lap(T), H.energy(T), lap.symbol()
        assert all(torch.equal(a, b) for a, b in zip(outside, inside, strict=True))
        fresh = sh.Hamiltonian(torus)
        assert fresh.backend == "spectral"
        assert torch.equal(fresh(T), outside[0])
        assert torch.equal(sh.Laplacian(torus)(T), outside[1])


# Threads, tasks, generators


def test_another_thread_starts_without_a_context():
    with sh.GeometryContext(ANISOTROPIC), ThreadPoolExecutor(1) as pool:
        assert pool.submit(sees, FLAT).result()
        assert pool.submit(contextvars.copy_context().run, sees, WITH_METRIC).result()
        assert sees(WITH_METRIC)


def test_threads_do_not_see_each_other():
    barrier, wrong = threading.Barrier(2), []

    def work(metric, expected):
        for _ in range(20):
            with sh.GeometryContext(metric):
                barrier.wait(timeout=30)
                if not sees(expected):
                    wrong.append(metric)
                barrier.wait(timeout=30)

    threads = [threading.Thread(target=work, args=pair) for pair in ((ANISOTROPIC, WITH_METRIC), (OTHER, WITH_OTHER))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_one_object_may_be_entered_by_two_threads():
    geometry, barrier, right = sh.GeometryContext(ANISOTROPIC), threading.Barrier(2), []

    def work():
        with geometry:
            barrier.wait(timeout=30)
            right.append(sees(WITH_METRIC))
        right.append(sees(FLAT))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 4


def test_tasks_do_not_see_each_other():
    async def work(metric, expected):
        with sh.GeometryContext(metric):
            for _ in range(5):
                await asyncio.sleep(0)
                assert sees(expected)

    async def main():
        with sh.GeometryContext(backend="spectral"):
            inherited = asyncio.create_task(work(None, SPECTRAL))  # a task starts from a copy of its parent's context
        await asyncio.gather(work(ANISOTROPIC, WITH_METRIC), work(OTHER, WITH_OTHER), inherited)
        assert sees(FLAT)

    asyncio.run(main())


def test_one_object_may_be_entered_by_two_tasks():
    geometry = sh.GeometryContext(ANISOTROPIC)

    async def work(pauses):
        with geometry:
            for _ in range(pauses):
                await asyncio.sleep(0)
            assert sees(WITH_METRIC)
        await asyncio.sleep(0)
        assert sees(FLAT)

    async def main():
        await asyncio.gather(work(1), work(3), work(2))

    asyncio.run(main())


def in_a_context(metric):
    with sh.GeometryContext(metric):
        yield sees(WITH_METRIC)
        yield sees(WITH_METRIC)


def test_a_generator_that_runs_to_its_end_restores():
    assert all(in_a_context(ANISOTROPIC))
    assert sees(FLAT)
    suspended = in_a_context(ANISOTROPIC)
    next(suspended)
    suspended.close()
    assert sees(FLAT)


def test_a_generator_closes_its_own_context_and_no_other():
    suspended = in_a_context(ANISOTROPIC)
    next(suspended)
    with sh.GeometryContext(OTHER):
        assert sees(WITH_OTHER)
        suspended.close()
        assert sees(WITH_OTHER)
    assert sees(FLAT)


def test_a_generator_closed_in_another_thread_does_no_harm_there():
    """Garbage collection may end a generator anywhere: a thread must not lose contexts that it never opened."""

    def close_and_look(suspended):
        with sh.GeometryContext(OTHER):
            suspended.close()
            inside = sees(WITH_OTHER)
        return inside and sees(FLAT)

    copied = contextvars.copy_context()  # what the generator leaves behind in its own thread ends with this copy
    suspended = in_a_context(ANISOTROPIC)
    copied.run(next, suspended)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(close_and_look, suspended).result()


# The object


def test_attributes():
    g = torch.tensor([2.0, 0.5, 1.0])
    geometry = sh.GeometryContext(g)
    assert geometry.g_inv is g
    assert not geometry.is_flat
    assert not geometry.is_isotropic
    assert geometry.get_spatial_components() == (2.0, 0.5)
    assert geometry.elapsed_time == 0.0
    assert geometry.backend is None
    flat = sh.GeometryContext(None, backend="spectral")
    assert flat.g_inv is None
    assert flat.is_flat
    assert flat.is_isotropic
    assert flat.get_spatial_components() == (1.0, 1.0)
    assert flat.backend == "spectral"
    assert sh.GeometryContext((3.0, 3.0, 1.0)).is_isotropic
    assert not sh.GeometryContext((3.0, 3.0)).is_flat


def test_attributes_of_an_inheriting_context_are_those_in_force():
    inherits = sh.GeometryContext()
    assert inherits.is_flat
    with sh.GeometryContext(ANISOTROPIC, backend="spectral"), inherits:
        assert inherits.g_inv == ANISOTROPIC
        assert inherits.get_spatial_components() == ANISOTROPIC
        assert not inherits.is_flat
        assert inherits.backend == "spectral"
    assert inherits.is_flat


@pytest.mark.parametrize(
    "g",
    [
        (2.0, 0.5, 9.0),
        [2, 0.5],
        torch.tensor([2.0, 0.5]),
        torch.tensor([2.0, 0.5], dtype=torch.bfloat16),
        np.array([2.0, 0.5]),
    ],
    ids=repr,
)
def test_components_of_plain_numbers_are_floats(g):
    components = sh.GeometryContext(g).get_spatial_components()
    assert components == (2.0, 0.5)
    assert all(type(component) is float for component in components)


def test_components_keep_the_gradient():
    g = torch.tensor([2.0, 0.5], requires_grad=True)
    g_xx, g_yy = sh.GeometryContext(g).get_spatial_components()
    (g_xx + 3 * g_yy).backward()
    assert torch.equal(g.grad, torch.tensor([1.0, 3.0]))


def test_elapsed_time_is_measured_when_asked_for():
    with sh.GeometryContext(ANISOTROPIC, track_perf=True) as timed:
        time.sleep(0.02)
    assert 0.02 <= timed.elapsed_time < 10.0
    with sh.GeometryContext(ANISOTROPIC) as untimed:
        time.sleep(0.001)
    assert untimed.elapsed_time == 0.0
    with pytest.raises(KeyError), sh.GeometryContext(track_perf=True) as failed:
        raise KeyError
    assert failed.elapsed_time > 0.0


def test_elapsed_time_of_a_context_within_itself():
    timed = sh.GeometryContext(track_perf=True)
    with timed:
        with timed:
            time.sleep(0.005)
        inner = timed.elapsed_time
        time.sleep(0.02)
    assert 0.005 <= inner < timed.elapsed_time
    assert timed.elapsed_time >= 0.025


def test_the_other_name():
    assert sh.MetricContext is sh.GeometryContext


def test_the_old_second_argument_by_position_is_loud():
    """The replaced class had ``validate`` second: there it meets ``backend``, which refuses it."""
    with pytest.raises(ValueError, match="'spectral', 'fd'"):
        sh.GeometryContext(torch.tensor(ANISOTROPIC), True)


# What is checked


@pytest.mark.parametrize(
    ("g", "message"),
    [((0.0, 1.0), "positive definite"), ((1.0, -1.0), "positive definite"), ((math.nan, 1.0), "NaN or Inf")],
)
def test_a_wrong_metric_is_refused_at_once(g, message):
    with pytest.raises(ValueError, match=message) as caught:
        sh.GeometryContext(g)
    assert "GeometryContext(g_inv_diag=...)" in str(caught.value)
    with pytest.raises(ValueError, match="1-D"):
        sh.GeometryContext(torch.ones(2, 2), validate=False)


def test_an_unknown_backend_is_refused_at_once():
    with pytest.raises(ValueError, match="'spectral', 'fd'"):
        sh.GeometryContext(backend="fourier")


def test_validation_may_be_turned_off():
    g = torch.tensor([1.0, -1.0], dtype=torch.float64)
    with sh.GeometryContext(g, validate=False):
        result = evolve()
        with pytest.raises(ValueError, match="positive definite"):
            evolve(g_inv_diag=g)  # an argument is always checked
        with sh.GeometryContext(backend="spectral"):
            assert torch.isfinite(torch.view_as_real(evolve())).all()  # the metric comes with its own setting
        with sh.GeometryContext(ANISOTROPIC):
            assert sees(WITH_METRIC)
    along_x, along_y = sh.spatial_laplacian_x(T), sh.spatial_laplacian_y(T)
    torch.testing.assert_close(result, -(0.7**2) / (2 * 1.6) * (along_x - along_y))
    with sh.GeometryContext((math.nan, 1.0), validate=False):
        assert torch.isnan(evolve().real).all()


def test_a_single_component_warns_and_counts_for_both_axes():
    with pytest.warns(UserWarning, match="one component") as caught:
        geometry = sh.GeometryContext((2.0,))
    assert [warning.filename for warning in caught] == [__file__]
    with geometry, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert geometry.is_isotropic
        assert sees(evolve(g_inv_diag=(2.0, 2.0)))
