"""The Klein–Gordon pair (T, P): against dense exponentials, its own energy, and the theory of its integrators."""

import math

import numpy as np
import pytest
import torch
from scipy.linalg import expm

import spectral_ham as sh
from spectral_ham import wave_evolution
from spectral_ham.klein_gordon import STABILITY_LIMITS, WAVE_SCHEMES, ExactWave, SymplecticWave, WaveEquation
from spectral_ham.klein_gordon.exact import sinc

EPS = torch.finfo(torch.float64).eps
TORUS = sh.Torus((6, 5), lengths=(2.1, 3.7), origin=(-0.4, 0.9))
SHAPE = (*TORUS.shape, 2)
BACKENDS = pytest.mark.parametrize("backend", ["spectral", "fd"])
# (θ − x)/x^{p+1} as x → 0, where 2 cos θ is the trace of the step of an oscillator with dt·ω = x: from the traces in
# 30 digits; for Verlet it is the series of 2 asin(x/2).
PHASE_CONSTANTS = {"verlet": 1 / 24, "yoshida4": -6.614310e-2, "rkn4": -1.471247e-5}


def hamiltonian(backend="spectral", **changes):
    arguments = {"inverse_metric": [[2.0, 0.6], [0.6, 0.7]], "hbar": 1.3, "mass": 0.7, "backend": backend, **changes}
    return sh.Hamiltonian(TORUS, **arguments)


def fields(count, dtype=torch.complex128, seed=1):
    return torch.randn((count, *SHAPE), dtype=dtype, generator=torch.Generator().manual_seed(seed))


def oscillator(omega=1.0):
    """One grid point has no kinetic energy: T_tt = −ω² T."""
    return WaveEquation(sh.Hamiltonian(sh.Torus(1)), stiffness=omega**2)


def half_trace(method, x):
    """Return half the trace of one step with dt·ω = x, from the propagator itself."""
    start = torch.eye(2, dtype=torch.float64)[None]  # one point; two channels: (T, P) = (1, 0) and (0, 1)
    T, P = SymplecticWave(oscillator(), x, method).advance(start[..., 0], start[..., 1])
    return float(T[0, 0] + P[0, 1]) / 2


def dense(equation, T, P, time, nudge=None, frequency=0.0):
    """Return (T, P) from the exponential of one matrix on (T, P, 1, cos, sin); nudge·cos(frequency·t) is the force."""
    H, k, m, n = equation.hamiltonian, equation.stiffness, equation.hamiltonian.mass, TORUS.size
    A = np.zeros((2 * n + 3, 2 * n + 3), dtype=complex)
    A[:n, n : 2 * n] = np.eye(n) / m
    A[n : 2 * n, :n] = -(H.as_matrix().numpy() + k * np.eye(n))
    A[2 * n + 1, 2 * n + 2], A[2 * n + 2, 2 * n + 1] = -frequency, frequency
    results = []
    for c in range(2):  # channel by channel: each has its own forces
        F = np.zeros(n, dtype=complex)
        for part, weight in ((equation.equilibrium, k), (None if callable(equation.nudge) else equation.nudge, 1.0)):
            F += 0 if part is None else weight * part[..., c].flatten().numpy()
        A[n : 2 * n, 2 * n] = F
        A[n : 2 * n, 2 * n + 1] = 0 if nudge is None else nudge[..., c].flatten().numpy()
        state = np.concatenate([T[..., c].flatten().numpy(), P[..., c].flatten().numpy(), [1, 1, 0]])
        results.append(expm(A * time) @ state)
    columns = torch.from_numpy(np.stack(results, axis=-1))
    size = np.linalg.norm(A * time, 2)
    return columns[:n].reshape(SHAPE), columns[n : 2 * n].reshape(SHAPE), 8 * EPS * size * np.abs(columns.numpy()).max()


def top_frequency(equation):
    E_max = equation.hamiltonian.spectral_bounds()[1]
    return math.sqrt((E_max + equation.stiffness) / equation.hamiltonian.mass)


