"""Functions of the Laplacian: T ↦ F⁻¹ f(symbol) F T against matrix functions."""

import math

import numpy as np
import pytest
import torch
from covers import pairwise
from helpers import dense_oracle, transforms
from numpy.testing import assert_allclose
from scipy.linalg import expm

import spectral_ham as sh
from oracles.dense import act
from oracles.fields import TORUS, eps, field, given_metric, largest

FUNCTIONS = {
    "resolvent": (lambda s: 1 / (3.0 - s), lambda A: np.linalg.inv(3.0 * np.eye(len(A)) - A)),
    "heat kernel": (lambda s: torch.exp(0.01 * s), lambda A: expm(0.01 * A)),
    "propagator": (lambda s: torch.exp(0.01j * s), lambda A: expm(0.01j * A)),
    "low pass": (lambda s: s > -50.0, lambda A: projector(*np.linalg.eigh(A))),
}


def projector(levels, modes):
    """Return the projector on the modes above −50."""
    return (modes * (levels > -50.0)) @ modes.T


@pytest.mark.parametrize(
    ("name", "made", "dtype"),
    pairwise(FUNCTIONS, [("spectral", 2), ("fd", 4)], [torch.complex64, torch.float64]),
    ids=str,
)
def test_functions_of_the_laplacian(name, made, dtype):
    """F⁻¹ f(symbol) F T against the matrix function of the dense Laplacian."""
    (backend, order), (f, of_matrix) = made, FUNCTIONS[name]
    expected = of_matrix(dense_oracle(2, backend, order, "full")[0])
    lap = sh.Laplacian(TORUS, inverse_metric=given_metric(2, "full"), backend=backend, stencil_order=order)
    operator = lap.function(f)
    T = field((*TORUS.shape, 2, 2), dtype)
    result = operator(T)
    assert result.shape == T.shape
    assert result.dtype == (dtype.to_complex() if name == "propagator" else dtype)
    # The dense matrix functions are good to about n·eps; the table is good to eps·|f'(s)|·|s|.
    scale = max(1.0, largest(f(lap.symbol()).to(torch.complex128)))
    bound = (16 * eps(dtype) + 4 * TORUS.size * eps(torch.float64)) * scale * largest(T)
    assert_allclose(result, act(expected, T), rtol=0, atol=bound)
    out = torch.full_like(result, math.nan)
    assert operator(T, out) is out
    assert torch.equal(out, result)
    assert_allclose(operator(T[..., 0, 0]), act(expected, T[..., 0, 0]), rtol=0, atol=bound)


@pytest.mark.parametrize("layout", ["permuted", "conjugated"])
def test_functions_take_any_layout(layout):
    smooth = sh.Laplacian(TORUS).function(lambda s: torch.exp(0.1 * s))
    T = field((2, *TORUS.shape)).permute(1, 2, 0) if layout == "permuted" else field((*TORUS.shape, 2)).conj()
    result = smooth(T)
    assert result.is_contiguous()
    assert_allclose(result, smooth(T.resolve_conj().contiguous()), rtol=0, atol=16 * eps(T.dtype) * largest(T))


def test_functions_carry_gradients_of_the_field_and_the_metric():
    """Not a test of all derivatives, but that the path of a recorded gradient computes the same operator."""
    g = torch.tensor([2.0, 0.7], dtype=torch.float64, requires_grad=True)
    T = field((*TORUS.shape, 2)).requires_grad_()
    smooth = sh.Laplacian(TORUS, inverse_metric=g).function(lambda s: torch.exp(0.1 * s))
    plain = sh.Laplacian(TORUS, inverse_metric=g.detach()).function(lambda s: torch.exp(0.1 * s))
    result = smooth(T)
    assert_allclose(result.detach(), plain(T.detach()), rtol=0, atol=16 * eps(T.dtype) * largest(T.detach()))
    result.abs().square().sum().backward()
    expected = 2 * plain(plain(T.detach()))
    assert_allclose(T.grad, expected, rtol=0, atol=64 * eps(T.dtype) * largest(T.detach()))
    assert (g.grad < 0).all()  # more diffusion, less norm


def test_a_function_costs_two_transforms():
    smooth, T = sh.Laplacian(TORUS).function(torch.exp), field((*TORUS.shape, 2))
    smooth(T)
    assert transforms(lambda: smooth(T)) == 2
