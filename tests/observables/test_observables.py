"""Observables against numpy, plane waves, packets, the continuity equation and finite differences of derivatives."""

import math

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import spectral_ham as sh
from spectral_ham import observables as obs
from spectral_ham.propagators import Exact

EPS = 2.0**-52
HBAR, MASS = 1.3, 0.7
TORUS = sh.Torus((10, 11), lengths=(2.1, 3.7), origin=(-0.4, 0.9))
G = np.array([[2.0, 0.6], [0.6, 0.7]])
BACKENDS = [("spectral", 2), ("fd", 2), ("fd", 4), ("fd", 6), ("fd", 8)]
DTYPES = (torch.complex64, torch.complex128, torch.float32, torch.float64)

# Every observable as a function of (H, T).
ALL = {
    "norm": lambda H, T: obs.norm(H.torus, T),
    "density": lambda H, T: obs.density(H.torus, T),
    "current": obs.current,
    "momentum": obs.momentum,
    "momentum_spread": obs.momentum_spread,
    "position": lambda H, T: obs.position(H.torus, T),
    "position_spread": lambda H, T: obs.position_spread(H.torus, T),
    "fidelity": lambda H, T: obs.fidelity(T, T + H(T)),
    "spectrum": lambda H, T: obs.spectrum(H.torus, T),
    "spectrum_tail": lambda H, T: obs.spectrum_tail(H.torus, T),
}


def hamiltonian(backend="spectral", order=2, torus=TORUS, g=G, **more):
    return sh.Hamiltonian(
        torus, inverse_metric=torch.from_numpy(np.array(g)), hbar=HBAR, mass=MASS, backend=backend,
        stencil_order=order, **more,
    )  # fmt: skip


def random_field(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.complex128)


def band_limited(torus, channels, largest, seed=0):
    """A random field whose modes are |n_i| ≤ largest_i."""
    T_hat = random_field((*torus.shape, channels), seed).numpy()
    for axis, (n, most) in enumerate(zip(torus.shape, largest, strict=True)):
        keep = np.abs(np.fft.fftfreq(n, 1 / n)) <= most
        T_hat = T_hat * keep.reshape([-1 if i == axis else 1 for i in range(T_hat.ndim)])
    return torch.from_numpy(np.fft.ifftn(T_hat, axes=range(torus.ndim)) * math.sqrt(torus.size))


def packet(torus, center, width, k):
    """exp(−(x − x0)²/4σ² + ikx) per axis, periodized."""
    T = np.ones(torus.shape, dtype=complex)
    for axis, x in enumerate(torus.coordinates()):
        x, L = x.numpy().ravel(), torus.lengths[axis]
        images = (x[:, None] - center[axis] + L * np.arange(-3, 4)[None]) / (2 * width[axis])
        wave = (np.exp(-(images**2)).sum(1)) * np.exp(1j * k[axis] * x)
        T = T * wave.reshape([-1 if i == axis else 1 for i in range(torus.ndim)])
    return torch.from_numpy(T)


# What all of them promise


@pytest.mark.pairwise
@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", DTYPES)
def test_results_are_real_tensors_in_the_precision_of_the_field(name, dtype):
    T = random_field((10, 11, 2))
    T = (T if dtype.is_complex else T.real).to(dtype)
    result = ALL[name](hamiltonian(), T)
    assert result.dtype == dtype.to_real()
    reference = ALL[name](hamiltonian(), T.to(dtype.to_complex()).to(torch.complex128))
    # Sums of 220 terms, of one sign or with cancelation. √(−2 ln R) and arg amplify by 1/R ≈ √110: for white noise a
    # circular mean is badly defined.
    scale = float(reference.abs().max()) + 1.0
    assert float((result - reference).abs().max()) <= 400 * torch.finfo(dtype).eps * scale


