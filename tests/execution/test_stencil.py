"""Fused kernels compute what torch's own operations do, on every grid; and they can be off, absent, forked, shared."""

import math
import os
import subprocess
import sys
import threading
import warnings

import pytest
import torch
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.fields import DTYPES, ORDERS, eps, field, largest
from spectral_ham.execution.base import Kind
from spectral_ham.execution.numba import jit
from spectral_ham.execution.stencil import fused
from spectral_ham.execution.stencil.base import Neighbors
from spectral_ham.execution.stencil.fused import FusedStencil
from spectral_ham.execution.stencil.slices import SlicedStencil

pytestmark = pytest.mark.skipif(not jit.is_on(), reason="numba is not installed, or fused kernels are off")

REAL = [torch.float32, torch.float64]
GRIDS = [(9,), (40,), (9, 9), (11, 16), (31, 10), (9, 10, 11), (12, 9, 9)]
REALS = [1, 2, 3, 8, 15, 16, 17, 40]
EVERY_GRID = pytest.mark.parametrize("shape", GRIDS, ids=str)
EVERY_ORDER = pytest.mark.parametrize("order", ORDERS)


@pytest.fixture
def threads(monkeypatch):
    """Several threads, even for small fields."""
    monkeypatch.setattr(jit, "LEAST_NUMBERS", 0)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(1)


def weights(order, n_axes):
    """Return weights that differ from axis to axis, not only those of ∂²."""
    backend = sh.Laplacian(sh.Torus(2 * order), backend="fd", stencil_order=order).operator.backend
    return [tuple((1 + 0.3 * i) * w for w in backend.stencil.second) for i in range(n_axes)]


def sweep(kind_of_stencil, axes, w, X, V, out, source=None, gamma=0.0):
    """Write A·X + V∘X, or A·X + V∘X + γS − out, by one way of running a stencil."""
    kind = Kind(X.shape, X.dtype, X.device, torch.get_num_threads(), jit.serves(X))
    ready = kind_of_stencil(tuple(X.shape[:-1]), kind, Neighbors(axes, tuple(w), ()), V)
    if source is None:
        ready.apply(X, out)
    else:
        ready.recur(X, out, source, gamma)


def bound(w, X, V=None, S=None):
    """4 ulp of what a point adds up, at most."""
    total = sum(abs(row[0]) + 2 * sum(map(abs, row[1:])) for row in w) + (0 if V is None else largest(V))
    return 4 * eps(X.dtype) * (total * largest(X) + (0 if S is None else 2 * largest(S)))


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", REAL, ids=str)
@pytest.mark.parametrize("reals", REALS)
@EVERY_ORDER
@EVERY_GRID
def test_kernels_and_slices_agree(shape, order, reals, dtype):
    """In one pass or slice by slice: with and without V, and as a term of a recurrence."""
    X, S, before = (field((*shape, reals), dtype, seed) for seed in (1, 2, 3))
    axes, w = tuple(range(len(shape))), weights(order, len(shape))
    for V in (None, field(shape, dtype, 4)):
        for source in (None, S):
            expected, result = before.clone(), before.clone()
            sweep(SlicedStencil, axes, w, X, V, expected, source, 0.7)
            sweep(FusedStencil, axes, w, X, V, result, source, 0.7)
            assert_allclose(result, expected, rtol=0, atol=bound(w, X, V, source))


@pytest.mark.pairwise
@pytest.mark.parametrize("reals", [1, 2, 16])
@EVERY_ORDER
@EVERY_GRID
def test_threads_leave_no_trace(threads, shape, order, reals):
    """However the rows, or one long row, are shared out."""
    X, axes, w = field((*shape, reals), torch.float64), tuple(range(len(shape))), weights(order, len(shape))
    V, parallel, alone = field(shape, torch.float64, 5), torch.empty_like(X), torch.empty_like(X)
    assert jit.tasks() == 3
    sweep(FusedStencil, axes, w, X, V, parallel)
    torch.set_num_threads(1)
    sweep(FusedStencil, axes, w, X, V, alone)
    assert_allclose(parallel, alone, rtol=0, atol=bound(w, X, V))


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)], ids=str)
@EVERY_ORDER
def test_any_axes(order, axes):
    """Axes without a term are rows apart, or more channels."""
    X, w = field((9, 10, 11, 4), torch.float64), weights(order, len(axes))
    expected, result = torch.empty_like(X), torch.empty_like(X)
    sweep(SlicedStencil, axes, w, X, None, expected)
    sweep(FusedStencil, axes, w, X, None, result)
    assert_allclose(result, expected, rtol=0, atol=bound(w, X))


def test_V_needs_every_axis_behind_it():
    """A sweep that ends before the last axis has no V for its channels: V is then added after it, the same numbers."""
    X, V, w = field((9, 10, 4), torch.float64), field((9, 10), torch.float64), weights(2, 1)
    expected, result = torch.empty_like(X), torch.empty_like(X)
    sweep(SlicedStencil, (0,), w, X, None, expected)
    sweep(FusedStencil, (0,), w, X, V, result)
    assert_allclose(result, expected + V.unsqueeze(-1) * X, rtol=0, atol=bound(w, X, V))


@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_leave_no_trace(monkeypatch, block):
    X, V, w = field((11, 13, 6), torch.float64), field((11, 13), torch.float64), weights(4, 2)
    whole, cut = torch.empty_like(X), torch.empty_like(X)
    sweep(FusedStencil, (0, 1), w, X, V, whole)
    monkeypatch.setattr(fused, "BLOCK_REALS", block)
    sweep(FusedStencil, (0, 1), w, X, V, cut)
    assert_allclose(cut, whole, rtol=0, atol=bound(w, X, V))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf], ids=str)
