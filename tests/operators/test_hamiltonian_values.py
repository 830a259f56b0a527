"""What H answers about itself by value, V(t), parameters, immutability, copies."""

import copy
import dataclasses
import pickle

import pytest
import torch
from helpers import hamiltonian
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.dense import backward_bound
from oracles.fields import HBAR, KINETIC, MASS, TORUS, field, given_metric

EVERY_EXECUTION = pytest.mark.parametrize(
    ("backend", "execution"), [("spectral", "fft"), ("fd", "dense"), ("fd", "stencil")]
)
FLAGS = {"inverse_metric": given_metric(2, "full"), "hbar": HBAR, "mass": MASS}


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


# V(t)


@EVERY_EXECUTION
def test_V_of_t_is_evaluated_at_t(backend, execution):
    (x, y), seen = TORUS.coordinates(), []

    def V(t):
        seen.append(t)
        return torch.cos(x - t) + 0 * y

    T = field((*TORUS.shape, 2))
    H, static = (hamiltonian(execution, backend, potential) for potential in (V, torch.cos(x - 0.7) + 0 * y))
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


# What an operator is


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


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda made: pickle.loads(pickle.dumps(made))])
@pytest.mark.parametrize("made", [sh.Laplacian(TORUS, backend="fd"), hamiltonian(potential=field(TORUS.shape))])
def test_operators_can_be_copied_and_pickled(duplicate, made):
    """Also after use: what is prepared stays behind, and a copy prepares for itself."""
    T = field((*TORUS.shape, 2))
    expected = made(T)
    assert torch.equal(duplicate(made)(T), expected)


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


GIVEN = {"hbar": HBAR, "mass": MASS, "inverse_metric": (2.0, 0.7)}


@pytest.mark.parametrize(
    ("name", "backend", "execution"),
    [
        ("hbar", "spectral", "fft"),
        ("mass", "fd", "stencil"),
        ("inverse_metric", "spectral", "fft"),
        ("inverse_metric", "fd", "dense"),
        ("inverse_metric", "fd", "stencil"),
    ],
)
def test_a_parameter_with_a_gradient_changes_no_value(name, backend, execution):
    """And nothing that depends on it is kept: a later in-place step is seen by the next operator."""

    def with_value(value):
        return hamiltonian(execution, backend, **{**GIVEN, name: value})

    leaf = torch.tensor(GIVEN[name], dtype=torch.float64, requires_grad=True)
    T, learnt, fixed = field((*TORUS.shape, 2)), with_value(leaf), with_value(GIVEN[name])
    bound = 2 * backward_bound(T.dtype, fixed.spectral_bounds()[1], T)
    assert_allclose(learnt(T).detach(), fixed(T), rtol=0, atol=bound)
    with torch.no_grad():
        assert_allclose(learnt(T), fixed(T), rtol=0, atol=bound)
    learnt(T).abs().sum().backward()
    assert leaf.grad.shape == leaf.shape
    rebuilt = with_value(leaf.detach() * 1.5)
    with torch.no_grad():
        leaf.mul_(1.5)
    assert_allclose(with_value(leaf)(T).detach(), rebuilt(T), rtol=0, atol=2 * bound * 1.5**2)
