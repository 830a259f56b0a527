"""Fused kernels may be switched off, absent, broken, forked, and shared by threads."""

import os
import threading
import warnings

import pytest
import torch
from helpers import exit_status_of_a_fork
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.fields import field
from spectral_ham.execution.numba import jit

needs_numba = pytest.mark.skipif(not jit.is_on(), reason="numba is not installed, or fused kernels are off")


@needs_numba
def test_the_switch(monkeypatch):
    monkeypatch.setenv(jit.SWITCH, "0")
    assert not jit.is_on()
    assert not jit.serves(field((9, 2), torch.float64))
    assert jit.describe() == f"fused kernels: off, {jit.SWITCH}=0"
    monkeypatch.setenv(jit.SWITCH, "1")
    assert jit.is_on()
    assert jit.serves(field((9, 2), torch.float64))
    assert jit.describe().startswith("fused kernels: on, numba ")
    assert jit.describe() in sh.about()


def test_without_numba(monkeypatch):
    monkeypatch.setattr(jit, "_has_numba", lambda: False)
    assert not jit.is_on()
    assert 'pip install "spectral-ham[fast]"' in jit.describe()
    T, torus = field((9, 8, 2)), sh.Torus((9, 8))
    expected = sh.Hamiltonian(torus, backend="fd", execution="dense")(T)
    assert_allclose(sh.Hamiltonian(torus, backend="fd")(T), expected, rtol=0, atol=1e-13)


def test_a_numba_that_cannot_be_imported_is_named_once(monkeypatch):
    jit._has_numba.cache_clear()
    monkeypatch.setattr(jit, "find_spec", lambda name: name)

    def broken(name):
        raise ImportError(f"{name} needs another NumPy")

    monkeypatch.setattr(jit, "import_module", broken)
    with pytest.warns(RuntimeWarning, match=r"numba is installed but cannot be imported \(numba needs another NumPy\)"):
        assert not jit.is_on()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not jit.is_on()
    jit._has_numba.cache_clear()


@needs_numba
def test_a_disk_that_cannot_be_written_costs_the_cache_only(monkeypatch):
    import numba

    numba.njit(lambda x: x)(1.0)  # the first compilation of a process compiles functions of numba's own
    genuine, asked = numba.njit, []

    def njit(cache=False, **options):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available for file")
        return genuine(**options)

    monkeypatch.setattr(numba, "njit", njit)
    assert jit.compiled(lambda x: 2 * x)(21.0) == 42.0
    assert asked == [True, False]


@needs_numba
def test_python_threads_share_a_kernel(threads):
    """Each with its own result, while the kernel itself runs on several threads."""
    T, torus = field((40, 30, 8), torch.float64), sh.Torus((40, 30))
    H = sh.Hamiltonian(torus, potential=field(torus.shape, torch.float64), backend="fd", execution="stencil")
    expected, results = H(T), [torch.empty_like(T) for _ in range(4)]

    def work(out):
        for _ in range(20):
            H(T, out)

    workers = [threading.Thread(target=work, args=(out,)) for out in results]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(torch.equal(out, expected) for out in results)


@needs_numba
def test_a_layer_that_aborts_under_threads_is_not_used(monkeypatch, threads):
    import numba

    jit._parallel_layer.cache_clear()
    monkeypatch.setattr(numba.config, "THREADING_LAYER", "workqueue")
    assert jit.tasks() == 1
    jit._parallel_layer.cache_clear()
    monkeypatch.undo()
    torch.set_num_threads(3)
    assert jit.tasks() == 3


@needs_numba
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_after_parallel_work(threads):
    """GNU OpenMP would end the child; it runs on one thread instead."""
    T, H = field((40, 30, 8), torch.float64), sh.Hamiltonian(sh.Torus((40, 30)), backend="fd")
    assert jit.tasks() == 3
    expected = H(T)
    assert exit_status_of_a_fork(lambda: torch.equal(H(T), expected)) == 0


@needs_numba
def test_no_more_threads_than_torch_has(threads):
    """And numba's own number is as it was."""
    import numba

    before, seen = numba.get_num_threads(), []
    jit.run_parallel(lambda: seen.append(numba.get_num_threads()), 1)
    assert seen == [1]
    assert numba.get_num_threads() == before
