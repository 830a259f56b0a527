"""Fused, depthwise and sliced stencils compute one thing, on every grid; kernels may be off, absent, forked, shared."""

import math

import numpy as np
import pytest
import torch
from covers import pairwise
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.fields import DTYPES, ORDERS, eps, field, largest
from spectral_ham.execution.base import Kind
from spectral_ham.execution.numba import jit
from spectral_ham.execution.stencil import depthwise, fused
from spectral_ham.execution.stencil.base import Neighbors
from spectral_ham.execution.stencil.slices import SlicedStencil

needs_numba = pytest.mark.skipif(not jit.is_on(), reason="numba is not installed, or fused kernels are off")
CPU = torch.device("cpu")
GRIDS = [(9,), (9, 9), (31, 10), (9, 10, 11)]
REALS = [1, 2, 15, 16, 40]
SINGLE_AND_DOUBLE = [torch.float32, torch.float64]


def neighbors(order, axes):
    """Return weights that differ from axis to axis, not only those of ∂²."""
    second = sh.backends.FiniteDifference(order).stencil.second
    return Neighbors(tuple(axes), tuple(tuple((1 + 0.3 * i) * w for w in second) for i in axes), ())


def made(way, X, weights, V=None):
    """Return one way of running a stencil on fields like X, (N_x, …, C)."""
    kind = Kind(X.shape, X.dtype, CPU, torch.get_num_threads(), fused=way is fused.FusedStencil)
    return way(tuple(X.shape[:-1]), kind, weights).with_potential(V)


def bound(weights, X, V=None, S=None):
    """4 ulp of what a point adds up, at most."""
    total = sum(abs(row[0]) + 2 * sum(map(abs, row[1:])) for row in weights.weights) + (0 if V is None else largest(V))
    return 4 * eps(X.dtype) * (total * largest(X) + (0 if S is None else 2 * largest(S)))


def rolled(weights, X, V=None):
    """Return the stencil by its definition, in numpy."""
    x = X.double().numpy()
    total = sum(
        row[0] * x + sum(w * (np.roll(x, -r, axis) + np.roll(x, r, axis)) for r, w in enumerate(row[1:], start=1))
        for axis, row in zip(weights.axes, weights.weights, strict=True)
    )
    return total if V is None else total + V.double().numpy()[..., None] * x


@pytest.mark.parametrize(
    ("shape", "order", "reals", "dtype", "has_V", "way"),
    pairwise(GRIDS, ORDERS, REALS, SINGLE_AND_DOUBLE, [False, True], [SlicedStencil, fused.FusedStencil]),
    ids=str,
)
def test_a_sweep_is_its_definition(shape, order, reals, dtype, has_V, way):
    """In one pass or slice by slice, with and without V, alone and as a term of a recurrence."""
    if way is fused.FusedStencil and not jit.is_on():
        pytest.skip("fused kernels are off")
    X, S, before = (field((*shape, reals), dtype, seed) for seed in (1, 2, 3))
    V, weights = field(shape, dtype, 4) if has_V else None, neighbors(order, range(len(shape)))
    sweep, expected = made(way, X, weights, V), rolled(weights, X, V)
    result, out, term = sweep.apply(X), torch.full_like(X, math.nan), before.clone()
    assert sweep.apply(X, out) is out
    sweep.recur(X, term, S, 0.7)
    assert_allclose(result, expected, rtol=0, atol=bound(weights, X, V))
    assert torch.equal(out, result)
    wanted = expected + 0.7 * S.double().numpy() - before.double().numpy()
    assert_allclose(term, wanted, rtol=0, atol=bound(weights, X, V, S) + 4 * eps(dtype) * largest(before))


@pytest.mark.parametrize(("shape", "has_V"), [((3, 3), True), ((9, 16), False), ((31, 10), True)], ids=str)
def test_the_convolution_is_its_definition(shape, has_V):
    """Padded with zeros by oneDNN, and periodic all the same: the seam of each edge is added."""
    X, V, weights = field((*shape, 16), torch.float32), field(shape, torch.float32, 4), neighbors(2, (0, 1))
    V = V if has_V else None
    sweep = made(depthwise.DepthwiseStencil, X, weights, V)
    assert_allclose(sweep.apply(X), rolled(weights, X, V), rtol=0, atol=bound(weights, X, V))
    S, out = field(X.shape, torch.float32, 2), X.clone()
    sweep.recur(X, out, S, 0.7)
    wanted = rolled(weights, X, V) + 0.7 * S.double().numpy() - X.double().numpy()
    assert_allclose(out, wanted, rtol=0, atol=2 * bound(weights, X, V, S))


