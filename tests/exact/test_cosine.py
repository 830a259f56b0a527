"""The cosine lattice, judged by 30-digit matrices, published Mathieu values and dense Hamiltonians."""

import itertools
import math

import mpmath as mp
import numpy as np
import pytest
import torch

import spectral_ham as sh
from spectral_ham.exact import CosineLattice, cosine

EPS = 2.0**-52
HBAR, MASS = 1.3, 0.7


def reference_energies(s, V0, n, count, waves):
    """Lowest eigenvalues of the full plane-wave matrix at 30 digits: no classes, many more waves than needed."""
    with mp.workdps(30):
        H = mp.zeros(2 * waves + 1)
        for row in range(2 * waves + 1):
            H[row, row] = mp.mpf(s) * (row - waves) ** 2
            if row >= n:
                H[row, row - n] = H[row - n, row] = mp.mpf(V0) / 2
        return sorted(mp.eigsy(H, eigvals_only=True))[:count]


@pytest.mark.parametrize(("V0", "n", "count"), [(1.7, 1, 6), (-23.0, 2, 7), (4.1, 3, 8), (3e-3, 2, 4), (0.0, 2, 5)])
def test_bloch_energies_at_thirty_digits(V0, n, count):
    lattice = CosineLattice(
        sh.Torus(9, lengths=3.7, origin=0.4), V0, n, inverse_metric=sh.InverseMetric([0.6]), hbar=HBAR, mass=MASS
    )
    s = HBAR**2 / (2 * MASS) * 0.6 * (2 * math.pi / 3.7) ** 2
    expected = reference_energies(s, V0, n, count, waves=22)
    for energy, exact in zip(lattice.bloch_energies(count).tolist(), expected, strict=True):
        assert abs(energy - exact) <= 20 * EPS * (abs(exact) + abs(V0))


