"""Propagators other than splittings: orders, constants, bounds and exactness; against dense exponentials and DOP853."""

import functools
import math

import numpy as np
import pytest
import torch

import spectral_ham as sh
from oracles.flows import columns_of, dense_flow, integrated
from spectral_ham.propagators import METHODS, TO_TOLERANCE, CrankNicolson, Exact, Lanczos, SolverError, propagator
from spectral_ham.propagators.etdrk4 import etdrk4_weights

EPS = 2.0**-52
HBAR, MASS = 0.9, 1.2
TORUS = sh.Torus((6, 7), lengths=(6.1, 7.3), origin=(-0.4, 0.9))
METRIC = ((1.3, 0.2), (0.2, 0.8))
TIME = 3.0

BACKENDS = [("spectral", 2), ("fd", 4)]
BOTH = pytest.mark.parametrize("backend", BACKENDS, ids=["spectral", "fd"])


def profile(t=0.0, torus=TORUS):
    """V(x − t), smooth and not a sum of one function per axis."""
    x, y = torus.coordinates()
    a, b = (2 * math.pi / length for length in torus.lengths)
    return 1.5 * torch.cos(a * x - t) * torch.cos(b * y + 0.4) + 0.7 * torch.sin(a * x + b * y)


def driven(t):
    return profile(1.7 * t) * (1 + 0.5 * math.sin(2 * t))


def hamiltonian(potential=None, backend=("spectral", 2), **changed):
    name, order = backend
    given = {"inverse_metric": METRIC, "hbar": HBAR, "mass": MASS, **changed}
    return sh.Hamiltonian(TORUS, potential=potential, backend=name, stencil_order=order, **given)


def field(*channels, seed=3, torus=TORUS):
    """A field with all modes, the high ones rarer: ‖T‖ = 1."""
    generator = torch.Generator().manual_seed(seed)
    T = torch.randn((*torus.shape, *channels), dtype=torch.complex128, generator=generator)
    T = sh.Laplacian(torus).function(lambda s: 1 / (1 - s) ** 2)(T)
    return T / T.norm()


PROBLEMS = {
    "V": (profile(), (), 0.0),
    "V(t)": (driven, (), 0.3),
    "Gross-Pitaevskii": (sh.GrossPitaevskii(2.0 * TORUS.size, profile()), (2,), 0.0),
}


@functools.cache
def reference(problem, backend):
    """Return T after TIME by DOP853, which shares nothing with ours."""
    V, channels, t0 = PROBLEMS[problem]
    H, T = hamiltonian(V, backend), field(*channels)
    return integrated(H, T, TIME, t0)


def errors(method, H, T, expected, steps, t0=0.0, imaginary=False):
    """Return ‖error‖ with ``steps`` and with twice as many."""
    found = [
        propagator(method, H, TIME / n, imaginary=imaginary).advance(T, n, t=t0) - expected for n in (steps, 2 * steps)
    ]
    return [float(difference.norm()) for difference in found]


def assert_order(order, pair):
    coarse, fine = pair
    assert fine > 1e-9, "rounding would blur the order"
    assert abs(math.log2(coarse / fine) - order) <= 0.05


# Orders and constants

STEPS = {"rk4": 160, "etdrk4": 64, "crank_nicolson": 80, "magnus4": 20}
"""Steps of the coarser run: all errors are above 1e-9, and the next power of dt is below 3 % of them."""


@BOTH
@pytest.mark.parametrize(
    ("method", "problem"),
    [
        *((method, "V") for method in STEPS),
        *((method, "V(t)") for method in ("rk4", "etdrk4", "magnus4")),
        *((method, "Gross-Pitaevskii") for method in ("rk4", "etdrk4")),
    ],
)
def test_order(method, problem, backend):
    V, channels, t0 = PROBLEMS[problem]
    H, T = hamiltonian(V, backend), field(*channels)
    order = 2 if method == "crank_nicolson" else 4
    assert propagator(method, H, 0.1).order == order
    if (method, problem) == ("magnus4", "V"):  # without V(t) there is no error but that of its exponentials
        assert max(errors(method, H, T, reference(problem, backend), 10)) <= 1e-10
        return
    assert_order(order, errors(method, H, T, reference(problem, backend), STEPS[method], t0))


