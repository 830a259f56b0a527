"""H as a matrix and as a SciPy operator."""

import math

import numpy as np
import pytest
import torch
from covers import pairwise
from helpers import dense_oracle, hamiltonian, named_potential
from numpy.testing import assert_allclose
from scipy.sparse.linalg import eigsh

import spectral_ham as sh
from oracles.fields import GRIDS, KINETIC, TORUS, eps, field, largest


@pytest.mark.parametrize(
    ("ndim", "name", "made"),
    pairwise([1, 2, 3], ["real scalar", "complex scalar"], [("spectral", 2), ("fd", 4)]),
    ids=str,
)
def test_as_matrix(made, ndim, name):
    (backend, order), torus = made, GRIDS[ndim]
    matrix, symbol_max = dense_oracle(ndim, backend, order, "full")
    V, _ = named_potential(name, torus.shape)
    M = hamiltonian("auto", backend, V, torus, stencil_order=order).as_matrix()
    assert M.dtype == (torch.complex128 if V.is_complex() else torch.float64)
    expected = KINETIC * matrix + np.diag(V.numpy().reshape(-1))
    bound = 16 * eps(M.dtype) * (abs(KINETIC) * symbol_max + largest(V))
    assert_allclose(M, expected, rtol=0, atol=bound)


@pytest.mark.parametrize("channels", [(), (2, 3)], ids=str)
@pytest.mark.parametrize("name", ["real scalar", "complex scalar", "real elementwise", "complex elementwise"])
def test_as_linear_operator(name, channels):
    """Its matvec is H, its rmatvec H†: they differ where V is complex."""
    matrix, symbol_max = dense_oracle(2, "spectral", 2, "full")
    V, factor = named_potential(name, channels=channels)
    shape = (*TORUS.shape, *channels)
    diagonal = factor.expand(shape).reshape(-1).numpy()
    expected = np.kron(KINETIC * matrix, np.eye(math.prod(channels))) + np.diag(diagonal)
    operator = hamiltonian("auto", "spectral", V).as_linear_operator(channels)
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
    bound = 16 * eps(torch.float64) * largest(operator.matvec(x)) * np.abs(y).sum()
    assert abs(np.vdot(y, operator.matvec(x)) - np.vdot(operator.rmatvec(y), x)) <= bound
    skew = sh.Hamiltonian(TORUS, potential=sh.MatrixPotential(A)).as_linear_operator((2,))
    with pytest.raises(NotImplementedError):
        skew.rmatvec(x)


def test_scipy_finds_the_lowest_level_through_the_operator():
    matrix, symbol_max = dense_oracle(2, "spectral", 2, "full")
    V, _ = named_potential("real scalar")
    operator = hamiltonian("auto", "spectral", V).as_linear_operator()
    level = eigsh(operator, k=1, which="SA", tol=1e-12, return_eigenvectors=False)[0]
    exact = np.linalg.eigvalsh(KINETIC * matrix + np.diag(V.numpy().reshape(-1)))[0]
    assert abs(level - exact) <= 1e-10 * abs(KINETIC) * symbol_max