@pytest.mark.parametrize("reals", [2, 4, 32])
def test_nan_and_inf_survive_and_stay_where_they_belong(reals, value):
    """No assumption that they are absent: the points that see the bad one are not finite, and no others."""
    X = field((9, 12, reals), torch.float32)
    X[0, 5, 0] = value
    out = torch.empty_like(X)
    sweep(FusedStencil, (0, 1), weights(2, 2), X, field((9, 12), torch.float32), out)
    seen = torch.zeros(9, 12, dtype=torch.bool)
    for i, j in ((0, 5), (1, 5), (8, 5), (0, 4), (0, 6)):
        seen[i, j] = True
    assert torch.equal(~out[..., 0].isfinite(), seen)
    assert out[..., 1:].isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@EVERY_ORDER
def test_H_runs_through_them(monkeypatch, order, dtype):
    """And gives the same without, gradients included."""

    def everything():
        T = field((10, 9, 2, 3), dtype).requires_grad_()
        V = field((10, 9), torch.float64).requires_grad_()
        mass = torch.tensor(0.7, requires_grad=True)
        H = sh.Hamiltonian(sh.Torus((10, 9)), potential=V, mass=mass, backend="fd", stencil_order=order)
        HT = H(T)
        return HT, *torch.autograd.grad(HT.abs().square().sum(), (T, V, mass))

    used = []
    genuine = FusedStencil.apply
    monkeypatch.setattr(FusedStencil, "apply", lambda *a: (used.append(1), genuine(*a))[1])
    with_kernels = everything()
    assert used
    monkeypatch.setenv(jit.SWITCH, "0")
    used.clear()
    without = everything()
    assert not used
    for a, b in zip(with_kernels, without, strict=True):
        assert_allclose(a.detach(), b.detach(), rtol=0, atol=64 * eps(dtype) * largest(b.detach()))


def test_importing_the_package_leaves_numba_alone():
    code = "import sys, spectral_ham; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0


# Switched off, absent, broken


def test_the_switch(monkeypatch):
    monkeypatch.setenv(jit.SWITCH, "0")
    assert not jit.is_on()
    assert not jit.serves(field((9, 2), torch.float64))
    assert jit.describe() == f"fused kernels: off, {jit.SWITCH}=0"
    monkeypatch.setenv(jit.SWITCH, "1")
    assert jit.is_on()
    assert jit.describe().startswith("fused kernels: on, numba ")
    assert jit.describe() in sh.about()


def test_without_numba(monkeypatch):
    monkeypatch.setattr(jit, "_has_numba", lambda: False)
    assert not jit.is_on()
    assert 'pip install "spectral-ham[fast]"' in jit.describe()
    H = sh.Hamiltonian(sh.Torus((9, 8)), backend="fd")
    T = field((9, 8, 2))
    assert_allclose(H(T), sh.Hamiltonian(sh.Torus((9, 8)), backend="fd", execution="dense")(T), rtol=0, atol=1e-13)


def test_a_numba_that_cannot_be_imported_is_named_once(monkeypatch):
    jit._has_numba.cache_clear()

    def broken(name):
        raise ImportError(f"{name} needs another NumPy")

    monkeypatch.setattr(jit, "import_module", broken)
    with pytest.warns(RuntimeWarning, match=r"numba is installed but cannot be imported \(numba needs another NumPy\)"):
        assert not jit.is_on()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert not jit.is_on()
    jit._has_numba.cache_clear()


def test_a_disk_that_cannot_be_written_costs_the_cache_only(monkeypatch):
    import numba

    genuine, asked = numba.njit, []

    def njit(cache=False, **options):
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available for file")
        return genuine(**options)

    monkeypatch.setattr(numba, "njit", njit)
    twice = jit.compiled(lambda x: 2 * x)
    assert twice(21.0) == 42.0
    assert asked == [True, False]


# Threads and processes


def test_two_python_threads_at_once(threads):
    X, V, w = field((40, 30, 8), torch.float64), field((40, 30), torch.float64), weights(4, 2)
    expected = torch.empty_like(X)
    sweep(FusedStencil, (0, 1), w, X, V, expected)
    results = [torch.empty_like(X) for _ in range(4)]

    def work(out):
        for _ in range(50):
            sweep(FusedStencil, (0, 1), w, X, V, out)

    workers = [threading.Thread(target=work, args=(out,)) for out in results]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert all(torch.equal(out, expected) for out in results)


def test_a_layer_that_aborts_under_threads_is_not_used(monkeypatch, threads):
    import numba

    jit._parallel_layer.cache_clear()
    monkeypatch.setattr(numba.config, "THREADING_LAYER", "workqueue")
    assert jit.tasks() == 1
    jit._parallel_layer.cache_clear()
    monkeypatch.undo()
    torch.set_num_threads(3)
    assert jit.tasks() == 3


FORK = """
import os, sys, torch, spectral_ham as sh
torch.set_num_threads(2)
torus = sh.Torus((64, 64))
H, T = sh.Hamiltonian(torus, backend="fd"), torch.randn(64, 64, 8, dtype=torch.complex64)
expected = H(T)
child = os.fork()
if child == 0:
    os._exit(0 if torch.equal(H(T), expected) else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_after_parallel_work():
    """GNU OpenMP would end the child; it runs on one thread instead."""
    done = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_no_more_threads_than_torch_has(threads):
    """And numba's own number is as it was."""
    import numba

    before, seen = numba.get_num_threads(), []
    jit.run_parallel(lambda: seen.append(numba.get_num_threads()), 1)
    assert seen == [1]
    assert numba.get_num_threads() == before
