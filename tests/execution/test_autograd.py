"""Gradients for T, V, the metric, ħ and m: all backends and executions, reverse and forward mode, two orders."""

from itertools import cycle

import pytest
import torch
from covers import pairwise
from helpers import WAYS
from torch.autograd import gradcheck, gradgradcheck
from torch.testing import assert_close

import spectral_ham as sh
from oracles.fields import eps, field, largest

# Small, since a numeric Jacobian costs one call per number; odd × even, with L_x ≠ L_y and an origin.
TORUS = sh.Torus((3, 4), lengths=(1.7, 2.9), origin=(0.3, -1.1))
CHANNELS = (2,)
SHAPE = (*TORUS.shape, *CHANNELS)

INPUTS = {
    "T": field(SHAPE, seed=1),
    "real T": field(SHAPE, torch.float64, seed=2),
    "scalar V": field(TORUS.shape, torch.float64, seed=3),
    "complex scalar V": field(TORUS.shape, seed=4),
    "elementwise V": field(SHAPE, torch.float64, seed=5),
    "complex elementwise V": field(SHAPE, seed=6),
    "matrix V": field((*TORUS.shape, 2, 2), torch.float64, seed=7),
    "complex matrix V": field((*TORUS.shape, 2, 2), seed=8),
    "diagonal metric": torch.tensor([1.3, 0.6], dtype=torch.float64),
    "full metric": torch.tensor([[1.3, 0.4], [0.1, 0.6]], dtype=torch.float64),  # symmetrized where H is made
    "hbar": torch.tensor(0.8, dtype=torch.float64),
    "mass": torch.tensor(1.6, dtype=torch.float64),
}
"""All arguments of H[T], by name."""

FIELDS = ("T", "real T")
POTENTIALS = [name for name in INPUTS if name.endswith("V")]
METRICS = ("diagonal metric", "full metric")
ALONE = [("T",), ("complex scalar V",), ("matrix V",), ("full metric",), ("hbar",)]
TOGETHER = [
    (T, V, g, number)
    for (T, V), g, number in zip(pairwise(FIELDS, POTENTIALS), cycle(METRICS), cycle(("hbar", "mass", "mass")))
]
"""Fields with potentials, and in turn a metric and ħ or m: gradients for all of them at once."""


def leaf(values):
    return values.detach().clone().requires_grad_()


def leaves(names):
    return {name: leaf(INPUTS[name]) for name in names}


def made(values, backend="spectral", execution="auto"):
    """H with the arguments in ``values``, and plain ones for the rest."""
    metric = values.get("diagonal metric", (1.3, 0.6))
    if "full metric" in values:
        metric = (values["full metric"] + values["full metric"].mT) / 2
    potential = next((V for name, V in values.items() if name.endswith("V")), None)
    if any(name.endswith("matrix V") for name in values):
        potential = sh.MatrixPotential(potential)
    numbers = {"hbar": values.get("hbar", 0.8), "mass": values.get("mass", 1.6)}
    flags = {"backend": backend, "execution": execution}
    return sh.Hamiltonian(TORUS, inverse_metric=metric, potential=potential, **numbers, **flags)


def apply_H(values, *way):
    return made(values, *way)(values.get("real T", values.get("T", INPUTS["T"])))


def checked(names, way):
    """H[T] as a function of the named arguments, and these as leaves."""
    return lambda *x: apply_H(dict(zip(names, x, strict=True)), *way), tuple(leaves(names).values())


def gradients(loss, x):
    """The gradients of a real loss by name."""
    return dict(zip(x, torch.autograd.grad(loss, tuple(x.values())), strict=True))


def power(T):
    return (T.abs() ** 2).sum()


# Derivatives against differences. fast_mode compares Jacobians along random directions: whole ones have 10⁴ entries.


@pytest.mark.parametrize(("names", "way"), [*zip([*ALONE, *TOGETHER], cycle(WAYS))], ids=str)
def test_first_derivatives(names, way):
    f, x = checked(names, way)
    assert gradcheck(f, x, check_forward_ad=True, fast_mode=len(names) > 1)


