"""The Laplacian against dense Kronecker products of typed weights and closed formulas, and its symbol."""

import copy
import math
import pickle
from functools import cache

import numpy as np
import pytest
import torch
from covers import pairwise
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.dense import act, backward_bound, dense_laplacian, dense_symbol, spectral_matrix
from oracles.fields import (
    BACKEND_IDS,
    BACKENDS,
    DTYPES,
    GRIDS,
    HBAR,
    KINETIC,
    MASS,
    ORDERS,
    TORUS,
    eps,
    field,
    given_metric,
    largest,
    metric,
)

EVERY_BACKEND = pytest.mark.parametrize(("backend", "order"), BACKENDS, ids=BACKEND_IDS)
RUNS = [*(("fd", order, execution) for order in ORDERS for execution in ("fft", "dense", "stencil"))]
RUNS += [("spectral", 2, "fft"), ("spectral", 2, "dense"), ("spectral", 2, "auto"), ("fd", 2, "auto")]


@cache
def oracle(ndim, backend, order, kind):
    """The dense Laplacian and the largest absolute value of its symbol."""
    torus = GRIDS[ndim]
    matrix = dense_laplacian(torus, metric(ndim, kind), backend, order)
    return matrix, largest(dense_symbol(matrix, torus.shape))


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 12, 13])
@pytest.mark.parametrize("derivative", [1, 2])
def test_closed_forms_are_the_sums_over_modes(n, derivative):
    """The oracle's own oracle: (1/N) Σ_k (ik)^d e^{ik(x_j − x_l)}, with the Nyquist mode left out of odd d."""
    length = 2.1
    total = np.zeros((n, n), dtype=complex)
    for mode in range(-(n // 2), (n + 1) // 2):
        if derivative == 1 and 2 * mode == -n:
            continue
        k = 2 * math.pi * mode / length
        for j in range(n):
            for l in range(n):  # noqa: E741
                turns = (mode * (j - l)) % n / n
                total[j, l] += (1j * k) ** derivative * np.exp(2j * math.pi * turns) / n
    bound = 16 * eps(torch.float64) * (math.pi * n / length) ** derivative
    assert_allclose(spectral_matrix(n, length, derivative), total, rtol=0, atol=bound)


@pytest.mark.parametrize(
    ("run", "kind", "ndim", "dtype"), pairwise(RUNS, ["diagonal", "full"], [1, 2, 3], DTYPES), ids=str
)
def test_the_laplacian_is_its_dense_matrix(run, kind, ndim, dtype):
    backend, order, execution = run
    torus, (matrix, symbol_max) = GRIDS[ndim], oracle(ndim, backend, order, kind)
    lap = sh.Laplacian(
        torus,
        inverse_metric=given_metric(ndim, kind),
        backend=backend,
        stencil_order=order,
        execution=execution,
    )
    T = field((*torus.shape, 2, 2), dtype)
    result = lap(T)
    assert (result.shape, result.dtype) == (T.shape, dtype)
    assert_allclose(result, act(matrix, T), rtol=0, atol=backward_bound(dtype, symbol_max, T))


@pytest.mark.parametrize(("made", "ndim", "kind"), pairwise(BACKENDS, [1, 2, 3], ["diagonal", "full"]), ids=str)
def test_symbol_and_bounds_are_the_dense_spectrum(made, ndim, kind):
    backend, order = made
    torus = GRIDS[ndim]
    flags = {"inverse_metric": given_metric(ndim, kind), "backend": backend, "stencil_order": order}
    expected = dense_symbol(dense_laplacian(torus, metric(ndim, kind), backend, order), torus.shape)
    bound = 32 * eps(torch.float64) * largest(expected)
    symbol = sh.Laplacian(torus, **flags).symbol()
    assert (symbol.shape, symbol.dtype) == (torus.shape, torch.float64)
    assert_allclose(symbol, expected, rtol=0, atol=bound)
    assert symbol.max() == symbol.flatten()[0] == 0
    low, high = sh.Hamiltonian(torus, hbar=HBAR, mass=MASS, **flags).spectral_bounds()
    assert low == 0
    assert high == pytest.approx(KINETIC * expected.min(), rel=0, abs=-KINETIC * bound)


def test_symbol_is_a_copy_in_the_dtype_asked_for():
    lap = sh.Laplacian(TORUS, inverse_metric=given_metric(2, "full"))
    kept = lap.symbol()
    lap.symbol().fill_(1.0)
    assert torch.equal(lap.symbol(), kept)
    assert torch.equal(lap.symbol(torch.float32), kept.to(torch.float32))
    assert lap.symbol(device="meta").device.type == "meta"


def test_symbol_carries_the_gradient_of_the_metric():
    g = torch.tensor([2.0, 0.7], dtype=torch.float64, requires_grad=True)
    symbol = sh.Laplacian(TORUS, inverse_metric=g).symbol()
    (grad,) = torch.autograd.grad(symbol[3, 2], g)
    assert grad.tolist() == pytest.approx([-((6 * math.pi / 2.1) ** 2), -((4 * math.pi / 3.7) ** 2)])


@EVERY_BACKEND
def test_the_flag_alone_turns_the_backend(backend, order):
    """The same arguments serve every backend; spectral takes stencil_order and does not use it."""
    T = field((*TORUS.shape, 2))
    flags = {"inverse_metric": given_metric(2, "full"), "backend": backend}
    lap = sh.Laplacian(TORUS, stencil_order=order, **flags)
    assert lap.backend == backend
    same = sh.Hamiltonian(TORUS, stencil_order=order, mass=0.5, **flags)
    assert same.backend == backend
    bound = 2 * backward_bound(T.dtype, largest(lap.symbol()), T)
    assert_allclose(same(T), -lap(T), rtol=0, atol=bound)
    if backend == "spectral":
        assert torch.equal(sh.Laplacian(TORUS, stencil_order=8, **flags)(T), lap(T))


def test_copies_and_pickles_compute_the_same():
    """What is prepared stays behind: a copy prepares for itself."""
    T = field((*TORUS.shape, 2))
    for operator in (sh.Laplacian(TORUS, backend="fd"), sh.Hamiltonian(TORUS, potential=field(TORUS.shape).real)):
        expected = operator(T)
        assert torch.equal(copy.deepcopy(operator)(T), expected)
        assert torch.equal(pickle.loads(pickle.dumps(operator))(T), expected)
