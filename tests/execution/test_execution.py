"""Executions: all agree, whatever the layout; transforms, tables and bytes are counted; precision is nobody else's."""

import functools
import math
import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from helpers import peak_bytes
from numpy.testing import assert_allclose
from torch.utils._python_dispatch import TorchDispatchMode

import spectral_ham as sh
from oracles.dense import backward_bound
from oracles.fields import DTYPES, FULL_METRIC, HBAR, MASS, TORUS, executions, field, largest
from spectral_ham.execution import EXECUTIONS
from spectral_ham.execution import fft as fourier
from spectral_ham.execution.numba import jit

G = torch.from_numpy(FULL_METRIC)
RUNS = [(backend, execution) for backend in ("spectral", "fd") for execution in executions(backend)]
EVERY_RUN = pytest.mark.parametrize(("backend", "execution"), RUNS, ids=["-".join(run) for run in RUNS])
EVERY_EXECUTION = pytest.mark.parametrize("execution", ["fft", "dense", "stencil"])


def hamiltonian(execution, torus=TORUS, backend="fd", potential=None, kind="full"):
    g = G[: torus.ndim, : torus.ndim]
    return sh.Hamiltonian(
        torus,
        inverse_metric=g if kind == "full" else torch.diagonal(g),
        potential=potential,
        hbar=HBAR,
        mass=MASS,
        backend=backend,
        stencil_order=2,
        execution=execution,
    )


def rounding(H, T):
    """What two ways of computing H[T] may differ by: the backward bound of each."""
    free = sh.Hamiltonian(
        H.torus, inverse_metric=H.inverse_metric, hbar=H.hbar, mass=H.mass, backend="spectral"
    ).spectral_bounds()[1]
    V_max = 0.0 if H.potential is None else largest(H.potential.at(0.0).values.detach().resolve_conj().resolve_neg())
    return 2 * backward_bound(T.dtype, free, T.detach().resolve_conj().resolve_neg(), V_max)


def assert_same(result, expected, bound):
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    assert result.is_contiguous()
    assert not result.is_conj()
    assert not result.is_neg()
    assert_allclose(result.detach(), expected.detach(), rtol=0, atol=bound)


# All executions agree, for every grid, layout and potential


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("channels", [(), (1,), (3,), (2, 2), (17,), (2, 1, 3)], ids=str)
@pytest.mark.parametrize("shape", [(31,), (12,), (3, 3), (13, 8), (8, 13), (5, 31), (4, 3, 5)], ids=str)
def test_executions_agree_on_every_grid(shape, channels, dtype):
    torus = sh.Torus(shape, lengths=[2.1, 3.7, 2.9][: len(shape)])
    T = field((*shape, *channels), dtype)
    for backend in ("spectral", "fd"):
        reference = hamiltonian("fft", torus, backend)
        expected = reference(T)
        for execution in executions(backend):
            assert_same(hamiltonian(execution, torus, backend)(T), expected, rounding(reference, T))


LAYOUTS = {
    "channels first": lambda shape, dtype: field((2, 3, *shape), dtype).permute(2, 3, 0, 1),
    "y first": lambda shape, dtype: field((shape[1], shape[0], 2, 3), dtype).transpose(0, 1),
    "slice with an offset": lambda shape, dtype: field((shape[0] + 3, shape[1] + 2, 4, 5), dtype)[3:, 1:-1, 1:3, 2:],
    "every other": lambda shape, dtype: field((2 * shape[0], 2 * shape[1], 4, 3), dtype)[::2, 1::2, ::2],
    "odd storage offset": lambda shape, dtype: field((math.prod(shape) * 6 + 1,), dtype)[1:].view(*shape, 2, 3),
    "expanded channels": lambda shape, dtype: field(shape, dtype)[:, :, None, None].expand(*shape, 2, 3),
    "expanded axis": lambda shape, dtype: field((1, shape[1], 2, 3), dtype).expand(*shape, 2, 3),
    "conjugated": lambda shape, dtype: field((*shape, 2, 3), dtype).conj(),
    "adjoint": lambda shape, dtype: field((*shape, 3, 2), dtype).mH,
    "negated": lambda shape, dtype: torch._neg_view(field((*shape, 2, 3), dtype)),
    "real part": lambda shape, dtype: field((*shape, 2, 3), dtype.to_complex()).real,
    "imaginary part of a conjugate": lambda shape, dtype: field((*shape, 2, 3), dtype.to_complex()).conj().imag,
}


