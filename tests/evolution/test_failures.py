"""Bad input of `evolve` and of the propagators: the message names argument, requirement and remedy."""

import math

import pytest
import torch

import spectral_ham as sh
from spectral_ham.propagators import METHODS, CrankNicolson, Lanczos, propagator

# Small grids and rough fields on purpose: what evolve says of them is test_preflight.py's subject.
pytestmark = pytest.mark.filterwarnings("ignore::spectral_ham.analysis.preflight.Advice")

TORUS = sh.Torus((5, 6), lengths=(4.1, 5.3), origin=(-0.4, 0.9))
SINGLE_STEP = [name for name in METHODS if name not in ("exact", "chebyshev", "lanczos")]
FOURTH_ORDER = ["yoshida4", "yoshida6", "suzuki4", "blanes_moan4"]


def profile(t=0.0):
    x, y = TORUS.coordinates()
    return torch.cos(2 * math.pi * x / 4.1 - t) * torch.cos(2 * math.pi * y / 5.3)


def hamiltonian(potential=None, **changed):
    return sh.Hamiltonian(TORUS, potential=potential, inverse_metric=(1.3, 0.8), **{"hbar": 0.9, **changed})


def field(*channels, dtype=torch.complex128):
    return torch.randn(*TORUS.shape, *channels, dtype=dtype, generator=torch.Generator().manual_seed(1))


# What evolve refuses: (arguments, message)

CATALOGUE = {
    "unknown method": ({"method": "euler"}, r"`evolve\(method=...\)` must be one of 'auto', 'exact', 'lie'.*'magnus4'"),
    "method no string": ({"method": 4}, r"`evolve\(method=...\)` must be one of .*got 4"),
    "unknown gradient": ({"gradient": "adjoint"}, r"`evolve\(gradient=...\)` must be one of 'auto', 'autograd', "),
    "dt and tol": ({"dt": 0.1, "tol": 1e-6}, r"`evolve\(dt=..., tol=...\)` must be one of the two, got \(0.1, 1e-06\)"),
    "dt zero": ({"dt": 0.0}, r"`evolve\(dt=...\)` must be a positive finite number, got 0.0"),
    "dt negative": ({"dt": -0.1}, r"`evolve\(dt=...\)` must be a positive finite number, got -0.1"),
    "dt NaN": ({"dt": math.nan}, r"`evolve\(dt=...\)` must be a positive finite number, got nan"),
    "tol zero": ({"tol": 0.0}, r"`evolve\(tol=...\)` must be a positive finite number"),
    "tol negative": ({"tol": -1e-5}, r"`evolve\(tol=...\)` must be a positive finite number"),
    "tol below rounding": (
        {"tol": 1e-17},
        r"`evolve\(tol=...\)` must be at least .*what rounding lets torch.complex128",
    ),
    "time infinite": ({"time": math.inf}, r"`evolve\(time=...\)` must be a finite number"),
    "t0 NaN": ({"t0": math.nan}, r"`evolve\(t0=...\)` must be a finite number"),
    "imaginary backward": (
        {"time": -1.0, "imaginary": True},
        r"`evolve\(time=...\)` must be positive in imaginary time",
    ),
    "imaginary nothing": ({"time": 0.0, "imaginary": True}, r"`evolve\(time=...\)` must be positive in imaginary time"),
    "no save times": ({"save_times": []}, r"`evolve\(save_times=...\)` must be at least one time"),
    "save times equal": ({"save_times": [0.5, 0.5]}, r"`evolve\(save_times=...\)` must be strictly monotone from t0"),
    "save times back": ({"save_times": [0.5, 0.2]}, r"`evolve\(save_times=...\)` must be strictly monotone from t0"),
    "save times late": ({"save_times": [0.5, 1.2]}, r"from t0 = 0.0 to t0 \+ time = 1.0, got \(0.5, 1.2\)"),
    "save times early": ({"save_times": [0.5], "t0": 0.7}, r"from t0 = 0.7 to t0 \+ time = 1.7"),
    "save times wrong way": ({"save_times": [0.5], "time": -1.0}, r"from t0 = 0.0 to t0 \+ time = -1.0"),
    "save times NaN": ({"save_times": [math.nan]}, r"`evolve\(save_times=...\)` must be a finite number"),
}


