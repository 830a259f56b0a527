"""Splittings: coefficients, orders and their constants, cost, reversibility; against dense exponentials and DOP853."""

import functools
import itertools
import math

import numpy as np
import pytest
import torch
from helpers import count_ops
from scipy.linalg import expm, expm_frechet

import spectral_ham as sh
from oracles.flows import columns_of, dense_flow, integrated
from spectral_ham.propagators import SCHEMES, propagator
from spectral_ham.propagators.splitting.schemes import compose

HBAR, MASS = 0.9, 1.2
TORUS = sh.Torus((6, 7), lengths=(6.1, 7.3), origin=(-0.4, 0.9))
METRIC = ((1.3, 0.2), (0.2, 0.8))
TIME = 3.0

BACKENDS = [("spectral", 2), ("fd", 4)]
BOTH = pytest.mark.parametrize("backend", BACKENDS, ids=["spectral", "fd"])
ALL = pytest.mark.parametrize("scheme", SCHEMES)
SYMMETRIC = [name for name in SCHEMES if name != "lie"]
STEPS = {"lie": 400, "strang": 100, "yoshida4": 32, "suzuki4": 16, "blanes_moan4": 12, "yoshida6": 16}
"""Steps of the coarser run: all errors are above 1e-9, and the next power of dt is below 3 % of them."""
NONLINEAR = 3
"""A nonlinear flow is stiffer: that many times more steps."""


def profile(t=0.0):
    """V(x − t), smooth and not a sum of one function per axis."""
    x, y = TORUS.coordinates()
    a, b = (2 * math.pi / length for length in TORUS.lengths)
    return 1.5 * torch.cos(a * x - t) * torch.cos(b * y + 0.4) + 0.7 * torch.sin(a * x + b * y)


def hamiltonian(potential=None, backend=("spectral", 2)):
    name, order = backend
    return sh.Hamiltonian(
        TORUS,
        inverse_metric=METRIC,
        potential=potential,
        hbar=HBAR,
        mass=MASS,
        backend=name,
        stencil_order=order,
    )


def field(*channels, seed=3):
    """A field with all modes, the high ones rarer: ‖T‖ = 1."""
    generator = torch.Generator().manual_seed(seed)
    T = torch.randn((*TORUS.shape, *channels), dtype=torch.complex128, generator=generator)
    T = sh.Laplacian(TORUS).function(lambda s: 1 / (1 - s) ** 2)(T)
    return T / T.norm()


def matrix_potential():
    """Hermitian 2×2 matrices that commute neither with K nor with each other."""
    V = torch.zeros(*TORUS.shape, 2, 2, dtype=torch.complex128)
    V[..., 0, 0], V[..., 1, 1] = profile(), -profile(1.0)
    V[..., 0, 1] = profile(2.0) + 1j * profile(0.3)
    V[..., 1, 0] = V[..., 0, 1].conj()
    return sh.MatrixPotential(V)


PROBLEMS = {
    "V": (profile(), (), 0.0),
    "complex V": (profile() - 0.6j * profile(1.0), (), 0.0),
    "matrix V": (matrix_potential(), (2,), 0.0),
    "V(t)": (lambda t: profile(1.7 * t) * (1 + 0.5 * math.sin(2 * t)), (), 0.3),
    "Gross-Pitaevskii": (sh.GrossPitaevskii(2.0 * TORUS.size, profile()), (), 0.0),
    "two components": (sh.GrossPitaevskii(2.0 * TORUS.size, profile()), (2,), 0.0),
    "V[T](t)": (
        sh.NonlinearPotential(lambda T, t: (1 + math.sin(2 * t)) * 5 * T.abs() ** 2 / (0.05 + T.abs() ** 2)),
        (2,),
        0.3,
    ),
}
"""Name → (V, channels, t0)."""
STATIC = ("V", "complex V", "matrix V")


@functools.cache
def reference(problem, backend):
    """Return T after TIME: by the dense exponential, or by DOP853 where H changes, which shares nothing with ours."""
    V, channels, t0 = PROBLEMS[problem]
    H, T = hamiltonian(V, backend), field(*channels)
    return dense_flow(H, -1j * TIME / HBAR, T) if problem in STATIC else integrated(H, T, TIME, t0)


