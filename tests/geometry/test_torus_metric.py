"""The torus and the inverse metric: points, wavenumbers, precision, immutability, what is kept and what is copied."""

import dataclasses
import math
import pickle
import warnings

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.fields import GRIDS, TORUS, eps, field


def test_axis_0_is_x():
    torus = sh.Torus((4, 6), lengths=(2.0, 9.0), origin=(-1.0, 5.0))
    x, y = torus.coordinates()
    assert (torus.ndim, torus.size, torus.shape) == (2, 24, (4, 6))
    assert torus.lengths == (2.0, 9.0)
    assert torus.spacing == (0.5, 1.5)
    assert torus.origin == (-1.0, 5.0)
    assert torus.cell_volume == 0.75
    assert (x.shape, y.shape) == ((4, 1), (1, 6))
    assert x.flatten().tolist() == [-1.0, -0.5, 0.0, 0.5]  # the right end, +1, is the left end again
    assert y.flatten().tolist() == [5.0, 6.5, 8.0, 9.5, 11.0, 12.5]


@pytest.mark.parametrize(
    ("given", "spacing"),
    [
        ({}, (1.0, 1.0)),
        ({"spacing": 0.5}, (0.5, 0.5)),
        ({"lengths": 6.0}, (1.5, 1.2)),
        ({"spacing": [1, 2]}, (1.0, 2.0)),
    ],
    ids=str,
)
def test_spacing_and_lengths_say_the_same(given, spacing):
    torus = sh.Torus((4, 5), **given)
    assert torus.spacing == spacing
    assert torus.lengths == (4 * spacing[0], 5 * spacing[1])
    assert torus == sh.Torus([4, 5], spacing=spacing)
    assert hash(torus) == hash(sh.Torus([4, 5], spacing=spacing))
    assert all(type(number) is float for number in (*torus.lengths, *torus.spacing, *torus.origin))


def test_lengths_are_named():
    """A bare second number could be points of a second axis, or a length."""
    with pytest.raises(TypeError, match="positional"):
        sh.Torus(16, 12)


def test_an_int_makes_one_axis():
    assert sh.Torus(7) == sh.Torus((7,))
    (x,) = sh.Torus(3, spacing=2.0, origin=1.0).coordinates()
    assert x.tolist() == [1.0, 3.0, 5.0]


def test_tori_differ_in_every_argument():
    one = sh.Torus((4, 5), lengths=(2.0, 3.0))
    assert one != sh.Torus((5, 4), lengths=(2.0, 3.0))
    assert one != sh.Torus((4, 5), lengths=(3.0, 2.0))
    assert one != sh.Torus((4, 5), lengths=(2.0, 3.0), origin=0.1)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 10, 31, 97])
