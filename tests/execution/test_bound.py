"""A bound operator: all executions agree on every grid, layout and potential; it is prepared once for each kind."""

import copy
import math
from itertools import cycle

import numpy as np
import pytest
import torch
from covers import pairwise
from helpers import assert_same, hamiltonian, named_potential, rounding
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.fields import DTYPES, TORUS, eps, field, largest
from spectral_ham.execution import BoundOperator, bound
from spectral_ham.execution.base import Kind
from spectral_ham.execution.numba import jit

ONE_OF_EACH = [("spectral", "fft"), ("fd", "dense"), ("fd", "stencil")]
EVERY_EXECUTION = pytest.mark.parametrize(("backend", "execution"), ONE_OF_EACH, ids=["fft", "dense", "stencil"])

SHAPES = [(31,), (3, 3), (8, 13), (4, 3, 5)]
CHANNELS = [(), (1,), (17,), (2, 1, 3)]
OTHERS = [("spectral", "dense"), ("fd", "dense"), ("fd", "stencil")]


@pytest.mark.parametrize(("shape", "channels", "dtype", "way"), pairwise(SHAPES, CHANNELS, DTYPES, OTHERS), ids=str)
def test_executions_agree_on_every_grid(shape, channels, dtype, way):
    torus, (backend, execution) = sh.Torus(shape, lengths=[2.1, 3.7, 2.9][: len(shape)]), way
    T, reference = field((*shape, *channels), dtype), hamiltonian("fft", backend, torus=torus)
    assert_same(hamiltonian(execution, backend, torus=torus)(T), reference(T), rounding(reference, T))


@pytest.mark.parametrize("shape", [(3,), (9, 200)], ids=str)
def test_auto_runs_what_can_run(shape):
    """The flag alone decides the operator: "auto" never refuses."""
    T, torus = field((*shape, 40), torch.complex64), sh.Torus(shape)
    reference = hamiltonian("fft", torus=torus)
    assert_same(hamiltonian("auto", torus=torus)(T), reference(T), rounding(reference, T))


PLAIN_FOR_TORCH = {
    "odd storage offset": lambda shape, dtype: field((math.prod(shape) * 6 + 1,), dtype)[1:].view(*shape, 2, 3),
    "a lone channel with a stride": lambda shape, dtype: field((2, 3, *shape), dtype)[:1, :1].permute(2, 3, 0, 1),
}
"""Contiguous and without lazy bits: such a field goes to the execution as it is."""
LAYOUTS = {
    "channels first": lambda shape, dtype: field((2, 3, *shape), dtype).permute(2, 3, 0, 1),
    "y first": lambda shape, dtype: field((shape[1], shape[0], 2, 3), dtype).transpose(0, 1),
    "slice with an offset": lambda shape, dtype: field((shape[0] + 3, shape[1] + 2, 4, 5), dtype)[3:, 1:-1, 1:3, 2:],
    "every other": lambda shape, dtype: field((2 * shape[0], 2 * shape[1], 4, 3), dtype)[::2, 1::2, ::2],
    "expanded channels": lambda shape, dtype: field(shape, dtype)[:, :, None, None].expand(*shape, 2, 3),
    "expanded axis": lambda shape, dtype: field((1, shape[1], 2, 3), dtype).expand(*shape, 2, 3),
    "conjugated": lambda shape, dtype: field((*shape, 2, 3), dtype.to_complex()).conj(),
    "adjoint": lambda shape, dtype: field((*shape, 3, 2), dtype.to_complex()).mH,
    "negated": lambda shape, dtype: torch._neg_view(field((*shape, 2, 3), dtype)),
    "real part": lambda shape, dtype: field((*shape, 2, 3), dtype.to_complex()).real,
    "imaginary part of a conjugate": lambda shape, dtype: field((*shape, 2, 3), dtype.to_complex()).conj().imag,
}
LAYOUTS_OF_V = {
    **{name: LAYOUTS[name] for name in ("channels first", "slice with an offset", "conjugated", "negated")},
    "scalar, transposed": lambda shape, dtype: field(shape[::-1], dtype).mT,
    "scalar, conjugated": lambda shape, dtype: field(shape, dtype.to_complex()).conj(),
    "scalar, expanded": lambda shape, dtype: field((1, shape[1]), dtype).expand(shape),
}
PRECISIONS = [torch.complex64, torch.float64]


