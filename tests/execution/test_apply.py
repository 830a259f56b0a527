"""One call: where its result goes, how many operations of torch it takes, and how much memory."""

import functools
import math

import numpy as np
import pytest
import torch
from covers import pairwise
from helpers import WAYS, count_ops, hamiltonian, named_potential, peak_bytes, rounding, transforms
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.fields import TORUS, field
from spectral_ham.execution import fft as fourier
from spectral_ham.execution.numba import jit

ONE_OF_EACH = [("spectral", "fft"), ("fd", "dense"), ("fd", "stencil")]
EVERY_EXECUTION = pytest.mark.parametrize("execution", ["fft", "dense", "stencil"])


@pytest.mark.parametrize(
    ("name", "dtype", "way"), pairwise(["real scalar", "matrix"], [torch.complex64, torch.float64], WAYS), ids=str
)
def test_out_takes_the_result(name, dtype, way):
    T = field((*TORUS.shape, 2, 3), dtype)
    V = sh.MatrixPotential(field((2, 2), torch.float64)) if name == "matrix" else named_potential(name)[0]
    H = hamiltonian(way[1], way[0], V)
    expected, before = H(T), T.clone()
    out = torch.full_like(expected, math.nan)
    assert H(T, out) is out
    assert torch.equal(out, expected)
    assert H(T.mT.contiguous().mT, out=out) is out
    assert torch.equal(out, expected)
    assert torch.equal(T, before)


@pytest.mark.parametrize(("name", "way"), pairwise(["none", "real scalar", "complex scalar"], ONE_OF_EACH), ids=str)
def test_out_takes_a_lone_channel(name, way):
    T, H = field((*TORUS.shape, 3)), hamiltonian(way[1], way[0], named_potential(name)[0])
    out = torch.full(TORUS.shape, math.nan, dtype=T.dtype)
    assert_allclose(H(T[..., 1], out), H(T)[..., 1], rtol=0, atol=rounding(H, T))


def test_out_may_be_written_where_no_gradient_is_recorded():
    T, H = field((*TORUS.shape, 2)).requires_grad_(), hamiltonian()
    out = torch.empty_like(T, requires_grad=False)
    with torch.no_grad():
        H(T, out)
    assert torch.equal(out, H(T).detach())
    assert not out.requires_grad


def test_out_must_not_overlap_through_another_storage():
    """NumPy slices of one array have storages of their own."""
    memory = np.zeros((17, 12))
    T, out = torch.from_numpy(memory[:16]), torch.from_numpy(memory[1:])
    with pytest.raises(ValueError, match="memory of its own"):
        sh.Hamiltonian(sh.Torus((16, 12)), backend="fd")(T, out)


WRITES = {
    "H": lambda T, out: hamiltonian("stencil")(T, out),
    "H by FFT": lambda T, out: hamiltonian("fft", "spectral", field(TORUS.shape, torch.float64))(T, out),
    "H by products": lambda T, out: hamiltonian("dense", "spectral")(T, out),
    "function of the Laplacian": lambda T, out: sh.Laplacian(TORUS).function(torch.exp)(T, out),
    "splitting": lambda T, out: sh.propagators.propagator(
        "strang", hamiltonian(potential=field(TORUS.shape, torch.float64), kind="diagonal"), 0.1
    ).advance(T, 3, out=out),
}


@pytest.mark.parametrize(
    ("write", "channels"), [*((write, (3,)) for write in WRITES), ("H by FFT", ()), ("function of the Laplacian", ())]
)
def test_autograd_sees_that_out_was_written_into(write, channels):
    shape = (*TORUS.shape, *channels)
    T, a, out = field(shape), field(shape, seed=2).requires_grad_(), field(shape, seed=3)
    loss = (a * out).abs().sum()
    with torch.no_grad():
        WRITES[write](T, out)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


# Operations of torch


@pytest.mark.parametrize(
    ("way", "channels", "dtype", "count"),
    [
        (("spectral", "fft"), (), torch.complex64, 2),
        (("fd", "fft"), (1,), torch.float64, 2),
        (("spectral", "fft"), (2, 3), torch.complex128, 2),
        (("fd", "fft"), (2, 3), torch.float32, 2),
        (("spectral", "dense"), (2,), torch.complex64, 0),
        (("fd", "stencil"), (2,), torch.complex64, 0),
    ],
    ids=str,
)
def test_one_forward_and_one_inverse_transform(way, channels, dtype, count):
    """However many terms and axes: one transform of the whole grid each way, and no table is built again."""
    T, H = field((*TORUS.shape, *channels), dtype), hamiltonian(way[1], way[0], field(TORUS.shape, torch.float64))
    H(T)
    assert transforms(lambda: H(T)) == count


MOST_OPERATIONS = {"fft": 20, "dense": 20, "stencil": 10}
"""Operations of torch in one call with V and out=, views among them: a call's cost beside its passes over memory."""


