"""The manufactured field, judged by mpmath's differentiation and by NumPy's FFT."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
import torch

import spectral_ham as sh
from spectral_ham.exact import ManufacturedField, plane_wave_symbol

EPS = 2.0**-52
G3 = [[2.0, 0.6, -0.2], [0.6, 0.7, 0.1], [-0.2, 0.1, 1.4]]
TORUS = sh.Torus((12, 9), lengths=(2.1, 3.7), origin=(-0.4, 0.9))
FIELD = ManufacturedField(TORUS, kappa=(0.8, 1.2), channels=(3, 2))


def fft_derivative(field, torus, i, j):
    """∂_i ∂_j by NumPy's FFT; the field holds nothing at the Nyquist mode."""
    d = torus.ndim
    shape = torus.shape + (1,) * (field.ndim - d)
    k_axes = [2 * np.pi * np.fft.fftfreq(n, dx) for n, dx in zip(torus.shape, torus.spacing, strict=True)]
    k = np.meshgrid(*k_axes, indexing="ij")
    hat = np.fft.fftn(field, axes=range(d))
    return np.fft.ifftn(-(k[i] * k[j]).reshape(shape) * hat, axes=range(d))


BOX = sh.Torus((6, 5, 7), lengths=(2.1, 3.7, 1.3), origin=(0.2, -1.0, 0.5))
IN_BOX = {"kappa": (0.8, 1.1, 0.5), "periods": (1, 2, 1), "modes": (2, -1, 0), "center": (0.3, 0.1, 0.9)}


def written_out(channel):
    """T of IN_BOX as a function of (x, y, z) in mpmath, and the wavenumbers that bound its derivatives."""
    shift = [channel * mp.sqrt(p) * length for p, length in zip((2, 3, 5), BOX.lengths, strict=True)]

    def T(*point):
        exponent = mp.mpc(0)
        for i, x in enumerate(point):
            turn = 2 * mp.pi * (x - mp.mpf(IN_BOX["center"][i]) - shift[i]) / mp.mpf(BOX.lengths[i])
            exponent += mp.mpf(IN_BOX["kappa"][i]) * (mp.cos(IN_BOX["periods"][i] * turn) - 1)
            exponent += 1j * IN_BOX["modes"][i] * turn
        return mp.exp(exponent)

    return T


def test_manufactured_field_and_derivatives_against_mpmath():
    field = ManufacturedField(BOX, **IN_BOX, channels=(2, 2))
    values, laplacian = field.values(), field.laplacian(sh.InverseMetric(G3))
    assert values.shape == laplacian.shape == (6, 5, 7, 2, 2)
    # |f'| ≤ κK + |k|, so |∂_i ∂_j T| ≤ 2 (κK + |k|)²; the angles are good to a few turns × 2π·eps.
    slopes = [
        2 * math.pi / length * (kappa * q + abs(n))
        for length, kappa, q, n in zip(BOX.lengths, IN_BOX["kappa"], IN_BOX["periods"], IN_BOX["modes"], strict=True)
    ]
    pairs = list(itertools.product(range(3), repeat=2))
    angle = 2 * math.pi * 10 * EPS
    with mp.workdps(30):
        for index in ((0, 0, 0, 0, 0), (4, 1, 5, 1, 0), (2, 3, 6, 1, 1)):
            T = written_out(channel=2 * index[3] + index[4])
            point = [
                mp.mpf(start) + j * mp.mpf(length) / n
                for start, j, length, n in zip(BOX.origin, index, BOX.lengths, BOX.shape, strict=False)
            ]
            assert abs(mp.mpmathify(complex(values[index])) - T(*point)) <= angle
            expected = mp.mpf(0)
            for i, j in pairs:
                order = tuple((axis == i) + (axis == j) for axis in range(3))
                exact = mp.diff(T, tuple(point), order)
                derivative = complex(field.second_derivative(i, j)[index])
                assert abs(mp.mpmathify(derivative) - exact) <= 2 * angle * slopes[i] * slopes[j], (i, j)
                expected += G3[i][j] * exact
            bound = 2 * angle * sum(abs(G3[i][j]) * slopes[i] * slopes[j] for i, j in pairs)
            assert abs(mp.mpmathify(complex(laplacian[index])) - expected) <= bound


@pytest.mark.parametrize(
    ("shape", "g"),
    [((37,), [[1.7]]), ((40, 37), [[2.0, 0.6], [0.6, 0.7]]), ((31, 30, 29), G3)],
    ids=["1-D", "2-D", "3-D"],
)
def test_manufactured_laplacian_is_what_the_fft_differentiates(shape, g):
    d = len(shape)
    torus = sh.Torus(shape, lengths=(2.1, 3.7, 1.3)[:d], origin=(0.2, -1.0, 0.5)[:d])
    field = ManufacturedField(torus, kappa=(0.6, 0.4, 0.5)[:d], modes=(2, -1, 1)[:d], channels=(2,))
    T = field.values().numpy()
    laplacian = sum(g[i][j] * fft_derivative(T, torus, i, j) for i in range(d) for j in range(d))
    largest = sum(abs(g[i][j]) * math.pi**2 / torus.spacing[i] / torus.spacing[j] for i in range(d) for j in range(d))
    error = np.abs(field.laplacian(sh.InverseMetric(g)).numpy() - laplacian).max()
    assert error <= 4 * EPS * largest


def test_default_center_is_a_third_in_and_channels_differ():
    T = FIELD.values().reshape(12, 9, 6)
    assert torch.equal(T[..., 0].abs().argmax(), torch.tensor(4 * 9 + 3))
    assert T[4, 3, 0].item() == pytest.approx(1.0, abs=20 * EPS)
    for a, b in itertools.combinations(range(6), 2):
        assert (T[..., a] - T[..., b]).abs().max() > 0.1


def test_flat_metric_is_the_default():
    field = ManufacturedField(TORUS, kappa=(0.8, 0.0))
    expected = field.second_derivative(0, 0) + field.second_derivative(1, 1)
    torch.testing.assert_close(field.laplacian(), expected, rtol=1e-14, atol=1e-13)
    wave = plane_wave_symbol(TORUS, (0, 1)) * field.values()
    torch.testing.assert_close(field.second_derivative(1, 1), wave, rtol=1e-14, atol=1e-13)


def everything(dtype=torch.complex128):
    return [FIELD.values(dtype), FIELD.second_derivative(0, 1, dtype), FIELD.laplacian(None, dtype)]


def test_default_dtype_never_creeps_in():
    expected = everything()
    torch.set_default_dtype(torch.float16)
    try:
        assert all(map(torch.equal, everything(), expected))
    finally:
        torch.set_default_dtype(torch.float32)


def test_results_are_cast_last():
    assert all(map(torch.equal, everything(torch.complex64), [T.to(torch.complex64) for T in everything()]))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: ManufacturedField(TORUS, kappa=(1.0, -0.1)), ValueError, "kappa=.*zero or positive"),
        (lambda: ManufacturedField(TORUS, periods=0), ValueError, "periods=.*at least 1"),
        (lambda: ManufacturedField(TORUS, channels=(2, 0)), ValueError, "channels=.*at least 1"),
        (lambda: FIELD.values(torch.float32), TypeError, "values.*complex64"),
        (lambda: FIELD.second_derivative(0, 2), ValueError, r"j=.*an axis of this 2-D torus, got 2"),
        (lambda: FIELD.laplacian(sh.InverseMetric([1.0])), ValueError, "InverseMetric with 2 axes"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
