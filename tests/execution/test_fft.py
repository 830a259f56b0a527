"""The Fourier execution: chunks leave no trace, channels never meet, and threads may share it."""

import math
import threading

import pytest
import torch
from helpers import assert_same, count_ops, hamiltonian, rounding

import spectral_ham as sh
from oracles.fields import TORUS, field
from spectral_ham.execution import fft as fourier


@pytest.mark.parametrize("dtype", [torch.complex128, torch.float64], ids=str)
@pytest.mark.parametrize("step", [1, 2, 6, 7, 12, 13, 100])
def test_chunk_boundaries_leave_no_trace(monkeypatch, step, dtype):
    T = field((*TORUS.shape, 13), dtype)
    H = hamiltonian("fft", "spectral", field(TORUS.shape, torch.float64))
    expected = torch.stack([H(T[..., c]) for c in range(13)], dim=-1)
    monkeypatch.setattr(fourier, "CHUNK_BYTES", step * TORUS.size * T.element_size())
    out = torch.full_like(T, math.nan)
    with count_ops() as seen:
        result = H(T)
    assert sum(n for name, n in seen.items() if "_fft" in name) == 2 * math.ceil(13 / step)
    assert_same(result, expected, rounding(H, T))
    assert torch.equal(H(T, out), result)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float64], ids=str)
@pytest.mark.parametrize("execution", ["fft", "dense"])
def test_channels_never_meet(execution, dtype):
    """A channel that is zero stays zero to the bit beside others, in real fields too."""
    T = field((12, 10, 6), dtype)
    T[..., 2] = 0
    assert not sh.Hamiltonian(sh.Torus((12, 10)), execution=execution)(T)[..., 2].any()


def test_two_threads_at_once():
    torus = sh.Torus((64, 48))
    H = sh.Hamiltonian(torus, potential=field(torus.shape, torch.float64), execution="fft")
    fields = [field((64, 48, 8), torch.complex64, seed=seed) for seed in range(4)]
    expected, found = [H(T) for T in fields], {}

    def work(i):
        found[i] = [H(fields[i]) for _ in range(10)]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(result, expected[i]) for i in range(4) for result in found[i])


@pytest.mark.parametrize("complex_table", [False, True])
def test_a_folded_table_holds_one_over_N(complex_table):
    """Real values are written twice, for the real and the imaginary part; complex ones once."""
    values = field((4, 3), torch.complex128 if complex_table else torch.float64)
    table = fourier.folded(values, field((4, 3), torch.complex64))
    expected = (values / 12 if complex_table else (values / 12).repeat_interleave(2, dim=-1)).to(table.dtype)
    assert table.dtype == (torch.complex64 if complex_table else torch.float32)
    assert torch.equal(table, expected)
