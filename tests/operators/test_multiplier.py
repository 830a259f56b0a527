"""Functions of the Laplacian: T ↦ F⁻¹ f(symbol) F T against matrix functions."""

import math

import numpy as np
import pytest
import torch
from covers import pairwise
from helpers import count_ops
from numpy.testing import assert_allclose
from scipy.linalg import expm

import spectral_ham as sh
from oracles.dense import act, backward_bound, dense_laplacian
from oracles.fields import BACKEND_IDS, BACKENDS, DTYPES, TORUS, eps, field, given_metric, largest, metric

EVERY_BACKEND = pytest.mark.parametrize(("backend", "order"), BACKENDS, ids=BACKEND_IDS)

FUNCTIONS = {
    "resolvent": (lambda s: 1 / (3.0 - s), lambda A: np.linalg.inv(3.0 * np.eye(len(A)) - A)),
    "heat kernel": (lambda s: torch.exp(0.01 * s), lambda A: expm(0.01 * A)),
    "propagator": (lambda s: torch.exp(0.01j * s), lambda A: expm(0.01j * A)),
    "low pass": (lambda s: s > -50.0, None),
    "the Laplacian itself": (lambda s: s, lambda A: A),
}


@pytest.mark.parametrize(("name", "made", "dtype"), pairwise(FUNCTIONS, BACKENDS, DTYPES), ids=str)
def test_functions_of_the_laplacian(name, made, dtype):
    """F⁻¹ f(symbol) F T against the matrix function of the dense Laplacian."""
    (backend, order), (f, of_matrix) = made, FUNCTIONS[name]
    A = dense_laplacian(TORUS, metric(2, "full"), backend, order)
    if of_matrix is None:
        levels, modes = np.linalg.eigh(A)
        expected = (modes * (levels > -50.0)) @ modes.T
    else:
        expected = of_matrix(A)
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


@EVERY_BACKEND
def test_functions_invert_and_compose(backend, order):
    lap = sh.Laplacian(TORUS, inverse_metric=(2.0, 0.7), backend=backend, stencil_order=order)
    T = field((*TORUS.shape, 3))
    bound = backward_bound(T.dtype, largest(lap.symbol()), T)
    assert_allclose(lap.function(lambda s: 1 / (1 - s))(T - lap(T)), T, rtol=0, atol=bound)
    there, back = lap.function(lambda s: torch.exp(0.3j * s)), lap.function(lambda s: torch.exp(-0.3j * s))
    assert_allclose(back(there(T)), T, rtol=0, atol=64 * eps(T.dtype) * largest(T))
    norms = torch.linalg.vector_norm(there(T)), torch.linalg.vector_norm(T)
    assert float(norms[0]) == pytest.approx(float(norms[1]), rel=32 * eps(T.dtype))


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


@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_a_function_costs_two_transforms(backend):
    smooth, T = sh.Laplacian(TORUS, backend=backend).function(torch.exp), field((*TORUS.shape, 2))
    smooth(T)
    with count_ops() as seen:
        smooth(T)
    assert sum(n for name, n in seen.items() if "_fft" in name) == 2
