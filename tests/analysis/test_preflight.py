"""Stability limits, run at 0.99 and 1.01 of themselves; every warning at the trouble that it names, and not before."""

import math
import warnings

import numpy as np
import pytest
import torch

import spectral_ham as sh
from spectral_ham.analysis import preflight, resolution, rounding
from spectral_ham.analysis.stability import ETDRK4_LIMIT, max_stable_dt, potential_range
from spectral_ham.propagators import METHODS, SCHEMES, propagator
from spectral_ham.propagators.etdrk4 import etdrk4_weights

EPS = 2.0**-52
HBAR, MASS = 1.3, 0.7
TORUS = sh.Torus((10, 11), lengths=(2.1, 3.7), origin=(-0.4, 0.9))
G = ((2.0, 0.6), (0.6, 0.7))
BACKENDS = [("spectral", 2), ("fd", 2), ("fd", 4), ("fd", 6), ("fd", 8)]


def hamiltonian(backend="spectral", order=2, potential=None, torus=TORUS, hbar=HBAR):
    return sh.Hamiltonian(
        torus, inverse_metric=G, potential=potential, hbar=hbar, mass=MASS, backend=backend, stencil_order=order,
        execution="fft",
    )  # fmt: skip


def random_field(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.complex128)


def constant_by_channel(*values):
    """V_c for channel c: it commutes with K, so that the spectral bounds are the spectrum's own ends."""
    return torch.tensor(values, dtype=torch.float64).expand(*TORUS.shape, len(values)).contiguous()


def cosine(strength, torus=TORUS):
    x, y = torus.coordinates()
    return strength * torch.cos(2 * math.pi * x / torus.lengths[0]) * torch.cos(2 * math.pi * y / torus.lengths[1])


POTENTIALS = {
    "zero": lambda K_max: constant_by_channel(0.0 * K_max, 0.0),
    "top": lambda K_max: constant_by_channel(-0.1 * K_max, 0.3 * K_max),  # E_max is the largest
    "bottom": lambda K_max: constant_by_channel(0.05 * K_max, -1.4 * K_max),  # |E_min| is the largest
    "matrix": lambda K_max: sh.MatrixPotential(K_max * torch.tensor([[0.1, 0.2j], [-0.2j, 0.4]])),
}


def leapfrog(H, T, dt, steps):
    """T(t + dt) = T(t − dt) − 2i·dt·H[T]/ħ, started by an Euler step backwards."""
    previous, current = T + 1j * dt / HBAR * H(T), T
    for _ in range(steps):
        previous, current = current, previous - 2j * dt / HBAR * H(current)
    return current


def run(H, T, method, dt, steps, imaginary=False):
    if method == "leapfrog":
        return leapfrog(H, T, dt, steps)
    if method == "euler":
        for _ in range(steps):
            T = T + (-1 if imaginary else -1j) * dt / HBAR * H(T)
        return T
    return propagator(method, H, dt, imaginary=imaginary).advance(T, steps)


def growth(H, T, method, dt, steps, imaginary=False):
    return float(run(H, T, method, dt, steps, imaginary).norm() / T.norm())


# A mode of leapfrog is A e^{−inφ} + B (−1)^n e^{inφ} with sin φ = 0.99; A + B = 1 and the start, |T(−dt)| ≤ √2, give
# |A| ≤ (√2 + 1)/(2 cos φ), |B| ≤ 1 + |A|. A mode of RK4 only shrinks.
BOUNDS = {"rk4": 1.0 + 1e-12, "leapfrog": 2 + (math.sqrt(2) + 1) / math.sqrt(1 - 0.99**2), "euler": 1.0}


