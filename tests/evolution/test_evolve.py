"""`evolve`: what it returns, and whether the error that it states is true; against dense exponentials and DOP853."""

import math
import sys

import numpy as np
import pytest
import torch
from helpers import peak_bytes

import spectral_ham as sh
from oracles.flows import dense_flow, integrated
from spectral_ham.propagators import METHODS, propagator

HBAR, MASS = 0.9, 1.2
TORUS = sh.Torus((5, 6), lengths=(4.1, 5.3), origin=(-0.4, 0.9))
METRIC = ((1.3, 0.2), (0.2, 0.8))
STEPPED = [name for name in METHODS if name not in ("exact", "chebyshev", "lanczos")]
SPLITTINGS = ("lie", "strang", "yoshida4", "yoshida6", "suzuki4", "blanes_moan4")


# Small grids and rough fields on purpose: what evolve says of them is test_preflight.py's subject.
pytestmark = pytest.mark.filterwarnings("ignore::spectral_ham.analysis.preflight.Advice")


def lattice(t=0.0):
    x, y = TORUS.coordinates()
    a, b = (2 * math.pi / length for length in TORUS.lengths)
    return 1.5 * torch.cos(a * x - t) * torch.cos(b * y + 0.4) + 0.7 * torch.sin(a * x + b * y)


def hamiltonian(potential=None, **changed):
    given = {"inverse_metric": METRIC, "hbar": HBAR, "mass": MASS, **changed}
    return sh.Hamiltonian(TORUS, potential=potential, **given)


def field(*channels, dtype=torch.complex128, seed=1):
    T = torch.randn(*TORUS.shape, *channels, dtype=dtype, generator=torch.Generator().manual_seed(seed))
    return T / T.norm()


def distance(a, b, T):
    return float((a - b).to(torch.complex128).norm() / T.to(torch.complex128).norm())


# Steps and times


@pytest.mark.parametrize(
    ("time", "dt", "n"),
    [(1.0, 0.1, 10), (0.3, 0.1, 3), (1.0, 0.3, 4), (1.0, 5.0, 1), (-1.0, 0.25, 4), (2.1, 0.7, 3), (0.0, 0.1, 1)],
)
@pytest.mark.parametrize("method", ["strang", "rk4"])
def test_number_of_steps(method, time, dt, n):
    """There are n = max(1, ⌈|time|/dt − 1e-9⌉) equal steps: what rounding adds to time/dt is no step."""
    H, T = hamiltonian(lattice()), field()
    run = sh.evolve(H, T, time, method=method, dt=dt)
    assert run.stats.steps == n
    assert run.stats.dt == time / n
    assert torch.equal(run.final, propagator(method, H, time / n).advance(T, n) if time else T)
    assert run.times.tolist() == [time]


@pytest.mark.parametrize("method", ["strang", "lie", "yoshida4", "rk4", "etdrk4", "magnus4"])
def test_saving_between_steps_leaves_the_main_run_alone(method):
    """A time between two steps is the run to the step before, and one shorter step; the main run is the same.

    To rounding: where merged half steps are parted for a look, the last bit may differ.
    """
    H, T, dt, t0 = hamiltonian(lambda t: lattice(1.7 * t)), field(), 0.1, 0.3
    # 0.3 + 0.25 lies in the third step; the others are on steps: 4 and 10.
    run = sh.evolve(H, T, 1.0, method=method, dt=dt, t0=t0, save_times=[0.55, 0.7, 1.3])
    main = propagator(method, H, 0.1)
    plain = sh.evolve(H, T, 1.0, method=method, dt=dt, t0=t0)
    assert float((run.final - plain.final).norm()) <= 1e-13
    assert run.stats.steps == plain.stats.steps == 10
    assert torch.equal(run.fields[-1], run.final)
    steps_to = {0.7: 4, 1.3: 10}
    for i, t in ((1, 0.7), (2, 1.3)):
        assert float((run.fields[i] - main.advance(T, steps_to[t], t=t0)).norm()) <= 1e-13
    two = main.advance(T, 2, t=t0)
    between = propagator(method, H, 0.05)(two, t=t0 + 0.2)
    assert float((run.fields[0] - between).norm()) <= 1e-12