@pytest.mark.parametrize(("method", "order"), [("rk4", 4), ("etdrk4", 4), ("crank_nicolson", 2)])
@BOTH
def test_order_in_imaginary_time(method, order, backend):
    H, T = hamiltonian(profile(), backend), field().real.contiguous()
    expected = dense_flow(H, -TIME / HBAR, T).real
    after = propagator(method, H, 0.01, imaginary=True)(T)
    assert after.dtype == torch.float64
    assert_order(
        order, errors(method, H, T, expected, {"rk4": 64, "etdrk4": 64, "crank_nicolson": 32}[method], imaginary=True)
    )


@BOTH
@pytest.mark.parametrize(
    ("method", "power", "constant", "steps"), [("rk4", 5, -1 / 120, 800), ("crank_nicolson", 3, 1 / 12, 100)]
)
def test_error_constant(method, power, constant, steps, backend):
    """A rational R(zH) = e^{zH}(1 + C (zH)^p + …) is wrong by n·C (zH)^p e^{nzH} T after n steps, here to 2 %."""
    H, T = hamiltonian(profile(), backend), field()
    z = -1j * TIME / steps / HBAR
    expected = dense_flow(H, steps * z, T)
    zH = z * columns_of(H)
    predicted = steps * constant * np.linalg.matrix_power(zH, power) @ expected.flatten().numpy()
    error = (propagator(method, H, TIME / steps).advance(T, steps) - expected).flatten().numpy()
    assert np.linalg.norm(error - predicted) <= 0.02 * np.linalg.norm(predicted)


def test_etdrk4_needs_its_complex_coefficients(monkeypatch):
    """Keeping only their real part, as codes for diffusion do, costs the order: the tests above would see it."""
    from spectral_ham.propagators import etdrk4

    H, T = hamiltonian(profile()), field()
    monkeypatch.setattr(etdrk4, "etdrk4_weights", lambda h: tuple(w.real + 0j for w in etdrk4_weights(h)))
    coarse, fine = errors("etdrk4", H, T, reference("V", BACKENDS[0]), 64)
    assert math.log2(coarse / fine) < 1.3


@pytest.mark.parametrize("h", [1e-9j, 0.3j, 1.0, -1e-5, 2.9 - 1.0j, -40j, -300.0])
def test_etdrk4_weights_are_accurate_near_zero_and_far_away(h):
    """Compared with the defining formulas in 60 digits."""
    import mpmath as mp

    with mp.workdps(60):
        x = mp.mpmathify(h)
        e = mp.exp(x)
        expected = (
            (mp.exp(x / 2) - 1) / x,
            (-4 - x + e * (4 - 3 * x + x**2)) / x**3,
            2 * (2 + x + e * (x - 2)) / x**3,
            (-4 - 3 * x - x**2 + e * (4 - x)) / x**3,
        )
    dtype = torch.complex128 if isinstance(h, complex) else torch.float64
    for found, exact in zip(etdrk4_weights(torch.tensor([h], dtype=dtype)), expected, strict=True):
        # A mean of 64 numbers of at most 30 on the circle, each with a few roundings.
        assert abs(complex(found[0]) - complex(exact)) <= 64 * EPS


# Crank–Nicolson


@BOTH
def test_crank_nicolson_phase_factor(backend):
    """(1 − iE·dt/2ħ)/(1 + iE·dt/2ħ) on a plane wave in a constant potential, to rounding of H: 16·eps·(1 + E·dt/ħ)."""
    V = torch.full(TORUS.shape, 1.7, dtype=torch.float64)
    H, dt = hamiltonian(V, backend, inverse_metric=(1.3, 0.8)), 0.37
    for modes in ((0, 0), (1, -2), (-3, 3)):
        wave = sh.exact.plane_wave(TORUS, modes)
        E = float((H(wave) / wave).real.mean())
        factor = (1 - 0.5j * E * dt / HBAR) / (1 + 0.5j * E * dt / HBAR)
        after = propagator("crank_nicolson", H, dt)(wave)
        assert float((after - factor * wave).abs().max()) <= 16 * EPS * (1 + E * dt / HBAR)


def test_crank_nicolson_meets_its_tolerance_and_says_when_it_cannot():
    H, T = hamiltonian(profile()), field()
    for tol in (1e-4, 1e-8, 1e-12):
        after = CrankNicolson(H, 0.4, tol=tol)(T)
        half = -0.5j * 0.4 / HBAR
        residual = after - half * H(after) - T - half * H(T)
        assert float(residual.norm()) <= 1.1 * tol * float((T + half * H(T)).norm())
    with pytest.raises(SolverError, match=r"CrankNicolson\(tol=1e-30\)` must be reachable.*Raise tol"):
        CrankNicolson(H, 0.4, tol=1e-30)(T)