@pytest.mark.parametrize("name", ALL)
def test_no_value_is_read_by_the_host(name):
    H, T = hamiltonian(), random_field((10, 11, 2))

    class NoHostRead(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            assert func not in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.is_nonzero.default)
            return func(*args, **(kwargs or {}))

    with NoHostRead():
        ALL[name](H, T)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_gradients(name, backend):
    torus = sh.Torus((4, 3), lengths=(2.1, 3.7), origin=(-0.4, 0.9))
    H = hamiltonian(backend, torus=torus)
    T = random_field((4, 3, 2)).requires_grad_()
    assert torch.autograd.gradcheck(lambda T: ALL[name](H, T), T)


@pytest.mark.parametrize("name", ["current", "momentum", "momentum_spread"])
def test_gradients_of_parameters(name):
    torus, T = sh.Torus((4, 3), lengths=(2.1, 3.7)), random_field((4, 3, 2))
    parameters = [torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (HBAR, MASS, G.tolist())]

    def observable(hbar, mass, g):
        metric = (g + g.mT) / 2  # what gradcheck nudges one entry at a time must stay symmetric
        H = sh.Hamiltonian(torus, inverse_metric=metric, hbar=hbar, mass=mass)
        return ALL[name](H, T)

    assert torch.autograd.gradcheck(observable, parameters)


def test_a_field_that_vanishes_has_a_finite_gradient_of_the_norm():
    T = torch.zeros(10, 11, dtype=torch.complex128, requires_grad=True)
    (grad,) = torch.autograd.grad(obs.norm(TORUS, T), T)
    assert not grad.any()


@pytest.mark.parametrize("name", [name for name in ALL if name != "fidelity"])
def test_a_field_on_another_grid_is_refused_by_name(name):
    with pytest.raises(ValueError, match=rf"`{name}\(T\)` must be a field whose first axes are the grid"):
        ALL[name](hamiltonian(), random_field((11, 10, 2)))


# Norm, density, current


def test_norm_and_density_are_sums_over_points_and_channels():
    T = random_field((10, 11, 2, 3))
    n = (np.abs(T.numpy()) ** 2).sum((2, 3))
    np.testing.assert_allclose(obs.density(TORUS, T).numpy(), n, rtol=8 * EPS)
    expected = math.sqrt(n.sum() * (2.1 / 10) * (3.7 / 11))
    assert float(obs.norm(TORUS, T)) == pytest.approx(expected, rel=32 * EPS)


def test_single_precision_norms_do_not_lose_digits_to_the_number_of_points():
    torus = sh.Torus((1024, 1024))
    T = torch.full(torus.shape, 0.1, dtype=torch.float32)
    exact = float(T[0, 0]) * 1024
    assert float(obs.norm(torus, T)) == pytest.approx(exact, rel=2 * torch.finfo(torch.float32).eps)


def test_current_of_a_plane_wave_spectral():
    A = torch.tensor([0.5, 1.5j], dtype=torch.complex128)
    T = sh.exact.plane_wave(TORUS, (3, -2), amplitude=A)
    k = 2 * math.pi * np.array([3 / 2.1, -2 / 3.7])
    expected = HBAR / MASS * G @ k * 2.5
    J = obs.current(hamiltonian(), T).numpy()
    assert J.shape == (2, 10, 11)
    bound = 16 * EPS * HBAR / MASS * np.abs(G).sum() * math.pi * 11 / 2.1 * 2.5  # 16 eps of the largest wavenumber
    assert np.abs(J - expected[:, None, None]).max() <= bound


def test_current_of_a_plane_wave_fd2_has_the_sine_of_the_wavenumber():
    T = sh.exact.plane_wave(TORUS, (3, -2))
    dx, dy = TORUS.spacing
    D = np.array([math.sin(2 * math.pi * 3 / 10) / dx, -math.sin(2 * math.pi * 2 / 11) / dy])
    expected = HBAR / MASS * G @ D
    J = obs.current(hamiltonian("fd", 2), T).numpy()
    assert np.abs(J - expected[:, None, None]).max() <= 16 * EPS * HBAR / MASS * np.abs(G).sum() / dx


def test_a_real_field_has_no_current():
    J = obs.current(hamiltonian(), random_field((10, 11, 2)).real)
    assert float(J.abs().max()) <= 64 * EPS * HBAR / MASS * np.abs(G).sum() * math.pi / TORUS.spacing[0]