@BACKENDS
@pytest.mark.parametrize("stiffness", [0.0, 1.7])
@pytest.mark.parametrize("time", [0.9, -3.7])
def test_exact_flow_is_the_dense_exponential(backend, stiffness, time):
    """With ω = 0 (the constant mode, k = 0) pushed by a constant nudge as well."""
    T, P, T_eq, nudge = fields(4)
    equation = WaveEquation(hamiltonian(backend), stiffness, T_eq, nudge)
    T_dense, P_dense, bound = dense(equation, T, P, time)
    T_exact, P_exact = ExactWave(equation, time / 5).advance(T, P, 5)
    assert float((T_exact - T_dense).abs().max()) <= bound
    assert float((P_exact - P_dense).abs().max()) <= bound


@BACKENDS
@pytest.mark.parametrize("method", WAVE_SCHEMES)
def test_orders(backend, method):
    """A nudge(t) that moves during the step, an equilibrium and every mode: order within 0.05."""
    T, P, T_eq, G = fields(4)
    equation = WaveEquation(hamiltonian(backend), 1.7, T_eq, lambda t: G * math.cos(2.5 * (t - 0.3)))
    period, time = 2 * math.pi / top_frequency(equation), 2.0
    still = WaveEquation(equation.hamiltonian, 1.7, T_eq)
    # Shift the clock: cos(2.5 (t − 0.3)) is 1 at t = 0.3.
    T_ref, P_ref, _ = dense(still, T, P, time, G, 2.5)
    steps = [math.ceil(time / period * n) for n in (40, 80)]
    errors = []
    for n in steps:
        T_n, P_n = SymplecticWave(equation, time / n, method).advance(T, P, n, t=0.3)
        errors.append(float((T_n - T_ref).norm() + (P_n - P_ref).norm()))
    order = math.log(errors[0] / errors[1]) / math.log(steps[1] / steps[0])
    assert errors[1] > 1e-9
    assert abs(order - WAVE_SCHEMES[method].order) <= 0.05


@pytest.mark.parametrize("method", WAVE_SCHEMES)
def test_phase_constants(method):
    x, p = 0.1, WAVE_SCHEMES[method].order
    theta = math.acos(half_trace(method, x))
    assert (theta - x) / x ** (p + 1) == pytest.approx(PHASE_CONSTANTS[method], rel=0.01)


@pytest.mark.parametrize("method", ["yoshida4", "rkn4"])
def test_order_conditions(method):
    """Σb c² = 1/3 and Σ_{i>j} b_i b_j (c_i − c_j) = 1/6 with c_i = Σ_{j≤i} a_j: a digit mistyped in b or a shows."""
    a, b = WAVE_SCHEMES[method].kinetic, WAVE_SCHEMES[method].potential
    c = [math.fsum(a[:i]) for i in range(len(b))]
    pairs = [(i, j) for i in range(len(b)) for j in range(i)]
    assert a == a[::-1]
    assert b == b[::-1]
    assert math.fsum(a) == pytest.approx(1, abs=4 * EPS)
    assert math.fsum(b) == pytest.approx(1, abs=4 * EPS)
    assert math.fsum(b[i] * c[i] ** 2 for i in range(len(b))) == pytest.approx(1 / 3, abs=2e-15)
    assert math.fsum(b[i] * b[j] * (c[i] - c[j]) for i, j in pairs) == pytest.approx(1 / 6, abs=2e-15)


def test_sinc_near_zero():
    """The series and the quotient meet: both are right to rounding on both sides of y = 0.01."""
    y = torch.cat([torch.logspace(-14, 1, 200, dtype=torch.float64), torch.tensor([0.00999, 0.01, 0.01001]).double()])
    root = y.sqrt()
    assert torch.allclose(sinc(y), root.sin() / root, rtol=4 * EPS, atol=0)
    assert float(sinc(torch.zeros(1, dtype=torch.float64))) == 1


@BACKENDS
@pytest.mark.parametrize("method", WAVE_SCHEMES)
def test_reversibility(backend, method):
    T, P, T_eq, G = fields(4)
    equation = WaveEquation(hamiltonian(backend), 1.7, T_eq, lambda t: G * math.sin(t))
    dt = 0.5 * equation.max_stable_dt(method)
    there = SymplecticWave(equation, dt, method).advance(T, P, 200, t=1.0)
    back = SymplecticWave(equation, -dt, method).advance(*there, 200, t=1.0 + 200 * dt)
    assert float((there[0] - T).abs().max()) > 0.1
    for after, before in zip(back, (T, P), strict=True):
        assert float((after - before).abs().max()) <= 1e-12 * float(max(T.abs().max(), P.abs().max()))


