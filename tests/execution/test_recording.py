"""What a recorded call promises beside its derivatives: precision, repetition, and nothing kept alive."""

import gc
import weakref
from itertools import cycle

import pytest
import torch
from helpers import WAYS, hamiltonian
from torch.testing import assert_close

import spectral_ham as sh
from oracles.fields import TORUS, field, given_metric, largest
from spectral_ham._internal.memo import geometry_memo

SHAPE = (*TORUS.shape, 2)
EVERY_WAY = pytest.mark.parametrize(("backend", "execution"), WAYS)
PARAMETERS = {
    "inverse_metric": given_metric(2, "full"),
    "hbar": torch.tensor(1.3, dtype=torch.float64),
    "mass": torch.tensor(0.7, dtype=torch.float64),
}
POTENTIALS = {
    "none": None,
    "scalar": field(TORUS.shape, torch.float64, seed=3),
    "elementwise": field(SHAPE, torch.float64, seed=5),
    "complex": field(SHAPE, seed=6),
    "matrix": field((*TORUS.shape, 2, 2), torch.float64, seed=8),
}


def leaf(values, dtype=None):
    return values.detach().to(dtype or values.dtype, copy=True).requires_grad_()


def of(name, values):
    """What H takes for these values of V."""
    return sh.MatrixPotential(values) if name == "matrix" else values


def loss(H, T):
    return (H(T).abs() ** 2).sum()


@pytest.mark.parametrize("name", ["scalar", "elementwise", "matrix"])
def test_passes_through_one_object_add_up_in_whatever_mode_it_was_built(name):
    """What counts is whether the call is recorded, not the mode in which H was built."""
    T, x = field(SHAPE), {key: leaf(values) for key, values in {**PARAMETERS, "potential": POTENTIALS[name]}.items()}
    with torch.no_grad():
        unrecorded = hamiltonian(**{**x, "potential": of(name, x["potential"])})
    H = hamiltonian(**{**x, "potential": of(name, x["potential"])})
    loss(H, T).backward()
    once = {key: values.grad.clone() for key, values in x.items()}
    for operator in (H, unrecorded):
        loss(operator, T).backward()
    for key, values in x.items():
        assert_close(values.grad, 3 * once[key], rtol=1e-13, atol=0)


def test_an_optimizer_step_counts_once_H_is_rebuilt():
    x, T = {name: leaf(PARAMETERS[name]) for name in ("inverse_metric", "hbar")}, field(SHAPE)
    optimizer = torch.optim.SGD(x.values(), lr=1e-12)
    losses = []
    for _ in range(3):
        optimizer.zero_grad()
        now = loss(hamiltonian(**x), T)
        now.backward()
        optimizer.step()
        losses.append(now.item())
    assert losses[0] > losses[1] > losses[2]
    fresh = {name: values.detach().clone() for name, values in x.items()}
    assert torch.equal(hamiltonian(**x)(T), hamiltonian(**fresh)(T))


@pytest.mark.parametrize(
    ("name", "way"), [*zip(("none", "scalar", "matrix", "complex", "matrix"), WAYS, strict=True)], ids=str
)
def test_a_recorded_result_may_be_changed_in_place(name, way):
    H = hamiltonian(way[1], way[0], of(name, POTENTIALS[name]))
    T, reference = leaf(field(SHAPE)), leaf(field(SHAPE))
    H(T).mul_(-1j).real.square().sum().backward()
    (-1j * H(reference)).real.square().sum().backward()
    assert_close(T.grad, reference.grad)


# Precision


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("scalar", torch.complex64),
        ("complex", torch.complex64),
        ("matrix", torch.float32),
        ("inverse_metric", torch.complex64),
        ("hbar", torch.float32),
    ],
    ids=str,
)
def test_forward_mode_keeps_the_dtype_of_T(name, dtype):
    """A float64 tangent of V or of the metric must not turn a single-precision result into a double one."""
    x, T = {**POTENTIALS, **PARAMETERS}[name], field(SHAPE, dtype)
    key = "potential" if name in POTENTIALS else name
    value, tangent = torch.func.jvp(lambda x: hamiltonian(**{key: of(name, x)})(T), (x,), (torch.ones_like(x),))
    assert value.dtype == tangent.dtype == dtype