def density_rate(H, T):
    """∂n/∂t = (2/ħ) Im Σ_channels T*·H[T], from iħ ∂T/∂t = H[T]."""
    return 2 / HBAR * (T.conj() * H(T)).imag.sum(-1).numpy()


def divergence(torus, J):
    """Σ_i ∂_i J^i, spectrally, by numpy."""
    total = 0.0
    for axis, J_i in enumerate(J.numpy()):
        n = torus.shape[axis]
        k = 2 * np.pi * np.fft.fftfreq(n, torus.spacing[axis])
        k[np.abs(np.fft.fftfreq(n, 1 / n)) == n / 2] = 0
        k = k.reshape([-1 if i == axis else 1 for i in range(torus.ndim)])
        total = total + np.fft.ifft(1j * k * np.fft.fft(J_i, axis=axis), axis=axis).real
    return total


def test_continuity_equation_spectral():
    x, y = TORUS.coordinates()
    V = torch.cos(2 * math.pi * x / 2.1) * torch.sin(2 * math.pi * y / 3.7)
    H = hamiltonian(potential=V)
    T = band_limited(TORUS, 2, (2, 2))  # T*∂T then has modes up to 4 < N/2
    mixing = sh.MatrixPotential(V[..., None, None] * torch.tensor([[1.0, 2.0 - 1.0j], [2.0 + 1.0j, -0.5]]))
    scale = H.spectral_bounds()[1] / HBAR * float(obs.density(TORUS, T).max())
    for operator in (H, H.with_potential(mixing)):
        error = np.abs(density_rate(operator, T) + divergence(TORUS, obs.current(operator, T))).max()
        assert error <= 32 * EPS * scale
    white = random_field((10, 11, 2))  # the same with aliasing: the test above can fail
    assert np.abs(density_rate(H, white) + divergence(TORUS, obs.current(H, white))).max() > 0.01 * scale


@pytest.mark.parametrize("order", [2, 4])
def test_continuity_equation_of_finite_differences_holds_to_their_order(order):
    errors = []
    for n in (48, 96):
        torus = sh.Torus((n, n + 1), lengths=(2.1, 3.7), origin=(-0.4, 0.9))
        coarse = band_limited(sh.Torus((8, 7)), 2, (2, 2)).numpy()
        T_hat = np.zeros((n, n + 1, 2), dtype=complex)
        modes = np.arange(-2, 3)
        T_hat[np.ix_(modes, modes)] = np.fft.fftn(coarse, axes=(0, 1))[np.ix_(modes, modes)]
        T = torch.from_numpy(np.fft.ifftn(T_hat, axes=(0, 1)) * n * (n + 1))
        H = hamiltonian("fd", order, torus)
        errors.append(np.abs(density_rate(H, T) + divergence(torus, obs.current(H, T))).max())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.1)


@pytest.mark.parametrize(("backend", "order"), BACKENDS)
@pytest.mark.parametrize("g", [G, np.diag(G)])
def test_total_current_is_the_mean_momentum(backend, order, g):
    H, T = hamiltonian(backend, order, g=g), random_field((10, 11, 2))
    matrix = np.diag(g) if g.ndim == 1 else g
    total = obs.current(H, T).sum((1, 2)).numpy() * TORUS.cell_volume
    mean = matrix @ obs.momentum(H, T).numpy() / MASS * float(obs.norm(TORUS, T)) ** 2
    bound = 64 * EPS * HBAR / MASS * np.abs(matrix).sum() * math.pi / TORUS.spacing[0] * float(obs.norm(TORUS, T)) ** 2
    assert np.abs(total - mean).max() <= bound


# Momentum and position