@pytest.mark.pairwise
@pytest.mark.parametrize("shape", [(12, 10), (24, 20)], ids=str)
@pytest.mark.parametrize("channels", [(), (2, 2)], ids=str)
@EVERY_EXECUTION
def test_a_call_is_a_handful_of_operations(execution, channels, shape):
    """However large the field, and none of them reads a value, copies the field or makes a table."""
    if execution == "stencil" and not jit.is_on():
        pytest.skip("slices are many operations: 4R + 1 reads of the field")
    T, V = field((*shape, *channels), torch.complex64), field(shape, torch.float32)
    H, out = hamiltonian(execution, potential=V, torus=sh.Torus(shape), kind="diagonal"), torch.empty_like(T)
    H(T, out)
    with count_ops() as seen:
        H(T, out)
    assert seen.total() <= MOST_OPERATIONS[execution], seen
    assert not {"_local_scalar_dense", "_to_copy", "clone"} & set(seen), seen


VIEWS = {"view", "detach", "alias", "_reshape_alias", "view_as_real", "unsqueeze", "squeeze", "slice", "select"}


@pytest.mark.skipif(not jit.is_on(), reason="fused kernels are off")
@pytest.mark.parametrize("channels", [(), (2, 2)], ids=str)
def test_a_fused_call_allocates_its_result_and_nothing_else(channels):
    """V goes along with the stencil: torch is asked for the result alone."""
    T, V = field((*TORUS.shape, *channels), torch.complex64), field(TORUS.shape, torch.float32)
    H = hamiltonian("stencil", potential=V, kind="diagonal")
    H(T)
    with count_ops() as seen:
        H(T)
    assert seen["empty_like"] == 1
    assert set(seen) - VIEWS == {"empty_like"}, seen


def test_a_lone_field_is_transformed_without_another_copy():
    """Two transforms, the table in place, V in place: the spectrum and the result are all that is allocated."""
    T, V = field(TORUS.shape, torch.complex64), field(TORUS.shape, torch.float32)
    H = hamiltonian("fft", "spectral", V)
    H(T)
    with count_ops() as seen:
        H(T)
    assert set(seen) - VIEWS <= {"_fft_c2c", "mul_", "addcmul_"}, seen
    assert seen["_fft_c2c"] == 2


# Memory

NUMBERS = 256  # bytes for a handful of Python numbers that torch wraps as 0-d tensors
GRID = sh.Torus((30, 25), lengths=(2.1, 3.7))


@pytest.mark.parametrize(
    ("name", "channels", "kind", "execution"),
    pairwise(
        ["real scalar", "complex scalar", "real elementwise"],
        [(), (16,)],
        ["diagonal", "full"],
        ["fft", "dense", "stencil"],
    ),
    ids=str,
)
def test_memory_of_a_call(monkeypatch, tmp_path, name, channels, kind, execution):
    """At most 2 fields beyond the input, the result being one of them; with out=, at most 1 for dense and stencil.

    For a diagonal metric only the convolution of the 5-point stencil needs scratch: a field, and once its kernel.
    The Fourier execution is measured where the field is much larger than a chunk; a single channel is one chunk.
    """
    T = field((*GRID.shape, *channels), torch.complex64)
    size, out, path = T.numel() * T.element_size(), torch.empty_like(T), tmp_path / "trace.json"
    monkeypatch.setattr(fourier, "CHUNK_BYTES", size // 80)
    V = named_potential(name, GRID.shape, channels)[0]
    V = V.to(T.dtype if V.is_complex() else torch.float32)
    H = hamiltonian(execution, potential=V, torus=GRID, kind=kind)
    per_point = 4 * GRID.size + NUMBERS  # one real number per grid point: V plus the weight of the center
    assert peak_bytes(lambda: H(T), path) <= 2 * size + per_point
    convolves = execution == "stencil" and channels
    scratch = 2 * size if execution == "fft" else size if kind == "full" or convolves else per_point
    kernel = 9 * 4 * 2 * 16 if convolves else 0
    assert peak_bytes(lambda: H(T, out), path) <= scratch + kernel + NUMBERS


@pytest.mark.parametrize(
    ("execution", "channels", "most"),
    [("fft", (), 3), ("fft", (16,), 2), ("dense", (16,), 2), ("stencil", (16,), 2)],
    ids=str,
)
def test_memory_of_a_call_on_a_real_field(monkeypatch, tmp_path, execution, channels, most):
    """As above; a lone real channel takes a third field, since torch's inverse real transform copies its input."""
    T = field((*GRID.shape, *channels), torch.float32)
    size = T.numel() * T.element_size()
    monkeypatch.setattr(fourier, "CHUNK_BYTES", size // 80)
    half_spectrum = 2 * (25 // 2 + 1) / 25
    limit = most * half_spectrum if execution == "fft" else most
    H = hamiltonian(execution, torus=GRID)
    assert peak_bytes(functools.partial(H, T), tmp_path / "trace.json") <= limit * size + NUMBERS
