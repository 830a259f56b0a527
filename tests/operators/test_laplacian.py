"""The Laplacian against dense Kronecker products of typed weights and closed formulas, and its symbol."""

import math

import numpy as np
import pytest
import torch
from covers import pairwise
from helpers import WAYS, dense_oracle
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.dense import act, backward_bound, dense_laplacian, dense_symbol, spectral_matrix
from oracles.fields import (
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

KINDS = ["diagonal", "full"]


@pytest.mark.parametrize("n", [1, 2, 9, 12])
@pytest.mark.parametrize("derivative", [1, 2])
def test_closed_forms_are_the_sums_over_modes(n, derivative):
    """The oracle's own oracle: (1/N) Σ_k (ik)^d e^{ik(x_j − x_l)}, with the Nyquist mode left out of odd d."""
    length, j = 2.1, np.arange(n)
    total = np.zeros((n, n), dtype=complex)
    for mode in range(-(n // 2), (n + 1) // 2):
        if derivative == 1 and 2 * mode == -n:
            continue
        turns = mode * (j[:, None] - j[None, :]) % n / n
        total += (2j * math.pi * mode / length) ** derivative * np.exp(2j * math.pi * turns) / n
    bound = 16 * eps(torch.float64) * (math.pi * n / length) ** derivative
    assert_allclose(spectral_matrix(n, length, derivative), total, rtol=0, atol=bound)


@pytest.mark.parametrize(
    ("way", "order", "kind", "ndim", "dtype"), pairwise(WAYS, ORDERS, KINDS, [1, 2, 3], DTYPES), ids=str
)
def test_the_laplacian_is_its_dense_matrix(way, order, kind, ndim, dtype):
    """For every order of "fd"; "spectral" takes stencil_order and does not use it."""
    (backend, execution), torus = way, GRIDS[ndim]
    matrix, symbol_max = dense_oracle(ndim, backend, order, kind)
    flags = {"backend": backend, "stencil_order": order, "execution": execution}
    lap = sh.Laplacian(torus, inverse_metric=given_metric(ndim, kind), **flags)
    T = field((*torus.shape, 2, 2), dtype)
    result = lap(T)
    assert lap.backend == backend
    assert (result.shape, result.dtype) == (T.shape, dtype)
    assert_allclose(result, act(matrix, T), rtol=0, atol=backward_bound(dtype, symbol_max, T))


@pytest.mark.parametrize(
    ("made", "ndim", "kind"), [(b, i % 3 + 1, k) for i, b in enumerate(BACKENDS) for k in KINDS], ids=str
)
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
