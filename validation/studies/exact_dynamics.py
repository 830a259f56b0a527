"""Motions that are known exactly: plane waves, packets, revivals, gauge shifts, Rabi's oscillation, moving lattices."""

import cmath
import math
from collections.abc import Callable, Iterator
from functools import partial

import torch

import spectral_ham as sh
from spectral_ham.exact import CosineLattice, plane_wave, plane_wave_energy
from spectral_ham.propagators import METHODS
from validation.cases import DIAGONAL, FULL, HBAR, MASS, UNITS, V0, hamiltonian, random_field, torus_of, ugly_torus
from validation.claim import Claim
from validation.dynamics import coupled_potential, gap, phase_budget, smooth_field
from validation.study import Mode, Result, Study
from validation.waves import energies

BUDGET = "relative error ≤ 16 eps·(steps + |t| max|E|/ħ)"
METHOD_TOL = 1e-12
"""Tolerance of Chebyshev and Lanczos here: it is added to the bound."""
LONG = 1e-11
"""Two exact methods may differ by this over a long time."""


def run(mode: Mode) -> Iterator[Result]:
    """Yield the claims, simplest motion first."""
    for part in (_plane_waves, _packets, _revivals, _gauge, _rabi, _boost, _long_times):
        yield from part(mode, partial(Claim, "exact_dynamics", expected=0.0))