FIELD_LAYOUTS = {
    **LAYOUTS,
    "a lone channel with a stride": lambda shape, dtype: field((2, 3, *shape), dtype)[:1, :1].permute(2, 3, 0, 1),
}


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", [torch.complex64, torch.float64], ids=str)
@pytest.mark.parametrize("layout", FIELD_LAYOUTS)
@EVERY_RUN
def test_the_layout_of_T_does_not_matter(backend, execution, layout, dtype):
    T = FIELD_LAYOUTS[layout](TORUS.shape, dtype)
    before = T.clone()
    H = hamiltonian(execution, backend=backend, potential=field(TORUS.shape, torch.float64))
    plain = T.resolve_conj().resolve_neg().contiguous()
    assert_same(H(T), H(plain), rounding(H, T))
    assert torch.equal(T, before)


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", [torch.complex64, torch.float64], ids=str)
@pytest.mark.parametrize("layout", [*LAYOUTS, "scalar, transposed", "scalar, conjugated", "scalar, expanded"])
@EVERY_RUN
def test_the_layout_of_V_does_not_matter(backend, execution, layout, dtype):
    if layout == "scalar, transposed":
        V = field(TORUS.shape[::-1], dtype).mT
    elif layout == "scalar, conjugated":
        V = field(TORUS.shape, dtype.to_complex()).conj()
    elif layout == "scalar, expanded":
        V = field((1, TORUS.shape[1]), dtype).expand(TORUS.shape)
    else:
        V = LAYOUTS[layout](TORUS.shape, dtype)
    T = field((*TORUS.shape, 2, 3), dtype)
    given = hamiltonian(execution, backend=backend, potential=V)
    plain = hamiltonian(execution, backend=backend, potential=V.resolve_conj().resolve_neg().clone().contiguous())
    assert_same(given(T), plain(T), rounding(plain, T))


