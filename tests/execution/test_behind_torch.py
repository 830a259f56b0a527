"""What works behind torch's back must not be noticed by autograd or tracers, nor what is kept when V changes."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch.fx.experimental.proxy_tensor import make_fx

import spectral_ham as sh
from oracles.fields import field
from spectral_ham.operators.window import window
from spectral_ham.propagators import SCHEMES, Chebyshev, Exact, Splitting, propagator, reversible_advance

TORUS = sh.Torus((16, 12))
RUNS = [("fd", "stencil"), ("spectral", "fft"), ("spectral", "dense")]
EVERY_RUN = pytest.mark.parametrize(("backend", "execution"), RUNS)


def lattice():
    return sh.potentials.cosine_lattice(TORUS)


def hamiltonian(backend="fd", execution="auto", V=None):
    return sh.Hamiltonian(TORUS, potential=lattice() if V is None else V, backend=backend, execution=execution)


WRITES = {
    "H": lambda T, out: hamiltonian("fd", "stencil")(T, out),
    "H by FFT": lambda T, out: hamiltonian("spectral", "fft")(T, out),
    "function of the Laplacian": lambda T, out: sh.Laplacian(TORUS).function(torch.exp)(T, out),
    "splitting": lambda T, out: propagator("strang", hamiltonian(), 0.1).advance(T, 3, out=out),
}


@pytest.mark.parametrize("channels", [(), (3,)], ids=str)
@pytest.mark.parametrize("write", WRITES)
def test_autograd_sees_that_out_was_written_into(write, channels):
    T, a = field((16, 12, *channels)), field((16, 12, *channels), seed=2).requires_grad_()
    out = field((16, 12, *channels), seed=3)
    loss = (a * out).abs().sum()
    with torch.no_grad():
        WRITES[write](T, out)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def calling(f):
    return lambda x: f(x)


@EVERY_RUN
def test_tracers_see_every_operation(backend, execution):
    H, T, U = hamiltonian(backend, execution), field((16, 12, 3)), field((16, 12, 3), seed=2)
    smooth = sh.Laplacian(TORUS, backend=backend).function(torch.exp)
    for f in (H, smooth):
        traced = make_fx(calling(f))(T)
        assert_allclose(traced(U), f(U), rtol=0, atol=1e-13)


def test_out_must_not_overlap_through_another_storage():
    """NumPy slices of one array have storages of their own."""
    memory = np.zeros((17, 12))
    T, out = torch.from_numpy(memory[:16]), torch.from_numpy(memory[1:])
    with pytest.raises(ValueError, match="memory of its own"):
        hamiltonian()(T, out)


CHANGES = {
    "in place": (lambda: lattice(), lambda V: V.add_(1.0)),
    "by NumPy": (lambda: torch.from_numpy(lattice().numpy().copy()), lambda V: V.numpy().__iadd__(1.0)),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_V_is_seen_in_every_precision(change):
    make, write = CHANGES[change]
    V, T = make(), field((16, 12, 3), torch.complex64)
    H = hamiltonian(V=V)
    series = Chebyshev(H, 0.3, tol=1e-6)
    H(T), series(T)
    write(V)
    again = hamiltonian(V=V.clone())
    assert_allclose(H(T), again(T), rtol=0, atol=1e-5)
    assert_allclose(series(T), series._forward(T), rtol=0, atol=1e-4)


def test_a_copied_H_sees_what_is_written_into_its_own_V():
    T = field((16, 12, 3), torch.complex64)
    H = hamiltonian()
    H.potential.values.add_(0.0)
    H(T)
    other = copy.deepcopy(H)
    other.potential.values.add_(1.0)
    assert_allclose(other(T) - H(T), T, rtol=0, atol=1e-5)


def test_a_nonlinear_V_gets_a_field_that_it_may_keep():
    kept = []

    def V(T, t):
        kept.append(T)
        return torch.view_as_real(T).view(16, 12, -1).square().sum(-1)

    H = hamiltonian(V=sh.NonlinearPotential(V))
    Splitting(H, 0.05, scheme=SCHEMES["strang"]).advance(field((16, 12, 2)), 3)
    before = [T.clone() for T in kept]
    Splitting(H, 0.05, scheme=SCHEMES["strang"]).advance(field((16, 12, 2), seed=9), 3)
    assert all(torch.equal(a, b) for a, b in zip(kept, before, strict=False))


@pytest.mark.parametrize("execution", ["fft", "dense"])
def test_reversible_takes_a_real_field_and_no_steps(execution):
    step = propagator("strang", hamiltonian("spectral", execution), 0.1)
    T = field((16, 12, 20), torch.float64)
    assert_allclose(reversible_advance(step, T, 3), step.advance(T, 3), rtol=0, atol=1e-12)
    assert torch.equal(reversible_advance(step, T, 0), T.to(torch.complex128))


def test_windows_can_be_batched_by_vmap():
    lap, T = sh.Laplacian(TORUS), field((4, 16, 12, 3))
    functions = [lambda s: torch.exp(0.1 * s), lambda s: 1 / (1 - s)]
    together = torch.func.vmap(lambda x: window(lap, x, functions))(T)
    assert_allclose(together, torch.stack([window(lap, x, functions) for x in T]), rtol=0, atol=1e-13)


def test_exact_steps_made_in_inference_mode_serve_autograd():
    E = Exact(sh.Hamiltonian(TORUS, potential=sh.potentials.constant(TORUS, 0.3)), 0.1)
    with torch.inference_mode():
        E(field((16, 12)))
    T = field((16, 12)).requires_grad_()
    E(T).abs().square().sum().backward()
    assert T.grad is not None


@pytest.mark.skipif(not torch._dynamo.is_dynamo_supported(), reason="torch.compile does not exist here")
@pytest.mark.parametrize("method", ["rk4", "chebyshev"])
def test_propagators_compile(method):
    torch._dynamo.reset()
    P, T = propagator(method, hamiltonian("fd"), 0.05), field((16, 12, 2))
    assert_allclose(torch.compile(P, backend="aot_eager", fullgraph=True)(T), P(T), rtol=0, atol=1e-12)
    torch._dynamo.reset()