@pytest.mark.pairwise
@pytest.mark.parametrize(("backend", "order"), BACKENDS)
@pytest.mark.parametrize("kind", POTENTIALS)
@pytest.mark.parametrize("method", ["rk4", "leapfrog"])
def test_explicit_methods_are_stable_up_to_their_limit_and_not_beyond(method, kind, backend, order):
    K_max = hamiltonian(backend, order).kinetic_bounds[1]
    H = hamiltonian(backend, order, POTENTIALS[kind](K_max))
    T, limit = random_field((10, 11, 2)), max_stable_dt(H, method)
    assert growth(H, T, method, 0.99 * limit, 160) <= BOUNDS[method]
    # Per step the highest mode, of which T holds about 1/√220, grows by 7 % (RK4) or by 15 % (leapfrog).
    assert growth(H, T, method, 1.01 * limit, 160) > 1e3


@pytest.mark.parametrize("backend", ["spectral", "fd"])
@pytest.mark.parametrize("method", ["rk4", "leapfrog"])
def test_with_a_potential_that_does_not_commute_the_limit_is_safe(method, backend):
    H = hamiltonian(backend, potential=cosine(0.4 * hamiltonian(backend).kinetic_bounds[1]))
    T, limit = random_field((10, 11)), max_stable_dt(H, method)
    true = limit * max(map(abs, H.spectral_bounds())) / float(torch.linalg.eigvalsh(H.as_matrix()).abs().max())
    assert limit < true < 1.5 * limit
    assert growth(H, T, method, 0.99 * true, 160) <= BOUNDS[method]
    assert growth(H, T, method, 1.01 * true, 160) > 1e3


@pytest.mark.parametrize("method", ["rk4", "euler"])
@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_limits_in_imaginary_time(backend, method):
    H = hamiltonian(backend, potential=constant_by_channel(0.0, 0.3 * hamiltonian(backend).kinetic_bounds[1]))
    T, limit = random_field((10, 11, 2)), max_stable_dt(H, method, imaginary=True)
    assert growth(H, T, method, 0.99 * limit, 400, imaginary=True) <= 1.0
    # The highest mode grows by 1.01·dR/dx: 2 % (Euler) or 4 % (RK4).
    assert growth(H, T, method, 1.01 * limit, 600, imaginary=True) > 1e3


def test_euler_in_real_time_and_leapfrog_in_imaginary_time_are_never_stable():
    H, T = hamiltonian(), random_field((10, 11))
    assert max_stable_dt(H, "euler") == max_stable_dt(H, "leapfrog", imaginary=True) == 0.0
    dt = 0.1 * max_stable_dt(H, "leapfrog")
    assert growth(H, T, "euler", dt, 1000) > 10  # the highest mode by (1 + 0.1²)^{1/2} per step, 145 in all
    previous, current = T + dt / HBAR * H(T), T
    for _ in range(300):  # its parasite by e^{0.1} per step
        previous, current = current, previous - 2 * dt / HBAR * H(current)
    assert float(current.norm() / T.norm()) > 1e6


# ETDRK4


def etdrk4_factor(h, w):
    """One step on T' = hT + wT, h kept exactly."""
    q, f1, f2, f3 = etdrk4_weights(h)
    half, whole = torch.exp(h / 2), torch.exp(h)
    a = half + q * w
    b = half + q * w * a
    c = half * a + q * (2 * w * b - w)
    return whole + f1 * w + 2 * f2 * (w * a + w * b) / 2 + f3 * w * c


def worst_growth(v):
    phases = torch.linspace(0, 20, 2001, dtype=torch.float64)
    return max(
        float(etdrk4_factor(-1j * phases, torch.tensor(sign * 1j * v, dtype=torch.complex128)).abs().max()) - 1
        for sign in (1, -1)
    )


def test_the_limit_of_etdrk4_is_where_the_worst_mode_grows_by_a_thousandth_per_step():
    assert worst_growth(0.99 * ETDRK4_LIMIT) < 1e-3 < worst_growth(1.01 * ETDRK4_LIMIT)
    assert worst_growth(ETDRK4_LIMIT) == pytest.approx(1e-3, rel=1e-3)
    assert worst_growth(0.1) > 1e-7  # strictly, no step is stable


