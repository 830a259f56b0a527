"""Potentials: each named one against its formula in plain loops, seams and curvatures, and the drop-in's factory."""

import itertools
import math

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.fields import DTYPES, TORUS, eps, field
from spectral_ham.drop_in.create_potential import POTENTIAL_TYPES

P = sh.potentials
TORI = [
    sh.Torus(7, lengths=2.1, origin=-0.4),
    TORUS,
    sh.Torus((5, 4, 3), lengths=(2.1, 3.7, 2.9), origin=(-0.4, 0.9, 0.2)),
]
EVERY_TORUS = pytest.mark.parametrize("torus", TORI, ids=["1-D", "2-D", "3-D"])
KAPPA, SIGMA, CENTER = (1.3, 0.8, 2.0), (0.6, 0.9, 0.7), (0.3, 2.2, 0.9)


def axes(*per_axis):
    """Zip up to the number of axes: the constants above serve three."""
    return zip(*per_axis, strict=False)


def pointwise(torus, formula):
    """A potential from a function of the coordinates of one point."""
    V = np.empty(torus.shape)
    for index in itertools.product(*map(range, torus.shape)):
        V[index] = formula([o + j * L / n for o, j, L, n in axes(torus.origin, index, torus.lengths, torus.shape)])
    return V


def nearest(x, c, L):
    """The signed distance to the nearest image of c, found by trying them."""
    return min((x - c + shift * L for shift in range(-3, 4)), key=abs)


def chord(x, c, L):
    return L / math.pi * math.sin(math.pi * (x - c) / L)


def harmonic(torus, center, distance):
    def formula(x):
        return sum(k * distance(xi, c, L) ** 2 / 2 for xi, k, c, L in axes(x, KAPPA, center, torus.lengths))

    return formula


def gaussian(torus, center, distance, height):
    def formula(x):
        exponent = sum((distance(xi, c, L) / s) ** 2 / 2 for xi, s, c, L in axes(x, SIGMA, center, torus.lengths))
        return height * math.exp(-exponent)

    return formula


LIBRARY = {
    "harmonic": (lambda t, c: P.harmonic(t, KAPPA[: t.ndim], c), lambda t, c: harmonic(t, c, nearest)),
    "periodic_harmonic": (lambda t, c: P.periodic_harmonic(t, KAPPA[: t.ndim], c), lambda t, c: harmonic(t, c, chord)),
    "gaussian_well": (
        lambda t, c: P.gaussian_well(t, 1.7, SIGMA[: t.ndim], c),
        lambda t, c: gaussian(t, c, nearest, -1.7),
    ),
    "gaussian_barrier": (
        lambda t, c: P.gaussian_barrier(t, 1.7, SIGMA[: t.ndim], c),
        lambda t, c: gaussian(t, c, nearest, 1.7),
    ),
    "periodic_gaussian_well": (
        lambda t, c: P.periodic_gaussian_well(t, 1.7, SIGMA[: t.ndim], c),
        lambda t, c: gaussian(t, c, chord, -1.7),
    ),
    "periodic_gaussian_barrier": (
        lambda t, c: P.periodic_gaussian_barrier(t, 1.7, SIGMA[: t.ndim], c),
        lambda t, c: gaussian(t, c, chord, 1.7),
    ),
}
TWINS = ("harmonic", "gaussian_well", "gaussian_barrier")


@pytest.mark.parametrize("centered", [False, True], ids=["default center", "given center"])
@EVERY_TORUS
@pytest.mark.parametrize("name", LIBRARY)
def test_library_against_its_formula(name, torus, centered):
    make, formula = LIBRARY[name]
    center = CENTER[: torus.ndim] if centered else None
    at = center or [o + L / 2 for o, L in zip(torus.origin, torus.lengths, strict=True)]
    V = make(torus, center)
    assert (V.shape, V.dtype) == (torus.shape, torch.float64)
    assert V.is_contiguous()
    expected = pointwise(torus, formula(torus, at))
    assert_allclose(V, expected, rtol=0, atol=64 * eps(V.dtype) * abs(expected).max())


