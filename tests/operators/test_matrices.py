"""H as a matrix and as a SciPy operator, and its spectrum within its bounds."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from covers import pairwise
from numpy.testing import assert_allclose
from scipy.sparse.linalg import eigsh

import spectral_ham as sh
from oracles.dense import dense_laplacian, dense_symbol
from oracles.fields import BACKENDS, GRIDS, HBAR, KINETIC, MASS, TORUS, eps, field, given_metric, largest, metric


@cache
def oracle(ndim, backend, order, kind):
    """The dense Laplacian and the largest absolute value of its symbol."""
    torus = GRIDS[ndim]
    matrix = dense_laplacian(torus, metric(ndim, kind), backend, order)
    return matrix, largest(dense_symbol(matrix, torus.shape))


def potential(name, torus=TORUS, channels=(2, 2)):
    """A potential by name as (what a user gives, what multiplies T)."""
    shape = torus.shape if name.endswith("scalar") else (*torus.shape, *channels)
    V = field(shape, torch.float64, seed=3)
    if name.startswith("complex"):
        V = torch.complex(V, field(shape, torch.float64, seed=4))
    behind = (1,) * len(channels) if name.endswith("scalar") else ()
    return V, V.reshape(*V.shape, *behind)


POTENTIALS = ["real scalar", "complex scalar", "real elementwise", "complex elementwise"]


@pytest.mark.parametrize(
    ("made", "ndim", "kind", "name"),
    pairwise(BACKENDS, [1, 2, 3], ["diagonal", "full"], ["real scalar", "complex scalar"]),
    ids=str,
)
def test_as_matrix(made, ndim, kind, name):
    backend, order = made
    torus, (matrix, symbol_max) = GRIDS[ndim], oracle(ndim, backend, order, kind)
    V, _ = potential(name, torus)
    H = sh.Hamiltonian(
        torus,
        inverse_metric=given_metric(ndim, kind),
        potential=V,
        hbar=HBAR,
        mass=MASS,
        backend=backend,
        stencil_order=order,
    )
    M = H.as_matrix()
    assert M.dtype == (torch.complex128 if V.is_complex() else torch.float64)
    expected = KINETIC * matrix + np.diag(V.numpy().reshape(-1))
    bound = 16 * eps(M.dtype) * (abs(KINETIC) * symbol_max + largest(V))
    assert_allclose(M, expected, rtol=0, atol=bound)


@pytest.mark.parametrize(("made", "name", "channels"), pairwise(BACKENDS, POTENTIALS, [(), (2, 3)]), ids=str)
def test_as_linear_operator(made, name, channels):
    """Its matvec is H, its rmatvec H†: they differ where V is complex."""
    backend, order = made
    matrix, symbol_max = oracle(2, backend, order, "full")
    V, factor = potential(name, channels=channels)
    H = sh.Hamiltonian(
        TORUS,
        inverse_metric=given_metric(2, "full"),
        potential=V,
        hbar=HBAR,
        mass=MASS,
        backend=backend,
        stencil_order=order,
    )
    shape = (*TORUS.shape, *channels)
    diagonal = factor.expand(shape).reshape(-1).numpy()
    expected = np.kron(KINETIC * matrix, np.eye(math.prod(channels))) + np.diag(diagonal)
    operator = H.as_linear_operator(channels)
    assert operator.shape == expected.shape
    assert operator.dtype == (np.complex128 if V.is_complex() else np.float64)
    x = field(shape).reshape(-1).numpy()
    bound = 16 * eps(torch.float64) * (abs(KINETIC) * symbol_max + largest(V)) * largest(x)
    assert_allclose(operator.matvec(x), expected @ x, rtol=0, atol=bound)
    assert_allclose(operator.rmatvec(x), expected.conj().T @ x, rtol=0, atol=bound)


def test_linear_operator_of_a_matrix_potential():
    """A Hermitian matrix potential is its own adjoint; another one offers none."""
    A = field((2, 2), seed=5)
    shape = (*TORUS.shape, 2)
    x, y = (field(shape, seed=seed).reshape(-1).numpy() for seed in (1, 2))
    operator = sh.Hamiltonian(TORUS, potential=sh.MatrixPotential(A + A.mH)).as_linear_operator((2,))
    scale = largest(operator.matvec(x)) * np.abs(y).sum()
    bound = 16 * eps(torch.float64) * scale
    assert abs(np.vdot(y, operator.matvec(x)) - np.vdot(operator.rmatvec(y), x)) <= bound
    skew = sh.Hamiltonian(TORUS, potential=sh.MatrixPotential(A)).as_linear_operator((2,))
    with pytest.raises(NotImplementedError):
        skew.rmatvec(x)


@pytest.mark.parametrize(("made", "ndim", "kind"), pairwise(BACKENDS, [1, 2], ["diagonal", "full"]), ids=str)
def test_eigenvalues_lie_in_the_spectral_bounds(made, ndim, kind):
    """And the bounds are attained where V is constant: they are the range of the symbol, not an estimate."""
    backend, order = made
    torus, (matrix, symbol_max) = GRIDS[ndim], oracle(ndim, backend, order, kind)
    V, _ = potential("real scalar", torus)
    settings = {
        "inverse_metric": given_metric(ndim, kind),
        "hbar": HBAR,
        "mass": MASS,
        "backend": backend,
        "stencil_order": order,
    }
    rounding = 16 * eps(torch.float64) * torus.size * (abs(KINETIC) * symbol_max + largest(V))
    lowest, highest = sh.Hamiltonian(torus, potential=V, **settings).spectral_bounds()
    levels = np.linalg.eigvalsh(KINETIC * matrix + np.diag(V.numpy().reshape(-1)))
    assert lowest - rounding <= levels[0]
    assert levels[-1] <= highest + rounding
    flat = np.linalg.eigvalsh(KINETIC * matrix) + 1.5
    constant = sh.potentials.constant(torus, 1.5)
    assert_allclose(
        sh.Hamiltonian(torus, potential=constant, **settings).spectral_bounds(),
        (flat[0], flat[-1]),
        rtol=0,
        atol=rounding,
    )


def test_scipy_finds_the_lowest_level_through_the_operator():
    matrix, symbol_max = oracle(2, "spectral", 2, "full")
    V, _ = potential("real scalar")
    H = sh.Hamiltonian(TORUS, inverse_metric=given_metric(2, "full"), potential=V, hbar=HBAR, mass=MASS)
    level = eigsh(H.as_linear_operator(), k=1, which="SA", tol=1e-12, return_eigenvectors=False)[0]
    exact = np.linalg.eigvalsh(KINETIC * matrix + np.diag(V.numpy().reshape(-1)))[0]
    assert abs(level - exact) <= 1e-10 * abs(KINETIC) * symbol_max
