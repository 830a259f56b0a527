"""What works behind torch's back must not be noticed by autograd or tracers, nor what is kept when V changes."""

import pytest
import torch
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.fields import field
from spectral_ham.propagators import SCHEMES, Chebyshev, Exact, Splitting, propagator, reversible_advance

TORUS = sh.Torus((16, 12))
RUNS = [("fd", "stencil"), ("spectral", "fft"), ("spectral", "dense")]
EVERY_RUN = pytest.mark.parametrize(("backend", "execution"), RUNS)


def lattice():
    return sh.potentials.cosine_lattice(TORUS)


def hamiltonian(backend="fd", execution="auto", V=None):
    return sh.Hamiltonian(TORUS, potential=lattice() if V is None else V, backend=backend, execution=execution)


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


def test_exact_steps_made_in_inference_mode_serve_autograd():
    E = Exact(sh.Hamiltonian(TORUS, potential=sh.potentials.constant(TORUS, 0.3)), 0.1)
    with torch.inference_mode():
        E(field((16, 12)))
    T = field((16, 12)).requires_grad_()
    E(T).abs().square().sum().backward()
    assert T.grad is not None