@pytest.mark.parametrize(("names", "way"), [*zip(TOGETHER, cycle(WAYS))], ids=str)
def test_second_derivatives(names, way):
    f, x = checked(names, way)
    assert gradgradcheck(f, x, check_fwd_over_rev=True, fast_mode=True)


@pytest.mark.parametrize(("ndim", "way"), [*zip(cycle((3, 1)), WAYS)], ids=str)
def test_first_derivatives_in_other_dimensions(ndim, way):
    torus = sh.Torus((3, 4, 3)[:ndim], lengths=(1.7, 2.9, 0.8)[:ndim])
    metric = torch.tensor([[1.3, 0.4, 0.1], [0.4, 0.6, -0.2], [0.1, -0.2, 0.9]], dtype=torch.float64)[:ndim, :ndim]
    flags = dict(zip(("backend", "execution"), way, strict=True))

    def f(T, V, g):
        return sh.Hamiltonian(torus, inverse_metric=(g + g.mT) / 2, potential=V, **flags)(T)

    inputs = (leaf(field(torus.shape)), leaf(field(torus.shape, torch.float64)), leaf(metric))
    assert gradcheck(f, inputs, check_forward_ad=True, fast_mode=True)


FUNCTIONS = {"heat": torch.exp, "solve": lambda s: 1 / (1 - s), "phase": lambda s: torch.exp(1j * s)}


@pytest.mark.parametrize(
    ("name", "kind", "backend"),
    [("heat", "real T", "spectral"), ("solve", "T", "fd"), ("phase", "real T", "fd"), ("phase", "T", "spectral")],
)
def test_gradients_through_functions_of_the_laplacian(name, kind, backend):
    def f(T, metric):
        lap = sh.Laplacian(TORUS, inverse_metric=(metric + metric.mT) / 2, backend=backend)
        return lap.function(FUNCTIONS[name])(T)

    T, metric = leaves([kind, "full metric"]).values()
    for inputs in ((T, metric), (T, metric.detach()), (T.detach(), metric)):
        assert gradcheck(f, inputs, check_forward_ad=True, fast_mode=True)
    assert gradgradcheck(f, (T, metric), fast_mode=True)


# Derivatives against formulas


def test_the_energy_has_the_documented_gradients():
    """For Hermitian H: ∂E/∂T* in torch's convention is 2·H[T]·ΔV, and ∂E/∂V = |T|²·ΔV."""
    T = field((*SHAPE, 3))
    x = {"T": leaf(T), **leaves(["scalar V"])}
    H = made(x)
    found = gradients(H.energy(x["T"]), x)
    bound = 16 * eps(T.dtype) * max(map(abs, H.spectral_bounds())) * largest(T)
    assert largest(found["T"] - 2 * H(T).detach() * TORUS.cell_volume) <= bound
    assert_close(found["scalar V"], (T.abs() ** 2).sum((-2, -1)) * TORUS.cell_volume, rtol=1e-14, atol=0)


def test_the_wirtinger_convention_is_torchs():
    """Gradient descent along −T.grad lowers a real loss: the gradient of Σ|H[T]|² is 2·H†[H[T]]."""
    V, x = INPUTS["complex scalar V"], leaves(["T"])
    H, adjoint = (made({"complex scalar V": values}, "fd") for values in (V, V.conj()))
    loss = power(H(x["T"]))
    found, T = gradients(loss, x)["T"], INPUTS["T"]
    assert_close(found, 2 * adjoint(H(T)), rtol=1e-12, atol=1e-12 * largest(found))
    assert power(H(T - 1e-6 * found)) < loss