@EVERY_TORUS
def test_constant_zero_and_lattice(torus):
    assert P.zero(torus).tolist() == np.zeros(torus.shape).tolist()
    V = P.constant(torus, -1.5)
    assert V.tolist() == np.full(torus.shape, -1.5).tolist()
    assert V.dtype == P.zero(torus).dtype == torch.float64
    amplitudes, counts = (0.7, -0.4, 1.1)[: torus.ndim], (1, 2, 0)[: torus.ndim]

    def formula(x):
        phases = [2 * math.pi * n * (xi - o) / L for n, xi, o, L in axes(counts, x, torus.origin, torus.lengths)]
        return sum(a * math.cos(phase) for a, phase in zip(amplitudes, phases, strict=True))

    lattice = P.cosine_lattice(torus, amplitudes, counts)
    assert_allclose(lattice, pointwise(torus, formula), rtol=0, atol=32 * eps(lattice.dtype))


@EVERY_TORUS
@pytest.mark.parametrize("name", LIBRARY)
def test_a_center_moved_by_a_period_is_the_same_center(name, torus):
    make = LIBRARY[name][0]
    center = CENTER[: torus.ndim]
    moved = tuple(c + shift * L for c, shift, L in axes(center, (2, -1, 1), torus.lengths))
    V = make(torus, center)
    assert_allclose(make(torus, moved), V, rtol=0, atol=128 * eps(V.dtype) * float(V.abs().max()))


@pytest.mark.parametrize("name", LIBRARY)
def test_one_number_serves_all_axes(name):
    torus = sh.Torus((6, 5), lengths=(2.1, 3.7))
    made = getattr(P, name)
    if "harmonic" in name:
        assert torch.equal(made(torus, 1.3, 0.4), made(torus, (1.3, 1.3), (0.4, 0.4)))
    else:
        assert torch.equal(made(torus, 1.7, 0.6, 0.4), made(torus, 1.7, (0.6, 0.6), (0.4, 0.4)))


@pytest.mark.parametrize("name", TWINS)
def test_the_periodic_twin_has_the_same_bottom(name):
    """Equal value and curvature at the center: the twins differ by O(d⁴), 16 times less at half the distance."""
    h = 1e-2
    torus = sh.Torus(1000, lengths=1000 * h)
    plain, twin = (
        getattr(P, prefix + name)(torus, *((1.3,) if name == "harmonic" else (1.7, 0.9)))
        for prefix in ("", "periodic_")
    )
    middle = 500
    assert plain[middle] == pytest.approx(float(twin[middle]), abs=eps(plain.dtype))
    curvature = 1.3 if name == "harmonic" else {"gaussian_well": 1.7, "gaussian_barrier": -1.7}[name] / 0.9**2
    for V in (plain, twin):
        second = float(V[middle + 1] - 2 * V[middle] + V[middle - 1]) / h**2
        assert second == pytest.approx(curvature, rel=4 * (h / 0.9) ** 2)
    far, near = (float((plain - twin)[middle + j]) for j in (8, 4))
    assert far / near == pytest.approx(16, rel=0.01)