# Chebyshev and Lanczos


@BOTH
@pytest.mark.parametrize("method", ["chebyshev", "lanczos"])
@pytest.mark.parametrize("imaginary", [False, True], ids=["real", "imaginary"])
def test_they_reach_1e_minus_12(method, imaginary, backend):
    H = hamiltonian(profile(), backend)
    T = field().real.contiguous() if imaginary else field()
    expected = dense_flow(H, (-1 if imaginary else -1j) * 2.0 / HBAR, T)
    found = METHODS[method](H, 2.0, imaginary, tol=2e-13)(T)
    growth = math.exp(max(0.0, -H.spectral_bounds()[0] * 2.0 / HBAR)) if imaginary else 1.0
    assert float((found - expected).norm()) <= 1e-12 * growth


def random_problem(seed, dtype):
    """Return a Hamiltonian, a field and a time, all of them drawn."""
    rng = np.random.default_rng(seed)
    shape = tuple(int(n) for n in rng.integers(5, 8, size=2))
    torus = sh.Torus(shape, lengths=tuple(rng.uniform(2.0, 9.0, 2)), origin=tuple(rng.uniform(-2, 2, 2)))
    gx, gy = rng.uniform(0.3, 2.0, 2)
    gxy = rng.uniform(-0.9, 0.9) * math.sqrt(gx * gy)
    channels = ((), (2,))[seed % 2]
    kind = seed % 4
    generator = torch.Generator().manual_seed(seed)
    V = torch.randn(*shape, dtype=torch.float64, generator=generator) * rng.uniform(0.1, 3.0)
    if kind == 1:
        V = torch.randn(*shape, *channels, dtype=torch.float64, generator=generator)
    elif kind == 3:
        M = torch.randn(*shape, 2, 2, dtype=torch.complex128, generator=generator)
        V = sh.MatrixPotential(M + M.mH)
    H = sh.Hamiltonian(
        torus,
        inverse_metric=((gx, gxy), (gxy, gy)),
        potential=V,
        hbar=float(rng.uniform(0.3, 2.0)),
        mass=float(rng.uniform(0.3, 3.0)),
        backend=("spectral", "fd")[int(rng.integers(2))],
        stencil_order=(2, 4)[int(rng.integers(2))],
    )
    low, high = H.spectral_bounds()
    turns = float(rng.uniform(0.05, 12.0))  # r·dt/ħ: from few terms to many
    dt = turns * 2 * H.hbar / (high - low)
    T = torch.randn(*shape, *channels, dtype=dtype, generator=generator)
    return H, T, dt, rng


def small(method, seed):
    """A Krylov space so small that its bound has to cut steps."""
    return {"krylov_dim": 9 + seed % 7} if method == "lanczos" else {}


