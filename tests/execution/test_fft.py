"""The Fourier execution: chunks leave no trace, channels never meet, and threads may share it."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from helpers import assert_same, hamiltonian, rounding, transforms

import spectral_ham as sh
from oracles.fields import TORUS, field
from spectral_ham.execution import fft as fourier


@pytest.mark.parametrize("dtype", [torch.complex128, torch.float64], ids=str)
@pytest.mark.parametrize("step", [1, 7, 100])
def test_chunk_boundaries_leave_no_trace(monkeypatch, step, dtype):
    T = field((*TORUS.shape, 13), dtype)
    H = hamiltonian("fft", "spectral", field(TORUS.shape, torch.float64))
    expected = torch.stack([H(T[..., c]) for c in range(13)], dim=-1)
    monkeypatch.setattr(fourier, "CHUNK_BYTES", step * TORUS.size * T.element_size())
    out = torch.full_like(T, math.nan)
    assert transforms(lambda: H(T, out)) == 2 * math.ceil(13 / step)
    assert_same(out, expected, rounding(H, T))


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float64], ids=str)
def test_channels_never_meet(dtype):
    """A channel that is zero stays zero to the bit beside others, in real fields too."""
    T = field((12, 10, 6), dtype)
    T[..., 2] = 0
    assert not sh.Hamiltonian(sh.Torus((12, 10)), execution="fft")(T)[..., 2].any()


def test_threads_at_once():
    torus = sh.Torus((64, 48))
    H = sh.Hamiltonian(torus, potential=field(torus.shape, torch.float64), execution="fft")
    fields = [field((64, 48, 8), torch.complex64, seed=seed) for seed in range(4)]
    expected = [H(T) for T in fields]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda T: [H(T) for _ in range(5)], fields))
    assert all(
        torch.equal(result, wanted) for results, wanted in zip(found, expected, strict=True) for result in results
    )


@pytest.mark.parametrize("complex_table", [False, True])
def test_a_folded_table_holds_one_over_N(complex_table):
    """Real values are written twice, for the real and the imaginary part; complex ones once."""
    values = field((4, 3), torch.complex128 if complex_table else torch.float64)
    table = fourier.folded(values, field((4, 3), torch.complex64))
    expected = (values / 12 if complex_table else (values / 12).repeat_interleave(2, dim=-1)).to(table.dtype)
    assert table.dtype == (torch.complex64 if complex_table else torch.float32)
    assert torch.equal(table, expected)