@pytest.mark.parametrize(
    ("layout", "way", "dtype"),
    [
        *((name, way, torch.complex64) for name in PLAIN_FOR_TORCH for way in ONE_OF_EACH),
        *zip(LAYOUTS, cycle(ONE_OF_EACH), cycle(PRECISIONS), strict=False),
    ],
    ids=str,
)
def test_the_layout_of_T_does_not_matter(layout, way, dtype):
    T = {**PLAIN_FOR_TORCH, **LAYOUTS}[layout](TORUS.shape, dtype)
    before = T.clone()
    H = hamiltonian(way[1], way[0], field(TORUS.shape, torch.float64))
    assert_same(H(T), H(T.resolve_conj().resolve_neg().contiguous()), rounding(H, T))
    assert torch.equal(T, before)


@pytest.mark.parametrize(
    ("layout", "way", "dtype"), [*zip(LAYOUTS_OF_V, cycle(ONE_OF_EACH), cycle(PRECISIONS), strict=False)], ids=str
)
def test_the_layout_of_V_does_not_matter(layout, way, dtype):
    V, T = LAYOUTS_OF_V[layout](TORUS.shape, dtype), field((*TORUS.shape, 2, 3), dtype)
    plain = hamiltonian(way[1], way[0], V.resolve_conj().resolve_neg().clone().contiguous())
    assert_same(hamiltonian(way[1], way[0], V)(T), plain(T), rounding(plain, T))


V_DTYPES = [torch.float32, torch.float64, torch.complex64, torch.complex128]
T_DTYPES = [torch.float32, torch.complex64, torch.complex128]


@pytest.mark.parametrize(
    ("V_dtype", "dtype", "channels", "way", "elementwise"),
    pairwise(V_DTYPES, T_DTYPES, [(), (2, 3)], ONE_OF_EACH, [False, True]),
    ids=str,
)
def test_V_is_cast_to_the_precision_of_T(way, dtype, V_dtype, channels, elementwise):
    """And the result has T's precision: a float64 V does not make a complex64 field complex128."""
    T = field((*TORUS.shape, *channels), dtype)
    V = field(T.shape if elementwise else TORUS.shape, V_dtype)
    H = hamiltonian(way[1], way[0], V)
    result, free = H(T), hamiltonian(way[1], way[0])(T)
    assert result.dtype == (dtype.to_complex() if V_dtype.is_complex else dtype)
    factor = V if elementwise else V.reshape(*TORUS.shape, *(1,) * len(channels))
    product = factor.to(torch.complex128) * T.to(torch.complex128)
    assert_same(result.to(torch.complex128), free.to(torch.complex128) + product, rounding(H, T))


# Prepared once for each kind


@pytest.fixture
def prepared(monkeypatch):
    """The kind of each preparation of a stencil, in order."""
    seen, stencil = [], type(bound.EXECUTIONS["stencil"])
    genuine = stencil.prepare
    monkeypatch.setattr(stencil, "prepare", lambda *given: (seen.append(given[-1]), genuine(*given))[1])
    return seen


@pytest.fixture
def H():
    """An operator whose preparations are counted by ``prepared``."""
    return hamiltonian("stencil", potential=field(TORUS.shape, torch.float64))


def test_tables_are_folded_once(prepared, H):
    """Not once per call, not once per layout, nor for another potential of the same operator."""
    T = field((*TORUS.shape, 2, 3))
    H(T)
    H(T.mT.contiguous().mT, torch.empty_like(T))
    H.with_potential(field(TORUS.shape))(T)
    H.with_potential(None)(T)
    H.energy(T)
    assert len(prepared) == 1


CHANGES = {
    "dtype": lambda T: T.to(torch.complex64),
    "real": lambda T: T.real,
    "one channel less": lambda T: T[..., :1],
    "other channels": lambda T: T.reshape(*TORUS.shape, 2, 1),
}


@pytest.mark.parametrize("change", CHANGES)
def test_kinds_share_no_preparation(prepared, H, change):
    """What is prepared for one dtype or shape is never run on another; each is prepared once."""
    T = field((*TORUS.shape, 2))
    U = CHANGES[change](T).contiguous()
    expected = hamiltonian("stencil", potential=H.potential)(U)
    prepared.clear()
    for X in (T, U, T, U):
        result = H(X)
    assert [kind[:2] for kind in prepared] == [(T.shape, T.dtype), (U.shape, U.dtype)]
    assert torch.equal(result, expected)


@pytest.mark.parametrize("name", ["threads", "fused"])
def test_kinds_differ_by_threads_and_by_the_switch(prepared, monkeypatch, H, name):
    T = field((*TORUS.shape, 2))
    monkeypatch.setenv(jit.SWITCH, "1")
    H(T)
    try:
        if name == "threads":
            torch.set_num_threads(2)
        else:
            monkeypatch.setenv(jit.SWITCH, "0")
        H(T)
    finally:
        torch.set_num_threads(1)
    if name == "threads" or jit._has_numba():
        assert getattr(prepared[0], name) != getattr(prepared[1], name)
        assert len(prepared) == 2