@pytest.mark.parametrize(("backend", "order"), BACKENDS)
def test_momentum_of_a_superposition(backend, order):
    H = hamiltonian(backend, order)
    first, second = (sh.exact.plane_wave(TORUS, modes) for modes in ((2, -1), (-1, 3)))

    def k(axis, n):
        return float(H.kinetic.axis_symbol(axis, 1, torch.float64, torch.device("cpu"))[n])

    low, high = np.array([k(0, 2), k(1, -1)]), np.array([k(0, -1), k(1, 3)])
    if backend == "spectral":
        np.testing.assert_allclose(low, 2 * math.pi * np.array([2 / 2.1, -1 / 3.7]), rtol=4 * EPS)
    T = torch.stack([first + 2j * second, 0 * first], -1)  # weights 1/5 and 4/5
    bound = 64 * EPS * HBAR * math.pi / TORUS.spacing[0]
    np.testing.assert_allclose(obs.momentum(H, T).numpy(), HBAR * (low + 4 * high) / 5, atol=bound)
    np.testing.assert_allclose(obs.momentum_spread(H, T).numpy(), HBAR * 0.4 * np.abs(high - low), atol=bound)


def test_the_nyquist_mode_has_no_momentum():
    T = sh.exact.plane_wave(TORUS, (5, 0))
    assert float(obs.momentum(hamiltonian(), T).abs().max()) <= 8 * EPS * HBAR * math.pi / TORUS.spacing[0]


def test_a_boost_adds_its_momentum():
    H, T = hamiltonian(), band_limited(TORUS, 1, (2, 2))[..., 0]
    boosted = T * sh.exact.plane_wave(TORUS, (2, -1))
    gained = (obs.momentum(H, boosted) - obs.momentum(H, T)).numpy()
    expected = HBAR * 2 * math.pi * np.array([2 / 2.1, -1 / 3.7])
    np.testing.assert_allclose(gained, expected, atol=64 * EPS * HBAR * math.pi / TORUS.spacing[0])


@pytest.mark.parametrize("center", [(0.5, 2.0), (-0.35, 4.5), (1.69, 0.95)])
def test_position_of_a_packet_anywhere_on_the_torus(center):
    torus = sh.Torus((40, 45), lengths=(2.1, 3.7), origin=(-0.4, 0.9))
    T = packet(torus, center, (0.1, 0.2), (0.0, 3.0))
    # Sampling a periodized Gaussian density of width σ errs by e^{−(2π/Δ)²σ²/2}, e^{−71} here; |T|² of the sum of
    # images differs from the sum of their |T|² by e^{−(L/σ)²/8}, e^{−42}.
    np.testing.assert_allclose(obs.position(torus, T).numpy(), center, atol=64 * EPS * 3.7)
    np.testing.assert_allclose(obs.position_spread(torus, T).numpy(), (0.1, 0.2), rtol=1e-12)


def test_position_stays_within_the_torus_and_turns_with_the_field():
    T = random_field((10, 11, 2))
    start, L = torch.tensor(TORUS.origin, dtype=torch.float64), torch.tensor(TORUS.lengths, dtype=torch.float64)
    x = obs.position(TORUS, T)
    for shift in range(10):
        turned = obs.position(TORUS, T.roll((shift, shift), (0, 1)))
        assert bool(((turned >= start) & (turned <= start + L)).all())
        turns = (turned - x) / L - shift / torch.tensor(TORUS.shape, dtype=torch.float64)
        assert float((turns - turns.round()).abs().max()) <= 1e3 * EPS  # R is about 0.1 here


def test_a_field_on_one_line_has_no_spread_across_it():
    for seed in range(20):
        T = torch.zeros(10, 11, 2, dtype=torch.complex128)
        T[seed % 10] = random_field((11, 2), seed)
        # R = 1 to 4 eps, on either side, and √(−2 ln R) then is √(8 eps) at most.
        assert float(obs.position_spread(TORUS, T)[0]) <= 2.1 / (2 * math.pi) * math.sqrt(8 * EPS)


def test_a_gaussian_packet_has_least_uncertainty():
    torus = sh.Torus((64, 45), lengths=(2.1, 3.7), origin=(-0.4, 0.9))
    T = packet(torus, (0.3, 2.0), (0.11, 0.21), (2 * math.pi * 4 / 2.1, 0.0))
    product = obs.position_spread(torus, T) * obs.momentum_spread(hamiltonian(torus=torus), T)
    np.testing.assert_allclose(product.numpy(), HBAR / 2, rtol=1e-12)