@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_etdrk4_runs_as_its_limit_says(backend):
    torus = sh.Torus(9, lengths=2.1, origin=0.3)
    free = sh.Hamiltonian(torus, hbar=HBAR, mass=MASS, backend=backend)
    K = free.kinetic.symbol(torch.float64, torch.device("cpu"))[3]
    V = float(K) * ETDRK4_LIMIT / 2.357  # then mode 3 is the worst one at the limit
    H = free.with_potential(torch.full((9,), V, dtype=torch.float64))
    T, limit = sh.exact.plane_wave(torus, 3), max_stable_dt(H, "etdrk4")
    assert limit == pytest.approx(ETDRK4_LIMIT * HBAR / V)
    assert 1.0 < growth(H, T, "etdrk4", 0.99 * limit, 500) < 1.001**500 < growth(H, T, "etdrk4", 1.01 * limit, 500)


def test_etdrk4_in_imaginary_time():
    H = sh.Hamiltonian(sh.Torus(9), hbar=HBAR, potential=torch.full((9,), 3.0, dtype=torch.float64))
    T, limit = torch.ones(9, dtype=torch.float64), max_stable_dt(H, "etdrk4", imaginary=True)
    assert growth(H, T, "etdrk4", 0.99 * limit, 500, imaginary=True) < 1e-3
    assert growth(H, T, "etdrk4", 1.01 * limit, 500, imaginary=True) > 1e3


# Splittings