@pytest.mark.parametrize("case", CATALOGUE)
def test_bad_arguments_are_named(case):
    given, message = CATALOGUE[case]
    given = {"time": 1.0, **given}
    with pytest.raises(ValueError, match=message):
        sh.evolve(hamiltonian(profile()), field(), **given)


def test_bad_types_are_named():
    H = hamiltonian()
    with pytest.raises(TypeError, match=r"`evolve\(time=...\)` must be a finite number"):
        sh.evolve(H, field(), "long")
    with pytest.raises(TypeError, match=r"`evolve\(save_times=...\)` must be a finite number"):
        sh.evolve(H, field(), 1.0, save_times=["soon"])
    with pytest.raises(TypeError, match=r"`evolve\(T\)` must be a torch.Tensor, got an object of type list"):
        sh.evolve(H, [1.0], 1.0)
    with pytest.raises(sh.UnsupportedDTypeError, match=r"`evolve\(T\)` must be complex64, complex128"):
        sh.evolve(H, field(dtype=torch.float32).half(), 1.0)
    with pytest.raises(ValueError, match=r"`evolve\(T\)` must be a field whose first axes are the grid \(5, 6\)"):
        sh.evolve(H, field().mT, 1.0)


@pytest.mark.parametrize("method", SINGLE_STEP)
def test_a_fixed_step_method_needs_dt_or_tol(method):
    with pytest.raises(
        ValueError, match=rf"`evolve\(method='{method}'\)` must be given dt= or tol=.*dt fixes the step"
    ):
        sh.evolve(hamiltonian(profile()), field(), 1.0, method=method)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_tol_below_the_dtype(dtype):
    H, eps = hamiltonian(profile()), torch.finfo(dtype).eps
    with pytest.raises(ValueError, match=f"rounding lets {dtype} reach") as caught:
        sh.evolve(H, field(dtype=dtype), 1.0, tol=2 * eps)
    assert ("use complex128" in str(caught.value)) == (dtype == torch.complex64)
    with pytest.raises(ValueError, match="rounding lets"):  # chebyshev's rounding grows with its terms
        sh.evolve(H, field(dtype=dtype), 1e6, tol=1e3 * eps, method="chebyshev")
    # What the message offers is taken.
    offered = float(str(caught.value).split("at least ")[1].split(",")[0])
    assert sh.evolve(H, field(dtype=dtype), 1.0, tol=1.01 * offered).stats.error_bound <= 1.01 * offered


@pytest.mark.parametrize("method", ["chebyshev", "lanczos", "magnus4"])
def test_methods_that_need_a_hermitian_h_say_so(method):
    H = hamiltonian(profile() - 0.1j)
    given = {"dt": 0.1} if method == "magnus4" else {}
    with pytest.raises(
        sh.NotHermitianError, match=rf"`method='{method}'` must be given a Hermitian H.*Use a splitting"
    ):
        sh.evolve(H, field(), 1.0, method=method, **given)
    skew = sh.MatrixPotential(torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64))
    with pytest.raises(sh.NotHermitianError, match="Hermitian"):
        sh.evolve(hamiltonian(skew), field(2), 1.0, method=method, **given)


@pytest.mark.parametrize("method", FOURTH_ORDER)
def test_imaginary_time_refuses_backward_substeps(method):
    message = rf"`method='(splitting|{method})'` must be a splitting whose substeps all run forward.*'lie', 'strang'"
    with pytest.raises(ValueError, match=message):
        sh.evolve(hamiltonian(profile()), field(), 1.0, method=method, dt=0.1, imaginary=True)


def test_magnus_refuses_imaginary_time_and_nonlinear_potentials():
    with pytest.raises(ValueError, match=r"`method='magnus4'` must be used in real time with a linear V\(t\)"):
        sh.evolve(hamiltonian(profile), field(), 1.0, method="magnus4", dt=0.1, imaginary=True)
    with pytest.raises(ValueError, match=r"`method='magnus4'` must be used in real time with a linear V\(t\)"):
        sh.evolve(hamiltonian(sh.GrossPitaevskii(1.0)), field(), 1.0, method="magnus4", dt=0.1)