def errors(method, H, T, expected, steps, t0=0.0, imaginary=False):
    """Return ‖error‖ with ``steps`` and with twice as many."""
    found = [
        propagator(method, H, TIME / n, imaginary=imaginary).advance(T, n, t=t0) - expected for n in (steps, 2 * steps)
    ]
    return [float(difference.norm()) for difference in found]


def assert_order(order, pair):
    coarse, fine = pair
    assert fine > 1e-9, "rounding would blur the order"
    assert abs(math.log2(coarse / fine) - order) <= (0.1 if order == 6 else 0.05)


# Coefficients


@ALL
def test_coefficients_are_consistent_and_say_where_they_are_from(scheme):
    made = SCHEMES[scheme]
    assert sum(made.kinetic) == pytest.approx(1, abs=4e-15)  # Yoshida 6 is printed with 15 digits
    assert sum(made.potential) == pytest.approx(1, abs=4e-15)
    assert len(made.potential) == len(made.kinetic) + 1
    assert "doi:10." in made.source
    assert made.is_forward == (scheme in ("lie", "strang"))
    symmetric = made.kinetic == made.kinetic[::-1] and np.allclose(made.potential, made.potential[::-1], atol=1e-16)
    assert symmetric == (scheme != "lie")


def test_composition_merges_neighboring_half_steps():
    made = compose(2, (0.25, 0.5, 0.25), "nobody")
    assert made.kinetic == (0.25, 0.5, 0.25)
    assert made.potential == (0.125, 0.375, 0.375, 0.125)


@ALL
def test_order_and_unitarity_are_stated(scheme):
    stated = {"lie": 1, "strang": 2, "yoshida4": 4, "yoshida6": 6, "suzuki4": 4, "blanes_moan4": 4}
    assert propagator(scheme, hamiltonian(profile()), 0.1).order == stated[scheme]
    assert propagator(scheme, hamiltonian(profile()), 0.1).is_unitary
    assert not propagator(scheme, hamiltonian(1j * profile()), 0.1).is_unitary


@ALL
def test_the_norm_is_kept_where_it_is_said_to_be(scheme):
    T = field(2)
    for potential in (profile(), matrix_potential(), sh.GrossPitaevskii(3.0, profile()), profile):
        stepper = propagator(scheme, hamiltonian(potential), 0.1)
        assert stepper.is_unitary
        # Each of ≤ 7 stages rounds the norm by a few eps, 20 steps.
        assert abs(float(stepper.advance(T, 20).norm()) - 1) <= 20 * 7 * 8 * 2.0**-52
    growing = propagator(scheme, hamiltonian(1j * profile()), 0.1)
    assert abs(float(growing.advance(T, 20).norm()) - 1) > 1e-3


# Orders and constants


@pytest.mark.pairwise
@BOTH
@pytest.mark.parametrize("problem", PROBLEMS)
@ALL
def test_order(scheme, problem, backend):
    V, channels, t0 = PROBLEMS[problem]
    H, T = hamiltonian(V, backend), field(*channels)
    n = STEPS[scheme] * (1 if H.is_linear else NONLINEAR)
    assert_order(SCHEMES[scheme].order, errors(scheme, H, T, reference(problem, backend), n, t0))


@pytest.mark.parametrize("problem", ["V(t)", "Gross-Pitaevskii", "matrix V"])
def test_the_problems_are_what_they_are_called(problem):
    """Time, field and channels matter to them: without, the result is another one."""
    V, channels, t0 = PROBLEMS[problem]
    plain = {"V(t)": lambda: V(t0), "Gross-Pitaevskii": lambda: profile()}.get(
        problem, lambda: sh.MatrixPotential(torch.diag_embed(V.values.diagonal(dim1=-2, dim2=-1).real))
    )()
    other = propagator("chebyshev", hamiltonian(plain), TIME)(field(*channels))
    assert float((other - reference(problem, BACKENDS[0])).norm()) > 0.1


