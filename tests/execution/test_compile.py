"""Tracers and compilers see every operation, and a compiled call computes what an eager one does."""

import pytest
import torch
from helpers import WAYS, hamiltonian, rounding
from numpy.testing import assert_allclose
from torch.fx.experimental.proxy_tensor import make_fx

import spectral_ham as sh
from oracles.fields import TORUS, field

needs_dynamo = pytest.mark.skipif(not torch._dynamo.is_dynamo_supported(), reason="torch.compile does not exist here")


@pytest.mark.parametrize(("backend", "execution"), WAYS)
def test_tracers_see_every_operation(backend, execution):
    H, T, U = hamiltonian(execution, backend), field((*TORUS.shape, 3)), field((*TORUS.shape, 3), seed=2)
    traced = make_fx(lambda x: H(x))(T)
    assert_allclose(traced(U), H(U), rtol=0, atol=rounding(H, U))


def test_tracers_see_functions_of_the_laplacian():
    smooth, T, U = sh.Laplacian(TORUS).function(torch.exp), field(TORUS.shape), field(TORUS.shape, seed=2)
    assert_allclose(make_fx(lambda x: smooth(x))(T)(U), smooth(U), rtol=0, atol=1e-13)


@needs_dynamo
@pytest.mark.parametrize(("backend", "execution"), [("spectral", "fft"), ("fd", "stencil")])
def test_a_compiled_H_is_H_gradients_included(backend, execution):
    torch._dynamo.reset()
    V = field(TORUS.shape, torch.float64)
    H = hamiltonian(execution, backend, V)
    compiled = torch.compile(lambda x: H(x), backend="aot_eager", fullgraph=True)
    T, U = field((*TORUS.shape, 2)).requires_grad_(), field((*TORUS.shape, 2)).requires_grad_()
    result, expected = compiled(T), H(U)
    result.abs().square().sum().backward()
    expected.abs().square().sum().backward()
    assert_allclose(result.detach(), expected.detach(), rtol=0, atol=rounding(H, T))
    assert_allclose(T.grad, U.grad, rtol=0, atol=4 * rounding(H, expected))
    torch._dynamo.reset()


@needs_dynamo
@pytest.mark.parametrize("method", ["rk4", "chebyshev"])
def test_propagators_compile(method):
    torch._dynamo.reset()
    torus = sh.Torus((5, 4))
    H = sh.Hamiltonian(torus, potential=sh.potentials.cosine_lattice(torus), backend="fd")
    P, T = sh.propagators.propagator(method, H, 0.05), field((5, 4, 2))
    assert_allclose(torch.compile(P, backend="aot_eager", fullgraph=True)(T), P(T), rtol=0, atol=1e-12)
    torch._dynamo.reset()
