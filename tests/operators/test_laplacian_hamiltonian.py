"""What `Laplacian` and `Hamiltonian` promise beyond H[T]: energy, bounds, functions of ∇²_g, V(t), immutability."""

import copy
import dataclasses
import itertools
import math
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.linalg import expm

import spectral_ham as sh
from oracles.dense import act, backward_bound, dense_laplacian, dense_symbol
from oracles.fields import (
    BACKEND_IDS,
    BACKENDS,
    DTYPES,
    GRIDS,
    HBAR,
    KINETIC,
    MASS,
    TORUS,
    eps,
    executions,
    field,
    given_metric,
    largest,
    metric,
)

EVERY_BACKEND = pytest.mark.parametrize(("backend", "order"), BACKENDS, ids=BACKEND_IDS)
EVERY_RUN = pytest.mark.parametrize(
    ("backend", "execution"), [(backend, run) for backend in ("spectral", "fd") for run in executions(backend)]
)
FLAGS = {"inverse_metric": given_metric(2, "full"), "hbar": HBAR, "mass": MASS}
CELL = 2.1 / 10 * 3.7 / 9


def wave(torus, modes, dtype=torch.complex128):
    """A plane wave e^{ik·(x − origin)} from integer phases, so that rounding does not grow with k."""
    phase = torch.zeros(torus.shape, dtype=torch.float64)
    for axis, (n, mode) in enumerate(zip(torus.shape, modes, strict=True)):
        turns = (mode * torch.arange(n, dtype=torch.int64)) % n
        phase = phase + (2 * math.pi / n * turns).reshape([-1 if i == axis else 1 for i in range(torus.ndim)])
    return torch.polar(torch.ones_like(phase), phase).to(dtype)


# Energy