def test_a_free_packet_moves_with_its_momentum_across_the_seam():
    torus = sh.Torus((80, 7), lengths=(8.0, 3.7), origin=(-0.4, 0.9))
    H = hamiltonian(torus=torus)
    k = 2 * math.pi * np.array([6 / 8.0, 0.0])
    T = packet(torus, (6.5, 2.0), (0.6, 50.0), k)
    moved = Exact(H, 0.25)(T)
    x = 6.5 + 0.25 * HBAR / MASS * G[0, 0] * k[0]
    assert x > 7.6  # beyond the seam
    # The tails of the packet (σ = 0.9 by then) meet around the torus with e^{−(L/σ)²/8} ≈ 5e-5 at most.
    assert float(obs.position(torus, moved)[0]) == pytest.approx(x - 8.0, abs=5e-5)
    bound = 64 * EPS * HBAR * math.pi / torus.spacing[0]
    assert float((obs.momentum(H, moved) - obs.momentum(H, T)).abs().max()) <= bound


# Fidelity and spectrum


def test_fidelity():
    a, b = random_field((10, 11, 2), 1), random_field((10, 11, 2), 2)
    overlap = np.vdot(a.numpy(), b.numpy())
    expected = abs(overlap) ** 2 / (np.linalg.norm(a.numpy()) * np.linalg.norm(b.numpy())) ** 2
    assert float(obs.fidelity(a, b)) == pytest.approx(expected, abs=32 * EPS)
    assert float(obs.fidelity(a, (2 - 3j) * a)) == pytest.approx(1.0, abs=32 * EPS)
    waves = [sh.exact.plane_wave(TORUS, modes) for modes in ((1, 2), (1, 3))]
    assert float(obs.fidelity(*waves)) <= 32 * EPS
    with pytest.raises(ValueError, match=r"fidelity\(b\)"):
        obs.fidelity(a, b[..., :1].transpose(0, 1))


@pytest.mark.parametrize("dtype", [torch.complex128, torch.float64])
def test_spectrum_is_that_of_numpy_and_sums_to_the_norm(dtype):
    T = random_field((10, 11, 2))
    T = T if dtype.is_complex else T.real
    S = obs.spectrum(TORUS, T)
    reference = (np.abs(np.fft.fft2(T.numpy(), axes=(0, 1))) ** 2).sum(-1) * TORUS.cell_volume / 110
    np.testing.assert_allclose(S.numpy(), reference, atol=64 * EPS * reference.max())
    assert float(S.sum()) == pytest.approx(float(obs.norm(TORUS, T)) ** 2, rel=32 * EPS)


@pytest.mark.parametrize(
    ("modes", "fraction", "in_tail"),
    [
        ((3, 3), 1 / 3, False),  # 3 ≤ (2/3)·5, (2/3)·5.5
        ((4, 0), 1 / 3, True),
        ((0, -4), 1 / 3, True),
        ((-1, -2), 1 / 3, False),  # their place in FFT order is far up
        ((5, 0), 0.1, True),  # Nyquist
        ((4, 4), 0.2, False),  # 4 ≤ 0.8·5: the border is not in the tail
        ((0, 1), 1.0, True),
        ((0, 0), 1.0, False),
    ],
)
def test_spectrum_tail_counts_modes_beyond_the_border_on_any_axis(modes, fraction, in_tail):
    T = sh.exact.plane_wave(TORUS, modes) + 3.0 * sh.exact.plane_wave(TORUS, (0, 0))
    expected = 0.1 if in_tail else 0.0
    assert float(obs.spectrum_tail(TORUS, T, fraction)) == pytest.approx(expected, abs=32 * EPS)


@pytest.mark.parametrize("fraction", [0.0, -0.5, 1.5, math.nan])
def test_spectrum_tail_refuses_a_share_that_is_none(fraction):
    with pytest.raises(ValueError, match="fraction"):
        obs.spectrum_tail(TORUS, random_field((10, 11)), fraction)
