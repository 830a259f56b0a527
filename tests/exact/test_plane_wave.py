"""Plane waves in the continuum and on the grid, judged by mpmath, sympy's stencil weights and dense matrices."""

import itertools
import math
from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest
import sympy
import torch

import spectral_ham as sh
from spectral_ham.exact import (
    FIRST_DERIVATIVE_WEIGHTS,
    SECOND_DERIVATIVE_WEIGHTS,
    fd_plane_wave_energy,
    fd_plane_wave_symbol,
    leading_error_constant,
    plane_wave,
    plane_wave_energy,
    plane_wave_symbol,
)

EPS = 2.0**-52
HBAR, MASS = 1.3, 0.7
ORDERS = (2, 4, 6, 8)
TORUS = sh.Torus((10, 11), lengths=(2.1, 3.7), origin=(-0.4, 0.9))
METRIC = sh.InverseMetric([[2.0, 0.6], [0.6, 0.7]])
G2 = np.array([[2.0, 0.6], [0.6, 0.7]])
G3 = [[2.0, 0.6, -0.2], [0.6, 0.7, 0.1], [-0.2, 0.1, 1.4]]


def every_mode(torus):
    return itertools.product(*(range(-(n // 2), (n + 1) // 2) for n in torus.shape))


def circulant(weights, n):
    """Dense periodic matrix from weights at offsets −p … p."""
    half = len(weights) // 2
    matrix = np.zeros((n, n))
    for row, (offset, weight) in itertools.product(range(n), zip(range(-half, half + 1), weights, strict=True)):
        matrix[row, (row + offset) % n] += weight
    return matrix


def stencil_weights(derivative, order):
    """Central weights from sympy, which solves the interpolation problem in fractions."""
    points = list(range(-(order // 2), order // 2 + 1))
    return sympy.calculus.finite_diff_weights(derivative, points, 0)[derivative][-1]


def dense_fd(torus, g, order):
    """Σ_ij g^ij ∂_i ∂_j as one dense matrix of Kronecker products."""
    first = [circulant(stencil_weights(1, order), n) / dx for n, dx in zip(torus.shape, torus.spacing, strict=True)]
    second = [circulant(stencil_weights(2, order), n) / dx**2 for n, dx in zip(torus.shape, torus.spacing, strict=True)]
    one = [np.eye(n) for n in torus.shape]
    cross = 2 * g[0, 1] * np.kron(first[0], first[1])
    return g[0, 0] * np.kron(second[0], one[1]) + g[1, 1] * np.kron(one[0], second[1]) + cross


# Plane waves


def test_plane_wave_is_the_exponential_on_every_point_and_channel():
    amplitude = torch.tensor([[1.0, 0.3 - 2.0j], [-0.7j, 1.5]], dtype=torch.complex128)
    modes = (3, -4)
    T = plane_wave(TORUS, modes, amplitude=amplitude)
    assert T.shape == (10, 11, 2, 2)
    assert T.dtype == torch.complex128
    # Three roundings of a fraction of a turn, 2π·eps/2 each, then those of polar and of the complex product.
    bound = (3 * math.pi + 5) * EPS
    for j, m, a, b in itertools.product(range(10), range(11), range(2), range(2)):
        turn = mp.mpf(modes[0] * j) / 10 + mp.mpf(modes[1] * m) / 11
        expected = mp.mpmathify(complex(amplitude[a, b])) * mp.expjpi(2 * turn)
        assert abs(mp.mpmathify(complex(T[j, m, a, b])) - expected) <= bound * abs(complex(amplitude[a, b]))


def test_plane_wave_follows_the_coordinates():
    x, y = TORUS.coordinates()
    phase = 2 * math.pi * (2 * (x + 0.4) / 2.1 - 5 * (y - 0.9) / 3.7)
    torch.testing.assert_close(plane_wave(TORUS, (2, -5)), torch.exp(1j * phase), rtol=0, atol=1e-14)


def test_a_high_mode_is_as_good_as_its_alias():
    assert torch.equal(plane_wave(TORUS, (3 + 10**20, -4 - 11**20)), plane_wave(TORUS, (3, -4)))


def test_complex64_is_the_rounded_complex128():
    exact = plane_wave(TORUS, (3, -4), amplitude=0.3 - 2j)
    assert torch.equal(plane_wave(TORUS, (3, -4), amplitude=0.3 - 2j, dtype=torch.complex64), exact.to(torch.complex64))


def test_plane_wave_symbol_in_one_and_three_dimensions():
    line = sh.Torus(7, lengths=2.1)
    k = 2 * mp.pi * 3 / mp.mpf(2.1)
    assert plane_wave_symbol(line, 3) == pytest.approx(float(-(k**2)), rel=4 * EPS)
    box = sh.Torus((5, 6, 7), lengths=(2.1, 3.7, 1.3), origin=(0.2, -1.0, 0.5))
    modes = (2, -1, 3)
    kx, ky, kz = (2 * mp.pi * n / mp.mpf(length) for n, length in zip(modes, box.lengths, strict=True))
    expected = -(2 * kx**2 + 0.7 * ky**2 + 1.4 * kz**2 + 1.2 * kx * ky - 0.4 * kx * kz + 0.2 * ky * kz)
    # Five roundings per term; the terms do not cancel by more than a factor of three here.
    assert plane_wave_symbol(box, modes, sh.InverseMetric(G3)) == pytest.approx(float(expected), rel=15 * EPS)


def test_energy_has_hbar_mass_and_potential():
    k = 2 * math.pi * 3 / 2.1
    line = sh.Torus(10, lengths=2.1)
    expected = HBAR**2 / (2 * MASS) * 1.7 * k**2 - 0.45
    energy = plane_wave_energy(line, -3, sh.InverseMetric([1.7]), hbar=HBAR, mass=torch.tensor(MASS), potential=-0.45)
    assert energy == pytest.approx(expected, rel=1e-7)  # the mass came as a float32 tensor
    energy = plane_wave_energy(line, -3, sh.InverseMetric([1.7]), hbar=HBAR, mass=MASS, potential=-0.45)
    assert energy == pytest.approx(expected, rel=10 * EPS)


def test_a_metric_that_needs_a_gradient_gives_a_plain_number():
    metric = sh.InverseMetric(torch.tensor([2.0, 0.7], dtype=torch.float64, requires_grad=True))
    assert plane_wave_symbol(TORUS, (1, 2), metric) == plane_wave_symbol(TORUS, (1, 2), sh.InverseMetric((2.0, 0.7)))


# Finite differences


@pytest.mark.parametrize("order", ORDERS)
def test_typed_weights_are_the_interpolation_weights(order):
    for derivative, table, parity in ((1, FIRST_DERIVATIVE_WEIGHTS, -1), (2, SECOND_DERIVATIVE_WEIGHTS, 1)):
        typed = table[order]
        assert [parity * w for w in typed[:0:-1]] + list(typed) == [
            Fraction(int(w.p), int(w.q)) for w in stencil_weights(derivative, order)
        ]


@pytest.mark.parametrize("order", ORDERS)
def test_every_plane_wave_is_an_eigenvector_of_the_dense_stencil(order):
    matrix = dense_fd(TORUS, G2, order)
    # A row holds fewer than 60 entries; 3π eps for the phase of the wave.
    bound = 60 * EPS * np.abs(matrix).sum(1).max()
    for modes in every_mode(TORUS):
        T = plane_wave(TORUS, modes).numpy().ravel()
        assert np.abs(matrix @ T - fd_plane_wave_symbol(TORUS, modes, METRIC, order) * T).max() <= bound, modes


@pytest.mark.parametrize("order", ORDERS)
def test_fd_energies_are_the_spectrum_of_the_dense_hamiltonian(order):
    matrix = -(HBAR**2) / (2 * MASS) * dense_fd(TORUS, G2, order) + 0.45 * np.eye(TORUS.size)
    energies = sorted(
        fd_plane_wave_energy(TORUS, modes, METRIC, order, hbar=HBAR, mass=MASS, potential=0.45)
        for modes in every_mode(TORUS)
    )
    spectrum = np.linalg.eigvalsh(matrix)
    np.testing.assert_allclose(energies, spectrum, rtol=0, atol=60 * EPS * spectrum[-1])
    assert energies[0] == 0.45


@pytest.mark.parametrize(("order", "nyquist"), [(2, 4.0), (4, 16 / 3), (6, 272 / 45), (8, 2048 / 315)])
def test_symbol_at_zero_and_at_nyquist(order, nyquist):
    line = sh.Torus(14, lengths=2.1)
    assert fd_plane_wave_symbol(line, 0, None, order) == 0
    assert fd_plane_wave_symbol(line, 14, None, order) == 0
    assert -fd_plane_wave_symbol(line, 7, None, order) * 0.15**2 == pytest.approx(nyquist, rel=10 * EPS)


@pytest.mark.parametrize("order", ORDERS)
def test_cross_terms_vanish_on_the_nyquist_line(order):
    diagonal = sh.InverseMetric((2.0, 0.7))
    for m in range(-5, 6):
        symbol = fd_plane_wave_symbol(TORUS, (5, m), METRIC, order)
        assert symbol == fd_plane_wave_symbol(TORUS, (-5, m), METRIC, order)
        assert symbol == fd_plane_wave_symbol(TORUS, (5, m), diagonal, order)
    off_the_line = fd_plane_wave_symbol(TORUS, (4, 3), METRIC, order)
    assert off_the_line != fd_plane_wave_symbol(TORUS, (4, 3), diagonal, order)


@pytest.mark.parametrize(("order", "constant"), [(2, (1, 12)), (4, (1, 90)), (6, (1, 560)), (8, (1, 3150))])
def test_leading_error_constant(order, constant):
    C = Fraction(*constant)
    assert leading_error_constant(order) == C
    theta = 2 * math.pi / 37
    k = theta / 0.3
    symbol = fd_plane_wave_symbol(sh.Torus(37, spacing=0.3), 1, None, order)
    # The next term of the series is below C θ²/4; rounding is amplified by θ^−p.
    measured = (1 + symbol / k**2) / theta**order
    assert measured == pytest.approx(float(C), rel=theta**2 / 4, abs=4 * EPS / theta**order)


def test_default_dtype_never_creeps_in():
    expected = plane_wave(TORUS, (3, -4), amplitude=0.3 - 2j)
    torch.set_default_dtype(torch.float16)
    try:
        assert torch.equal(plane_wave(TORUS, (3, -4), amplitude=0.3 - 2j), expected)
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: plane_wave(TORUS, (1, 2, 3)),
            ValueError,
            r"modes=.*one integer or one per axis \(2\), got \(1, 2, 3\)",
        ),
        (lambda: plane_wave(TORUS, (1, 2.0)), ValueError, "modes=.*one integer"),
        (lambda: plane_wave(TORUS, True), ValueError, "modes=.*one integer"),
        (lambda: plane_wave(TORUS, 1, amplitude=math.nan), ValueError, "amplitude=.*finite, got nan"),
        (lambda: plane_wave(TORUS, 1, amplitude="1"), TypeError, "amplitude=.*a number or a tensor"),
        (lambda: plane_wave(TORUS, 1, dtype=torch.float64), TypeError, r"dtype=.*complex64.*Take `\.real`"),
        (lambda: plane_wave_symbol(TORUS, 1, sh.InverseMetric([1.0])), ValueError, "InverseMetric with 2 axes"),
        (lambda: plane_wave_symbol(TORUS, 1, (1.0, 2.0)), ValueError, "None or an InverseMetric"),
        (lambda: plane_wave_energy(TORUS, 1, hbar=0.0), ValueError, "hbar=.*positive"),
        (lambda: plane_wave_energy(TORUS, 1, mass=-1.0), ValueError, "mass=.*positive"),
        (lambda: plane_wave_energy(TORUS, 1, potential=math.inf), ValueError, "potential=.*finite"),
        (lambda: fd_plane_wave_symbol(TORUS, 1, None, 3), ValueError, "stencil_order=.*2, 4, 6 or 8, got 3"),
        (lambda: fd_plane_wave_symbol(TORUS, 1, None, True), ValueError, "stencil_order=.*2, 4, 6 or 8"),
        (lambda: fd_plane_wave_symbol(sh.Torus(8), 1, None, 8), ValueError, "less than the points on every axis"),
        (lambda: fd_plane_wave_energy(TORUS, 1, hbar=-1), ValueError, "hbar=.*positive"),
        (lambda: leading_error_constant(10), ValueError, "stencil_order=.*2, 4, 6 or 8, got 10"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
