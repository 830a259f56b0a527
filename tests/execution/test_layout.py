"""Channels last and channels first: conversions lose nothing, whatever runs them; V∘X is added where it belongs."""

import math

import pytest
import torch
from covers import pairwise

from oracles.fields import field
from spectral_ham.execution.base import Kind
from spectral_ham.execution.layout import add_potential, channels_first, channels_last, uninitialized
from spectral_ham.execution.numba import jit

EITHER = ["0", "1"]
"""Values of the switch: torch's own operations, fused kernels."""
SHAPES = [(33, 1), (64, 32, 16), (3, 4, 5, 13)]
PRECISIONS = [torch.complex64, torch.float64]


@pytest.mark.parametrize(
    ("fused", "dtype", "shape", "step"), pairwise(EITHER, PRECISIONS, SHAPES, [1, 2, 8, 9]), ids=str
)
def test_there_and_back(monkeypatch, fused, dtype, shape, step):
    """In chunks of every kind: below, at and above the blocks of the kernels."""
    monkeypatch.setenv(jit.SWITCH, fused)
    X, channels = field(shape, dtype), shape[-1]
    out = torch.full_like(X, math.nan)
    for first in range(0, channels, step):
        count = min(step, channels - first)
        F = channels_first(X, first, count)
        assert F.is_contiguous()
        assert torch.equal(F, X[..., first : first + count].movedim(-1, 0))
        channels_last(F, out, first)
    assert torch.equal(out, X)


def kind_of(X):
    return Kind(X.shape, X.dtype, X.device, torch.get_num_threads(), jit.serves(X))


@pytest.mark.parametrize(
    ("fused", "dtype", "channels", "per_point", "wide"),
    pairwise(EITHER, PRECISIONS, [1, 3], [True, False], [True, False]),
    ids=str,
)
def test_potentials_are_added(monkeypatch, fused, dtype, channels, per_point, wide):
    """Real and complex ones, one value per point or per number, to a lone channel or several."""
    monkeypatch.setenv(jit.SWITCH, fused)
    X, Y = field((137, 128, channels), dtype), field((137, 128, channels), dtype, 9)
    V = field(X.shape[:-1] if per_point else X.shape, dtype if wide else dtype.to_real(), 3)
    expected, out = Y + (V[..., None] if per_point else V) * X, Y.clone()
    add_potential(V, (137, 128), kind_of(X))(out, X)
    tolerance = 8 * torch.finfo(dtype.to_real()).eps * float(expected.abs().max())
    torch.testing.assert_close(out, expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize(("fused", "channels", "value"), pairwise(EITHER, [1, 5], [math.inf, math.nan]), ids=str)
def test_inf_and_nan_stay_where_they_are(monkeypatch, fused, value, channels):
    """A real V times an Inf in the real part leaves the imaginary part alone, and other channels and points too."""
    monkeypatch.setenv(jit.SWITCH, fused)
    X, V = field((40, 3, channels), torch.complex64), field((40, 3), torch.float32)
    X[7, 1, 0] = complex(value, 1.0)
    out = torch.zeros_like(X)
    add_potential(V, (40, 3), kind_of(X))(out, X)
    bad = ~torch.isfinite(torch.view_as_real(out))
    assert bad.sum() == 1
    assert bad[7, 1, 0, 0]


def test_large_fields_take_the_parallel_kernels(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv(jit.SWITCH, "1")
    X, called = field((64, 64, 8), torch.complex64), []
    assert X.numel() >= jit.LEAST_NUMBERS
    kernels = jit.kernels("layout_kernels")
    serial, parallel = kernels.gather
    watch = (lambda *a: called.append("serial") or serial(*a), lambda *a: called.append("parallel") or parallel(*a))
    monkeypatch.setattr(kernels, "gather", watch)
    channels_first(X, 0, 8)
    channels_first(X[:4, :4].contiguous(), 0, 8)
    assert called == ["parallel" if jit.tasks() > 1 else "serial", "serial"]


@pytest.mark.parametrize("dtype", PRECISIONS, ids=str)
def test_memory_in_large_pages_is_memory(dtype):
    made = uninitialized((3, 4), dtype, torch.device("cpu"))
    assert (made.shape, made.dtype) == ((3, 4), dtype)
    assert made.is_contiguous()
    assert torch.equal(made.fill_(2.0), torch.full((3, 4), 2.0, dtype=dtype))