@pytest.mark.parametrize("modes", [(3, -2), (-4, 1), (0, 4)], ids=str)
def test_energy_of_a_plane_wave(modes):
    """E = (ħ²/2m · Σ_ij g^ij k_i k_j + V) · |A|² · area · channels: oblique, with the cross term."""
    k = [2 * math.pi * m / L for m, L in zip(modes, (2.1, 3.7), strict=True)]
    kinetic = -KINETIC * (2.0 * k[0] ** 2 + 2 * 0.6 * k[0] * k[1] + 0.7 * k[1] ** 2)
    H = sh.Hamiltonian(TORUS, potential=sh.potentials.constant(TORUS, 1.5), **FLAGS)
    T = (0.3 - 0.4j) * wave(TORUS, modes)[:, :, None].expand(*TORUS.shape, 3)
    E = H.energy(T)
    assert (E.shape, E.dtype) == ((), torch.float64)
    assert float(E) == pytest.approx((kinetic + 1.5) * 0.25 * 2.1 * 3.7 * 3, rel=1e-13 * H.spectral_bounds()[1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@EVERY_BACKEND
def test_energy_is_the_dense_quadratic_form(backend, order, dtype):
    """Re T† H T · ΔV, a real 0-d tensor of T's precision; the imaginary part of V adds nothing to it."""
    matrix = KINETIC * dense_laplacian(TORUS, metric(2, "full"), backend, order)
    V, T = field(TORUS.shape), field((*TORUS.shape, 2, 2), dtype)
    H = sh.Hamiltonian(TORUS, potential=V, backend=backend, stencil_order=order, **FLAGS)
    E = H.energy(T)
    assert (E.shape, E.dtype) == ((), dtype.to_real())
    wide = T.to(torch.complex128).numpy().reshape(TORUS.size, -1)
    expected = CELL * np.vdot(wide, (matrix + np.diag(V.real.numpy().reshape(-1))) @ wide).real
    bound = backward_bound(dtype, largest(dense_symbol(matrix, TORUS.shape)), T, largest(V)) * largest(T)
    assert abs(float(E) - expected) <= bound * CELL * T.numel()


def test_energy_takes_any_layout_and_time():
    V = sh.potentials.cosine_lattice(TORUS)
    H = sh.Hamiltonian(TORUS, potential=lambda t: t * V, **FLAGS)
    T = field((3, *TORUS.shape)).permute(1, 2, 0)
    static = sh.Hamiltonian(TORUS, potential=2.5 * V, **FLAGS)
    bound = CELL * T.numel() * backward_bound(T.dtype, static.spectral_bounds()[1], T) * largest(T)
    expected = CELL * torch.sum(T.conj() * static(T)).real
    assert abs(H.energy(T, t=2.5) - expected) <= bound
    assert abs(H.energy(T.conj(), t=2.5) - expected) <= bound  # H is real: T and T* have one energy


# Bounds and symbols


@pytest.mark.pairwise
@pytest.mark.parametrize("kind", ["diagonal", "full"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
@EVERY_BACKEND
def test_symbol_and_bounds_are_the_dense_spectrum(backend, order, ndim, kind):
    torus = GRIDS[ndim]
    flags = {"inverse_metric": given_metric(ndim, kind), "backend": backend, "stencil_order": order}
    expected = dense_symbol(dense_laplacian(torus, metric(ndim, kind), backend, order), torus.shape)
    bound = 32 * eps(torch.float64) * largest(expected)
    symbol = sh.Laplacian(torus, **flags).symbol()
    assert (symbol.shape, symbol.dtype) == (torus.shape, torch.float64)
    assert_allclose(symbol, expected, rtol=0, atol=bound)
    assert symbol.max() == symbol.flatten()[0] == 0
    low, high = sh.Hamiltonian(torus, hbar=HBAR, mass=MASS, **flags).spectral_bounds()
    assert low == 0
    assert high == pytest.approx(KINETIC * expected.min(), rel=0, abs=-KINETIC * bound)


def test_plane_waves_attain_the_bounds():
    """The wave of the largest symbol has the energy E_max, that of k = 0 has E_min: the bounds are tight."""
    H = sh.Hamiltonian(TORUS, potential=sh.potentials.constant(TORUS, -0.7), backend="fd", stencil_order=4, **FLAGS)
    low, high = H.spectral_bounds()
    energies = {
        modes: float(H.energy(wave(TORUS, modes))) / (2.1 * 3.7)
        for modes in itertools.product(range(-5, 5), range(-4, 5))
    }
    assert max(energies.values()) == pytest.approx(high, rel=1e-13)
    assert min(energies.values()) == pytest.approx(low, rel=0, abs=1e-13 * high) == -0.7


def test_symbol_is_a_copy_in_the_dtype_asked_for():
    lap = sh.Laplacian(TORUS, inverse_metric=given_metric(2, "full"))
    kept = lap.symbol()
    lap.symbol().fill_(1.0)
    assert torch.equal(lap.symbol(), kept)
    assert torch.equal(lap.symbol(torch.float32), kept.to(torch.float32))
    assert lap.symbol(device="meta").device.type == "meta"


def test_symbol_carries_the_gradient_of_the_metric():
    g = torch.tensor([2.0, 0.7], dtype=torch.float64, requires_grad=True)
    symbol = sh.Laplacian(TORUS, inverse_metric=g).symbol()
    (grad,) = torch.autograd.grad(symbol[3, 2], g)
    assert grad.tolist() == pytest.approx([-((6 * math.pi / 2.1) ** 2), -((4 * math.pi / 3.7) ** 2)])


# Hermitian, by value


def test_is_hermitian_by_value():
    real, imaginary = field(TORUS.shape, torch.float64), torch.zeros(TORUS.shape, dtype=torch.complex128)
    imaginary[3, 2] = 1e-300j
    A = field((2, 2))
    cases = [
        (None, True),
        (real, True),
        (real.to(torch.complex64), True),
        (real.to(torch.complex128).requires_grad_(), True),
        (real + imaginary, False),
        (field((*TORUS.shape, 2)), False),
        (field((*TORUS.shape, 2)).real.to(torch.complex128), True),
        (sh.MatrixPotential(A + A.mH), True),
        (sh.MatrixPotential(A), False),
        (sh.MatrixPotential(A.real.contiguous()), False),
        (lambda t: real * t, True),
        (lambda t: real + (1 - t) * imaginary, False),
    ]
    for V, expected in cases:
        assert sh.Hamiltonian(TORUS, potential=V).is_hermitian is expected


def test_a_complex_V_with_zero_imaginary_part_keeps_a_real_field_real():
    V, T = field(TORUS.shape, torch.float64), field((*TORUS.shape, 2), torch.float64)
    result = sh.Hamiltonian(TORUS, potential=V.to(torch.complex128))(T)
    assert result.dtype == torch.float64
    assert torch.equal(result, sh.Hamiltonian(TORUS, potential=V)(T))


def test_bounds_of_each_kind_of_potential():
    kinetic = sh.Hamiltonian(TORUS, **FLAGS).spectral_bounds()
    V, W, A = field(TORUS.shape, torch.float64), field((*TORUS.shape, 2), torch.float64), field((*TORUS.shape, 3, 3))
    levels = torch.linalg.eigvalsh(A + A.mH)
    for potential, (low, high) in (
        (V, (V.min(), V.max())),
        (V.to(torch.complex128), (V.min(), V.max())),
        (W, (W.min(), W.max())),
        (sh.MatrixPotential(A + A.mH), (levels.min(), levels.max())),
    ):
        bounds = sh.Hamiltonian(TORUS, potential=potential, **FLAGS).spectral_bounds()
        assert bounds == pytest.approx((kinetic[0] + float(low), kinetic[1] + float(high)), rel=1e-14)
        assert all(type(bound) is float for bound in bounds)
    moving = sh.Hamiltonian(TORUS, potential=lambda t: V * t, **FLAGS)
    assert moving.spectral_bounds(t=2.0)[0] == pytest.approx(2 * float(V.min()), rel=1e-14)


# Functions of the Laplacian

FUNCTIONS = {
    "resolvent": (lambda s: 1 / (3.0 - s), lambda A: np.linalg.inv(3.0 * np.eye(len(A)) - A)),
    "heat kernel": (lambda s: torch.exp(0.01 * s), lambda A: expm(0.01 * A)),
    "propagator": (lambda s: torch.exp(0.01j * s), lambda A: expm(0.01j * A)),
    "low pass": (lambda s: s > -50.0, None),
    "the Laplacian itself": (lambda s: s, lambda A: A),
}


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
@EVERY_BACKEND
def test_functions_of_the_laplacian(backend, order, name, dtype):
    """F⁻¹ f(symbol) F T against the matrix function of the dense Laplacian."""
    f, of_matrix = FUNCTIONS[name]
    A = dense_laplacian(TORUS, metric(2, "full"), backend, order)
    if of_matrix is None:
        levels, modes = np.linalg.eigh(A)
        expected = (modes * (levels > -50.0)) @ modes.T
    else:
        expected = of_matrix(A)
    lap = sh.Laplacian(TORUS, inverse_metric=FLAGS["inverse_metric"], backend=backend, stencil_order=order)
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


# V(t)


@EVERY_RUN
def test_V_of_t_is_evaluated_at_t(backend, execution):
    (x, y), seen = TORUS.coordinates(), []

    def V(t):
        seen.append(t)
        return torch.cos(x - t) + 0 * y

    T = field((*TORUS.shape, 2))
    H = sh.Hamiltonian(TORUS, potential=V, backend=backend, execution=execution, **FLAGS)
    static = sh.Hamiltonian(TORUS, potential=torch.cos(x - 0.7) + 0 * y, backend=backend, execution=execution, **FLAGS)
    assert torch.equal(H(T, t=0.7), static(T))
    assert seen == [0.7]
    assert torch.equal(H(T, torch.empty_like(T), t=0.7), static(T))
    assert torch.equal(H.as_matrix(t=0.7), static.as_matrix())
    assert H.spectral_bounds(t=0.7) == static.spectral_bounds()
    v = T.reshape(-1).numpy()
    assert_allclose(H.as_linear_operator((2,), t=0.7) @ v, static.as_linear_operator((2,)) @ v, rtol=0, atol=0)
    H(T)
    assert seen[-1] == 0.0


@pytest.mark.parametrize("kind", ["elementwise", "complex", "matrix", "potential object"])
def test_V_of_t_may_be_any_static_potential(kind):
    made = {
        "elementwise": field((*TORUS.shape, 2, 2), torch.float64),
        "complex": field(TORUS.shape),
        "matrix": sh.MatrixPotential(field((2, 2))),
        "potential object": sh.ScalarPotential(field(TORUS.shape, torch.float64)),
    }[kind]
    T = field((*TORUS.shape, 2, 2))
    expected = sh.Hamiltonian(TORUS, potential=made)(T)
    assert torch.equal(sh.Hamiltonian(TORUS, potential=lambda _: made)(T), expected)
    assert torch.equal(sh.Hamiltonian(TORUS, potential=sh.TimeDependentPotential(lambda _: made))(T), expected)


# Matrix potentials


def test_a_matrix_potential_mixes_the_first_channel_axis_alone():
    """Rabi: σ_x swaps the two components; the second channel axis goes along."""
    sigma_x = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
    T = torch.ones(*TORUS.shape, 2, 3, dtype=torch.float64)
    T[..., 1, :] = torch.tensor([2.0, 3.0, 4.0], dtype=torch.float64)
    result = sh.Hamiltonian(TORUS, potential=sh.MatrixPotential(sigma_x), backend="fd")(T)  # constant: no kinetic part
    bound = backward_bound(T.dtype, 4 * (1 / TORUS.spacing[0] ** 2 + 1 / TORUS.spacing[1] ** 2), T)
    assert_allclose(result, T.flip(2), rtol=0, atol=bound)


@EVERY_RUN
def test_a_matrix_potential_lets_gradients_through(backend, execution):
    """∂/∂T* of ⟨T|H|T⟩ is H[T]·2 for a Hermitian H, with T recorded and V recorded."""
    A = field((2, 2))
    V = (A + A.mH).requires_grad_()
    H = sh.Hamiltonian(TORUS, potential=sh.MatrixPotential(V), backend=backend, execution=execution, **FLAGS)
    T = field((*TORUS.shape, 2, 3)).requires_grad_()
    HT = H(T)
    form = torch.sum(T.conj() * HT).real
    grad_T, grad_V = torch.autograd.grad(form, (T, V))
    bound = 4 * backward_bound(T.dtype, H.spectral_bounds()[1], T.detach())
    assert_allclose(grad_T, 2 * HT.detach(), rtol=0, atol=bound)
    expected = torch.einsum("xyab,xycb->ac", T.detach(), T.detach().conj())
    assert_allclose(grad_V, expected, rtol=0, atol=16 * eps(T.dtype) * TORUS.size * largest(T.detach()) ** 2)


# Flags, immutability, representation


@EVERY_BACKEND
def test_the_flag_alone_turns_the_backend(backend, order):
    """The same arguments serve every backend; spectral takes stencil_order and does not use it."""
    T = field((*TORUS.shape, 2))
    flags = {"inverse_metric": given_metric(2, "full"), "backend": backend}
    lap = sh.Laplacian(TORUS, stencil_order=order, **flags)
    assert lap.backend == backend
    same = sh.Hamiltonian(TORUS, stencil_order=order, mass=0.5, **flags)
    assert same.backend == backend
    bound = 2 * backward_bound(T.dtype, largest(lap.symbol()), T)
    assert_allclose(same(T), -lap(T), rtol=0, atol=bound)
    if backend == "spectral":
        assert torch.equal(sh.Laplacian(TORUS, stencil_order=8, **flags)(T), lap(T))


def test_defaults_are_spectral_flat_and_free():
    lap, H = sh.Laplacian(TORUS), sh.Hamiltonian(TORUS)
    assert (lap.backend, lap.execution, H.backend, H.execution) == ("spectral", "auto", "spectral", "auto")
    assert lap.inverse_metric.tensor.tolist() == H.inverse_metric.tensor.tolist() == [1.0, 1.0]
    assert (H.hbar, H.mass, H.potential) == (1.0, 1.0, None)
    assert torch.equal(2 * H.as_matrix(), sh.Hamiltonian(TORUS, mass=0.5).as_matrix())


@pytest.mark.parametrize(
    "made",
    [sh.Laplacian(TORUS), sh.Hamiltonian(TORUS), sh.Laplacian(TORUS).function(torch.exp)],
    ids=["Laplacian", "Hamiltonian", "function"],
)
def test_operators_are_frozen(made):
    for attribute in dataclasses.fields(made):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, attribute.name, None)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.something_new = 1


def test_operators_compare_by_identity_and_can_be_keys():
    one, other = sh.Hamiltonian(TORUS), sh.Hamiltonian(TORUS)
    assert one != other
    assert {one: 1, other: 2}[one] == 1


def test_representations_say_what_it_is():
    V = sh.potentials.constant(sh.Torus(2), 1.0)
    shown = repr(sh.Hamiltonian(sh.Torus(2), potential=V, hbar=0.1, backend="spectral", execution="fft"))
    assert shown.startswith("Hamiltonian(torus=Torus(shape=(2,), lengths=(2.0,)")
    for part in ("inverse_metric=InverseMetric([1.0])", "hbar=0.1", "mass=1.0", "execution='fft'"):
        assert part in shown
    assert "table" not in repr(sh.Laplacian(TORUS).function(torch.exp))
    assert "tensor(" not in repr(sh.Laplacian(TORUS))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda H: pickle.loads(pickle.dumps(H))])
def test_operators_can_be_copied_and_pickled(duplicate):
    """Also after use, when tables are prepared."""
    H = sh.Hamiltonian(TORUS, potential=field(TORUS.shape, torch.float64), backend="fd", **FLAGS)
    T = field((*TORUS.shape, 2))
    expected = H(T)
    assert torch.equal(duplicate(H)(T), expected)


@pytest.mark.parametrize("as_tensor", [False, True], ids=["numbers", "0-d tensors"])
def test_hbar_and_mass_are_numbers_or_0d_tensors(as_tensor):
    """A 0-d tensor that carries no gradient is a number from then on, at its own precision."""
    hbar, mass = (torch.tensor(v, dtype=torch.float64) for v in (HBAR, MASS)) if as_tensor else (HBAR, MASS)
    H = sh.Hamiltonian(TORUS, hbar=hbar, mass=mass)
    assert (type(H.hbar), type(H.mass)) == (float, float)
    assert (H.hbar, H.mass) == (HBAR, MASS)
    T = field(TORUS.shape)
    expected = KINETIC * sh.Laplacian(TORUS)(T)
    assert_allclose(H(T), expected, rtol=0, atol=2 * backward_bound(T.dtype, H.spectral_bounds()[1], T))


@pytest.mark.parametrize("name", ["hbar", "mass", "inverse_metric"])
@EVERY_RUN
def test_a_parameter_with_a_gradient_changes_no_value(backend, execution, name):
    """And nothing that depends on it is kept: a later in-place step is seen by the next call."""
    values = {"hbar": HBAR, "mass": MASS, "inverse_metric": (2.0, 0.7)}
    leaf = torch.tensor(values[name], dtype=torch.float64, requires_grad=True)
    T = field((*TORUS.shape, 2))
    flags = {"backend": backend, "execution": execution}
    learnt = sh.Hamiltonian(TORUS, **{**values, name: leaf}, **flags)
    fixed = sh.Hamiltonian(TORUS, **values, **flags)
    bound = 2 * backward_bound(T.dtype, fixed.spectral_bounds()[1], T)
    assert_allclose(learnt(T).detach(), fixed(T), rtol=0, atol=bound)
    with torch.no_grad():
        assert_allclose(learnt(T), fixed(T), rtol=0, atol=bound)
    learnt(T).abs().sum().backward()
    assert leaf.grad.shape == leaf.shape
    rebuilt = sh.Hamiltonian(TORUS, **{**values, name: leaf.detach() * 1.5}, **flags)
    with torch.no_grad():
        leaf.mul_(1.5)
        again = sh.Hamiltonian(TORUS, **{**values, name: leaf}, **flags)
    assert_allclose(again(T).detach(), rebuilt(T), rtol=0, atol=2 * bound * 1.5**2)