@pytest.mark.pairwise
@pytest.mark.parametrize("backend", ["spectral", "fd"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("method", SCHEMES)
def test_nonlinear_splittings_are_stable_up_to_their_limit(method, sign, backend):
    torus = sh.Torus(8, lengths=2.3, origin=0.4)
    free = sh.Hamiltonian(torus, inverse_metric=(1.7,), hbar=HBAR, mass=MASS, backend=backend)
    gn = sign * 0.05 / math.pi * free.kinetic_bounds[1]  # weak, so that a focusing field is stable itself
    H = free.with_potential(sh.GrossPitaevskii(g=gn / 4))
    T = torch.full((8,), 2.0, dtype=torch.complex128)
    noise, limit = 1e-8 * random_field(8), max_stable_dt(H, method, T=T)

    def left(dt):
        return float((run(H, T + noise, method, dt, 400).abs() - 2).abs().max() / noise.abs().max())

    assert left(0.99 * limit) < 10
    if method in ("lie", "strang"):
        assert left(1.01 * limit) > 1e3
    weideman_herbst = 2 * MASS * torus.spacing[0] ** 2 / (math.pi * HBAR * 1.7)
    if backend == "spectral":
        assert max_stable_dt(H, method) == pytest.approx(weideman_herbst)
    assert 0.85 * max_stable_dt(H, method) < limit <= max_stable_dt(H, method)


def test_the_slope_of_a_nonlinear_potential_is_that_of_its_formula():
    T = random_field((10, 11, 2))
    n = T.abs() ** 2
    H = hamiltonian(potential=sh.NonlinearPotential(lambda T, t: 1 / (1 + T.abs() ** 2) + 0 * t))
    linearized = 1 / (1 + n) - n / (1 + n) ** 2
    expected = float(linearized.min()), float(linearized.max())
    assert potential_range(H, T) == pytest.approx(expected, abs=1e-6)  # a centered difference of step 1e-3


def test_rk4_with_a_nonlinear_potential():
    H = hamiltonian(potential=sh.GrossPitaevskii(g=20.0))
    T = torch.full((10, 11), 1.0, dtype=torch.complex128)
    limit = max_stable_dt(H, "rk4", T=T)
    assert limit == pytest.approx(math.sqrt(8) * HBAR / (H.kinetic_bounds[1] + 40.0))
    noise = 1e-9 * random_field((10, 11))

    def left(dt):
        n = run(H, T + noise, "rk4", dt, 150).abs()
        return float((n - n.mean()).abs().max() / noise.abs().max())

    assert left(0.99 * limit) < 10
    assert left(1.01 * limit) > 1e2
    with pytest.raises(ValueError, match=r"max_stable_dt\(T=...\)"):
        max_stable_dt(H, "rk4")


def test_methods_without_a_limit():
    H = hamiltonian(potential=cosine(1.0))
    for method in set(METHODS) - {"rk4", "etdrk4"}:
        assert max_stable_dt(H, method) == math.inf
    backward = {name for name in SCHEMES if max_stable_dt(H, name, imaginary=True) == 0}
    assert backward == set(SCHEMES) - {"lie", "strang"}
    assert max_stable_dt(H, "exact", imaginary=True) == max_stable_dt(H, "strang", imaginary=True) == math.inf
    assert max_stable_dt(hamiltonian(), "etdrk4") == math.inf  # no V, nothing to be unstable


def test_limits_take_time_and_tensors_and_name_what_they_cannot_take():
    swinging = hamiltonian(potential=lambda t: cosine(1000.0 * t))
    assert max_stable_dt(swinging, "rk4", t=1.0) < 0.8 * max_stable_dt(swinging, "rk4", t=0.0)
    hbar = torch.tensor(HBAR, dtype=torch.float64, requires_grad=True)
    assert max_stable_dt(hamiltonian(hbar=hbar), "rk4") == max_stable_dt(hamiltonian(), "rk4")
    with pytest.raises(ValueError, match="'leapfrog'"):
        max_stable_dt(swinging, "leapfroggy")
    with pytest.raises(sh.NotHermitianError, match="not Hermitian"):
        max_stable_dt(hamiltonian(potential=1j * cosine(1.0)), "rk4")


# Warnings


def resonant_problem():
    """A weak lattice that couples k = 0 to ±k_8, the highest mode, at E = 32."""
    torus = sh.Torus(17, lengths=2 * math.pi, origin=-0.7)
    (x,) = torus.coordinates()
    H = sh.Hamiltonian(torus, potential=0.05 * torch.cos(8 * (x + 0.7)))
    return H, torch.ones(17, dtype=torch.complex128)


def occupation(T):
    return float(T.mean().abs() ** 2 / T.abs().square().mean())


def test_the_splitting_resonance_is_real_invisible_to_the_norm_and_warned_of():
    H, T = resonant_problem()
    dt, steps = 2 * math.pi / 32, 169
    after = propagator("strang", H, dt).advance(T, steps)
    assert occupation(propagator("exact", H, dt * steps)(T)) > 0.999999
    assert occupation(after) == pytest.approx(0.15, abs=0.01)
    assert float(after.norm() / T.norm()) == pytest.approx(1.0, abs=1e-13)
    warning = preflight.splitting_resonance(H, "strang", dt, T=T)
    assert isinstance(warning, sh.SplittingResonanceWarning)
    assert "at least 2π" in str(warning)

    safe = 0.97 * dt  # below the limit of 2πħ/(E_max − E_min): no warning, and no trouble
    assert preflight.splitting_resonance(H, "strang", safe, T=T) is None
    assert occupation(propagator("strang", H, safe).advance(T, steps)) > 0.999


def test_no_resonance_where_nothing_mixes_or_the_method_is_no_splitting():
    H, T = resonant_problem()
    constants = [None, torch.full((17,), 5.0, dtype=torch.float64), sh.MatrixPotential(torch.eye(2))]
    for V in constants:
        assert preflight.splitting_resonance(H.with_potential(V), "strang", 9.0, T=T) is None
    assert preflight.splitting_resonance(H, "chebyshev", 9.0, T=T) is None
    assert preflight.splitting_resonance(H, "strang", 9.0, T=T, imaginary=True) is None
    assert preflight.splitting_resonance(H, "strang", -9.0, T=T) is not None  # backwards is no better
    matrix = torch.eye(2, dtype=torch.float64) * torch.arange(17, dtype=torch.float64).reshape(17, 1, 1)
    mixing = H.with_potential(sh.MatrixPotential(matrix))
    assert preflight.splitting_resonance(mixing, "strang", 9.0, T=T) is not None


def test_nonlinear_splittings_are_warned_of_at_their_own_limit():
    H, T = hamiltonian(potential=sh.GrossPitaevskii(g=3.0)), random_field((10, 11))
    limit = max_stable_dt(H, "strang", T=T)
    assert preflight.splitting_resonance(H, "strang", 0.999 * limit, T=T) is None
    assert isinstance(preflight.splitting_resonance(H, "strang", limit, T=T), sh.SplittingResonanceWarning)


@pytest.mark.parametrize("imaginary", [False, True])
@pytest.mark.parametrize("method", ["rk4", "etdrk4"])
def test_unstable_steps_are_warned_of_beyond_the_limit(method, imaginary):
    H, T = hamiltonian(potential=cosine(3.0)), random_field((10, 11))
    limit = max_stable_dt(H, method, imaginary=imaginary)
    assert preflight.unstable_step(H, method, 0.999 * limit, T=T, imaginary=imaginary) is None
    warning = preflight.unstable_step(H, method, 1.001 * limit, T=T, imaginary=imaginary)
    assert isinstance(warning, sh.UnstableStepWarning)
    assert f"Use dt < {limit:.3g}" in str(warning)


@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_dispersion_error_is_that_of_the_modes(order):
    H, (first, second) = hamiltonian("fd", order), ((2, -1), (-3, 4))
    a, b = 1.0, 0.5
    T = a * sh.exact.plane_wave(TORUS, first) + b * sh.exact.plane_wave(TORUS, second)
    g = sh.InverseMetric(G)
    exact = [sh.exact.plane_wave_energy(TORUS, n, g, hbar=HBAR, mass=MASS) for n in (first, second)]
    found = [
        sh.exact.fd_plane_wave_energy(TORUS, n, g, stencil_order=order, hbar=HBAR, mass=MASS) for n in (first, second)
    ]
    wrong = math.hypot(*(amount * (f / e - 1) for amount, f, e in zip((a, b), found, exact, strict=True)))
    assert resolution.dispersion_error(H, T) == pytest.approx(wrong / math.hypot(a, b), rel=1e-10)
    assert resolution.dispersion_error(hamiltonian(), T, order) == resolution.dispersion_error(H, T)
    assert resolution.dispersion_error(hamiltonian(), T) == 0.0


def test_what_is_rounding_noise_of_a_constant_field_has_no_weight():
    for dtype in (torch.complex64, torch.complex128):
        T = torch.full((10, 11), 0.3, dtype=dtype)
        assert resolution.dispersion_error(hamiltonian("fd"), T) < 16 * torch.finfo(dtype).eps


def test_underresolved_names_the_lowest_order_that_would_do():
    torus = sh.Torus((20, 21), lengths=(2.1, 3.7))
    wave = sh.exact.plane_wave(torus, (3, 1))
    warning = resolution.underresolved(hamiltonian("fd", 2, torus=torus), wave)
    assert isinstance(warning, sh.UnderresolvedWarning)
    assert "stencil_order=4" in str(warning)
    assert resolution.underresolved(hamiltonian("fd", 4, torus=torus), wave) is None
    hopeless = resolution.underresolved(hamiltonian("fd", 2, torus=torus), sh.exact.plane_wave(torus, (9, 9)))
    assert "stencil_order=" not in str(hopeless)
    assert "backend='spectral'" in str(hopeless)
    tiny = sh.Torus((5, 6))  # too small for orders 6 and 8
    assert "stencil_order=" not in str(resolution.underresolved(hamiltonian("fd", 4, torus=tiny), random_field((5, 6))))


def test_a_spectral_tail_matters_where_the_potential_varies():
    smooth, rough = sh.exact.plane_wave(TORUS, (1, 1)), sh.exact.plane_wave(TORUS, (1, 5))
    for share, warned in ((0.04, False), (0.06, True)):
        T = smooth + share * rough
        assert (resolution.underresolved(hamiltonian(potential=cosine(1.0)), T) is not None) is warned
        assert resolution.underresolved(hamiltonian(), T) is None
        assert (resolution.underresolved(hamiltonian(potential=sh.GrossPitaevskii(g=1.0)), T) is not None) is warned


@pytest.mark.parametrize("smooth", [True, False])
@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_rounding_error_is_within_a_factor_of_five(backend, smooth):
    H = hamiltonian(backend, potential=cosine(1.0))
    T = random_field((10, 11, 2)) if not smooth else cosine(1.0).to(torch.complex128) + 1
    single = T.to(torch.complex64)
    limit = max_stable_dt(H, "rk4")
    runs = [("strang", 0.01, 100), ("yoshida4", 0.01, 100), ("chebyshev", 1.0, 1), ("etdrk4", 0.05, 100)]
    for method, dt, steps in [*runs, ("rk4", 0.9 * limit, 200)]:
        step = propagator(method, H, dt)
        error = step.advance(single, steps).to(torch.complex128) - step.advance(single.to(torch.complex128), steps)
        estimate = rounding.rounding_error(H, single, method, dt=dt, time=dt * steps)
        assert 1 / 5 <= float(error.norm() / T.norm()) / estimate <= 5, method


def test_precision_is_warned_of_with_the_remedy():
    H, T = hamiltonian(potential=cosine(1.0)), random_field((10, 11)).to(torch.complex64)
    steps = {"dt": 1e-3, "time": 10.0}  # 10⁴ steps, 6e-4
    warning = rounding.imprecise(H, T, "strang", tol=1e-5, **steps)
    assert isinstance(warning, sh.PrecisionWarning)
    assert "torch.complex128" in str(warning)
    assert rounding.imprecise(H, T, "strang", tol=1e-3, **steps) is None
    assert rounding.imprecise(H, T, "strang", **steps) is None
    assert rounding.imprecise(H, T.to(torch.complex128), "strang", tol=1e-5, **steps) is None
    assert "torch.complex128" not in str(rounding.imprecise(H, T.to(torch.complex128), "strang", tol=1e-13, **steps))
    assert rounding.imprecise(H, T, "chebyshev", tol=1e-5, time=10.0) is not None
    assert rounding.imprecise(H, T, "chebyshev", tol=1e-2, time=10.0) is None


def test_advise_is_silent_where_all_is_well():
    torus = sh.Torus((12, 15), lengths=(2.1, 3.7))
    T = sh.exact.plane_wave(torus, (1, -1))
    for V in (
        None,
        cosine(1.0, torus),
        lambda t: cosine(t, torus),
        sh.GrossPitaevskii(g=1.0),
        -1j * cosine(1.0, torus),
    ):
        H = hamiltonian("spectral", potential=V, torus=torus)
        for method in METHODS:
            if method in ("rk4", "etdrk4", *SCHEMES):
                assert preflight.advise(H, T, method=method, dt=1e-4, time=1.0) == ()
            elif H.is_static and H.is_hermitian:
                assert preflight.advise(H, T, method=method, tol=1e-10, time=1.0) == ()


def test_advise_returns_all_there_is_ready_to_be_issued():
    H = hamiltonian("fd", potential=cosine(1.0))
    T = random_field((10, 11)).to(torch.complex64).requires_grad_()
    found = preflight.advise(H, T, method="blanes_moan4", dt=1.0, tol=1e-9, time=100.0)
    kinds = [sh.SplittingResonanceWarning, sh.UnderresolvedWarning, sh.PrecisionWarning]
    assert [type(advice) for advice in found] == kinds
    found += preflight.advise(H, T, method="rk4", dt=1.0)
    found += preflight.advise(H.with_potential(sh.GrossPitaevskii(g=1.0)), T, method="rk4", dt=1.0)
    assert {type(advice) for advice in found} == {*kinds, sh.UnstableStepWarning}
    for advice in found:
        assert isinstance(advice, UserWarning)
        assert "Use " in str(advice)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn(advice, stacklevel=1)
        assert caught[0].category is type(advice)


def test_advise_refuses_what_it_cannot_judge():
    H = hamiltonian()
    with pytest.raises(ValueError, match=r"advise\(T\)"):
        preflight.advise(H, random_field((11, 10)), method="strang", dt=0.1)
    with pytest.raises(ValueError, match="'strang'"):
        preflight.advise(H, random_field((10, 11)), method="strange", dt=0.1)
    assert np.isfinite(rounding.rounding_error(H, random_field((10, 11)), "exact"))


# Once for one object and one cause


def told(H, T, **given):
    """Return the kinds of warnings that `evolve` issues."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sh.evolve(H, T, 2.0, **given)
    return [warning.category for warning in caught]


def test_each_cause_is_told_once_for_one_hamiltonian():
    H, T = resonant_problem()
    resonance = {"method": "strang", "dt": 2 * math.pi / 32}
    assert told(H, T, **resonance) == [sh.SplittingResonanceWarning]
    assert told(H, T, **resonance) == []
    assert told(H, T.to(torch.complex64), **resonance) == []  # another run, the same cause
    assert told(H, T, method="strang", dt=0.25) == [sh.SplittingResonanceWarning]  # another cause
    assert told(resonant_problem()[0], T, **resonance) == [sh.SplittingResonanceWarning]  # another H
    assert told(H.with_potential(H.potential), T, **resonance) == [sh.SplittingResonanceWarning]


def test_a_field_that_is_badly_resolved_is_told_once_whatever_the_method():
    H, T = hamiltonian("fd"), random_field((10, 11))
    assert told(H, T, method="strang", dt=0.01) == [sh.UnderresolvedWarning]
    assert told(H, random_field((10, 11, 2)), method="lie", dt=0.01) == []


def test_a_run_that_was_judged_before_is_not_judged_again(monkeypatch):
    looked = []
    monkeypatch.setattr(preflight, "advise", lambda *_, **__: looked.append(1) or ())
    H, T = hamiltonian(), random_field((10, 11))
    for dt in (0.1, 0.1, 0.2, 0.1):
        sh.evolve(H, T, 2.0, method="strang", dt=dt)
        sh.evolve(H, 2 * T, 2.0, method="strang", dt=dt)
    assert len(looked) == 2


@pytest.mark.parametrize(("backend", "V"), [("spectral", None), ("spectral", 5.0), ("fd", 5.0), ("spectral", "cosine")])
def test_few_channels_are_transformed_and_none_where_nothing_depends_on_them(monkeypatch, backend, V):
    transformed = []
    for name in ("spectrum", "spectrum_tail"):
        looks = getattr(resolution, name)
        monkeypatch.setattr(resolution, name, lambda torus, T, looks=looks: transformed.append(T) or looks(torus, T))
    torus = sh.Torus((12, 15), lengths=(2.1, 3.7))
    potential = cosine(1.0, torus) if V == "cosine" else None if V is None else torch.full((12, 15), V)
    T = sh.exact.plane_wave(torus, (1, -1)).reshape(12, 15, 1, 1).repeat(1, 1, 16, 16)
    assert resolution.underresolved(hamiltonian(backend, 8, potential, torus), T) is None
    assert [x.numel() for x in transformed] == ([8 * 12 * 15] if backend == "fd" or V == "cosine" else [])


def test_a_sample_of_empty_channels_is_no_sample():
    T = torch.zeros(10, 11, 300, dtype=torch.complex128)
    T[..., 7] = random_field((10, 11))
    assert resolution.underresolved(hamiltonian("fd"), T) is not None