@pytest.mark.parametrize(
    ("r", "q", "published"),
    [
        (0, 5, -5.800046020851508),
        (1, 20, -14.49130142517482),
        (2, 15, 5.077983197543472),
        (5, 10, 27.70376873393928),
        (5, 25, 40.05019098580771),  # beyond the q that `mathieu_energies` accepts
        (10, 10, 100.5067700246813),
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_published_mathieu_values(r, q, published, sign):
    """a_r(q) by Mathematica's MathieuCharacteristicA, as listed in J. Burkardt's TEST_VALUES library."""
    # ħ = m = 1, n = 2, L = 2π: s = 1/2, E = s·a_r(q), V0 = 2 s q, and a_0 < b_1 < a_1 < b_2 < …
    lattice = CosineLattice(sh.Torus(8, lengths=2 * math.pi), sign * q, 2)
    bound = 20 * EPS * (abs(published) + 2 * q)
    assert abs(2 * lattice.bloch_energies(2 * r + 1)[-1].item() - published) <= bound
    if r % 2 == 0:  # n = 1, L = π: the same s, even orders only
        single = CosineLattice(sh.Torus(8, lengths=math.pi), sign * q, 1)
        assert abs(2 * single.bloch_energies(r + 1)[-1].item() - published) <= bound


@pytest.mark.parametrize("q", [0.0, 0.3, 4.0, 13.0, 20.0])
@pytest.mark.parametrize("n", [1, 2])
def test_mathieu_is_a_second_witness(q, n):
    metric = sh.InverseMetric([0.6])
    s = HBAR**2 / (2 * MASS) * 0.6 * (math.pi * n / 3.7) ** 2
    V0 = -2 * s * q * (1 - EPS)  # a rounding above q = 20 would be refused
    lattice = CosineLattice(sh.Torus(9, lengths=3.7), V0, n, inverse_metric=metric, hbar=HBAR, mass=MASS)
    bloch, mathieu = lattice.bloch_energies(40), lattice.mathieu_energies(40)
    # SciPy promises no bound; ten times what it keeps here.
    assert ((bloch - mathieu).abs() <= 1e-12 * (bloch.abs() + 2 * s * q)).all()


SQUARE = sh.Torus((30, 49), lengths=(3.1, 2.3), origin=(-0.4, 0.9))
LATTICE = CosineLattice(SQUARE, (2.1, -1.4), (2, 3), inverse_metric=sh.InverseMetric((0.6, 0.25)), hbar=HBAR, mass=MASS)


def dense_second_derivative(n, dx):
    """∂² of the trigonometric interpolant, as a matrix."""
    k = 2 * np.pi * np.fft.fftfreq(n, dx)
    return np.fft.ifft(-(k**2)[:, None] * np.fft.fft(np.eye(n), axis=0), axis=0).real


def dense_lattice():
    """H of LATTICE on the grid, with the cosine written out on the coordinates."""
    c = HBAR**2 / (2 * MASS)
    second = [dense_second_derivative(n, dx) for n, dx in zip(SQUARE.shape, SQUARE.spacing, strict=True)]
    x = -0.4 + 3.1 / 30 * np.arange(30)[:, None]
    y = 0.9 + 2.3 / 49 * np.arange(49)[None, :]
    V = 2.1 * np.cos(4 * np.pi * (x + 0.4) / 3.1) - 1.4 * np.cos(6 * np.pi * (y - 0.9) / 2.3)
    kinetic = -c * (0.6 * np.kron(second[0], np.eye(49)) + 0.25 * np.kron(np.eye(30), second[1]))
    return kinetic + np.diag(V.ravel()), V


def test_lattice_is_the_spectrum_of_the_dense_hamiltonian():
    H, V = dense_lattice()
    # The phases written out, K·x, reach 25 and are rounded a few times; the amplitudes add up to 3.5.
    np.testing.assert_allclose(LATTICE.potential().numpy(), V, rtol=0, atol=100 * EPS)
    spectrum = np.linalg.eigvalsh(H)
    # The 12 lowest states have fallen below rounding before they reach the edge of the grid's wavenumbers.
    # What is left is LAPACK's rounding, √n·eps·‖H‖.
    bound = SQUARE.size**0.5 * EPS * spectrum[-1]
    np.testing.assert_allclose(LATTICE.bloch_energies(12).numpy(), spectrum[:12], rtol=0, atol=bound)


def test_states_are_orthonormal_eigenvectors():
    H, _ = dense_lattice()
    energies, states = LATTICE.bloch_states(12)
    assert states.shape == (12, 30, 49)
    assert states.dtype == torch.complex128
    assert torch.equal(energies, LATTICE.bloch_energies(12))
    psi = states.reshape(12, -1).numpy()
    gram = psi.conj() @ psi.T * SQUARE.cell_volume
    np.testing.assert_allclose(gram, np.eye(12), rtol=0, atol=SQUARE.size * EPS)
    residual = psi @ H.T - energies.numpy()[:, None] * psi
    assert np.abs(residual).max() <= 20 * EPS * np.abs(H).sum(1).max() * np.abs(psi).max()


@pytest.mark.parametrize(("V0", "n", "count"), [(1.7, 1, 6), (-60.0, 2, 3), (4.1, 3, 9)])
def test_bandwidth_is_what_a_grid_needs(V0, n, count):
    (P,) = CosineLattice(sh.Torus(1, lengths=3.7), V0, n).bandwidth(count)

    def errors(points):
        lattice = CosineLattice(sh.Torus(points, lengths=3.7, origin=0.4), V0, n)
        H = np.diag(lattice.potential().numpy()) - dense_second_derivative(points, 3.7 / points) / 2
        energies, states = lattice.bloch_states(count)
        psi = states.numpy()
        return np.abs(psi @ H.T - energies.numpy()[:, None] * psi).max() / (EPS * np.abs(H).sum(1).max())

    assert errors(2 * P + 1) <= 20
    assert errors(P) > 20


@pytest.mark.parametrize("V0", [1.7, -60.0])
def test_ground_state_is_positive(V0):
    ground = CosineLattice(sh.Torus(61, lengths=3.7), V0, 2).bloch_states(1)[1][0]
    assert ground.real.min() > 0
    assert ground.imag.abs().max() <= 61 * EPS


def test_energies_of_axes_add():
    spectra = [
        CosineLattice(sh.Torus(4, lengths=length), V0, n, inverse_metric=sh.InverseMetric([g]), mass=MASS)
        .bloch_energies(60)
        .tolist()
        for length, V0, n, g in ((2.1, 1.7, 2, 0.6), (3.7, -0.8, 3, 2.0), (1.3, 5.0, 1, 0.9))
    ]
    box = CosineLattice(
        sh.Torus((4, 5, 6), lengths=(2.1, 3.7, 1.3)),
        (1.7, -0.8, 5.0),
        (2, 3, 1),
        inverse_metric=sh.InverseMetric((0.6, 2.0, 0.9)),
        mass=MASS,
    )
    sums = sorted(map(math.fsum, itertools.product(*spectra)))[:60]
    np.testing.assert_allclose(box.bloch_energies(60).numpy(), sums, rtol=0, atol=50 * EPS * max(sums))


def test_more_waves_change_nothing_and_half_as_many_do(monkeypatch):
    lattice = CosineLattice(sh.Torus(9, lengths=2 * math.pi), 31.0, 3)
    energies = lattice.bloch_energies(8)
    bound = 20 * EPS * (energies.abs() + 31)
    cutoff = cosine._cutoff
    monkeypatch.setattr(cosine, "_cutoff", lambda *arguments: 2 * cutoff(*arguments))
    assert ((lattice.bloch_energies(8) - energies).abs() <= bound).all()
    monkeypatch.setattr(cosine, "_cutoff", lambda *arguments: cutoff(*arguments) // 2)
    assert ((lattice.bloch_energies(8) - energies).abs() > bound).any()


def everything(complex_dtype=torch.complex128, real_dtype=torch.float64):
    energies, states = LATTICE.bloch_states(5, complex_dtype)
    witness = CosineLattice(SQUARE, (1.7, -0.4), (2, 1)).mathieu_energies(5)
    return [LATTICE.potential(real_dtype), energies, states, witness]


def test_default_dtype_never_creeps_in():
    expected = everything()
    torch.set_default_dtype(torch.float16)
    try:
        assert all(map(torch.equal, everything(), expected))
    finally:
        torch.set_default_dtype(torch.float32)


def test_results_are_cast_last():
    cast, exact = everything(torch.complex64, torch.float32), everything()
    assert [tensor.dtype for tensor in cast] == [torch.float32, torch.float64, torch.complex64, torch.float64]
    assert all(torch.equal(a, b.to(a.dtype)) for a, b in zip(cast, exact, strict=True))


LINE = sh.Torus(9, lengths=2.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: CosineLattice(SQUARE, 1.0, inverse_metric=sh.InverseMetric([[1.0, 0.1], [0.1, 1.0]])),
            ValueError,
            "diagonal.*does not separate",
        ),
        (lambda: CosineLattice(SQUARE, (1.0, 2.0, 3.0)), ValueError, "V0=.*one number or one per axis"),
        (lambda: CosineLattice(SQUARE, 1.0, (1, 0)), ValueError, "periods=.*at least 1"),
        (lambda: CosineLattice(LINE, 1.0).bloch_energies(0), ValueError, "count=.*at least 1"),
        (lambda: CosineLattice(LINE, 1.0).bloch_states(1, torch.float64), TypeError, "dtype=.*complex64"),
        (lambda: CosineLattice(LINE, 1.0).potential(torch.int64), TypeError, "dtype=.*float64, got torch.int64"),
        (lambda: CosineLattice(LINE, 1.0, 3).mathieu_energies(2), ValueError, "periods.*1 or 2, got 3"),
        (lambda: CosineLattice(LINE, -500.0).mathieu_energies(2), ValueError, "at most 20, got .*values can be wrong"),
    ],
)
def test_bad_input_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