@pytest.mark.parametrize("dtype", [torch.complex128, torch.complex64])
@pytest.mark.parametrize("method", ["chebyshev", "lanczos"])
def test_tol_is_a_bound(method, dtype):
    """‖error‖ ≤ tol·‖T‖ for each of 64 random problems, in both directions of time."""
    for seed in range(64):
        H, T, dt, rng = random_problem(seed, dtype)
        dt *= (-1) ** (seed // 2)
        tol = 10.0 ** rng.uniform(-10 if dtype == torch.complex128 else -4, -1)
        found = METHODS[method](H, dt, tol=tol, **small(method, seed))(T)
        error = float((found - dense_flow(H, -1j * dt / H.hbar, T)).norm() / T.to(torch.complex128).norm())
        assert error <= tol, (seed, error, tol)


@pytest.mark.parametrize("method", ["chebyshev", "lanczos"])
def test_tol_is_a_bound_in_imaginary_time(method):
    """The same, relative to the growth e^{−E_low·dt/ħ} of the lowest state (Lanczos: that of the lowest Ritz value)."""
    for seed in range(64):
        H, T, dt, rng = random_problem(seed, torch.complex128)
        tol = 10.0 ** rng.uniform(-10, -1)
        found = METHODS[method](H, dt, True, tol=tol, **small(method, seed))(T)
        growth = math.exp(max(0.0, -H.spectral_bounds()[0] * dt / H.hbar))
        error = float((found - dense_flow(H, -dt / H.hbar, T)).norm() / T.norm())
        assert error <= tol * growth, (seed, error, tol)


def test_a_smaller_krylov_space_takes_more_substeps_to_the_same_tolerance():
    H, T = hamiltonian(profile()), field()
    expected = dense_flow(H, -1j / HBAR, T)
    spent = []
    for m in (6, 24):
        stepper = Lanczos(H, 1.0, tol=1e-9, krylov_dim=m)
        assert float((stepper(T) - expected).norm()) <= 1e-9
        spent.append(stepper.counters.hamiltonian_applications)
    assert spent[0] > spent[1]


def test_lanczos_stops_where_the_krylov_space_ends():
    """An eigenvector needs one application; a zero field none that counts."""
    H = hamiltonian(inverse_metric=(1.3, 0.8))
    wave = sh.exact.plane_wave(TORUS, (1, -2))
    stepper = Lanczos(H, 5.0)
    E = float((H(wave) / wave).real.mean())
    assert float((stepper(wave) - wave * np.exp(-5j * E / HBAR)).abs().max()) <= 1e-12
    assert stepper.counters.hamiltonian_applications <= 2
    assert float(stepper(torch.zeros_like(wave)).abs().max()) == 0


# Exact


def separable_potential():
    x, y = TORUS.coordinates()
    return torch.cos(2 * math.pi * x / 6.1) + 0.8 * torch.sin(2 * math.pi * y / 7.3) ** 2


def constant_matrix():
    return sh.MatrixPotential(torch.tensor([[1.0, 0.4 - 0.7j], [0.4 + 0.7j, -0.5]], dtype=torch.complex128))


KINDS = {
    "no V": (None, METRIC, "commuting"),
    "constant V": (torch.full(TORUS.shape, -1.3, dtype=torch.float64), METRIC, "commuting"),
    "constant complex V": (torch.full(TORUS.shape, 0.3 - 0.2j, dtype=torch.complex128), METRIC, "commuting"),
    "constant matrix": (constant_matrix(), METRIC, "commuting"),
    "separable": (separable_potential(), (1.3, 0.8), "separable"),
    "cross terms": (separable_potential(), METRIC, "dense"),
    "dense": (profile(), (1.3, 0.8), "dense"),
}


@pytest.mark.pairwise
@BOTH
@pytest.mark.parametrize("case", KINDS)
@pytest.mark.parametrize("time", [0.0, 0.7, -2.5, 400.0])
def test_exact_is_exact(case, time, backend):
    """Against expm; both meet the phase E·t/ħ, whose rounding is eps·E_max·t/ħ."""
    V, metric, kind = KINDS[case]
    H, T = hamiltonian(V, backend, inverse_metric=metric), field(2)
    stepper = Exact(H, time)
    assert stepper.kind == kind
    assert stepper.is_unitary == (case != "constant complex V")
    if case == "constant complex V" and abs(time) > 100:
        return  # e^{0.2·400/ħ} is nothing to compare
    scale = np.abs(np.linalg.eigvals(columns_of(H, (2,)))).max() * abs(time) / HBAR
    expected = dense_flow(H, -1j * time / HBAR, T)
    assert float((stepper(T) - expected).norm() / expected.norm()) <= 64 * EPS * (1 + scale)


@pytest.mark.parametrize("case", ["constant V", "separable", "dense"])
def test_kinds_agree(case):
    """A V that needs a gradient takes the matrix exponential, its neighbors being other operators."""
    V, metric, kind = KINDS[case]
    T = field(2)
    varied = Exact(hamiltonian(V.clone().requires_grad_(), inverse_metric=metric), 3.0)
    plain = Exact(hamiltonian(V, inverse_metric=metric), 3.0)
    assert (plain.kind, varied.kind) == (kind, "dense")
    assert float((plain(T) - varied(T).detach()).norm()) <= 1e-13


@pytest.mark.parametrize("case", KINDS)
def test_exact_in_imaginary_time(case):
    V, metric, _ = KINDS[case]
    H, T = hamiltonian(V, inverse_metric=metric), field(2)
    T = T.real.contiguous() if H.is_real else T
    found = Exact(H, 1.5, True)(T)
    assert found.dtype == T.dtype
    assert float((found - dense_flow(H, -1.5 / HBAR, T)).norm()) <= 1e-13


@pytest.mark.parametrize("case", KINDS)
def test_any_number_of_steps_is_one_step(case):
    V, metric, _ = KINDS[case]
    H, T = hamiltonian(V, inverse_metric=metric), field(2)
    assert float((Exact(H, 0.5).advance(T, 7) - Exact(H, 3.5)(T)).norm()) <= 1e-13
    assert float((Exact(H, 0.5).jump(T, 0.4) - Exact(H, 0.2)(T)).norm()) <= 1e-13


def test_a_large_separable_trap_agrees_with_chebyshev():
    torus = sh.Torus((96, 70), lengths=(9.0, 8.0), origin=(-4.5, -4.0))
    H = sh.Hamiltonian(torus, potential=sh.potentials.harmonic(torus, (0.9, 1.1)), mass=MASS, hbar=HBAR)
    assert Exact(H, 0.5).kind == "separable"
    T = field(torus=torus)
    assert float((Exact(H, 0.5)(T) - METHODS["chebyshev"](H, 0.5, tol=1e-13)(T)).norm()) <= 1e-11


# What all of them promise


@pytest.mark.parametrize("method", METHODS)
def test_there_and_back(method):
    """Unitary methods and those to a tolerance retrace their way; the others miss it by their error."""
    H, T, n, dt = hamiltonian(profile()), field(2), 10, 0.05
    back = propagator(method, H, -dt).advance(propagator(method, H, dt).advance(T, n), n)
    missed = float((back - T).norm())
    if method in ("lie", "rk4", "etdrk4"):
        assert 1e-12 < missed < 0.1
    else:
        assert missed <= 1e-10 if method in ("crank_nicolson", "magnus4", *TO_TOLERANCE) else missed <= 1e-12


@pytest.mark.parametrize("method", METHODS)
def test_what_is_called_unitary_keeps_the_norm(method):
    """By rounding alone, but for Crank–Nicolson, whose solver is given 1e-12 per step."""
    H, T = hamiltonian(profile()), field()
    stepper = propagator(method, H, 0.1)
    drift = abs(float(stepper.advance(T, 20).norm()) - 1)
    if stepper.is_unitary:
        assert drift <= (2e-11 if method == "crank_nicolson" else 20 * 64 * EPS)
    elif method in ("rk4", "etdrk4"):
        assert drift > 1e-9
    else:
        assert drift <= 20 * 2e-12  # to tolerance
    assert stepper.is_unitary == (method not in ("rk4", "etdrk4", "magnus4", "chebyshev", "lanczos"))


@pytest.mark.pairwise
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [torch.complex64, torch.float32, torch.float64])
def test_dtypes(method, dtype):
    """A real field becomes complex in real time; single precision gives what double gives, to its rounding."""
    if method == "crank_nicolson" and dtype in (torch.complex64, torch.float32):
        pytest.skip("its solver's tolerance of 1e-12 is beyond single precision")
    T = field(2).to(dtype) if dtype.is_complex else field(2).real.to(dtype)
    stepper = propagator(method, hamiltonian(profile()), 0.1)
    found, wide = stepper.advance(T, 2), stepper.advance(T.to(torch.complex128), 2)
    assert found.dtype == dtype.to_complex()
    assert float((found - wide).norm()) <= 2 * 64 * torch.finfo(dtype).eps