def test_the_gradient_of_a_full_metric_is_symmetric():
    """g^xy and g^yx share ∂_x ∂_y: a symmetric leaf stays symmetric under descent."""
    values = torch.tensor([1.3, 0.4, 0.6], dtype=torch.float64)
    g, entries = leaf(values[[0, 1, 1, 2]].reshape(2, 2)), leaf(values)
    for metric in (g, entries[[0, 1, 1, 2]].reshape(2, 2)):
        sh.Hamiltonian(TORUS, inverse_metric=metric).energy(INPUTS["T"]).backward()
    assert torch.equal(g.grad, g.grad.mT)
    assert_close(g.grad[0, 1] + g.grad[1, 0], entries.grad[1])


def test_gradients_reach_the_parameters_of_a_potential_in_time():
    x, y = TORUS.coordinates()
    amplitude, T = leaf(torch.tensor(0.7, dtype=torch.float64)), INPUTS["T"]
    H = sh.Hamiltonian(TORUS, potential=lambda t: amplitude * torch.cos(x + 2 * y - t))
    for t in (0.0, 0.4):
        (found,) = torch.autograd.grad(H.energy(T, t=t), amplitude)
        assert_close(found, (torch.cos(x + 2 * y - t)[..., None] * T.abs() ** 2).sum() * TORUS.cell_volume)


# torch.func


@pytest.mark.parametrize("kind", ["T", "complex elementwise V", "matrix V", "full metric", "hbar"])
def test_torch_func_agrees_with_autograd(kind):
    def f(x):  # jacfwd and hessian take real inputs
        x = torch.view_as_complex(x) if INPUTS[kind].is_complex() else x
        T = x if kind == "T" else INPUTS["T"]
        HT = apply_H({kind: x})
        return (T.conj() * HT).real.sum() + power(HT)

    x = torch.view_as_real(INPUTS[kind]).clone() if INPUTS[kind].is_complex() else INPUTS[kind]
    y = leaf(x)
    (expected,) = torch.autograd.grad(f(y), y)
    size = {"rtol": 1e-10, "atol": 1e-10 * largest(expected)}
    for transform in (torch.func.grad, torch.func.jacrev, torch.func.jacfwd):
        assert_close(transform(f)(x), expected, **size)
    assert_close(torch.func.jvp(f, (x,), (torch.ones_like(x),))[1], expected.sum(), **size)
    hessian = torch.autograd.functional.hessian(f, x)
    assert_close(torch.func.hessian(f)(x), hessian, rtol=1e-10, atol=1e-10 * max(1.0, largest(hessian)))


@pytest.mark.parametrize(
    ("names", "way"),
    [*zip([(), ("scalar V",), ("complex elementwise V",), ("matrix V",), ("scalar V",)], WAYS, strict=True)],
    ids=str,
)
def test_vmap_over_fields(names, way):
    batch, given = field((5, *SHAPE), seed=9), {name: INPUTS[name] for name in names}

    def f(T):
        return apply_H({"T": T, **given}, *way)

    expected = torch.stack([f(T) for T in batch])
    size = {"rtol": 0, "atol": 1e-12 * largest(expected)}
    assert_close(torch.func.vmap(f)(batch), expected, **size)
    assert_close(torch.func.vmap(f, in_dims=-1)(batch.movedim(0, -1)), expected, **size)
    assert_close(torch.func.vmap(torch.func.vmap(f))(batch[:, None]).squeeze(1), expected, **size)


def test_vmap_over_potentials_of_a_drop_in():
    T, potentials = field((3, 4, 2, 2)), field((5, 3, 4), torch.float64)

    def f(V):
        return sh.hamiltonian_evolution(T, V=V)

    assert_close(torch.func.vmap(f)(potentials), torch.stack([f(V) for V in potentials]))


def test_functions_of_the_laplacian_under_torch_func():
    heat = sh.Laplacian(TORUS, inverse_metric=(1.3, 0.6)).function(torch.exp)
    batch = field((5, *SHAPE), torch.float64)
    assert_close(torch.func.vmap(heat)(batch), torch.stack([heat(T) for T in batch]))
    per_sample = torch.func.vmap(torch.func.grad(lambda T: power(heat(T))))(batch)
    assert_close(per_sample, 2 * torch.stack([heat(heat(T)) for T in batch]))