def test_reversed_momentum_returns():
    T, P = fields(2)
    propagator = SymplecticWave(WaveEquation(hamiltonian(), 1.7), 0.05)
    there_T, there_P = propagator.advance(T, P, 200)
    back_T, back_P = propagator.advance(there_T, -there_P, 200)
    assert float((back_T - T).abs().max()) <= 1e-12 * float(T.abs().max())
    assert float((back_P + P).abs().max()) <= 1e-12 * float(P.abs().max())


def shadow_energy(equation, T, P, dt):
    """Return what velocity Verlet conserves exactly: Σ [|P|²/2m + ½ T*κT − (dt²/8m)|κT|²] ΔV with κ = K + k."""
    pull = -equation.force(T)
    m = equation.hamiltonian.mass
    density = P.abs() ** 2 / m + (T.conj() * pull).real - dt**2 / (4 * m) * pull.abs() ** 2
    return float(density.sum()) / 2 * TORUS.cell_volume


def drift(backend, steps, share):
    """Return the relative change of the shadow energy, and the largest |E − Ẽ|/Ẽ, over ``steps`` Verlet steps."""
    equation = WaveEquation(hamiltonian(backend), 1.7)
    dt = share * equation.max_stable_dt()
    propagator = SymplecticWave(equation, dt)
    T, P = fields(2)
    conserved, deviations = shadow_energy(equation, T, P, dt), []
    for _ in range(100):
        T, P = propagator.advance(T, P, steps // 100)
        deviations.append(float(equation.energy(T, P)) / conserved - 1)
    return shadow_energy(equation, T, P, dt) / conserved - 1, deviations


@BACKENDS
def test_energy_does_not_drift(backend):
    """Ẽ moves by rounding alone; E stays within [Ẽ, Ẽ/(1 − x²/4)], x = dt·ω_max, since 0 ≤ dt²κ/4m ≤ x²/4."""
    share = 0.3
    change, deviations = drift(backend, 10_000, share)
    assert abs(change) <= 1e-12
    assert min(deviations) >= 0
    assert 1e-4 < max(deviations) <= 1 / (1 - share**2) - 1


@pytest.mark.slow
@BACKENDS
def test_energy_does_not_drift_in_a_long_run(backend):
    change, deviations = drift(backend, 100_000, 0.3)
    assert abs(change) <= 1e-11
    assert min(deviations) >= 0
    assert max(deviations) <= 1 / (1 - 0.3**2) - 1


@pytest.mark.parametrize("method", ["yoshida4", "rkn4"])
def test_fourth_order_energy_does_not_drift(method):
    equation = WaveEquation(hamiltonian(), 1.7)
    propagator = SymplecticWave(equation, 0.2 * equation.max_stable_dt(method), method)
    T, P = fields(2)
    E0, errors = float(equation.energy(T, P)), []
    for _ in range(100):
        T, P = propagator.advance(T, P, 10)
        errors.append(abs(float(equation.energy(T, P)) / E0 - 1))
    early, late = max(errors[:50]), max(errors[50:])
    assert 1e-13 < late <= 1.5 * early < 1e-2


@BACKENDS
def test_verlet_at_its_limit(backend):
    """At 0.99 of the limit 1000 steps are bounded by 1/√(1 − x²/4) = 7 times; at 1.01 they grow as e^{0.28·steps}."""
    equation = WaveEquation(hamiltonian(backend), 0.3)
    T, P = fields(2)
    limit = equation.max_stable_dt("verlet")
    below, above = (SymplecticWave(equation, share * limit).advance(T, P, 1000)[0] for share in (0.99, 1.01))
    assert float(below.norm()) < 20 * float(T.norm() + P.norm())
    assert float(above.norm()) > 1e50 * float(T.norm())


@pytest.mark.parametrize("method", WAVE_SCHEMES)
def test_limits_are_where_the_trace_leaves(method):
    limit = STABILITY_LIMITS[method]
    below = [abs(half_trace(method, limit * share)) for share in np.linspace(0.001, 0.9999, 400)]
    assert max(below) <= 1 + 4 * EPS
    assert abs(half_trace(method, 1.0005 * limit)) > 1 + 1e-6


@pytest.mark.parametrize(("backend", "limit"), [("fd", 8.94), ("spectral", 6.07)])
def test_limit_of_the_default_lattice(backend, limit):
    """ħ = 0.1, m = 1, k = 0.01, dx = 1: 2/√(8ħ²/2m + k) and 2/√(2π²ħ²/2m + k)."""
    H = sh.Hamiltonian(sh.Torus((28, 28)), hbar=0.1, backend=backend)
    found = WaveEquation(H, stiffness=0.01).max_stable_dt()
    assert round(found, 2) == limit
    assert found == pytest.approx(2 / math.sqrt(0.005 * (8 if backend == "fd" else 2 * math.pi**2) + 0.01), rel=1e-12)


def test_nothing_to_resolve_has_no_limit():
    assert WaveEquation(sh.Hamiltonian(sh.Torus(1))).max_stable_dt() == math.inf
    assert WaveEquation(hamiltonian(), 1.0).max_stable_dt("exact") == math.inf


@BACKENDS
def test_exact_flow_keeps_the_energy(backend):
    T, P, T_eq, nudge = fields(4)
    equation = WaveEquation(hamiltonian(backend), 1.7, T_eq, nudge)
    E = float(equation.energy(T, P))
    moved = ExactWave(equation, 0.37).advance(T, P, 10)
    assert float((moved[0] - T).norm()) > 1
    for _ in range(20):
        T, P = ExactWave(equation, 0.37).advance(T, P)
    scale = float((P.abs() ** 2 + (equation.force(T) * T.conj()).abs()).sum()) * TORUS.cell_volume
    assert abs(float(equation.energy(T, P)) - E) <= 20 * 32 * EPS * scale
    assert abs(float(equation.energy(*moved)) - E) <= 32 * EPS * scale


@pytest.mark.parametrize("potential", [None, sh.potentials.periodic_harmonic(TORUS, 0.8)], ids=["free", "V"])
@BACKENDS
def test_energy_generates_the_motion(backend, potential):
    """∂E/∂T* = −force·ΔV/2 and ∂E/∂P* = P/2m·ΔV: E is the Hamilton function of this motion, with no factor astray."""
    T, P, T_eq, nudge = fields(4)
    equation = WaveEquation(hamiltonian(backend, potential=potential), 1.7, T_eq, nudge)
    T, P = T.requires_grad_(), P.requires_grad_()
    grad_T, grad_P = torch.autograd.grad(equation.energy(T, P), (T, P))
    assert torch.allclose(grad_T, -equation.force(T) * TORUS.cell_volume, rtol=1e-12, atol=1e-12)
    assert torch.allclose(grad_P, P / 0.7 * TORUS.cell_volume, rtol=1e-12, atol=1e-12)


def test_energy_of_a_plane_wave():
    """T = A e^{ikx}: (ħ²/4m) g^ij k_i k_j |A|² + (k/2)|A|² + |P|²/2m, times the area."""
    x, y = TORUS.coordinates()
    k_x, k_y = 2 * math.pi * 2 / 2.1, -2 * math.pi / 3.7
    T = 1.5 * torch.exp(1j * (k_x * x + k_y * y))
    gradient = 2.0 * k_x**2 + 2 * 0.6 * k_x * k_y + 0.7 * k_y**2
    expected = (1.3**2 / (4 * 0.7) * gradient * 1.5**2 + 1.7 / 2 * 1.5**2 + 0.4**2 / (2 * 0.7)) * 2.1 * 3.7
    E = WaveEquation(hamiltonian(), 1.7).energy(T, torch.full_like(T, 0.4j))
    assert float(E) == pytest.approx(expected, rel=1e-13)


def test_position_dependent_stiffness():
    """A potential is a stiffness that varies from point to point: propagator and dense exponential see the same."""
    T, P = fields(2)
    equation = WaveEquation(hamiltonian(potential=sh.potentials.cosine_lattice(TORUS, 2.0)), 2.5)
    T_ref, P_ref, bound = dense(equation, T, P, 0.5)
    steps = 200
    T_n, P_n = SymplecticWave(equation, 0.5 / steps, "rkn4").advance(T, P, steps)
    omega = top_frequency(equation)
    tolerance = bound + (0.5 / steps * omega) ** 4  # far above the phase error, 1.5e-5·(dt·ω)⁴·ωt
    assert float((T_n - T_ref).abs().max()) <= tolerance
    assert float((P_n - P_ref).abs().max()) <= tolerance * 0.7 * omega


@pytest.mark.parametrize(("method", "expected"), [("verlet", 8), ("yoshida4", 22), ("rkn4", 43)])
def test_neighboring_kicks_are_one(monkeypatch, method, expected):
    """Seven steps of s stages cost 7s + 1 forces."""
    calls = []
    pull = WaveEquation.pull
    monkeypatch.setattr(WaveEquation, "pull", lambda self, T, **time: calls.append(1) or pull(self, T, **time))
    SymplecticWave(WaveEquation(hamiltonian(), 1.7), 0.01, method).advance(*fields(2), 7)
    assert len(calls) == expected


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
@pytest.mark.parametrize("method", ["verlet", "exact"])
def test_dtype_and_layout_are_kept(method, dtype):
    T, P, T_eq, _ = fields(4, dtype)
    equation = WaveEquation(hamiltonian(), 1.7, T_eq.real.double())
    propagator = ExactWave(equation, 0.1) if method == "exact" else SymplecticWave(equation, 0.1)
    for result in propagator.advance(T, P, 3):
        assert result.dtype == dtype
        assert result.is_contiguous()
        assert result.shape == T.shape


def test_complex_where_anything_is():
    real, compl = fields(1, torch.float64)[0], fields(1)[0]
    assert WaveEquation(hamiltonian()).as_state(real, compl)[0].dtype == torch.complex128
    assert WaveEquation(hamiltonian(), 1.0, compl).as_state(real, real)[1].dtype == torch.complex128
    assert (
        WaveEquation(hamiltonian(), 1.0, None, compl).as_state(real.float(), real.float())[0].dtype == torch.complex64
    )


@pytest.mark.parametrize("method", ["verlet", "rkn4", "exact"])
def test_no_steps_change_nothing(method):
    T, P = fields(2)
    equation = WaveEquation(hamiltonian(), 1.7)
    propagator = ExactWave(equation, 0.1) if method == "exact" else SymplecticWave(equation, 0.1, method)
    for after, before in zip(propagator.advance(T, P, 0), (T, P), strict=True):
        assert torch.allclose(after, before, rtol=0, atol=1e-14)


@pytest.mark.parametrize("method", ["verlet", "exact"])
def test_gradients(method):
    """Through T, P, T_eq, k, ħ and m."""
    torus = sh.Torus((3, 4), lengths=(2.0, 1.3))

    def run(T, P, T_eq, k, hbar, mass):
        H = sh.Hamiltonian(torus, inverse_metric=(2.0, 0.5), hbar=hbar, mass=mass)
        equation = WaveEquation(H, k, T_eq)
        propagator = ExactWave(equation, 0.1) if method == "exact" else SymplecticWave(equation, 0.1)
        return propagator.advance(T, P, 2)

    tensors = torch.randn((3, 3, 4), dtype=torch.complex128, generator=torch.Generator().manual_seed(3)).unbind()
    scalars = [torch.tensor(v, dtype=torch.float64) for v in (1e-4, 0.7, 1.1)]
    assert torch.autograd.gradcheck(run, [x.clone().requires_grad_() for x in (*tensors, *scalars)])


def test_gradient_where_nothing_oscillates():
    """One point, k = 0: T(t) = T + Pt/m, and ∂T(t)/∂k = −T t²/2m − P t³/6m², where √k has no derivative."""
    k = torch.tensor(0.0, dtype=torch.float64, requires_grad=True)
    T, P = torch.tensor([2.0], dtype=torch.float64), torch.tensor([3.0], dtype=torch.float64)
    after, _ = ExactWave(WaveEquation(sh.Hamiltonian(sh.Torus(1), mass=0.7), k), 1.5).advance(T, P)
    (gradient,) = torch.autograd.grad(after.sum(), k)
    assert float(after.detach()) == pytest.approx(2 + 3 * 1.5 / 0.7)
    assert float(gradient) == pytest.approx(-2 * 1.5**2 / 1.4 - 3 * 1.5**3 / (6 * 0.49))


@pytest.mark.parametrize("method", ["verlet", "yoshida4", "rkn4", "exact"])
@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_function_does_what_the_classes_do(method, backend):
    T, P, T_eq, nudge = torch.randn(4, 5, 6, 2, 2, dtype=torch.complex64, generator=torch.Generator().manual_seed(5))
    H = sh.Hamiltonian(
        sh.Torus((5, 6), spacing=(1.1, 0.9)), inverse_metric=(2.0, 0.5), hbar=0.2, mass=0.8, backend=backend
    )
    equation = WaveEquation(H, 0.02, T_eq, nudge)
    propagator = ExactWave(equation, 0.7) if method == "exact" else SymplecticWave(equation, 0.7, method)
    given = wave_evolution(
        T, P, dt=0.7, steps=3, method=method, hbar=0.2, mass=0.8, stiffness=0.02, equilibrium=T_eq, nudge=nudge,
        inverse_metric=(2.0, 0.5), backend=backend, dx=1.1, dy=0.9,
    )  # fmt: skip
    for a, b in zip(given, propagator.advance(T, P, 3), strict=True):
        assert torch.equal(a, b)
        assert a.dtype == torch.complex64


def test_function_reads_the_clock_of_a_nudge():
    T, P, G = torch.randn(3, 5, 6, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    seen = []
    wave_evolution(T, P, dt=0.5, steps=2, t=3.0, nudge=lambda t: seen.append(t) or G)
    assert seen == [3.0, 3.5, 4.0]


def test_function_takes_all_else_by_keyword():
    T, P = torch.zeros(2, 5, 6, 2, 2, dtype=torch.complex64)
    with pytest.raises(TypeError, match="positional"):
        wave_evolution(T, P, 0.1)


BAD = [
    (lambda: WaveEquation(hamiltonian(potential=lambda t: torch.zeros(6, 5) + t)), ValueError, "independent of time"),
    (lambda: WaveEquation(hamiltonian(potential=sh.GrossPitaevskii(1.0))), ValueError, "linear and independent"),
    (
        lambda: WaveEquation(hamiltonian(potential=1j * torch.ones(6, 5, dtype=torch.complex128))),
        sh.NotHermitianError,
        "Hermitian",
    ),
    (lambda: WaveEquation(hamiltonian(), -0.1), ValueError, "at least 0"),
    (lambda: WaveEquation(hamiltonian(), 1.0, torch.zeros(5, 6)), ValueError, "equilibrium"),
    (lambda: WaveEquation(hamiltonian(), 1.0, None, 3.0), TypeError, "nudge"),
    (lambda: WaveEquation(hamiltonian()).max_stable_dt("euler"), ValueError, "'verlet', 'yoshida4', 'rkn4', 'exact'"),
    (lambda: SymplecticWave(WaveEquation(hamiltonian()), 0.1, "leapfrog"), ValueError, "'verlet', 'yoshida4', 'rkn4'"),
    (lambda: SymplecticWave(WaveEquation(hamiltonian()), math.nan), ValueError, "finite"),
    (lambda: ExactWave(WaveEquation(hamiltonian(potential=torch.ones(6, 5))), 0.1), ValueError, "without V"),
    (lambda: ExactWave(WaveEquation(hamiltonian(), nudge=lambda _: torch.ones(6, 5)), 0.1), ValueError, "nudge"),
    (
        lambda: SymplecticWave(WaveEquation(hamiltonian()), 0.1).advance(torch.zeros(6, 5), torch.zeros(6, 5, 1)),
        ValueError,
        "P of T's shape",
    ),
    (
        lambda: SymplecticWave(WaveEquation(hamiltonian(), 1.0, torch.zeros(6, 5)), 0.1).advance(*fields(2)),
        ValueError,
        "of the field's shape",
    ),
    (
        lambda: SymplecticWave(WaveEquation(hamiltonian(), nudge=lambda _: fields(1)[0]), 0.1).advance(
            *fields(2, torch.float64)
        ),
        ValueError,
        "real for a real field",
    ),
    (lambda: SymplecticWave(WaveEquation(hamiltonian()), 0.1).advance(*fields(2), -1), ValueError, "at least 0"),
    (lambda: wave_evolution(*fields(2), dt=0.1), ValueError, "4-D"),
    (lambda: wave_evolution(*torch.zeros(2, 5, 6, 2, 2), dt=0.1, method="rk4"), ValueError, "'exact'"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()