def test_side_branches_do_not_change_a_bit():
    """The field at the end is the same, whatever is saved between the steps."""
    H, T = hamiltonian(lattice()), field()
    plain = sh.evolve(H, T, 1.0, method="strang", dt=0.1, save_times=[0.2, 0.5, 1.0])
    saved = sh.evolve(H, T, 1.0, method="strang", dt=0.1, save_times=[0.2, 0.23, 0.27, 0.5, 0.55, 1.0])
    assert torch.equal(plain.final, saved.final)
    assert torch.equal(plain.fields, saved.fields[[0, 3, 5]])


@pytest.mark.parametrize("method", ["auto", *METHODS])
def test_saved_times(method):
    """Start, middle, between steps: each field is that of a run of its own to the method's error."""
    H, T = hamiltonian(lattice()), field()
    given = {"dt": 0.005} if method in STEPPED else {}
    times = [0.25, 0.5, 0.6333, 1.25]
    run = sh.evolve(H, T, 1.0, method=method, t0=0.25, save_times=times, **given)
    assert run.times.tolist() == times
    assert run.times.dtype == torch.float64
    assert run.fields.shape == (4, *T.shape)
    assert float((run.fields[0] - T).norm()) <= 1e-12
    error = {"lie": 2e-2, "strang": 1e-4, "crank_nicolson": 1e-3}.get(method, 1e-7)
    for t, saved in zip(times, run.fields, strict=True):
        assert distance(saved, dense_flow(H, -1j * (t - 0.25) / HBAR, T), T) <= error
    assert distance(run.final, run.fields[-1], T) == 0


def test_saved_times_as_a_tensor_and_without_the_end():
    H, T = hamiltonian(lattice()), field()
    run = sh.evolve(H, T, 2.0, save_times=torch.linspace(0, 1, 5, dtype=torch.float64))
    assert run.fields.shape == (5, *T.shape)
    assert distance(run.final, dense_flow(H, -2j / HBAR, T), T) <= 1e-10
    assert distance(run.fields[-1], dense_flow(H, -1j / HBAR, T), T) <= 1e-10


@pytest.mark.parametrize("method", ["exact", "chebyshev", "lanczos", "strang", "yoshida6"])
def test_backwards_and_back(method):
    H, T = hamiltonian(lattice()), field()
    given = {"dt": 0.05} if method in STEPPED else {"tol": 1e-11}
    there = sh.evolve(H, T, -1.5, method=method, save_times=[-0.2, -0.7, -1.5], **given)
    assert there.times.tolist() == [-0.2, -0.7, -1.5]
    assert distance(there.fields[1], dense_flow(H, 0.7j / HBAR, T), T) <= (0.02 if method == "strang" else 1e-6)
    back = sh.evolve(H, there.final, 1.5, method=method, t0=-1.5, **given)
    assert distance(back.final, T, T) <= 2e-11


def test_start_time_matters_to_a_time_dependent_potential():
    H, T = hamiltonian(lambda t: lattice(2 * t)), field()
    whole = sh.evolve(H, T, 1.0, method="blanes_moan4", dt=0.01)
    half = sh.evolve(H, T, 0.5, method="blanes_moan4", dt=0.01)
    assert (
        distance(sh.evolve(H, half.final, 0.5, method="blanes_moan4", dt=0.01, t0=0.5).final, whole.final, T) <= 1e-13
    )
    assert distance(sh.evolve(H, half.final, 0.5, method="blanes_moan4", dt=0.01).final, whole.final, T) > 1e-2
    assert distance(whole.final, integrated(H, T, 1.0), T) <= 1e-8


# What is returned


