"""gradient="reversible": the gradients of autograd, at the memory of one step."""

import math

import pytest
import torch

import spectral_ham as sh

pytestmark = pytest.mark.filterwarnings("ignore::spectral_ham.analysis.preflight.Advice")
TORUS = sh.Torus((10, 9), lengths=(5.0, 4.0), origin=0.3)


def problem(kind, dtype=torch.complex128):
    """Return leaves (T, V, metric, mass, ħ) of an ugly problem."""
    x, y = TORUS.coordinates()
    generator = torch.Generator().manual_seed(3)
    if kind == "scalar":
        V = 1.5 * torch.cos(2 * math.pi * x / 5) * torch.cos(2 * math.pi * y / 4)
    else:
        V = torch.tensor([[0.3, 0.2 + 0.1j], [0.2 - 0.1j, -0.4]], dtype=torch.complex128)
    T = torch.randn(10, 9, 2, dtype=torch.complex128, generator=generator).to(dtype)
    numbers = [torch.tensor(v, dtype=torch.float64) for v in ([1.2, 0.7], 1.3, 0.8)]
    return [leaf.clone().requires_grad_() for leaf in (T, V, *numbers)]


def gradients(mode, kind, method, backend="spectral", dtype=torch.complex128, time=1.0):
    T, V, g, mass, hbar = leaves = problem(kind, dtype)
    potential = V if kind == "scalar" else sh.MatrixPotential((V + V.mH) / 2)
    H = sh.Hamiltonian(TORUS, inverse_metric=g, potential=potential, mass=mass, hbar=hbar, backend=backend)
    run = sh.evolve(H, T, time, method=method, dt=0.02, gradient=mode, save_times=[0.37, time])
    weights = torch.linspace(0, 1, 10, dtype=T.real.dtype)[:, None, None]
    return torch.autograd.grad((run.fields.real**2 * weights).sum(), leaves)


@pytest.mark.parametrize("backend", ["spectral", "fd"])
@pytest.mark.parametrize("kind", ["scalar", "matrix"])
@pytest.mark.parametrize("method", ["strang", "yoshida4", "blanes_moan4"])
def test_gradients_are_those_of_autograd(method, kind, backend):
    expected = gradients("autograd", kind, method, backend)
    for found, wanted in zip(gradients("reversible", kind, method, backend), expected, strict=True):
        # 50 steps there and back, a few rounding errors each, on gradients that grow with the number of steps.
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-11 * float(wanted.abs().max()))


def test_single_precision_keeps_its_digits():
    expected = gradients("autograd", "scalar", "strang")
    for found, wanted in zip(gradients("reversible", "scalar", "strang", dtype=torch.complex64), expected, strict=True):
        assert float((found - wanted).abs().max()) <= 2e-4 * float(wanted.abs().max())


def saved_bytes(mode, steps):
    seen = {}

    def pack(tensor):
        seen[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    T, V, *_ = problem("scalar")
    H = sh.Hamiltonian(TORUS, potential=V)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        sh.evolve(H, T, 0.02 * steps, method="strang", dt=0.02, gradient=mode)
    return sum(seen.values())


def test_memory_does_not_grow_with_the_number_of_steps():
    assert saved_bytes("reversible", 40) == saved_bytes("reversible", 5)
    assert saved_bytes("autograd", 40) > 4 * saved_bytes("autograd", 5)


@pytest.mark.parametrize(
    ("method", "options"),
    [("rk4", {}), ("lie", {}), ("strang", {"imaginary": True}), ("chebyshev", {})],
)
def test_what_cannot_be_undone_is_refused(method, options):
    H = sh.Hamiltonian(TORUS, potential=sh.potentials.cosine_lattice(TORUS))
    T = torch.ones(10, 9, dtype=torch.complex128, requires_grad=True)
    with pytest.raises(ValueError, match=r"`evolve\(gradient=...\)` must be 'autograd' or 'checkpoint'"):
        sh.evolve(H, T, 0.1, method=method, dt=0.02, gradient="reversible", **options)


def test_a_complex_potential_is_refused():
    H = sh.Hamiltonian(TORUS, potential=-0.1j * torch.ones(10, 9, dtype=torch.complex128))
    T = torch.ones(10, 9, dtype=torch.complex128, requires_grad=True)
    with pytest.raises(ValueError, match="static Hermitian H in real time"):
        sh.evolve(H, T, 0.1, method="strang", dt=0.02, gradient="reversible")


def test_second_derivatives_are_refused():
    T, V, *_ = problem("scalar")
    run = sh.evolve(sh.Hamiltonian(TORUS, potential=V), T, 0.1, method="strang", dt=0.02, gradient="reversible")
    (first,) = torch.autograd.grad(run.final.real.square().sum(), T, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.abs().sum().backward()