@BOTH
@pytest.mark.parametrize("scheme", ["lie", "strang"])
def test_error_constant(scheme, backend):
    """The error is that of the next term of the Baker–Campbell–Hausdorff series, to 2 %.

    log(e^{zV} e^{zK}) = zH + z²[V, K]/2 + …,  log(e^{zV/2} e^{zK} e^{zV/2}) = zH + z³([K, [K, V]]/12 −
    [V, [V, K]]/24) + …; a perturbation z^p G of zH moves e^{nzH} T by its Fréchet derivative.
    """
    H, T, n = hamiltonian(profile(), backend), field(), STEPS[scheme]
    K, V = columns_of(hamiltonian(backend=backend)), np.diag(profile().flatten().numpy())
    z = -1j * TIME / n / HBAR

    def bracket(a, b):
        return a @ b - b @ a

    if scheme == "lie":
        G = z**2 * bracket(V, K) / 2
    else:
        G = z**3 * (bracket(K, bracket(K, V)) / 12 - bracket(V, bracket(V, K)) / 24)
    exact, moved = expm_frechet(n * z * (K + V), n * G)
    error = propagator(scheme, H, TIME / n).advance(T, n).flatten().numpy() - exact @ T.flatten().numpy()
    predicted = moved @ T.flatten().numpy()
    assert np.linalg.norm(error - predicted) <= 0.02 * np.linalg.norm(predicted)


@BOTH
@pytest.mark.parametrize("scheme", ["lie", "strang"])
def test_order_in_imaginary_time(scheme, backend):
    H, T = hamiltonian(profile(), backend), field().real
    expected = torch.from_numpy(expm(-TIME / HBAR * columns_of(H).real) @ T.flatten().numpy()).reshape(T.shape)
    assert propagator(scheme, H, 0.1, imaginary=True)(T).dtype == torch.float64
    assert_order(SCHEMES[scheme].order, errors(scheme, H, T, expected, STEPS[scheme], imaginary=True))


# What a step costs


@pytest.mark.parametrize("scheme", ["lie", "strang", "yoshida4", "blanes_moan4"])
@pytest.mark.parametrize("n", [1, 5])
def test_cost(monkeypatch, scheme, n):
    """For n steps s·n transform pairs, s·n kinetic and s·n + 1 potential multiplications (lie: n); Strang has s = 1."""
    built, exponential = [], sh.ScalarPotential.exponential
    monkeypatch.setattr(sh.ScalarPotential, "exponential", lambda V, z: built.append(z) or exponential(V, z))
    stepper, T = propagator(scheme, hamiltonian(profile()), 0.01), field()
    stages = len(SCHEMES[scheme].kinetic)
    assert len(built) <= stages + 2
    stepper.advance(T, n)
    once = len(built)
    with count_ops() as seen:
        stepper.advance(T, n)
    assert len(built) == once, "phases are kept"
    assert seen["_fft_c2c"] == 2 * n * stages
    assert seen["mul"] + seen["mul_"] == 2 * n * stages + (scheme != "lie")
    assert stepper.counters.transforms == 2 * 2 * n * stages
    assert stepper.counters.hamiltonian_applications == 0


def test_merged_steps_are_single_steps():
    """Merging moves a multiplication, not the result: 2 roundings per step."""
    for potential, scheme in itertools.product((profile(), profile, sh.GrossPitaevskii(40.0)), SCHEMES):
        stepper, T, single = propagator(scheme, hamiltonian(potential), 0.05), field(), field()
        for k in range(6):
            single = stepper(single, t=0.2 + 0.05 * k)
        assert float((stepper.advance(T, 6, t=0.2) - single).norm()) <= 6 * 7 * 16 * 2.0**-52


# Reversibility