def spectral_tail(V):
    """The largest Fourier coefficient in the upper half of the modes, relative to the largest of all."""
    coefficients = np.abs(np.fft.fft(V.numpy()))
    n = len(coefficients)
    return coefficients[n // 4 : -(n // 4)].max() / coefficients.max()


@pytest.mark.parametrize("name", TWINS)
def test_only_the_periodic_twin_is_smooth_across_the_seam(name):
    """A kink leaves coefficients of 1/k²; the twin's fall below rounding. The center sits off the middle on purpose."""
    torus = sh.Torus(256, lengths=6.0, origin=1.0)
    arguments = (1.3, 2.2) if name == "harmonic" else (1.7, 0.9, 2.2)
    kinked, smooth = getattr(P, name)(torus, *arguments), getattr(P, "periodic_" + name)(torus, *arguments)
    assert spectral_tail(smooth) <= 4 * eps(smooth.dtype)
    assert spectral_tail(kinked) >= 1e-9
    jump = [float(V[j + 1] - 2 * V[j] + V[j - 1]) for V in (kinked, smooth) for j in (178, 179, 180)]
    assert max(map(abs, jump[:3])) > 5 * max(map(abs, jump[3:])) or name != "harmonic"


def test_harmonic_kinks_at_the_seam_by_its_slope():
    """V' jumps by −κL half a period from the center, and nowhere else."""
    n, L, kappa = 300, 6.0, 1.3
    h = L / n
    V = P.harmonic(sh.Torus(n, lengths=L, origin=1.0), kappa)
    second = (torch.roll(V, -1) - 2 * V + torch.roll(V, 1)) / h**2
    seam = int(second.argmin())
    assert seam == 0
    assert_allclose(second[1:], kappa, rtol=1e-9)
    assert float(second[0]) == pytest.approx(kappa - kappa * L / h, rel=1e-9)


# The factory of the replaced kernel


@pytest.mark.parametrize("center", [None, (2.0, 0.5)], ids=["default center", "given center"])
@pytest.mark.parametrize("kind", POTENTIAL_TYPES)
def test_create_potential_against_its_formula(kind, center):
    """V_{xyab} = v(r²) δ_ab in index units: x along axis 0, the channel diagonal alone."""
    n_x, n_y, D, strength = 6, 5, 3, 1.7
    c_x, c_y = center or (3.0, 2.5)
    sigma = 5 / 4
    expected = np.zeros((n_x, n_y, D, D))
    for x, y, a in itertools.product(range(n_x), range(n_y), range(D)):
        r2 = (x - c_x) ** 2 + (y - c_y) ** 2
        expected[x, y, a, a] = {
            "harmonic": 0.5 * strength * r2,
            "gaussian_well": -strength * math.exp(-r2 / (2 * sigma**2)),
            "gaussian_barrier": strength * math.exp(-r2 / (2 * sigma**2)),
            "constant": strength,
            "zero": 0.0,
        }[kind]
    V = sh.create_potential((n_x, n_y), D, kind, strength, center, dtype=torch.float64)
    assert_allclose(V, expected, rtol=4 * eps(V.dtype), atol=0)


def test_create_potential_defaults():
    V = sh.create_potential((4, 6), 2)
    assert (V.shape, V.dtype, V.device.type) == ((4, 6, 2, 2), torch.complex64, "cpu")
    assert V.is_contiguous()
    assert torch.equal(V, sh.create_potential((4, 6), 2, "harmonic", 1.0, (2.0, 3.0), "cpu", torch.complex64))
    assert V[0, 0, 0, 0] == 0.5 * (2**2 + 3**2)
    assert V[2, 3].count_nonzero() == 0
    assert V[..., 0, 1].count_nonzero() == V[..., 1, 0].count_nonzero() == V.imag.count_nonzero() == 0


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_create_potential_dtype_and_device(dtype):
    wide = sh.create_potential((4, 6), 2, "gaussian_well", dtype=torch.float64)
    V = sh.create_potential((4, 6), 2, "gaussian_well", dtype=dtype)
    assert V.dtype == dtype
    assert torch.equal(V, wide.to(dtype))
    assert sh.create_potential((4, 6), 2, device="meta", dtype=dtype).device.type == "meta"
    assert sh.create_potential([4, 6], 2, device=torch.device("cpu")).device.type == "cpu"


def test_create_potential_feeds_the_drop_in():
    """Elementwise, as the replaced kernel did: the channels a ≠ b get no potential. V[..., 0, 0] acts on all."""
    V = sh.create_potential((6, 5), 2, "constant", 3.0)
    T = torch.ones(6, 5, 2, 2, dtype=torch.complex64)
    rounding = 16 * eps(T.dtype) * 3
    diagonal_only = 3 * np.broadcast_to(np.eye(2), (6, 5, 2, 2))
    assert_allclose(sh.hamiltonian_evolution(T, V=V), diagonal_only, rtol=0, atol=rounding)
    assert_allclose(sh.hamiltonian_evolution(T, V=V[..., 0, 0]), 3 * T, rtol=0, atol=rounding)


# What a tensor, an object or a function means


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (field(TORUS.shape, torch.float64), P.ScalarPotential),
        (field((*TORUS.shape, 2), torch.float64), P.ElementwisePotential),
        (field(TORUS.shape), P.ScalarPotential),
        (sh.ElementwisePotential(field(TORUS.shape, torch.float64)), P.ElementwisePotential),
        (sh.MatrixPotential(field((2, 2))), P.MatrixPotential),
        (lambda t: t, P.TimeDependentPotential),
    ],
    ids=["grid's shape", "field's shape", "complex", "object", "matrix", "function"],
)
def test_what_a_potential_argument_means(given, kind):
    assert type(sh.Hamiltonian(TORUS, potential=given).potential) is kind