@pytest.mark.parametrize(
    ("order", "shape", "reals", "dtype", "suits"),
    [
        (2, (9, 9), 16, torch.float32, True),
        (2, (9, 9), 15, torch.float32, False),
        (2, (9, 9), 16, torch.float64, False),
        (4, (9, 9), 16, torch.float32, False),
        (2, (9, 9, 9), 16, torch.float32, False),
    ],
    ids=str,
)
def test_the_convolution_is_taken_where_it_is_made_for(order, shape, reals, dtype, suits):
    kind = Kind((*shape, reals), dtype, CPU, 1, fused=False)
    expected = suits and torch.backends.mkldnn.is_available()
    assert depthwise.suits_depthwise(shape, kind, neighbors(order, range(len(shape)))) == expected


SOME_AXES = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]


@needs_numba
@pytest.mark.parametrize(("axes", "order"), [*zip(SOME_AXES, [2, 4, 6, 8, 2, 4], strict=True)], ids=str)
def test_any_axes(axes, order):
    """Axes without a term are rows apart, or more channels; V is swept along only if the last axis takes part."""
    X, V, weights = field((9, 10, 11, 4), torch.float64), field((9, 10, 11), torch.float64), neighbors(order, axes)
    sweep = made(fused.FusedStencil, X, weights, V)
    assert (sweep.swept is None) == (2 not in axes)
    assert_allclose(sweep.apply(X), rolled(weights, X, V), rtol=0, atol=2 * bound(weights, X, V))


# Threads, blocks, values that are not finite


@needs_numba
@pytest.mark.parametrize(("shape", "order", "reals"), pairwise(GRIDS, [2, 8], [1, 16]), ids=str)
def test_threads_leave_no_trace(threads, shape, order, reals):
    """However the rows, or one long row, are shared out."""
    X, V = field((*shape, reals), torch.float64), field(shape, torch.float64, 5)
    weights = neighbors(order, range(len(shape)))
    assert jit.tasks() == 3
    parallel = made(fused.FusedStencil, X, weights, V).apply(X)
    torch.set_num_threads(1)
    assert_allclose(parallel, made(fused.FusedStencil, X, weights, V).apply(X), rtol=0, atol=bound(weights, X, V))


@needs_numba
@pytest.mark.parametrize("block", [1, 7, 64])
def test_blocks_leave_no_trace(monkeypatch, block):
    X, V, weights = field((11, 13, 6), torch.float64), field((11, 13), torch.float64), neighbors(4, (0, 1))
    whole = made(fused.FusedStencil, X, weights, V).apply(X)
    monkeypatch.setattr(fused, "BLOCK_REALS", block)
    cut = made(fused.FusedStencil, X, weights, V).apply(X)
    assert_allclose(cut, whole, rtol=0, atol=bound(weights, X, V))


@needs_numba
@pytest.mark.parametrize(("value", "reals"), pairwise([math.nan, math.inf], [2, 32]), ids=str)
def test_nan_and_inf_survive_and_stay_where_they_belong(value, reals):
    """No assumption that they are absent: the points that see the bad one are not finite, and no others."""
    X = field((9, 12, reals), torch.float32)
    X[0, 5, 0] = value
    out = made(fused.FusedStencil, X, neighbors(2, (0, 1)), field((9, 12), torch.float32)).apply(X)
    seen = torch.zeros(9, 12, dtype=torch.bool)
    for i, j in ((0, 5), (1, 5), (8, 5), (0, 4), (0, 6)):
        seen[i, j] = True
    assert torch.equal(~out[..., 0].isfinite(), seen)
    assert out[..., 1:].isfinite().all()


@needs_numba
@pytest.mark.parametrize(("dtype", "order"), [*zip(DTYPES, ORDERS, strict=True)], ids=str)
def test_H_runs_through_the_kernels_and_is_the_same_without(monkeypatch, dtype, order):
    """Gradients included."""

    def everything():
        T, V = field((10, 9, 2, 3), dtype).requires_grad_(), field((10, 9), torch.float64).requires_grad_()
        mass = torch.tensor(0.7, requires_grad=True)
        H = sh.Hamiltonian(sh.Torus((10, 9)), potential=V, mass=mass, backend="fd", stencil_order=order)
        HT = H(T)
        return HT, *torch.autograd.grad(HT.abs().square().sum(), (T, V, mass))

    used, genuine = [], fused.FusedStencil.apply
    monkeypatch.setattr(fused.FusedStencil, "apply", lambda *a: (used.append(1), genuine(*a))[1])
    with_kernels = everything()
    assert used
    monkeypatch.setenv(jit.SWITCH, "0")
    used.clear()
    without = everything()
    assert not used
    for a, b in zip(with_kernels, without, strict=True):
        assert_allclose(a.detach(), b.detach(), rtol=0, atol=64 * eps(dtype) * largest(b.detach()))