def _plane_waves(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """T e^{−iEt/ħ} for waves on both backends; Crank–Nicolson's factor instead of the phase."""
    torus, metric, wave, time, steps = ugly_torus(), sh.InverseMetric(FULL), (3, -4), 20.0, 40
    for backend in ("spectral", "fd"):
        V = sh.potentials.constant(torus, V0)
        H = hamiltonian(torus, metric, backend, mode.default(backend), stencil_order=4, V=V)
        T = plane_wave(torus, wave)
        E = float(energies(torus, [wave], metric, backend, 4)[0]) + V0
        for method, extra in (("exact", 0.0), ("strang", 0.0), ("yoshida6", 0.0), ("lanczos", METHOD_TOL)):
            yield claim(
                name=f"plane wave, {backend}, {method}: phase −Et/ħ",
                formula=f"{BUDGET}, and 1e-12 for methods with a tolerance",
                source="Fourier; the fd symbol as in fd_symbol",
                measured=gap(METHODS[method](H, time / steps).advance(T, steps), cmath.exp(-1j * E * time / HBAR) * T),
                bound=phase_budget(H, time, 10 * steps) + steps * extra,
            )
        x = E * time / steps / (2 * HBAR)
        factor = ((1 - 1j * x) / (1 + 1j * x)) ** steps
        yield claim(
            name=f"plane wave, {backend}, crank_nicolson: its phase factor",
            formula=f"((1 − iEdt/2ħ)/(1 + iEdt/2ħ))^n; {BUDGET}",
            source="Crank & Nicolson (1947), doi:10.1017/S0305004100023197",
            measured=gap(METHODS["crank_nicolson"](H, time / steps).advance(T, steps), factor * T),
            bound=phase_budget(H, time, steps),
        )


def packet(torus: sh.Torus, axis: int, width: float, k: float, time: float) -> torch.Tensor:
    """Return Σ_n ψ(x − nL, t) along ``axis``, ψ the free Gaussian packet from the middle of the axis, (N,).

    ψ = √(σ²/s) exp[−(X − vt)²/2s + ikX − iħgk²t/2m], X = x − x_0, s = σ² + iħgt/m, v = ħgk/m.
    """
    g, L = DIAGONAL[axis], torus.lengths[axis]
    X = torus.coordinates()[axis].flatten() - (torus.origin[axis] + L / 2)
    s, v = width**2 + 1j * HBAR * g * time / MASS, HBAR * g * k / MASS
    reach = math.ceil((abs(v * time) + 9 * abs(s) / width) / L) + 1
    X = X[:, None] - L * torch.arange(-reach, reach + 1, dtype=torch.float64)
    exponent = -((X - v * time) ** 2) / (2 * s) + 1j * k * X - 1j * HBAR * g * k**2 * time / (2 * MASS)
    return cmath.sqrt(width**2 / s) * torch.exp(exponent).sum(dim=1)


def _packets(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    torus = torus_of(64, 75)
    H = hamiltonian(torus, sh.InverseMetric(DIAGONAL), "spectral", mode.default("spectral"))

    def at(time: float) -> torch.Tensor:
        return packet(torus, 0, 0.3, 3.7, time)[:, None] * packet(torus, 1, 0.45, -2.1, time)

    for time in (0.4, 5.0):
        yield claim(
            name=f"periodized Gaussian packet, 2-D, t = {time:g}",
            formula=f"{BUDGET}; packets spread and go round the torus",
            source="sum over images of the free packet; Cohen-Tannoudji, Quantum Mechanics, G_I",
            measured=gap(sh.evolve(H, at(0.0), time).final, at(time)),
            bound=phase_budget(H, time),
        )


def _revivals(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    torus, g = torus_of(38), 0.37
    H = hamiltonian(torus, sh.InverseMetric((g,)), "spectral", mode.default("spectral"))
    T, revival = random_field((38, 2), 5), MASS * torus.lengths[0] ** 2 / (math.pi * HBAR * g)
    shifted = T.roll(19, 0)
    quarter = (cmath.exp(-0.25j * math.pi) * T + cmath.exp(0.25j * math.pi) * shifted) / math.sqrt(2)
    for name, share, expected in (("T_R", 1.0, T), ("T_R/2", 0.5, shifted), ("T_R/4", 0.25, quarter)):
        yield claim(
            name=f"Talbot revival of random data at {name}",
            formula=f"T_R = mL²/(πħg): T, T(· − L/2), (e^(−iπ/4) T + e^(iπ/4) T(· − L/2))/√2; {BUDGET}",
            source="Berry & Klein (1996) J. Mod. Opt. 43, 2139, doi:10.1080/09500349608232876",
            measured=gap(sh.evolve(H, T, share * revival).final, expected),
            bound=phase_budget(H, share * revival),
        )


def _gauge(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """V + c(t) ⇒ e^{−(i/ħ)∫c}: a symmetric scheme of order p integrates polynomials of degree p − 1 exactly."""
    torus, time, steps = torus_of(6, 7), 1.7, 12
    U = coupled_potential(torus)
    polynomial = (0.8, -1.3, 0.9, 1.1, -0.5, 0.3)  # c_0 + c_1 t + …
    H = hamiltonian(torus, sh.InverseMetric(FULL), "spectral", mode.default("spectral"), V=U)
    T = smooth_field(torus, 8)
    for method, order in (("strang", 2), ("blanes_moan4", 4), ("suzuki4", 4), ("yoshida6", 6), ("magnus4", 4)):
        c = polynomial[:order]
        shifted = H.with_potential(lambda t, c=c: U + sum(a * t**n for n, a in enumerate(c)))
        integral = sum(a * time ** (n + 1) / (n + 1) for n, a in enumerate(c))
        plain, moved = (METHODS[method](X, time / steps).advance(T, steps) for X in (H, shifted))
        yield claim(
            name=f"gauge shift V + c(t), c of degree {order - 1}: {method}",
            formula=f"T' = e^(−(i/ħ)∫c dt) T; {BUDGET}, 1e-12 per exponential for Magnus",
            source="exact for any V(x): c(t) commutes with everything",
            measured=gap(moved, cmath.exp(-1j * integral / HBAR) * plain),
            bound=phase_budget(H, time, 20 * steps) + (4 * steps * METHOD_TOL if method == "magnus4" else 0.0),
        )


def _rabi(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    torus, wave, time, steps = ugly_torus(), (2, 3), 9.0, 30
    delta, omega = 0.8, 0.6 - 0.9j
    matrix = torch.tensor([[delta, omega], [omega.conjugate(), -delta]], dtype=torch.complex128)
    V, metric = sh.MatrixPotential(matrix), sh.InverseMetric(FULL)
    H = hamiltonian(torus, metric, "spectral", mode.default("spectral"), V=V)
    rate, E = math.hypot(delta, abs(omega)), plane_wave_energy(torus, wave, metric, **UNITS)
    c, s = math.cos(rate * time / HBAR), math.sin(rate * time / HBAR) / rate
    amplitudes = torch.tensor([c - 1j * s * delta, -1j * s * omega.conjugate()], dtype=torch.complex128)
    T = plane_wave(torus, wave)[..., None] * torch.tensor([1.0, 0.0], dtype=torch.complex128)
    expected = cmath.exp(-1j * E * time / HBAR) * plane_wave(torus, wave)[..., None] * amplitudes
    for method, extra in (("exact", 0.0), ("strang", 0.0), ("blanes_moan4", 0.0), ("lanczos", METHOD_TOL)):
        yield claim(
            name=f"Rabi oscillation, detuned, complex coupling: {method}",
            formula=f"c_1 = cos(Wt/ħ) − i(δ/W) sin, c_2 = −i(Ω*/W) sin, W² = δ² + |Ω|²; {BUDGET}",
            source="e^(−iVt/ħ) of a 2×2 matrix commutes with K",
            measured=gap(METHODS[method](H, time / steps).advance(T, steps), expected),
            bound=phase_budget(H, time, 10 * steps) + steps * extra,
        )


def _boost(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """The ground state of a lattice that moves with v = gp/m: φ(x − vt) e^{i(px − p²gt/2m − Et)/ħ}."""
    torus, g, cells, tol = torus_of(60), 0.37, 25, 1e-8
    metric = sh.InverseMetric((g,))
    lattice = CosineLattice(torus, 1.5, 2, inverse_metric=metric, **UNITS)
    L, start = torus.lengths[0], torus.origin[0]
    p = HBAR * 2 * math.pi * 3 / L
    v = g * p / MASS
    time = cells * torus.spacing[0] / v
    (x,) = torus.coordinates()
    H = hamiltonian(
        torus,
        metric,
        "spectral",
        mode.default("spectral"),
        V=lambda t: 1.5 * torch.cos(2 * math.pi * 2 * (x - start - v * t) / L),
    )
    energy, state = lattice.bloch_states(1)
    phase = (p * x - (p**2 * g / (2 * MASS) + float(energy[0])) * time) / HBAR
    T = state[0] * torch.exp(1j * p * x / HBAR)
    expected = state[0].roll(cells) * torch.exp(1j * phase)
    for method in ("auto", "magnus4") if mode.full else ("auto",):
        yield claim(
            name=f"Galilean boost, a lattice that moves: {method} with tol = {tol:g}",
            formula="φ(x − vt) e^(i(px − p²gt/2m − Et)/ħ), v = gp/m; relative error ≤ 3 tol",
            source="Galilean covariance; φ and E of the resting lattice by Bloch's matrix, NIST DLMF 28.29",
            measured=gap(sh.evolve(H, T, time, method=method, tol=tol).final, expected),
            bound=3 * tol,
        )


def _long_times(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """Dense and separable diagonal forms, against Chebyshev's expansion and the coherent state of a harmonic trap."""
    torus, time = sh.Torus((28, 28), lengths=(2.9, 4.7)), 20.0 if mode.full else 1.0
    H = hamiltonian(torus, sh.InverseMetric(DIAGONAL), "fd", mode.default("fd"), V=coupled_potential(torus))
    T = random_field((28, 28, 16, 16), 4)
    yield claim(
        name=f"28×28×16×16, t = {time:g}: dense form against Chebyshev",
        formula="relative difference ≤ 1e-11",
        source="Tal-Ezer & Kosloff (1984) J. Chem. Phys. 81, 3967, doi:10.1063/1.448136",
        measured=gap(_leap(H, T, time, "exact"), _leap(H, T, time, "chebyshev")),
        bound=LONG,
    )
    N, time = (512, 0.05) if mode.full else (128, 0.3)
    torus = sh.Torus((N, N), lengths=20.0, origin=-10.0)
    x, y = torus.coordinates()
    H = sh.Hamiltonian(torus, potential=sh.potentials.harmonic(torus))
    T = torch.exp(-((x - 1.5) ** 2 + (y + 1.0) ** 2) / 2 + 0.8j * y) / math.sqrt(math.pi)
    yield claim(
        name=f"trap, {N}², t = {time:g}: separable form against Chebyshev",
        formula="relative difference ≤ 1e-11",
        source="Tal-Ezer & Kosloff (1984) J. Chem. Phys. 81, 3967, doi:10.1063/1.448136",
        measured=gap(_leap(H, T, time, "exact"), _leap(H, T, time, "chebyshev")),
        bound=LONG,
    )
    yield claim(
        name=f"trap, {N}²: a coherent state after half a period",
        formula=f"the mirror image, T(π/ω, x) = e^(−iπ d/2) T(0, −x), d = 2; {BUDGET}",
        source="E_n = ħω(n + ½), parity (−1)^n",
        measured=gap(_leap(H, T, math.pi, "exact"), -T.flip(0, 1).roll((1, 1), (0, 1))),
        bound=phase_budget(H, math.pi),
    )


def _leap(H: sh.Hamiltonian, T: torch.Tensor, time: float, method: str) -> torch.Tensor:
    return METHODS[method](H, time)(T)


STUDY = Study("exact_dynamics", "Motions that are known exactly, by every method that should follow them", run)