def test_clear_cache_drops_what_is_prepared(prepared, H):
    T = field((*TORUS.shape, 2))
    expected = H(T)
    sh.clear_cache()
    assert torch.equal(H(T), expected)
    assert len(prepared) == 2


def test_a_kind_counts_real_numbers():
    kind = Kind((10, 9, 2, 3), torch.complex64, torch.device("cpu"), 1, fused=False)
    assert (kind.real, kind.reals_per_point((10, 9))) == (torch.float32, 12)
    assert kind._replace(dtype=torch.float64).reals_per_point((10, 9)) == 6


# A potential that is written into

WRITES = {
    "by torch": (lambda: field(TORUS.shape, torch.float64), lambda V: V.add_(1.0)),
    "by NumPy": (
        lambda: torch.from_numpy(np.random.default_rng(1).normal(size=TORUS.shape)),
        lambda V: V.numpy().__iadd__(1.0),
    ),
}


@pytest.mark.parametrize(
    ("write", "channels", "dtype", "way"),
    pairwise(WRITES, [(), (3,)], [torch.complex64, torch.complex128], ONE_OF_EACH),
    ids=str,
)
def test_a_changed_V_is_seen(write, channels, dtype, way):
    """In every execution, in T's precision and in another."""
    make, change = WRITES[write]
    V, T = make(), field((*TORUS.shape, *channels), dtype)
    H = hamiltonian(way[1], way[0], V)
    before = H(T)
    change(V)
    assert_allclose(H(T) - before, T, rtol=0, atol=2 * rounding(H, T))
    assert torch.equal(H(T), hamiltonian(way[1], way[0], V.clone())(T))


@pytest.mark.parametrize(("write", "kept"), [("by torch", True), ("by NumPy", False)])
def test_V_is_kept_only_where_writes_are_seen(monkeypatch, write, kept):
    """In torch's memory until its version changes; never in NumPy's."""
    make, change = WRITES[write]
    casts, genuine = [], bound._like_field
    monkeypatch.setattr(bound, "_like_field", lambda V, T: (casts.append(1), genuine(V, T))[1])
    V, T = make(), field((*TORUS.shape, 2), torch.complex64)
    H = hamiltonian("dense", "fd", V)
    H(T), H(T)
    assert len(casts) == (1 if kept else 2)
    change(V)
    H(T), H(T)
    assert len(casts) == (2 if kept else 4)


def test_a_copied_H_sees_what_is_written_into_its_own_V(H):
    T = field((*TORUS.shape, 3), torch.complex64)
    H(T)
    other = copy.deepcopy(H)
    other.potential.values.add_(1.0)
    assert_allclose(other(T) - H(T), T, rtol=0, atol=rounding(H, T))


# Where a call is made does not reach its result


@EVERY_EXECUTION
def test_the_default_dtype_does_not_reach_H(backend, execution, empty_cache):
    T, V = field((*TORUS.shape, 2), torch.complex64), field(TORUS.shape, torch.float64)
    expected = hamiltonian(execution, backend, V)(T)
    sh.clear_cache()
    torch.set_default_dtype(torch.float16)
    try:
        result = hamiltonian(execution, backend, V)(T)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(result, expected)


@EVERY_EXECUTION
def test_from_inference_mode_to_training_and_back(backend, execution, empty_cache):
    """A table first needed in inference mode serves autograd later: one Hamiltonian for both."""
    H, T = hamiltonian(execution, backend, field(TORUS.shape, torch.float64)), field((*TORUS.shape, 2))
    with torch.inference_mode():
        first = H(T)
    leaf = T.clone().requires_grad_()
    second = H(leaf)
    second.abs().square().sum().backward()
    with torch.inference_mode():
        third = H(T)
    assert torch.equal(first, second.detach())
    assert torch.equal(first, third)
    assert_allclose(leaf.grad, 2 * H(second.detach()), rtol=0, atol=2 * rounding(H, second))


@pytest.mark.parametrize("name", ["real scalar", "complex scalar", "real elementwise"])
@EVERY_EXECUTION
def test_a_term_of_a_recurrence(backend, execution, name):
    """A·X + V∘X + γS − out: the operator once more, and nothing else."""
    X, S, before = (field((*TORUS.shape, 3), seed=seed) for seed in (1, 2, 3))
    V, H = named_potential(name, channels=(3,))[0], hamiltonian(execution, backend)
    ready, out = BoundOperator(H.kinetic, execution).prepared(X, V), before.clone()
    ready.recur(X, out, S, 0.7)
    expected = ready.apply(X) + 0.7 * S - before
    assert_same(out, expected, 2 * rounding(H.with_potential(V), X) + 8 * eps(X.dtype) * largest(S))