def test_wavenumbers(n):
    """They are k = 2πn/L in FFT order; the Nyquist entry of even N is negative."""
    length = 2.7
    k = sh.Torus(n, lengths=length).wavenumbers(0)
    assert k.dtype == torch.float64
    assert_allclose(k, 2 * np.pi * np.fft.fftfreq(n, d=length / n), rtol=4 * eps(k.dtype), atol=0)
    for j in range(1, (n + 1) // 2):
        assert k[n - j] == -k[j]
    if n % 2 == 0:
        assert k[n // 2] == k.min() < 0


@pytest.mark.parametrize("n", [1, 8, 9])
def test_waves_of_the_wavenumbers_are_periodic_and_orthogonal(n):
    torus = sh.Torus(n, lengths=3.1, origin=0.7)
    (x,) = torus.coordinates()
    waves = torch.exp(1j * torus.wavenumbers(0)[:, None] * x[None, :])
    gram = waves @ waves.mH / n
    assert_allclose(gram, np.eye(n), rtol=0, atol=8 * eps(gram.dtype) * n)


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_grids_are_open_and_in_axis_order(ndim):
    torus = GRIDS[ndim]
    for grids in (torus.coordinates(), torus.wavenumber_grids()):
        for axis, grid in enumerate(grids):
            assert grid.shape == tuple(n if i == axis else 1 for i, n in enumerate(torus.shape))
            assert (grid.dtype, grid.device.type) == (torch.float64, "cpu")
    for axis, grid in enumerate(torus.wavenumber_grids()):
        assert torch.equal(grid.flatten(), torus.wavenumbers(axis))
        assert torch.equal(grid.flatten(), torus.wavenumbers(axis - ndim))


@pytest.mark.parametrize("default", [torch.float32, torch.float64, torch.float16], ids=str)
def test_tables_are_float64_whatever_the_default_dtype(default, empty_cache):
    """Cast from float64 once, at the end: the single-precision table is the double one, rounded."""
    expected_k, expected_x = TORUS.wavenumbers(0), TORUS.coordinates()[0]
    sh.clear_cache()
    torch.set_default_dtype(default)
    try:
        assert torch.equal(TORUS.wavenumbers(0), expected_k)
        assert torch.equal(TORUS.coordinates()[0], expected_x)
        assert torch.equal(TORUS.wavenumbers(0, torch.float32), expected_k.to(torch.float32))
        assert torch.equal(TORUS.coordinates(torch.float32)[0], expected_x.to(torch.float32))
        assert sh.InverseMetric((0.1, 0.2)).tensor.tolist() == [0.1, 0.2]
        assert sh.InverseMetric((torch.tensor(0.5), 0.2)).tensor.tolist() == [0.5, 0.2]
    finally:
        torch.set_default_dtype(torch.float32)


def test_tables_follow_the_device():
    assert TORUS.wavenumbers(0, device="meta").device.type == "meta"
    assert {grid.device.type for grid in TORUS.wavenumber_grids(device="meta")} == {"meta"}
    assert {grid.device.type for grid in TORUS.coordinates(device="meta")} == {"meta"}


@pytest.mark.parametrize("made", [TORUS, sh.InverseMetric((2.0, 0.5))], ids=["torus", "metric"])
def test_geometry_is_frozen(made):
    for attribute in dataclasses.fields(made):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, attribute.name, 1)


def test_geometry_can_be_pickled():
    assert pickle.loads(pickle.dumps(TORUS)) == TORUS
    g = pickle.loads(pickle.dumps(sh.InverseMetric((2.0, 0.5))))
    assert g.tensor.tolist() == [2.0, 0.5]


def test_large_counts_keep_the_spacing_exact():
    """A wavenumber is rounded a few times, not N times."""
    torus = sh.Torus(10**5, lengths=1e-3)
    k = torus.wavenumbers(0)
    n = torch.arange(50_000, dtype=torch.float64)
    assert_allclose(k[:50_000], n * (2 * math.pi / 1e-3), rtol=2 * eps(k.dtype))


# The inverse metric


@pytest.mark.parametrize(
    "components",
    [(2.0, 0.5), [2, 0.5], torch.tensor([2.0, 0.5]), torch.tensor([2.0, 0.5], dtype=torch.float64), np.array([2, 0.5])],
    ids=["tuple", "list", "float32", "float64", "numpy"],
)
def test_a_diagonal_metric(components):
    g = sh.InverseMetric(components)
    assert g.tensor.dtype == torch.float64
    assert g.tensor.tolist() == [2.0, 0.5]
    assert (g.ndim, g.is_diagonal) == (2, True)
    assert g.terms == ((0, 0), (1, 1))
    assert g.coefficients(-3.0) == (-6.0, -1.5)
    assert all(type(c) is float for c in g.coefficients(-3.0))
    assert repr(g) == "InverseMetric([2.0, 0.5])"


def test_a_full_metric():
    """Each pair i < j stands once, with the factor 2 of g^ij + g^ji."""
    g = sh.InverseMetric([[2.0, 0.6, 0.0], [0.6, 0.7, 0.1], [0.0, 0.1, 1.4]])
    assert (g.ndim, g.is_diagonal) == (3, False)
    assert dict(zip(g.terms, g.coefficients(0.5), strict=True)) == {
        (0, 0): 1.0,
        (1, 1): 0.35,
        (2, 2): 0.7,
        (0, 1): 0.6,
        (1, 2): 0.1,
    }
    assert sh.InverseMetric([[2.0, 0.0], [0.0, 0.5]]).is_diagonal


def test_rounding_asymmetry_is_averaged_away():
    g = sh.InverseMetric([[1.0, 0.3], [0.3 + 1e-13, 1.0]]).tensor
    assert torch.equal(g, g.mT)
    assert g[0, 1] == pytest.approx(0.3 + 0.5e-13, rel=4 * eps(g.dtype))


def test_a_metric_keeps_its_values():
    """Objects validate once: writing into what was given must not undo that."""
    given = torch.tensor([2.0, 0.5], dtype=torch.float64)
    g = sh.InverseMetric(given)
    given.fill_(-1.0)
    assert g.tensor.tolist() == [2.0, 0.5]


@pytest.mark.parametrize("shape", [(2,), (2, 2)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_metric_keeps_its_gradient(shape, dtype):
    values = torch.tensor([2.0, 0.5], dtype=dtype)
    leaf = (values if shape == (2,) else torch.diag(values)).requires_grad_()
    g = sh.InverseMetric(leaf)
    assert (g.tensor.dtype, g.tensor.requires_grad) == (torch.float64, True)
    coefficients = g.coefficients(3.0)
    assert all(isinstance(c, torch.Tensor) for c in coefficients)
    sum(coefficients).backward()
    assert leaf.grad.dtype == dtype
    assert leaf.grad.tolist() == ([3.0, 3.0] if shape == (2,) else [[3.0, 3.0], [3.0, 3.0]])


def test_a_sequence_of_tensors_keeps_its_gradients():
    g_xx = torch.tensor(2.0, requires_grad=True)
    g = sh.InverseMetric((g_xx, 0.5))
    assert g.tensor.tolist() == [2.0, 0.5]
    (g_x,) = torch.autograd.grad(g.tensor.sum(), g_xx)
    assert g_x == 1.0


def test_a_large_metric_warns_once_where_it_is_made():
    with pytest.warns(sh.LargeMetricWarning, match=r"2e\+06.*stable time step") as caught:
        g = sh.InverseMetric((2e6, 1.0))
    assert [warning.filename for warning in caught] == [__file__]  # the line that made it, not one above or below
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lap = sh.Laplacian(TORUS, inverse_metric=g)
        lap(field(TORUS.shape))
        sh.InverseMetric((1e6, 1.0))