def test_observables():
    H, T = hamiltonian(lattice()), field(2)
    seen = []

    def n(T, t):
        seen.append(t)
        return T.abs().square().sum((0, 1))

    given = {"n": n, "E": lambda T, t: H.energy(T, t=t), "t": lambda _, t: t}
    run = sh.evolve(H, T, 1.0, dt=0.1, method="strang", save_times=[0.0, 0.55, 1.0], observables=given)
    assert seen == [0.0, 0.0, 0.55, 1.0]  # the first at t0, as a trial
    assert run.observables["n"].shape == (3, 2)
    assert run.observables["t"].tolist() == [0.0, pytest.approx(0.55), 1.0]
    for i in range(3):
        assert torch.equal(run.observables["n"][i], run.fields[i].abs().square().sum((0, 1)))
        assert torch.equal(run.observables["E"][i], H.energy(run.fields[i]))


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64, torch.complex128])
@pytest.mark.parametrize("method", METHODS)
def test_dtypes(method, dtype):
    """A real field is promoted in real time, and stays real in imaginary time with a real V."""
    if method == "crank_nicolson" and torch.finfo(dtype).eps > 1e-10:
        pytest.skip("its solver's tolerance of 1e-12 is beyond single precision")
    H, T = hamiltonian(lattice()), field(dtype=dtype)
    given = {"dt": 0.1} if method in STEPPED else {}
    assert sh.evolve(H, T, 0.2, method=method, **given).final.dtype == dtype.to_complex()
    if method in (*SPLITTINGS[2:], "magnus4"):
        return
    assert sh.evolve(H, T, 0.2, method=method, imaginary=True, **given).final.dtype == dtype
    complex_H = hamiltonian(lattice() - 0.1j)
    if method not in ("exact", "chebyshev", "lanczos"):
        assert sh.evolve(complex_H, T, 0.2, method=method, imaginary=True, **given).final.dtype == dtype.to_complex()


@pytest.mark.parametrize("method", ["exact", "chebyshev", "lanczos", "lie", "strang", "rk4", "etdrk4"])
def test_imaginary_time(method):
    H, T = hamiltonian(lattice()), field(2, dtype=torch.float64)
    given = {"dt": 0.001} if method in STEPPED else {}
    run = sh.evolve(H, T, 1.0, method=method, imaginary=True, save_times=[0.4, 1.0], **given)
    for t, saved in zip((0.4, 1.0), run.fields, strict=True):
        assert distance(saved, dense_flow(H, -t / HBAR, T), T) <= {"lie": 2e-3, "strang": 1e-6}.get(method, 1e-9)
    assert run.stats.norm_drift is None


AUTO = {
    "no V": (None, {}, "exact", "commuting"),
    "small": (lattice(), {}, "exact", "dense"),
    "small with dt": (lattice(), {"dt": 0.1}, "exact", "no step is needed"),
    "elementwise": (sh.ElementwisePotential(torch.rand(5, 6, 2, dtype=torch.float64)), {}, "chebyshev", "proven bound"),
    "V(t) with dt": (lattice, {"dt": 0.1}, "blanes_moan4", "most accurate splitting"),
    "V(t)": (lattice, {"tol": 1e-5}, "blanes_moan4", "depends on time"),
    "nonlinear": (sh.GrossPitaevskii(1.0), {"tol": 1e-5}, "blanes_moan4", "nonlinear"),
    "nonlinear imaginary": (sh.GrossPitaevskii(1.0), {"tol": 1e-3, "imaginary": True}, "rk4", "nonlinear"),
    "absorbing": (sh.ElementwisePotential(torch.rand(5, 6, 2) * (1 - 1j)), {"tol": 1e-5}, "blanes_moan4", "Hermitian"),
}


@pytest.mark.parametrize("case", AUTO)
def test_auto_chooses_and_says_why(case):
    potential, given, method, why = AUTO[case]
    stats = sh.evolve(hamiltonian(potential), field(2), 0.3, **given).stats
    assert stats.method == method
    assert why in stats.reason
    known = stats.error_bound is not None, stats.error_estimate is not None
    assert known == ((method in ("exact", "chebyshev")), "tol" in given)