@pytest.mark.parametrize("method", ["exact", "chebyshev", "lanczos", "crank_nicolson"])
@pytest.mark.parametrize("potential", ["V(t)", "Gross-Pitaevskii"])
def test_static_methods_refuse_what_changes(method, potential):
    V = profile if potential == "V(t)" else sh.GrossPitaevskii(1.0)
    given = {"dt": 0.1} if method == "crank_nicolson" else {}
    with pytest.raises(ValueError, match=rf"`method='{method}'` must be .*depends on neither time nor field"):
        sh.evolve(hamiltonian(V), field(), 1.0, method=method, **given)


def test_exact_refuses_what_has_no_cheap_diagonal_form():
    torus = sh.Torus((64, 63))
    x, y = torus.coordinates()
    H = sh.Hamiltonian(torus, potential=torch.cos(2 * math.pi * (x / 64 + y / 63)))
    with pytest.raises(ValueError, match=r"`method='exact'` must be given a potential that can be diagonalized.*cheby"):
        sh.evolve(H, torch.ones(64, 63, dtype=torch.complex128), 1.0, method="exact")
    with pytest.raises(ValueError, match=r"`method='exact'`"):
        sh.evolve(hamiltonian(sh.ElementwisePotential(torch.rand(5, 6, 2))), field(2), 1.0, method="exact")


@pytest.mark.parametrize("method", ["chebyshev", "lanczos"])
def test_a_method_of_numbers_refuses_an_hbar_that_needs_a_gradient(method):
    hbar = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    with pytest.raises(ValueError, match=rf"`method='{method}'` must be given an hbar that needs no gradient"):
        sh.evolve(hamiltonian(profile(), hbar=hbar), field(), 1.0, method=method, tol=1e-8)


def test_an_undefined_energy_is_named():
    H = hamiltonian(sh.NonlinearPotential(lambda T, _: T.abs() ** 2))
    with pytest.raises(ValueError, match=r"asked of a potential whose energy is defined.*antiderivative"):
        sh.evolve(H, field(), 1.0, dt=0.1, observables={"E": lambda T, t: H.energy(T, t=t)})


def test_a_potential_that_does_not_fit_the_field_is_named():
    H = hamiltonian(sh.ElementwisePotential(torch.rand(5, 6, 2)))
    with pytest.raises(ValueError, match=r"of the grid's shape or of the field's \(5, 6, 3\)"):
        sh.evolve(H, field(3), 1.0, dt=0.1)


def test_a_nonlinear_function_with_complex_values_is_named():
    H = hamiltonian(sh.NonlinearPotential(lambda T, _: T))
    with pytest.raises(ValueError, match=r"`NonlinearPotential\(function=...\)` must be a function with real values"):
        sh.evolve(H, field(), 1.0, dt=0.1)


def test_a_gradient_that_needs_a_reversible_step_is_refused_by_method():
    for method, V in (("rk4", profile()), ("lie", profile()), ("strang", profile() - 0.1j), ("strang", profile)):
        with pytest.raises(ValueError, match=r"`evolve\(gradient=...\)` must be 'autograd' or 'checkpoint' for this"):
            sh.evolve(hamiltonian(V), field(), 1.0, method=method, dt=0.1, gradient="reversible")


# Propagators by themselves


def test_propagators_check_their_step():
    H = hamiltonian(profile())
    for method in METHODS:
        with pytest.raises(ValueError, match=r"\(dt=...\)` must be a finite number"):
            propagator(method, H, math.nan)
        if method != "magnus4":
            with pytest.raises(ValueError, match=r"must be positive in imaginary time.*Imaginary time runs one way"):
                propagator(method, H, -0.1, imaginary=True)
    with pytest.raises(ValueError, match=r"`method=...` must be one of 'exact', 'lie'"):
        propagator("leapfrog", H, 0.1)


def test_propagators_check_their_options():
    H = hamiltonian(profile())
    for method in ("chebyshev", "lanczos", "crank_nicolson"):
        with pytest.raises(ValueError, match=r"\(tol=...\)` must be a positive finite number"):
            METHODS[method](H, 0.1, tol=0.0)
    with pytest.raises(ValueError, match=r"`Lanczos\(krylov_dim=...\)` must be an integer of at least 2"):
        Lanczos(H, 0.1, krylov_dim=1)
    with pytest.raises(TypeError, match=r"`CrankNicolson\(dt=...\)` must be a finite number"):
        CrankNicolson(H, "small")