def test_a_grid_shaped_potential_on_a_field_without_channels():
    """The one case where both meanings coincide."""
    V, T = field(TORUS.shape, torch.float64), field(TORUS.shape)
    scalar, elementwise = sh.ScalarPotential(V), sh.ElementwisePotential(V)
    assert torch.equal(scalar.apply(T), elementwise.apply(T))
    assert torch.equal(sh.Hamiltonian(TORUS, potential=scalar)(T), sh.Hamiltonian(TORUS, potential=elementwise)(T))


@pytest.mark.parametrize("made", [sh.ScalarPotential, sh.ElementwisePotential, sh.MatrixPotential])
def test_a_static_potential_is_the_same_at_all_times(made):
    V = made(field((3, 3), torch.float64))
    assert V.at(0.0) is V
    assert V.at(7.0) is V


OBJECTS = {
    "scalar": lambda: sh.ScalarPotential(field(TORUS.shape)),
    "elementwise": lambda: sh.ElementwisePotential(field((*TORUS.shape, 2, 3), torch.float64)),
    "matrix": lambda: sh.MatrixPotential(field((2, 2))),
    "matrix per point": lambda: sh.MatrixPotential(field((*TORUS.shape, 2, 2))),
    "function": lambda: sh.TimeDependentPotential(lambda _: field(TORUS.shape, torch.float64)),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_apply_is_what_H_adds(name):
    """V·T = H[T] − K[T]; and what a Hamiltonian holds can be handed to another one."""
    T, K = field((*TORUS.shape, 2, 3)), sh.Hamiltonian(TORUS)
    H = sh.Hamiltonian(TORUS, potential=OBJECTS[name]())
    bound = 64 * eps(T.dtype) * K.spectral_bounds()[1] * float(T.abs().max())
    assert_allclose(H.potential.at(0.0).apply(T), H(T) - K(T), rtol=0, atol=bound)
    assert torch.equal(sh.Hamiltonian(TORUS, potential=H.potential)(T), H(T))


def test_V_is_cast_once_for_a_precision_and_anew_when_it_was_written_into(monkeypatch):
    """A float64 V on a complex64 field costs no pass over V per call, and is never out of date."""
    torus = sh.Torus((5, 4))
    V = torch.rand(5, 4, dtype=torch.float64)
    H, T = sh.Hamiltonian(torus, potential=V, backend="fd"), torch.ones(5, 4, 2, dtype=torch.complex64)
    H(T)
    casts = []
    genuine = torch.Tensor.to
    monkeypatch.setattr(torch.Tensor, "to", lambda *a, **k: (casts.append(a[0].shape), genuine(*a, **k))[1])
    H(T)
    assert torch.Size((5, 4)) not in casts
    V.add_(1.0)
    assert torch.allclose(H(T), V.unsqueeze(-1).float() * T)
    assert casts.count(torch.Size((5, 4))) >= 1
    learned = V.clone().requires_grad_()
    sh.Hamiltonian(torus, potential=learned)(T).abs().sum().backward()
    assert learned.grad is not None


def test_the_interaction_energy_is_half_of_what_H_says():
    """E = Σ (V_ext·n + (g/2)·n²)ΔV, whose derivative by T* is H[T]: the interaction counts once per pair."""
    g, external, torus = 0.7, field(TORUS.shape, torch.float64), TORUS
    T = field((*torus.shape, 2)).requires_grad_()
    H = sh.Hamiltonian(torus, potential=sh.GrossPitaevskii(g, external))
    free = sh.Hamiltonian(torus)
    n = T.detach().abs().square().sum(-1)
    expected = float(free.energy(T.detach())) + float((external * n + g / 2 * n**2).sum()) * torus.cell_volume
    E = H.energy(T)
    assert float(E.detach()) == pytest.approx(expected, rel=1e-13)
    (slope,) = torch.autograd.grad(E, T)  # torch's convention: 2 ∂E/∂T*
    assert_allclose(slope, 2 * torus.cell_volume * H(T.detach()), rtol=0, atol=1e-12 * float(slope.abs().max()))