@pytest.mark.parametrize("name", ["scalar", "elementwise"])
@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_a_float32_leaf_gets_a_float32_gradient(name, kind):
    given = {**PARAMETERS, "inverse_metric": given_metric(2, kind), "potential": POTENTIALS[name]}
    narrow = {key: leaf(values, torch.float32) for key, values in given.items()}
    wide = {key: leaf(values, torch.float64) for key, values in narrow.items()}
    for x in (narrow, wide):
        loss(hamiltonian(**x), field(SHAPE)).backward()
    for key, values in narrow.items():
        assert_close(values.grad, wide[key].grad.float())


@pytest.mark.parametrize(("dtype", "way"), [*zip(cycle((torch.complex64, torch.float32)), WAYS)], ids=str)
def test_single_precision_gradients_are_the_double_ones_rounded(dtype, way):
    T, grads = field(SHAPE, dtype), []
    double = torch.complex128 if dtype.is_complex else torch.float64
    for wanted in (double, dtype):
        X, g = leaf(T, wanted), leaf(PARAMETERS["inverse_metric"])
        loss(hamiltonian(way[1], way[0], inverse_metric=g), X).backward()
        assert (X.grad.dtype, g.grad.dtype) == (wanted, torch.float64)
        grads.append((X.grad, g.grad))
    for found, expected in zip(grads[1], grads[0], strict=True):
        assert largest(found - expected) <= 1e-5 * largest(expected)


# What is kept alive


def test_no_graph_is_kept_in_caches(empty_cache):
    x = {name: leaf(values) for name, values in PARAMETERS.items()}
    T = leaf(field((*TORUS.shape, 2, 2)))
    witnesses = [weakref.ref(values) for values in (*x.values(), T)]
    for backend, execution in WAYS:
        H = hamiltonian(execution, backend, **x)
        lap = sh.Laplacian(TORUS, inverse_metric=x["inverse_metric"], backend=backend, execution=execution)
        g = torch.diagonal(x["inverse_metric"])
        dropped_in = sh.hamiltonian_evolution_with_metric(
            T, hbar_cog=x["hbar"], m_cog=x["mass"], g_inv_diag=g, backend=backend
        )
        results = (H(T), lap(T), lap.function(lambda s: torch.exp(s / 1e4))(T), dropped_in)
        sum(result.abs().sum() for result in results).backward()
    assert geometry_memo.nbytes > 0
    assert not any(table.requires_grad for table in geometry_memo.values())
    del x, T, H, lap, g, dropped_in, results
    gc.collect()
    assert [witness() for witness in witnesses] == [None] * len(witnesses)


def test_a_static_operator_keeps_no_field_alive():
    H, T = hamiltonian(), leaf(field(SHAPE))
    witness = weakref.ref(T)
    loss(H, T).backward()
    del T
    gc.collect()
    assert witness() is None


def saved_bytes(f):
    """Bytes of the distinct tensors that f's graph saves for backward."""
    saved = {}

    def pack(tensor):
        saved[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        assert f().requires_grad
    return sum(saved.values())


@EVERY_WAY
def test_backward_saves_no_more_than_its_inputs(backend, execution):
    T, V = leaf(field(SHAPE, torch.complex64)), POTENTIALS["elementwise"].float()

    def saved(T, **given):
        H = hamiltonian(execution, backend, **given)
        return saved_bytes(lambda: H(T))

    assert saved(T) <= T.nbytes
    assert saved(T, potential=V[..., 0].contiguous()) <= T.nbytes + V.nbytes / 2
    assert saved(T, potential=V) <= T.nbytes + V.nbytes
    assert saved(T.detach(), inverse_metric=leaf(PARAMETERS["inverse_metric"])) <= T.nbytes + 64


def test_a_linear_chain_saves_no_fields():
    """Ṫ = H[T] is linear in T: with fixed parameters backward needs no field, so 8 steps may not hold 8 fields."""
    H, T = hamiltonian(potential=POTENTIALS["scalar"].float()), leaf(field(SHAPE, torch.complex64))

    def chain():
        X = T
        for _ in range(8):
            X = H(X)
        return X

    assert saved_bytes(chain) < 2 * T.nbytes
