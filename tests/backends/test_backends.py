"""Backends: weights against literature and moment equations, symbols against weights, limits with their constants."""

import dataclasses
import math
from fractions import Fraction
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.dense import (
    FIRST_WEIGHTS,
    SECOND_WEIGHTS,
    act,
    axis_matrix,
    backward_bound,
    circulant,
    dense_laplacian,
    dense_symbol,
)
from oracles.fields import BACKEND_IDS, BACKENDS, ORDERS, eps, field, largest, metric
from spectral_ham.backends import BACKENDS as REGISTRY
from spectral_ham.backends import Backend, FiniteDifference, Spectral, Stencil, get_backend
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


@pytest.mark.parametrize("n", [9, 10, 31])
@EVERY_ORDER
def test_fd_symbols_are_the_weights_transformed(order, n):
    """∂² ↔ w_0 + 2 Σ w_r cos(rθ), ∂ ↔ i · 2 Σ d_r sin(rθ), with the typed weights."""
    spacing = 0.3
    w, d = ([float(Fraction(x)) for x in table[order]] for table in (SECOND_WEIGHTS, FIRST_WEIGHTS))
    backend = FiniteDifference(order)
    second, first = backend.second_derivative_symbol(n, spacing), backend.first_derivative_symbol(n, spacing)
    for j in range(n):
        theta = 2 * math.pi * j / n
        expected = w[0] + 2 * sum(w[r] * math.cos(r * theta) for r in range(1, len(w)))
        assert float(second[j]) == pytest.approx(
            expected / spacing**2, rel=0, abs=8 * eps(second.dtype) * 7 / spacing**2
        )
        expected = 2 * sum(d[r] * math.sin(r * theta) for r in range(1, len(d)))
        assert float(first[j]) == pytest.approx(expected / spacing, rel=0, abs=8 * eps(first.dtype) * 2 / spacing)