@pytest.mark.parametrize("method", METHODS)
def test_the_input_is_left_alone_and_runs_repeat(method):
    """Bit by bit, but for Crank–Nicolson, whose least squares are LAPACK's: to its solver's tolerance."""
    T = field(2)
    kept = T.clone()
    stepper = propagator(method, hamiltonian(profile()), 0.1)
    first = stepper.advance(T, 2)
    assert torch.equal(T, kept)
    again = stepper.advance(T, 2)
    assert torch.equal(again, first) if method != "crank_nicolson" else float((again - first).norm()) <= 4e-12


@pytest.mark.parametrize("method", [m for m in METHODS if m != "exact"])
def test_two_advances_are_one(method):
    T = field()
    stepper = propagator(method, hamiltonian(profile()), 0.1)
    assert float((stepper.advance(stepper.advance(T, 2), 1, t=0.2) - stepper.advance(T, 3)).norm()) <= 5e-12


def test_v_of_t_is_taken_at_the_right_time():
    """A shift of the clock and of V by the same time changes nothing; a shift of one of them does."""
    T = field()
    for method in ("strang", "rk4", "etdrk4", "magnus4"):
        early = propagator(method, hamiltonian(driven), 0.1).advance(T, 4, t=0.0)
        late = propagator(method, hamiltonian(lambda t: driven(t - 5.0)), 0.1).advance(T, 4, t=5.0)
        assert float((early - late).norm()) <= 1e-11, method
        assert float((early - propagator(method, hamiltonian(driven), 0.1).advance(T, 4, t=5.0)).norm()) > 1e-2
