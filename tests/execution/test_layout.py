"""Channels last and channels first: conversions lose nothing, whatever runs them, from several threads at once."""

import math
import threading

import pytest
import torch

import spectral_ham as sh
from spectral_ham.execution.base import Kind
from spectral_ham.execution.layout import add_potential, channels_first, channels_last, uninitialized
from spectral_ham.execution.numba import jit

DTYPES = [torch.complex128, torch.complex64, torch.float64, torch.float32]
EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES, ids=str)
FUSED = pytest.mark.parametrize("fused", ["0", "1"], ids=["torch", "fused"])


def field(shape, dtype=torch.complex64, seed=2):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


@pytest.mark.pairwise
@FUSED
@EVERY_DTYPE
@pytest.mark.parametrize("shape", [(5, 7, 13), (33, 1), (64, 32, 16), (3, 4, 5, 2)], ids=str)
def test_there_and_back(monkeypatch, fused, dtype, shape):
    """In chunks of every kind: below, at and above the blocks of the kernels."""
    monkeypatch.setenv(jit.SWITCH, fused)
    X, channels = field(shape, dtype), shape[-1]
    for step in (1, 2, 8, 9, channels):
        out = torch.full_like(X, math.nan)
        for first in range(0, channels, step):
            count = min(step, channels - first)
            F = channels_first(X, first, count)
            assert F.is_contiguous()
            assert torch.equal(F, X[..., first : first + count].movedim(-1, 0))
            channels_last(F, out, first)
        assert torch.equal(out, X)


def add_to(out, V, X):
    """Out += V∘X by the kernel that is picked for fields like X."""
    kind = Kind(X.shape, X.dtype, X.device, torch.get_num_threads(), jit.serves(X))
    add_potential(V, tuple(X.shape[:-1]), kind)(out, X)


def diagonals(X):
    real, wide = X.dtype.to_real(), X.dtype
    yield from (field(X.shape[:-1], real, 3), field(X.shape, real, 4))
    yield from (field(X.shape[:-1], wide, 5), field(X.shape, wide, 6)) if X.is_complex() else ()


@FUSED
@EVERY_DTYPE
@pytest.mark.parametrize("channels", [1, 3])
def test_diagonals_are_added(monkeypatch, fused, dtype, channels):
    monkeypatch.setenv(jit.SWITCH, fused)
    X, Y = field((137, 128, channels), dtype), field((137, 128, channels), dtype, 9)
    for diagonal in diagonals(X):
        expected = Y + (diagonal if diagonal.ndim == 3 else diagonal[..., None]) * X
        out = Y.clone()
        add_to(out, diagonal, X)
        tolerance = 8 * torch.finfo(X.dtype.to_real()).eps * float(expected.abs().max())
        torch.testing.assert_close(out, expected, rtol=0, atol=tolerance)


@FUSED
@pytest.mark.parametrize("channels", [1, 5])
@pytest.mark.parametrize("value", [math.inf, math.nan])
def test_inf_and_nan_stay_where_they_are(monkeypatch, fused, value, channels):
    """A real V times an Inf in the real part leaves the imaginary part alone, and other channels and points too."""
    monkeypatch.setenv(jit.SWITCH, fused)
    X, V = field((40, 3, channels)), field((40, 3), torch.float32)
    X[7, 1, 0] = complex(value, 1.0)
    out = torch.zeros_like(X)
    add_to(out, V, X)
    bad = ~torch.isfinite(torch.view_as_real(out))
    assert bad.sum() == 1
    assert bad[7, 1, 0, 0]


def test_fused_kernels_run_at_all():
    """Where numba is installed the tests above are of the kernels, and large fields take the parallel ones."""
    pytest.importorskip("numba")
    X, called = field((64, 64, 8)), []
    assert X.numel() >= jit.LEAST_NUMBERS
    kernels = jit.kernels("layout_kernels")
    serial, parallel = kernels.gather
    watch = (lambda *a: called.append("serial") or serial(*a), lambda *a: called.append("parallel") or parallel(*a))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(jit.SWITCH, "1")
        patch.setattr(kernels, "gather", watch)
        channels_first(X, 0, 8)
        channels_first(X[:4, :4].contiguous(), 0, 8)
    assert called == ["parallel" if jit.tasks() > 1 else "serial", "serial"]


def test_two_threads_at_once():
    torus = sh.Torus((64, 48))
    H = sh.Hamiltonian(torus, potential=field(torus.shape, torch.float64), execution="fft")
    fields = [field((64, 48, 8), seed=seed) for seed in range(4)]
    expected, found = [H(T) for T in fields], {}

    def work(i):
        for _ in range(10):
            found[i] = H(fields[i])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, wanted in enumerate(expected):
        assert torch.equal(found[i], wanted)


@EVERY_DTYPE
def test_memory_in_large_pages_is_memory(dtype):
    made = uninitialized((3, 4), dtype, torch.device("cpu"))
    assert (made.shape, made.dtype) == ((3, 4), dtype)
    assert made.is_contiguous()
    assert torch.equal(made.fill_(2.0), torch.full((3, 4), 2.0, dtype=dtype))


@pytest.mark.parametrize("execution", ["fft", "dense"])
def test_channels_never_meet(execution):
    """A channel that is zero stays zero to the bit beside others, in real fields too."""
    torus = sh.Torus((12, 10))
    for dtype in (torch.float64, torch.complex64):
        T = field((12, 10, 6), dtype)
        T[..., 2] = 0
        assert not sh.Hamiltonian(torus, execution=execution)(T)[..., 2].any()
