"""Symbols: weights against literature and moment equations, symbols against weights, limits with their constants."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.dense import FIRST_WEIGHTS, SECOND_WEIGHTS, axis_matrix
from oracles.fields import BACKEND_IDS, BACKENDS, ORDERS, eps, largest
from spectral_ham.backends import FiniteDifference, Spectral, get_backend
from spectral_ham.backends.finite_difference import first_derivative_weights, second_derivative_weights

EVERY_ORDER = pytest.mark.parametrize("order", ORDERS)
EVERY_BACKEND = pytest.mark.parametrize(("backend", "order"), BACKENDS, ids=BACKEND_IDS)

# ∂²_fd e^{ikx} = −k² (1 − C (kΔ)^p + …) e^{ikx}
ERROR_CONSTANTS = {2: Fraction(1, 12), 4: Fraction(1, 90), 6: Fraction(1, 560), 8: Fraction(1, 3150)}
# Δ² times the largest value of −∂², at the Nyquist mode, and Δ times the largest value of ∂
LARGEST_SECOND = {2: 4.0, 4: 16 / 3, 6: 272 / 45, 8: 2048 / 315}
LARGEST_FIRST = {2: 1.0, 4: 1.372, 6: 1.586, 8: 1.731}


@EVERY_ORDER
def test_weights_are_those_of_the_literature(order):
    assert second_derivative_weights(order) == tuple(map(Fraction, SECOND_WEIGHTS[order]))
    assert first_derivative_weights(order) == tuple(map(Fraction, FIRST_WEIGHTS[order]))
    stencil = FiniteDifference(order).stencil
    assert stencil.second == tuple(float(Fraction(w)) for w in SECOND_WEIGHTS[order])
    assert stencil.first == tuple(float(Fraction(d)) for d in FIRST_WEIGHTS[order])


@EVERY_ORDER
def test_weights_differentiate_polynomials(order):
    """Σ_j w_j j^m = 2 δ_{m2} and Σ_j d_j j^m = δ_{m1} for m ≤ p + 1 and p; beyond, the error constant stands."""
    w, d = second_derivative_weights(order), first_derivative_weights(order)
    for m in range(order + 2):
        assert sum(w[r] * (r**m + (-r) ** m) for r in range(1, len(w))) + w[0] * 0**m == (2 if m == 2 else 0)
    for m in range(order + 1):
        assert sum(d[r] * (r**m - (-r) ** m) for r in range(1, len(d))) == (1 if m == 1 else 0)
    m = order + 2
    assert (
        2 * sum(w[r] * r**m for r in range(1, len(w))) == (-1) ** (m // 2) * math.factorial(m) * ERROR_CONSTANTS[order]
    )


@pytest.mark.parametrize(
    ("backend", "order", "n"),
    [(*made, n) for made in BACKENDS for n in (1, 2, 10, 97) if made[0] == "spectral" or n > made[1]],
)
def test_symbols_have_their_signs_and_parities(backend, order, n):
    """∂² ↔ S ≤ 0, even, zero at k = 0 alone; ∂ ↔ i·D, D odd, zero at the Nyquist mode. In floating point."""
    describe = get_backend(backend, order)
    second, first = describe.second_derivative_symbol(n, 0.3), describe.first_derivative_symbol(n, 0.3)
    assert (second.shape, second.dtype, first.shape, first.dtype) == ((n,), torch.float64, (n,), torch.float64)
    assert second[0] == 0
    assert (second[1:] < 0).all()
    assert first[0] == 0
    mirrored = [-j % n for j in range(n)]
    rounding = 4 * eps(torch.float64)
    assert_allclose(second[mirrored], second, rtol=rounding, atol=0)
    assert_allclose(first[mirrored], -first, rtol=0, atol=rounding * largest(first))
    if n % 2 == 0:
        assert first[n // 2] == 0
        assert second[n // 2] == second.min()


@pytest.mark.parametrize("n", [9, 10])
@EVERY_BACKEND
def test_symbols_are_the_eigenvalues_of_the_dense_matrices(backend, order, n):
    """∂² ↔ w_0 + 2 Σ w_r cos(rθ), ∂ ↔ i · 2 Σ d_r sin(rθ) for the typed weights, k for the closed forms."""
    torus = sh.Torus(n, lengths=2.1)
    describe = get_backend(backend, order)
    bound = 16 * eps(torch.float64) * (math.pi / torus.spacing[0]) ** 2
    for derivative, symbol in ((2, describe.second_derivative_symbol), (1, describe.first_derivative_symbol)):
        eigenvalues = np.fft.fft(axis_matrix(torus, 0, derivative, backend, order)[:, 0])
        expected = eigenvalues.real if derivative == 2 else eigenvalues.imag
        assert_allclose(symbol(n, torus.spacing[0]), expected, rtol=0, atol=bound)


@EVERY_ORDER
def test_fd_largest_eigenvalues(order):
    n, spacing = 2000, 0.3
    backend = FiniteDifference(order)
    second = backend.second_derivative_symbol(n, spacing) * spacing**2
    assert float(-second.min()) == pytest.approx(LARGEST_SECOND[order], rel=8 * eps(second.dtype))
    assert float(backend.first_derivative_symbol(n, spacing).max()) * spacing == pytest.approx(
        LARGEST_FIRST[order], abs=5e-4
    )


@pytest.mark.parametrize("n", [1, 8, 97])
def test_spectral_symbols_are_the_wavenumbers(n):
    torus = sh.Torus(n, lengths=2.1)
    k = torus.wavenumbers(0)
    rounding = 4 * eps(k.dtype)
    assert_allclose(Spectral().second_derivative_symbol(n, torus.spacing[0]), -(k**2), rtol=rounding)
    expected = torch.where(torch.arange(n) * 2 == n, torch.zeros_like(k), k)
    assert_allclose(Spectral().first_derivative_symbol(n, torus.spacing[0]), expected, rtol=rounding)