def test_stats_count_what_was_spent(monkeypatch):
    calls = {"H": 0, "transforms": 0}
    from spectral_ham.execution import fft as fourier

    def counted(name, function):
        def call(*args, **kwargs):
            calls[name] += 1
            return function(*args, **kwargs)

        return call

    for table in (fourier._FORWARD, fourier._INVERSE):
        monkeypatch.setitem(table, 2, counted("transforms", table[2]))
    monkeypatch.setattr(sh.Hamiltonian, "__call__", counted("H", sh.Hamiltonian.__call__))
    monkeypatch.setattr(fourier.FFTOperator, "recur", counted("H", fourier.FFTOperator.recur))
    monkeypatch.setattr(
        "spectral_ham.evolution.evolve.new_advice", lambda *_, **__: ()
    )  # it looks at the field's spectrum once
    H, T = hamiltonian(lattice(), execution="fft"), field()
    for method in METHODS:
        given = {"dt": 0.1} if method in STEPPED else {"tol": 1e-8}
        made = sh.evolve(H, T, 0.4, method=method, save_times=[0.2, 0.4], **given)  # tables are made here
        calls.update(H=0, transforms=0)
        stats = sh.evolve(H, T, 0.4, method=method, save_times=[0.2, 0.4], **given).stats
        built = 1 if method == "exact" else 0  # the dense matrix is H on unit fields
        assert stats.hamiltonian_applications == calls["H"] - built, method
        assert stats.transforms == calls["transforms"], method
        assert made.stats.transforms == stats.transforms
    assert sh.evolve(H, T, 1.0, method="strang", dt=0.1).stats.transforms == 20


def test_norm_drift_is_reported_not_removed():
    H, T = hamiltonian(lattice()), 3 * field()
    for method, largest in (("strang", 1e-14), ("rk4", 1e-2)):
        run = sh.evolve(H, T, 3.0, method=method, dt=0.05)
        assert run.stats.norm_drift == pytest.approx(float(run.final.norm() / T.norm()) - 1, abs=1e-15)
        assert abs(run.stats.norm_drift) <= largest
    assert abs(run.stats.norm_drift) > 1e-8
    assert sh.evolve(hamiltonian(lattice() - 0.1j), T, 1.0, method="strang", dt=0.1).stats.norm_drift is None


def test_a_zero_field_stays_zero():
    for method in ("exact", "chebyshev", "lanczos"):
        assert float(sh.evolve(hamiltonian(lattice()), torch.zeros(5, 6), 1.0, method=method).final.abs().max()) == 0


# Errors that are stated are true