@pytest.mark.parametrize("scheme", SYMMETRIC)
@pytest.mark.parametrize("potential", ["static", "V(t)", "matrix", "Gross-Pitaevskii"])
def test_symmetric_schemes_retrace_their_way(scheme, potential):
    V = {
        "static": profile(),
        "V(t)": profile,
        "matrix": matrix_potential(),
        "Gross-Pitaevskii": sh.GrossPitaevskii(40.0, profile()),
    }[potential]
    H, T, n, dt = hamiltonian(V), field(2), 30, 0.1
    there = propagator(scheme, H, dt).advance(T, n, t=0.4)
    back = propagator(scheme, H, -dt).advance(there, n, t=0.4 + n * dt)
    stages = len(SCHEMES[scheme].kinetic)
    growth = 30 if potential == "Gross-Pitaevskii" else 1  # a nonlinear flow amplifies rounding
    assert float((there - T).norm()) > 0.5
    assert float((back - T).norm()) <= 2 * n * stages * 16 * 2.0**-52 * growth


def test_lie_does_not_retrace_its_way():
    H, T = hamiltonian(profile()), field()
    back = propagator("lie", H, -0.1).advance(propagator("lie", H, 0.1).advance(T, 30), 30)
    assert float((back - T).norm()) > 1e-3


@pytest.mark.parametrize("scheme", SYMMETRIC)
def test_conjugation_reverses_time_for_a_real_potential(scheme):
    """(e^{zH} T)* = e^{−zH} T*: time reversal invariance."""
    stepper = propagator(scheme, hamiltonian(profile()), 0.1)
    T = field()
    returned = stepper.advance(stepper.advance(T, 20).conj(), 20).conj()
    assert float((returned - T).norm()) <= 40 * len(SCHEMES[scheme].kinetic) * 16 * 2.0**-52


def test_without_potential_a_splitting_is_exact():
    H, T = hamiltonian(), field()
    for scheme in SCHEMES:
        found = propagator(scheme, H, 0.8).advance(T, 4)
        assert float((found - propagator("exact", H, 3.2)(T)).norm()) <= 1e-13, scheme


def test_with_a_constant_potential_a_splitting_is_exact():
    H, T = hamiltonian(torch.full(TORUS.shape, 2.3, dtype=torch.float64)), field()
    for scheme in SCHEMES:
        found = propagator(scheme, H, 0.8).advance(T, 4)
        assert float((found - propagator("exact", H, 3.2)(T)).norm()) <= 1e-13, scheme


@pytest.mark.parametrize("dtype", [torch.complex64, torch.float32, torch.float64])
def test_dtype(dtype):
    T = field().real.to(dtype) if not dtype.is_complex else field().to(dtype)
    H = hamiltonian(profile())
    found = propagator("strang", H, 0.1).advance(T, 3)
    assert found.dtype == dtype.to_complex()
    wide = propagator("strang", H, 0.1).advance(T.to(torch.complex128), 3)
    assert float((found - wide).norm()) <= 3 * 16 * torch.finfo(dtype).eps


def test_channels_evolve_alike():
    T = field(2, 3)
    stepper = propagator("yoshida4", hamiltonian(profile()), 0.1)
    together = stepper.advance(T, 3)
    for a, b in itertools.product(range(2), range(3)):
        assert float((stepper.advance(T[..., a, b].contiguous(), 3) - together[..., a, b]).norm()) <= 1e-14


# Long runs


def drift(n):
    """Return |‖T‖ − 1| after n Strang steps on 16², and where the way back ends."""
    torus = sh.Torus((16, 16), lengths=(5.0, 6.0))
    H = sh.Hamiltonian(torus, potential=sh.potentials.cosine_lattice(torus), hbar=HBAR)
    T = torch.randn(16, 16, dtype=torch.complex128, generator=torch.Generator().manual_seed(1))
    T = T / T.norm()
    there = propagator("strang", H, 0.01).advance(T, n)
    back = propagator("strang", H, -0.01).advance(there, n)
    return abs(float(there.norm()) - 1), float((back - T).norm())


def test_two_thousand_steps_keep_the_norm_and_the_way_back():
    # In proportion to the long runs, 2e-10 per 1e6 and 1e5 steps, with room for a random start.
    norm, way_back = drift(2000)
    assert norm <= 2e-12
    assert way_back <= 4e-12


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_million_steps_keep_the_norm():
    norm, _ = drift(1_000_000)
    assert norm <= 2e-10


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_hundred_thousand_steps_forward_and_back():
    _, way_back = drift(100_000)
    assert way_back <= 2e-10
