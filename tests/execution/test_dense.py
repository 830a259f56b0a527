"""The dense execution: circulant matrices, shared by equal geometries, on any axis of any field."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.dense import axis_matrix
from oracles.fields import GRIDS, eps, field
from spectral_ham._internal.memo import geometry_memo
from spectral_ham.execution import dense


@pytest.mark.parametrize("derivative", [1, 2])
@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("made", [("spectral", 2), ("fd", 4)], ids=str)
def test_axis_matrices_are_those_of_typed_weights_and_closed_forms(made, axis, derivative):
    (backend, order), torus = made, GRIDS[3]
    operator = sh.Laplacian(torus, backend=backend, stencil_order=order).operator
    matrix = dense.axis_matrix(operator, axis, derivative, torch.float64, torch.device("cpu"))
    bound = 16 * eps(torch.float64) * (np.pi / torus.spacing[axis]) ** derivative
    assert_allclose(matrix, axis_matrix(torus, axis, derivative, backend, order), rtol=0, atol=bound)


def test_equal_geometries_share_their_matrices(empty_cache):
    """Whatever the metric or the mass: ∂² of an axis is one matrix."""
    torus = GRIDS[2]
    T = field((*torus.shape, 2))
    sh.Hamiltonian(torus, execution="dense", mass=2.0)(T)
    held = geometry_memo.nbytes
    again = sh.Torus(torus.shape, lengths=torus.lengths)
    sh.Hamiltonian(again, execution="dense", inverse_metric=(3.0, 0.4))(T)
    assert geometry_memo.nbytes == held > 0