@pytest.mark.pairwise
@pytest.mark.parametrize("elementwise", [False, True], ids=["scalar", "elementwise"])
@pytest.mark.parametrize("V_dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex64, torch.complex128], ids=str)
@EVERY_RUN
def test_V_is_cast_to_the_precision_of_T(backend, execution, dtype, V_dtype, elementwise):
    """And the result has T's precision: a float64 V does not make a complex64 field complex128."""
    T = field((*TORUS.shape, 2, 3), dtype)
    V = field(T.shape if elementwise else TORUS.shape, V_dtype)
    H = hamiltonian(execution, backend=backend, potential=V)
    result = H(T)
    assert result.dtype == (dtype.to_complex() if V_dtype.is_complex else dtype)
    free = hamiltonian(execution, backend=backend)(T)
    product = (V if elementwise else V[:, :, None, None]).to(torch.complex128) * T.to(torch.complex128)
    assert_same(result.to(torch.complex128), free.to(torch.complex128) + product, rounding(H, T))


# Writing into out=


@pytest.mark.pairwise
@pytest.mark.parametrize("name", ["none", "scalar", "complex", "elementwise", "matrix"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@EVERY_RUN
def test_out_takes_the_result(backend, execution, dtype, name):
    T = field((*TORUS.shape, 2, 3), dtype)
    V = {
        "none": None,
        "scalar": field(TORUS.shape, torch.float64),
        "complex": field(TORUS.shape),
        "elementwise": field(T.shape, torch.float64),
        "matrix": sh.MatrixPotential(field((2, 2), torch.float64)),
    }[name]
    H = hamiltonian(execution, backend=backend, potential=V)
    expected = H(T)
    out = torch.full_like(expected, math.nan)
    before = T.clone()
    assert H(T, out) is out
    assert torch.equal(out, expected)
    assert H(T.mT.contiguous().mT, out=out) is out
    assert torch.equal(T, before)
    one = torch.full_like(expected[..., 0, 0], math.nan, memory_format=torch.contiguous_format)
    if name in ("none", "scalar", "complex"):
        assert_allclose(H(T[..., 0, 0], one), expected[..., 0, 0], rtol=0, atol=rounding(H, T))


@EVERY_RUN
def test_out_may_be_written_where_no_gradient_is_recorded(backend, execution):
    T = field((*TORUS.shape, 2)).requires_grad_()
    H = hamiltonian(execution, backend=backend)
    out = torch.empty_like(T, requires_grad=False)
    with torch.no_grad():
        H(T, out)
    assert torch.equal(out, H(T).detach())
    assert not out.requires_grad


# The Fourier execution: chunks and transforms


@pytest.mark.parametrize("dtype", [torch.complex128, torch.float64], ids=str)
@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 7, 12, 13, 100])
def test_chunk_boundaries_leave_no_trace(monkeypatch, step, dtype):
    T = field((*TORUS.shape, 13), dtype)
    H = hamiltonian("fft", backend="spectral", potential=field(TORUS.shape, torch.float64))
    expected = torch.stack([H(T[..., c]) for c in range(13)], dim=-1)
    monkeypatch.setattr(fourier, "CHUNK_BYTES", step * TORUS.size * T.element_size())
    out = torch.full_like(T, math.nan)
    with count_ops("_fft") as transforms:
        result = H(T)
    assert len(transforms) == 2 * math.ceil(13 / step)
    assert_same(result, expected, rounding(H, T))
    assert torch.equal(H(T, out), result)


@contextmanager
def count_ops(part):
    """Collect the names of torch's own operations that contain ``part``."""

    class Counter(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if part in str(func):
                seen.append(str(func))
            return func(*args, **(kwargs or {}))

    seen = []
    with Counter():
        yield seen


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("channels", [(), (1,), (2, 3)], ids=str)
@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_one_forward_and_one_inverse_transform(backend, channels, dtype):
    """However many terms and axes: one transform of the whole grid each way; none where a table is built before."""
    T = field((*TORUS.shape, *channels), dtype)
    H = hamiltonian("fft", backend=backend, potential=field(TORUS.shape, torch.float64))
    H(T)
    with count_ops("_fft") as transforms:
        H(T)
    assert len(transforms) == 2
    smooth = sh.Laplacian(TORUS, backend=backend).function(torch.exp)
    with count_ops("_fft") as transforms:
        smooth(T)
    assert len(transforms) == 2


@pytest.mark.parametrize(("backend", "execution"), [("spectral", "dense"), ("fd", "dense"), ("fd", "stencil")])
def test_dense_and_stencil_transform_nothing(backend, execution):
    T = field((*TORUS.shape, 2))
    H = hamiltonian(execution, backend=backend)
    H(T)
    with count_ops("_fft") as transforms:
        H(T)
    assert not transforms


MOST_OPERATIONS = {"fft": 22, "dense": 20, "stencil": 10}
"""Operations of torch in one call with V and out=, views among them: a call's cost beside its passes over memory."""


@pytest.mark.parametrize("execution", MOST_OPERATIONS)
@pytest.mark.parametrize("channels", [(), (2, 2)], ids=str)
def test_a_call_is_a_handful_of_operations(execution, channels):
    """However large the field, and none of them reads a value, copies the field or makes a table."""
    if execution == "stencil" and not jit.is_on():
        pytest.skip("slices are many operations: 4R + 1 reads of the field")
    for shape in ((12, 10), (24, 20)):
        T = field((*shape, *channels), torch.complex64)
        H = hamiltonian(execution, sh.Torus(shape), potential=field(shape, torch.float32), kind="diagonal")
        out = torch.empty_like(T)
        H(T, out)
        with count_ops("aten.") as seen:
            H(T, out)
        assert len(seen) <= MOST_OPERATIONS[execution], seen
        assert not [name for name in seen if "local_scalar" in name or "_to_copy" in name]


@EVERY_RUN
def test_tables_are_folded_once(monkeypatch, backend, execution):
    """One preparation per Hamiltonian and precision, not one per call."""
    prepared = []
    for name, candidate in EXECUTIONS.items():
        original = type(candidate).prepare

        def counting(self, operator, kind, name=name, original=original):
            prepared.append((name, kind.real))
            return original(self, operator, kind)

        monkeypatch.setattr(type(candidate), "prepare", counting)
    H = hamiltonian(execution, backend=backend, potential=field(TORUS.shape, torch.float64))
    T = field((*TORUS.shape, 2, 3))
    for _ in range(3):
        H(T)
        H(T, torch.empty_like(T))
    assert [dtype for _, dtype in prepared] == [torch.float64]
    H(T.to(torch.complex64))
    H(T.to(torch.complex64))
    assert [dtype for _, dtype in prepared] == [torch.float64, torch.float32]
    H(T[..., 0])
    H.with_potential(None)(T)
    assert len(prepared) == 3  # another number of channels is another kind; another V is not
    sh.clear_cache()
    H(T)
    assert len(prepared) == 4


@EVERY_RUN
def test_V_is_seen_when_it_has_been_written_into(backend, execution):
    """By torch, or behind its back through NumPy: what is prepared with V never outlives V's values."""
    V, T = field(TORUS.shape, torch.float64), field((*TORUS.shape, 2))
    for shared in (V.clone(), torch.from_numpy(V.numpy().copy())):
        H = hamiltonian(execution, backend=backend, potential=shared)
        before = H(T)
        if shared.untyped_storage().resizable():
            shared.mul_(2)
        else:
            shared.numpy()[...] *= 2
        assert_same(H(T) - before, V.unsqueeze(-1) * T, rounding(H, T))


# Memory

NUMBERS = 256  # bytes for a handful of Python numbers that torch wraps as 0-d tensors


@pytest.mark.pairwise
@pytest.mark.parametrize("name", ["none", "scalar", "complex", "elementwise"])
@pytest.mark.parametrize("channels", [(), (16,)], ids=["one channel", "16 channels"])
@pytest.mark.parametrize("kind", ["diagonal", "full"])
@EVERY_EXECUTION
def test_memory_of_a_call(monkeypatch, tmp_path, execution, kind, channels, name):
    """At most 2 fields beyond the input, the result being one of them; with out=, at most 1 for dense and stencil.

    For a diagonal metric only the convolution of the 5-point stencil needs scratch: a field, and once its kernel.
    The Fourier execution is measured where the field is much larger than a chunk; a single channel is one chunk.
    """
    torus = sh.Torus((30, 25), lengths=(2.1, 3.7))
    T = field((*torus.shape, *channels), torch.complex64)
    size = T.numel() * T.element_size()
    monkeypatch.setattr(fourier, "CHUNK_BYTES", size // 80)
    V = {
        "none": None,
        "scalar": field(torus.shape, torch.float32),
        "complex": field(torus.shape, torch.complex64),
        "elementwise": field(T.shape, torch.float32),
    }[name]
    H = hamiltonian(execution, torus, potential=V, kind=kind)
    out, path = torch.empty_like(T), tmp_path / "trace.json"
    per_point = 4 * torus.size + NUMBERS  # one real number per grid point: V plus the weight of the center
    assert peak_bytes(lambda: H(T), path) <= 2 * size + per_point
    convolves = execution == "stencil" and channels
    scratch = 2 * size if execution == "fft" else size if kind == "full" or convolves else per_point
    kernel = 9 * 4 * 2 * 16 if convolves else 0
    assert peak_bytes(lambda: H(T, out), path) <= scratch + kernel + NUMBERS


@pytest.mark.parametrize("kind", ["diagonal", "full"])
@EVERY_EXECUTION
def test_memory_of_a_call_on_a_real_field(monkeypatch, tmp_path, execution, kind):
    """As above; a lone real channel takes a third field, since torch's inverse real transform copies its input."""
    torus = sh.Torus((30, 25), lengths=(2.1, 3.7))
    path = tmp_path / "trace.json"
    for channels, most in (((), 3), ((16,), 2)):
        T = field((*torus.shape, *channels), torch.float32)
        size = T.numel() * T.element_size()
        monkeypatch.setattr(fourier, "CHUNK_BYTES", size // 80)
        half_spectrum = 2 * (25 // 2 + 1) / 25
        limit = most * half_spectrum if execution == "fft" else 2
        H = hamiltonian(execution, torus, kind=kind)
        assert peak_bytes(functools.partial(H, T), path) <= limit * size + NUMBERS


# Precision is set by the field alone


@pytest.mark.parametrize("precision", ["high", "medium"])
@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_matmul_precision_does_not_reach_H(precision, kind):
    """TF32 or bfloat16 passes would put an error of percents on H[T]; the user's setting is back afterwards."""
    torus = sh.Torus((32, 48), lengths=(2.1, 3.7))
    T = field((*torus.shape, 16), torch.float32)
    expected = hamiltonian("dense", torus, "spectral", kind=kind)(T)
    torch.set_float32_matmul_precision(precision)
    try:
        result = hamiltonian("dense", torus, "spectral", kind=kind)(T)
        before = matmul_settings()
        with watch_precision() as seen:
            hamiltonian("dense", torus, "spectral", kind=kind)(T)
        assert matmul_settings() == before
        assert torch.get_float32_matmul_precision() == precision
        assert seen == {"ieee"}
    finally:
        torch.set_float32_matmul_precision("highest")
    assert torch.equal(result, expected)


def matmul_settings():
    return torch.backends.cuda.matmul.fp32_precision, torch.backends.mkldnn.matmul.fp32_precision


@contextmanager
def watch_precision():
    """Collect the precisions under which matrix products run: on many a CPU the results would not tell."""

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if "mm" in str(func):
                seen.update(
                    place.fp32_precision for place in (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)
                )
            return func(*args, **(kwargs or {}))

    seen = set()
    with Watch():
        yield seen


NEWER_SETTINGS = """
import torch, spectral_ham as sh
lap = sh.Laplacian(sh.Torus((32, 48), lengths=(2.1, 3.7)), execution="dense")
T = torch.randn(32, 48, 16, generator=torch.Generator().manual_seed(1))
expected = lap(T)
for place, value in (
    (torch.backends, "tf32"),
    (torch.backends.cuda.matmul, "tf32"),
    (torch.backends.mkldnn.matmul, "bf16"),
):
    place.fp32_precision = value
    assert torch.equal(lap(T), expected)
    assert place.fp32_precision == value
"""


def test_the_newer_precision_settings_do_not_reach_H():
    """In a process of its own: torch does not let one that used them go back to the older setting."""
    command = [sys.executable, "-W", "error", "-c", NEWER_SETTINGS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@EVERY_RUN
def test_autocast_does_not_reach_H(backend, execution, dtype):
    """Inside an autocast region H, its energy and its gradients are the same, to the last bit."""

    def everything():
        mass, g = torch.tensor(MASS, requires_grad=True), G[:2, :2].clone().requires_grad_()
        T = field((*TORUS.shape, 2, 2), dtype).requires_grad_()
        V = field(TORUS.shape, torch.float32).requires_grad_()
        flags = {"backend": backend, "execution": execution}
        H = sh.Hamiltonian(TORUS, inverse_metric=g, mass=mass, potential=V, **flags)
        HT = H(T)
        gradients = torch.autograd.grad(HT.abs().square().sum(), (T, V, mass, g))
        mixed = sh.Hamiltonian(TORUS, potential=sh.MatrixPotential(field((2, 2), torch.float32)), **flags)
        smooth = sh.Laplacian(TORUS, **flags).function(torch.exp)
        U = T.detach()
        return HT, H.energy(U), mixed(U), mixed.energy(U), smooth(U), sh.Hamiltonian(TORUS, **flags)(U), *gradients

    expected = everything()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = everything()
    for result, wanted in zip(results, expected, strict=True):
        assert result.dtype == wanted.dtype
        assert torch.equal(result, wanted)


@pytest.mark.parametrize("default", [torch.float64, torch.float16], ids=str)
@EVERY_RUN
def test_the_default_dtype_does_not_reach_H(backend, execution, default, empty_cache):
    T, V = field((*TORUS.shape, 2), torch.complex64), field(TORUS.shape, torch.float64)
    expected = hamiltonian(execution, backend=backend, potential=V)(T)
    sh.clear_cache()
    torch.set_default_dtype(default)
    try:
        result = hamiltonian(execution, backend=backend, potential=V)(T)
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(result, expected)


@EVERY_RUN
def test_from_inference_mode_to_training_and_back(backend, execution, empty_cache):
    """A table first needed in inference mode serves autograd later: one Hamiltonian for both."""
    H = hamiltonian(execution, backend=backend, potential=field(TORUS.shape, torch.float64))
    T = field((*TORUS.shape, 2))
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


def test_auto_runs_what_can_run():
    """Whatever it chooses, the flag alone decides the operator: "auto" never refuses."""
    for shape in ((3,), (300,), (9, 200), (4, 5, 6)):
        torus = sh.Torus(shape)
        for channels in ((), (1,), (40,)):
            T = field((*shape, *channels), torch.complex64)
            for backend in ("spectral", "fd"):
                reference = hamiltonian("fft", torus, backend)
                assert_same(hamiltonian("auto", torus, backend)(T), reference(T), rounding(reference, T))