# NaN and Inf


def blowing_up():
    """rk4 beyond its limit: every step multiplies the highest mode by a large number."""
    return hamiltonian(profile(), hbar=30.0), field()


def test_a_field_that_blows_up_stops_the_run_and_keeps_the_last_good_state():
    H, T = blowing_up()
    times = [float(n) for n in range(1, 41)]
    with pytest.raises(sh.EvolutionError, match=r"NaN or Inf between t = [\d.]+ and t = [\d.]+.*Shorten dt") as caught:
        sh.evolve(H, T, 40.0, method="rk4", dt=0.05, save_times=times, observables={"n": lambda T, _: T.norm()})
    error, run = caught.value, caught.value.trajectory
    assert isinstance(error, ArithmeticError)
    assert bool(torch.isfinite(run.final).all())
    assert bool(torch.isfinite(torch.view_as_real(run.fields)).all())
    kept = len(run.times)
    assert 0 < kept < 40
    assert run.times.tolist() == times[:kept]
    assert error.time == times[kept - 1]
    assert torch.equal(run.final, run.fields[-1])
    assert run.observables["n"].shape == (kept,)
    # The run until there is the run that one would have had: nothing was cut or clamped.
    again = sh.evolve(H, T, error.time, method="rk4", dt=0.05)
    assert torch.equal(again.final, run.final)
    # The message tells the interval in which it happened.
    assert f"between t = {error.time} and t = {times[kept]}" in str(error)


def test_statistics_are_true_where_the_run_fails():
    """Steps up to the last good field; what was spent, the failed block included; the drift of the good field."""
    H, T = blowing_up()
    with pytest.raises(sh.EvolutionError) as caught:
        sh.evolve(H, T, 40.0, method="rk4", dt=0.05, save_times=[float(n) for n in range(1, 41)])
    run, stats = caught.value.trajectory, caught.value.trajectory.stats
    good = round(caught.value.time / 0.05)
    assert stats.steps == good
    assert stats.dt == 0.05
    assert stats.hamiltonian_applications == 4 * (good + 20)
    assert stats.transforms == (2 * stats.hamiltonian_applications if H.execution_for(T) == "fft" else 0)
    assert stats.norm_drift == pytest.approx(float(run.final.norm() / T.norm()) - 1, rel=1e-12)


def test_a_field_that_is_not_finite_from_the_start_is_named():
    T = field()
    T[2, 3] = math.nan
    with pytest.raises(ValueError, match=r"`evolve\(T\)` must be finite.* The fault is in T itself"):
        sh.evolve(hamiltonian(profile()), T, 1.0, dt=0.1)


def test_a_potential_that_becomes_nan_is_named():
    def V(t):
        return profile() * (math.nan if t > 0.5 else 1.0)

    with pytest.raises(ValueError, match="finite, but contains NaN or Inf"):
        sh.evolve(hamiltonian(V), field(), 1.0, dt=0.1)


def test_imaginary_time_that_would_overflow():
    """The remedy is a shift of the energy, which changes the state by a factor alone."""
    torus = sh.Torus(16, lengths=5.0)
    V = sh.potentials.cosine_lattice(torus, amplitude=0.5)
    T = torch.ones(16, dtype=torch.float64)
    with pytest.raises(ValueError, match=r"`evolve\(time=...\)` must be short enough .* Shift the potential"):
        sh.evolve(sh.Hamiltonian(torus, potential=V, hbar=0.5), T, 5000.0, imaginary=True)
    H = sh.Hamiltonian(torus, potential=V - sh.Hamiltonian(torus, potential=V).spectral_bounds()[0], hbar=0.5)
    assert bool(torch.isfinite(sh.evolve(H, T, 500.0, imaginary=True).final).all())


def test_splittings_of_a_nonlinear_potential_in_imaginary_time_are_refused():
    H = sh.Hamiltonian(sh.Torus(16), potential=sh.GrossPitaevskii(1.0))
    T = torch.ones(16, dtype=torch.complex128)
    with pytest.raises(ValueError, match="linear V in imaginary time"):
        sh.evolve(H, T, 1.0, method="strang", dt=0.1, imaginary=True)