@pytest.mark.parametrize(
    ("backend", "order", "n"),
    [(*made, n) for made in BACKENDS for n in (1, 2, 5, 10, 11, 64, 97) if made[0] == "spectral" or n > made[1]],
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
    torus = sh.Torus(n, lengths=2.1)
    describe = get_backend(backend, order)
    bound = 16 * eps(torch.float64) * (math.pi / torus.spacing[0]) ** 2
    for derivative, symbol in ((2, describe.second_derivative_symbol), (1, describe.first_derivative_symbol)):
        eigenvalues = np.fft.fft(axis_matrix(torus, 0, derivative, backend, order)[:, 0])
        expected = eigenvalues.real if derivative == 2 else eigenvalues.imag
        assert_allclose(symbol(n, torus.spacing[0]), expected, rtol=0, atol=bound)


@EVERY_ORDER
def test_fd_approaches_the_wavenumber_with_its_constant(order):
    """S = −k² (1 − C (kΔ)^p + …): the order and the constant, within 2 % at kΔ small enough for both."""
    n = 40
    theta = 2 * math.pi / n * np.arange(1, 4)
    S = FiniteDifference(order).second_derivative_symbol(n, 1.0)[1:4].numpy()
    C = (1 + S / theta**2) / theta**order
    slack = 0.02 if order < 8 else 0.02 + 40 * eps(torch.float64) / theta[0] ** order
    assert C[0] == pytest.approx(float(ERROR_CONSTANTS[order]), rel=slack)
    assert (np.diff(C) < 0).all()  # the next term of the series has the other sign


@EVERY_ORDER
def test_fd_largest_eigenvalues(order):
    n, spacing = 2000, 0.3
    backend = FiniteDifference(order)
    second = backend.second_derivative_symbol(n, spacing) * spacing**2
    assert float(-second.min()) == pytest.approx(LARGEST_SECOND[order], rel=8 * eps(second.dtype))
    assert float(backend.first_derivative_symbol(n, spacing).max()) * spacing == pytest.approx(
        LARGEST_FIRST[order], abs=5e-4
    )


@pytest.mark.parametrize("n", [1, 2, 7, 8, 97])
def test_spectral_symbols_are_the_wavenumbers(n):
    torus = sh.Torus(n, lengths=2.1)
    k = torus.wavenumbers(0)
    rounding = 4 * eps(k.dtype)
    assert_allclose(Spectral().second_derivative_symbol(n, torus.spacing[0]), -(k**2), rtol=rounding)
    expected = torch.where(torch.arange(n) * 2 == n, torch.zeros_like(k), k)
    assert_allclose(Spectral().first_derivative_symbol(n, torus.spacing[0]), expected, rtol=rounding)


@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_nyquist_rule(backend):
    """On a checkerboard of even N, ∂² sees the largest eigenvalue and ∂_x ∂_y nothing; a real field stays real."""
    torus = sh.Torus((8, 6), lengths=(2.1, 3.7))
    j, l = torch.arange(8)[:, None], torch.arange(6)[None, :]  # noqa: E741
    checkerboard = (1.0 - 2.0 * ((j + l) % 2)).to(torch.float64)
    diagonal = sh.Laplacian(torus, inverse_metric=(2.0, 0.7), backend=backend)
    full = sh.Laplacian(torus, inverse_metric=[[2.0, 0.6], [0.6, 0.7]], backend=backend)
    s = math.pi**2 if backend == "spectral" else 4.0
    eigenvalue = -s * (2.0 / torus.spacing[0] ** 2 + 0.7 / torus.spacing[1] ** 2)
    for lap in (diagonal, full):
        assert_allclose(lap(checkerboard), eigenvalue * checkerboard, rtol=16 * eps(torch.float64))
    T = field(torus.shape)
    bound = backward_bound(T.dtype, abs(eigenvalue) * 2, T)
    assert_allclose(full(T.real.contiguous()), full(T.real.to(T.dtype)).real, rtol=0, atol=bound)
    assert largest(full(T.real.to(T.dtype)).imag) <= bound


@pytest.mark.parametrize("execution", ["auto", "fft", "dense"])
def test_one_point_carries_the_constant_mode_alone(execution):
    lap = sh.Laplacian(sh.Torus((1, 1, 1)), execution=execution)
    T = field((1, 1, 1, 3))
    assert torch.equal(lap(T), torch.zeros_like(T))
    line = sh.Laplacian(sh.Torus((1, 9), lengths=(5.0, 2.1)), inverse_metric=(3.0, 0.7), execution=execution)
    U = field((1, 9, 2))
    alone = sh.Laplacian(sh.Torus(9, lengths=2.1), inverse_metric=(0.7,), execution=execution)
    assert_allclose(line(U)[0], alone(U[0]), rtol=0, atol=backward_bound(U.dtype, 0.7 * (9 * math.pi / 2.1) ** 2, U))


@EVERY_ORDER
def test_the_smallest_grid_of_a_stencil(order):
    """N = p + 1: every point sees every other one once."""
    torus = sh.Torus((order + 1, order + 2), lengths=(2.1, 3.7))
    assert FiniteDifference(order).min_points == order + 1
    g = metric(2, "full")
    matrix = dense_laplacian(torus, g, "fd", order)
    T = field((*torus.shape, 2))
    bound = backward_bound(T.dtype, largest(dense_symbol(matrix, torus.shape)), T)
    for execution in ("fft", "dense", "stencil"):
        lap = sh.Laplacian(
            torus, inverse_metric=torch.from_numpy(g), backend="fd", stencil_order=order, execution=execution
        )
        assert_allclose(lap(T), act(matrix, T), rtol=0, atol=bound)
    with pytest.raises(ValueError, match=f"at least {order + 1} points per axis"):
        sh.Laplacian(sh.Torus((order + 2, order)), backend="fd", stencil_order=order)


def test_backends_are_values():
    """Equal backends share their cached tables."""
    assert FiniteDifference(4) == FiniteDifference(4) != FiniteDifference(2)
    assert hash(FiniteDifference(4)) == hash(FiniteDifference(4))
    assert Spectral() == get_backend("spectral", 8)
    for backend in (Spectral(), FiniteDifference(4)):
        with pytest.raises(dataclasses.FrozenInstanceError):
            backend.stencil_order = 2


@dataclasses.dataclass(frozen=True)
class Compact(Backend):
    """A fourth-order Padé scheme, (1 + δ²/12)⁻¹ δ²/Δ²: a third backend, dense in space, local in no way."""

    stencil_order: int = 2
    name: ClassVar[str] = "compact"

    @property
    def min_points(self):
        return 3

    @property
    def stencil(self):
        return None

    def second_derivative_symbol(self, n, spacing):
        delta = -4 * torch.sin(math.pi / n * torch.arange(n, dtype=torch.float64)) ** 2
        return delta / (1 + delta / 12) / spacing**2

    def first_derivative_symbol(self, n, spacing):
        return torch.sin(2 * math.pi / n * torch.arange(n, dtype=torch.float64)) / spacing


@dataclasses.dataclass(frozen=True)
class Wide(Compact):
    """Second differences over two steps: a third backend with a stencil."""

    name: ClassVar[str] = "wide"

    @property
    def min_points(self):
        return 5

    @property
    def stencil(self):
        return Stencil(second=(-0.5, 0.0, 0.25), first=(0.0, 0.0, 0.25))

    def second_derivative_symbol(self, n, spacing):
        return -(torch.sin(2 * math.pi / n * torch.arange(n, dtype=torch.float64)) ** 2) / spacing**2

    def first_derivative_symbol(self, n, spacing):
        return torch.sin(4 * math.pi / n * torch.arange(n, dtype=torch.float64)) / (2 * spacing)


@pytest.mark.parametrize(
    ("made", "executions"),
    [(Compact, ("auto", "fft", "dense")), (Wide, ("auto", "fft", "dense", "stencil"))],
    ids=["without a stencil", "with a stencil"],
)
def test_a_third_backend_is_one_class_and_one_line(monkeypatch, made, executions):
    """Whatever holds a backend knows its symbols and stencil only."""
    monkeypatch.setitem(REGISTRY, made.name, made)
    torus, backend = sh.Torus((7, 9), lengths=(2.1, 3.7)), made()
    second, first = (
        [
            circulant(np.fft.ifft(factor * symbol(n, h).numpy()).real)
            for n, h in zip(torus.shape, torus.spacing, strict=True)
        ]
        for factor, symbol in ((1, backend.second_derivative_symbol), (1j, backend.first_derivative_symbol))
    )
    matrix = 2.0 * np.kron(second[0], np.eye(9)) + 0.7 * np.kron(np.eye(7), second[1]) + 1.2 * np.kron(*first)
    T, V = field((*torus.shape, 2)), field(torus.shape, torch.float64)
    bound = backward_bound(T.dtype, largest(dense_symbol(matrix, torus.shape)), T, largest(V))
    for execution in executions:
        flags = {"inverse_metric": [[2.0, 0.6], [0.6, 0.7]], "backend": made.name, "execution": execution}
        assert_allclose(sh.Laplacian(torus, **flags)(T), act(matrix, T), rtol=0, atol=bound)
        H = sh.Hamiltonian(torus, potential=V, mass=0.5, **flags)
        assert_allclose(H(T), act(np.diag(V.numpy().reshape(-1)) - matrix, T), rtol=0, atol=bound)
    assert H.backend == made.name
    if "stencil" not in executions:
        with pytest.raises(ValueError, match=r"'auto', 'fft', 'dense'.*since backend='compact' has no local stencil"):
            sh.Laplacian(torus, backend=made.name, execution="stencil")
    with pytest.raises(ValueError, match=f"'spectral', 'fd', '{made.name}'"):
        sh.Laplacian(torus, backend="unheard of")
    T4 = field((*torus.shape, 2, 2))
    through_drop_in = sh.spatial_laplacian(T4, torus.spacing[0], dy=torus.spacing[1], backend=made.name)
    assert_allclose(through_drop_in, sh.Laplacian(torus, backend=made.name)(T4), rtol=0, atol=2 * bound)
