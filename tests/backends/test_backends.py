"""Backends as operators use them: the Nyquist rule, the smallest grids, values as keys, and a third backend."""

import dataclasses
import math
from typing import ClassVar

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.dense import act, backward_bound, circulant, dense_laplacian, dense_symbol
from oracles.fields import ORDERS, eps, field, largest, metric
from spectral_ham.backends import BACKENDS as REGISTRY
from spectral_ham.backends import Backend, FiniteDifference, Spectral, Stencil, get_backend

EVERY_ORDER = pytest.mark.parametrize("order", ORDERS)


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