def random_problem(seed):
    """Return a linear problem of at most 60 numbers: H, T, and a time."""
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    shape = tuple(int(n) for n in rng.integers(5, 8, size=1 + seed % 2))
    channels = (2,) if len(shape) == 1 or seed % 3 == 0 else ()
    shape = shape if math.prod(shape) * math.prod(channels) <= 60 else (5, 6)
    d = len(shape)
    A = rng.uniform(-0.7, 0.7, (d, d)) + np.eye(d)
    real = {"dtype": torch.float64, "generator": generator}
    size = float(rng.uniform(0.1, 3.0))
    V = [
        None,
        size * torch.randn(shape, **real),
        size * torch.randn(*shape, *channels, **real),
        sum(torch.randn([n if i == a else 1 for i in range(d)], **real) for a, n in enumerate(shape)),
        torch.full(shape, size, dtype=torch.float64),
    ][seed % 5]
    if channels and seed % 4 == 3:
        M = size * torch.randn(*(shape if seed % 8 == 3 else ()), 2, 2, dtype=torch.complex128, generator=generator)
        V = sh.MatrixPotential(M + M.mH)
    H = sh.Hamiltonian(
        sh.Torus(shape, lengths=tuple(rng.uniform(2.0, 9.0, d)), origin=tuple(rng.uniform(-2, 2, d))),
        inverse_metric=(A @ A.T).tolist() if seed % 7 < 4 else np.diag(A @ A.T).tolist(),
        potential=V,
        hbar=float(rng.uniform(0.3, 2.0)),
        mass=float(rng.uniform(0.3, 3.0)),
        backend=("spectral", "fd")[int(rng.integers(2))],
        stencil_order=(2, 4)[int(rng.integers(2))],
    )
    low, high = H.spectral_bounds()
    time = float(10 ** rng.uniform(-1.0, 1.3)) * H.hbar / (high - low) * 2
    T = torch.randn(*shape, *channels, dtype=(torch.complex128, torch.complex64)[seed // 2 % 2], generator=generator)
    return H, T, time, rng


@pytest.mark.parametrize("method", ["auto", "chebyshev", "lanczos"])
@pytest.mark.parametrize("imaginary", [False, True], ids=["real", "imaginary"])
def test_the_error_bound_is_true(method, imaginary):
    """Error ≤ bound ≤ tol at every saved time, for each of 6 × 40 problems; Lanczos has none in imaginary time."""
    worst = 0.0
    for seed in range(40):
        H, T, time, rng = random_problem(1000 * (method == "chebyshev") + seed)
        single = T.dtype == torch.complex64
        time *= 1 if imaginary or seed % 3 else -1
        tol = None if seed % 4 == 0 else 10.0 ** rng.uniform(-3.5 if single else -11, -1)
        if imaginary and tol is not None:
            tol *= math.exp(max(0.0, -H.spectral_bounds()[0] * time / H.hbar))
        times = [0.3 * time, 0.8 * time, time]
        run = sh.evolve(H, T, time, method=method, tol=tol, imaginary=imaginary, save_times=times)
        bound = run.stats.error_bound
        if imaginary and run.stats.method == "lanczos":
            assert bound is None
            continue
        assert bound <= (tol or (1e-5 if single else 1e-10)) or (tol is None and imaginary)
        z = (-1 if imaginary else -1j) / H.hbar
        for t, saved in zip(times, run.fields, strict=True):
            error = distance(saved, dense_flow(H, z * t, T), T)
            assert error <= bound, (seed, error, bound)
            worst = max(worst, error / bound)
    assert worst > 1e-3 or (method == "lanczos" and imaginary), "a bound that is never approached says little"


def nonlinear_problem(seed):
    """Return a problem with V(t) or V[T]: H, T, time, t0."""
    rng = np.random.default_rng(seed)
    size, rate, phase = rng.uniform(0.3, 1.5), rng.uniform(0.5, 3.0), rng.uniform(0, 6)
    channels = ((), (2,))[seed % 2]
    V = [
        lambda t: size * lattice(rate * t + phase),
        lambda t: size * lattice(phase) * math.cos(rate * t),
        sh.GrossPitaevskii(float(rng.uniform(-20, 40)), size * lattice(phase)),
        sh.NonlinearPotential(
            lambda T, t: size * (2 + math.sin(rate * t)) * 30 * T.abs() ** 2 / (1 + 10 * T.abs() ** 2)
        ),
    ][seed % 4]
    H = hamiltonian(V, hbar=float(rng.uniform(0.5, 1.5)), backend=("spectral", "fd")[seed // 4 % 2])
    T = sh.Laplacian(TORUS).function(lambda s: 1 / (1 - s))(field(*channels, seed=seed))
    return H, T / T.norm(), float(rng.uniform(0.5, 1.5)) * (1 if seed % 5 else -1), float(rng.uniform(-1, 1))


@pytest.mark.parametrize("seed", range(24))
def test_the_error_estimate_is_true(seed):
    """Error ≤ tol, and estimate within a factor 3 of it, where rounding is not all that is left."""
    H, T, time, t0 = nonlinear_problem(seed)
    tol = (1e-4, 1e-6, 1e-8)[seed % 3]
    run = sh.evolve(H, T, time, tol=tol, t0=t0)
    error = distance(run.final, integrated(H, T, time, t0), T)
    assert run.stats.error_bound is None
    assert run.stats.agreement
    assert error <= 3 * run.stats.error_estimate
    assert run.stats.error_estimate <= tol
    if error > 1e-11:
        assert run.stats.error_estimate <= 3 * error


def test_disagreement_is_said():
    """A V(t) with a kink, off every grid of steps, has no order: the differences do not fall as they should."""

    def kinked(t):
        return lattice() * (1.0 if t < 0.618 else -1.0)

    run = sh.evolve(hamiltonian(kinked), field(), 1.0, tol=3e-3)
    assert run.stats.agreement is False
    smooth = sh.evolve(hamiltonian(lambda t: lattice() * math.cos(t)), field(), 1.0, tol=1e-5)
    assert smooth.stats.agreement is True


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize("method", ["auto", "chebyshev", "lanczos"])
def test_default_tolerance(method, dtype):
    H, T = hamiltonian(lattice()), field(dtype=dtype)
    run = sh.evolve(H, T, 1.0, method=method)
    tol = 1e-5 if dtype == torch.complex64 else 1e-10
    assert run.stats.error_bound <= tol
    assert distance(run.final, dense_flow(H, -1j / HBAR, T), T) <= run.stats.error_bound


@pytest.mark.parametrize("method", ["strang", "rk4", "crank_nicolson"])
def test_a_stepped_method_meets_a_tolerance(method):
    H, T = hamiltonian(lattice()), field()
    run = sh.evolve(H, T, 0.5, method=method, tol=1e-4)
    error = distance(run.final, dense_flow(H, -0.5j / HBAR, T), T)
    assert error <= 1e-4
    assert error / 3 <= run.stats.error_estimate <= 3 * error


def test_a_search_shows_observers_the_run_that_it_found():
    H, T, seen = hamiltonian(lambda t: lattice(t)), field(), []
    run = sh.evolve(
        H, T, 0.5, tol=1e-4, save_times=[0.2, 0.5], observables={"n": lambda T, _: T.abs()},
        callback=lambda T, t: seen.append((t, T.clone())),
    )  # fmt: skip
    assert [t for t, _ in seen] == [0.2, 0.5]
    assert torch.equal(torch.stack([T for _, T in seen]), run.fields)
    assert torch.equal(run.observables["n"], run.fields.abs())


# Gradients


def loss(run):
    weights = torch.arange(1, 31, dtype=torch.float64).reshape(5, 6)
    return (run.final.abs().square() * weights).sum() + (run.fields[0].real * weights).sum()


LEAVES = {
    "T": field(seed=4),
    "V": lattice(),
    "metric": torch.tensor([1.3, 0.8], dtype=torch.float64),
    "mass": torch.tensor(1.2, dtype=torch.float64),
    "hbar": torch.tensor(0.9, dtype=torch.float64),
}


def run_with(values, method, gradient, **given):
    H = sh.Hamiltonian(
        TORUS,
        potential=values["V"],
        inverse_metric=values["metric"],
        mass=values["mass"],
        hbar=values["hbar"],
    )
    return loss(sh.evolve(H, values["T"], 0.6, method=method, save_times=[0.25, 0.6], gradient=gradient, **given))


@pytest.mark.parametrize("gradient", ["autograd", "checkpoint"])
@pytest.mark.parametrize("method", ["exact", "chebyshev", "strang", "blanes_moan4", "rk4", "etdrk4"])
def test_gradients(method, gradient):
    """Against central differences along a random direction, h = 1e-5: 1e-8 of the loss's scale."""
    names = [name for name in LEAVES if not (name == "hbar" and method == "chebyshev")]
    given = {} if method in ("exact", "chebyshev") else {"dt": 0.05}
    leaves = {name: value.clone().requires_grad_(name in names) for name, value in LEAVES.items()}
    run_with(leaves, method, gradient, **given).backward()
    for name in names:
        direction = torch.randn(
            LEAVES[name].shape, dtype=LEAVES[name].dtype, generator=torch.Generator().manual_seed(9)
        )
        h = 1e-5
        sides = [run_with({**LEAVES, name: LEAVES[name] + s * h * direction}, method, "auto", **given) for s in (1, -1)]
        expected = float(sides[0] - sides[1]) / (2 * h)
        found = float((leaves[name].grad.conj() * direction).real.sum())
        assert abs(found - expected) <= 1e-6 * max(1.0, abs(expected)), name


@pytest.mark.parametrize("method", ["strang", "rk4", "yoshida4"])
def test_gradient_modes_agree(method):
    """Checkpoints change memory, not a bit of the forward run, and the gradient to rounding only."""
    found = {}
    for gradient in ("autograd", "checkpoint", "auto"):
        leaves = {name: value.clone().requires_grad_() for name, value in LEAVES.items()}
        value = run_with(leaves, method, gradient, dt=0.01)
        value.backward()
        found[gradient] = (value.detach(), *(leaf.grad for leaf in leaves.values()))
    for gradient in ("checkpoint", "auto"):
        for a, b in zip(found["autograd"], found[gradient], strict=True):
            assert float((a - b).abs().max()) <= 1e-11 * float(a.abs().max())


def test_checkpoints_hold_few_fields():
    """Of n = 64 steps, autograd keeps all, checkpoints about 2√n."""
    H = hamiltonian(lattice())
    held = {}
    for gradient in ("autograd", "checkpoint"):
        kept = [0]
        T = field().requires_grad_()

        def pack(x, kept=kept):
            kept[0] += x.numel()
            return x

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            sh.evolve(H, T, 0.64, method="strang", dt=0.01, gradient=gradient)
        held[gradient] = kept[0] / T.numel()
    assert held["autograd"] > 64
    assert held["checkpoint"] <= 2 * math.sqrt(64)


def test_without_gradients_nothing_is_recorded():
    run = sh.evolve(hamiltonian(lattice()), field(), 1.0, dt=0.1, method="strang")
    assert run.final.grad_fn is None


# Memory and progress


@pytest.mark.parametrize("method", ["strang", "blanes_moan4", "exact", "chebyshev"])
@pytest.mark.parametrize("kind", ["scalar", "elementwise"])
def test_memory(tmp_path, method, kind):
    """At most 4 fields beyond the input, the result being one of them."""
    torus = sh.Torus((28, 28), lengths=(5.0, 6.0))
    V = torch.rand(28, 28, dtype=torch.float64) if kind == "scalar" else torch.rand(28, 28, 16, 16, dtype=torch.float64)
    if method == "exact" and kind == "elementwise":
        V = None
    H = sh.Hamiltonian(torus, potential=V)
    T = torch.randn(28, 28, 16, 16, dtype=torch.complex128)
    given = {"dt": 0.01} if method not in ("exact", "chebyshev") else {}
    used = peak_bytes(lambda: sh.evolve(H, T, 0.03, method=method, **given), tmp_path / "trace.json")
    tables = 2 * 8 * 784**2 * 4 if method == "exact" and V is not None else 2**20  # dense: H and its eigenvectors
    phases = {"strang": 2, "blanes_moan4": 5}.get(method, 0) if kind == "elementwise" else 0  # e^{zV}, of T's size
    field_bytes = T.numel() * T.element_size()
    assert used <= (4 + phases) * field_bytes + tables


def test_no_progress_bar_without_a_terminal(capsys):
    sh.evolve(hamiltonian(lattice()), field(), 1.0, dt=0.1, method="strang", progress=True)
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_a_progress_bar_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    sh.evolve(hamiltonian(lattice()), field(), 1.0, dt=0.001, method="strang", progress=True)
    captured = capsys.readouterr()
    assert "strang" in captured.err
    assert "100%" in captured.err
    sh.evolve(hamiltonian(lattice()), field(), 1.0, dt=0.1, method="strang")
    assert capsys.readouterr().err == ""
