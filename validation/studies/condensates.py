"""Condensates, V[T] = V + g|T|², against their exact solutions; ground states, and how fast they are reached."""

import cmath
import math
from collections.abc import Callable, Iterator
from functools import partial

import torch

import spectral_ham as sh
from spectral_ham.eigen.ground_state import ground_state
from spectral_ham.exact import CosineLattice, plane_wave
from spectral_ham.propagators import METHODS
from validation.cases import FULL, HBAR, MASS, UNITS, hamiltonian, torus_of, ugly_torus
from validation.claim import Claim
from validation.dynamics import gap, phase_budget
from validation.study import Mode, Result, Study
from validation.waves import energies

METRIC = sh.InverseMetric(FULL)
G, DENSITY = 0.8, 1.7
CNOIDAL = "Carr, Clark & Reinhardt (2000) Phys. Rev. A 62, 063610 and 063611, doi:10.1103/PhysRevA.62.063610"
BLOCH = "tridiagonal Bloch matrix of c(2πp/L)² and V0/2; NIST DLMF 28.29, https://dlmf.nist.gov/28.29"
LATTICE_G = 0.37


def run(mode: Mode) -> Iterator[Result]:
    """Yield the claims."""
    for part in (_uniform, _bogoliubov, _cnoidal, _ground_states, _decay):
        yield from part(mode, partial(Claim, "condensates"))


def _uniform(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    torus, wave, time, steps = ugly_torus(), (2, -3), 0.6, 120  # dt is within max_stable_dt: rounding does not grow
    T = math.sqrt(DENSITY) * plane_wave(torus, wave)
    for backend in ("spectral", "fd"):
        H = _condensate(mode, torus, METRIC, backend)
        E = float(energies(torus, [wave], METRIC, backend)[0]) + G * DENSITY
        shift = sh.potentials.constant(torus, G * DENSITY)
        for method in ("strang", "blanes_moan4", "yoshida6"):
            yield claim(
                name=f"uniform condensate with flow, {backend}, {method}",
                formula="T e^(−i(E_k + gn)t/ħ); relative error ≤ 16 eps·(steps + |t| max E/ħ)",
                source="|T|² is uniform, so that g|T|² commutes with K",
                expected=0.0,
                measured=gap(_steps(H, T, method, time, steps), cmath.exp(-1j * E * time / HBAR) * T),
                bound=phase_budget(H.with_potential(shift), time, 10 * steps),
            )


def _bogoliubov(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """δn_k(t) = δn_k(0) e^{−ik·vt} cos(E_k t/ħ) for a weak density wave on a flow: linear in its amplitude ε, to ε²."""
    torus, flow, wave, amplitude, time = torus_of(14, 15), (1, -2), (2, 1), 1e-4, 2.5
    H = _condensate(mode, torus, METRIC, "spectral")
    background, density_wave = math.sqrt(DENSITY) * plane_wave(torus, flow), plane_wave(torus, wave)
    T = background * (1 + amplitude * density_wave.real)
    xi = float(energies(torus, [wave], METRIC, "spectral")[0])
    E = math.sqrt(xi * (xi + 2 * G * DENSITY))
    drift = _drift(torus, wave, flow)
    times = [0.4 * time, time]
    run = sh.evolve(H, T, time, method="blanes_moan4", dt=time / 500, save_times=times)
    start = _component(T, density_wave)
    for t, saved in zip(times, run.fields, strict=True):
        expected = cmath.exp(-1j * drift * t) * math.cos(E * t / HBAR)
        yield claim(
            name=f"Bogoliubov oscillation on a flow, t = {t:g}",
            formula="|δn_k(t)/δn_k(0) − e^(−ik·vt) cos(E_k t/ħ)| ≤ 100 ε²: the next order in ε = 1e-4",
            source="E_k = √(ξ(ξ + 2gn)); Dalfovo et al. (1999), section IV, doi:10.1103/RevModPhys.71.463",
            expected=0.0,
            measured=abs(_component(saved, density_wave) / start - expected),
            bound=100 * amplitude**2,
        )


def _drift(torus: sh.Torus, wave: tuple[int, ...], flow: tuple[int, ...]) -> float:
    """Return k·v, v = ħ G q/m."""
    k, q = ([2 * math.pi * n / L for n, L in zip(m, torus.lengths, strict=True)] for m in (wave, flow))
    return HBAR / MASS * sum(k[i] * FULL[i][j] * q[j] for i in range(2) for j in range(2))


def _component(T: torch.Tensor, wave: torch.Tensor) -> complex:
    """Return Σ e^{−ik·x} |T|²."""
    return complex((wave.conj() * T.abs().square()).sum())


def _cnoidal(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """Standing waves sn and dn of ħ = m = 1: g = 1 and −1, one period on the torus."""
    from scipy.special import ellipj, ellipk

    L, modulus, time, tol = 5.3, 0.8, 1.5, 1e-8
    torus = sh.Torus(72, lengths=L, origin=-0.7)
    (x,) = torus.coordinates()
    quarter = float(ellipk(modulus))
    for name, g in (("repulsive, sn", 1.0), ("attractive, dn", -1.0)):
        kappa = (4 if g > 0 else 2) * quarter / L
        sn, _, dn, _ = (torch.from_numpy(values) for values in ellipj(kappa * x.numpy(), modulus))
        A = kappa * (math.sqrt(modulus) * sn if g > 0 else dn)
        mu = kappa**2 * ((1 + modulus) / 2 if g > 0 else -(2 - modulus) / 2)
        H = sh.Hamiltonian(torus, potential=sh.GrossPitaevskii(g), execution=mode.default("spectral"))
        T = A.to(torch.complex128)
        scale = float(H.with_potential(None).spectral_bounds()[1])
        yield claim(
            name=f"cnoidal wave, {name}: H[T] = μT",
            formula="‖H[T] − μT‖_max/(max E·max|T|) ≤ 16 eps",
            source=CNOIDAL,
            expected=0.0,
            measured=float((H(A) - mu * A).abs().max() / (scale * A.abs().max())),
            bound=16 * torch.finfo(torch.float64).eps,
        )
        yield claim(
            name=f"cnoidal wave, {name}: after t = {time:g} with tol = {tol:g}",
            formula="T e^(−iμt/ħ); relative error ≤ 3 tol, for the error is estimated and not bounded",
            source=CNOIDAL,
            expected=0.0,
            measured=gap(sh.evolve(H, T, time, tol=tol).final, cmath.exp(-1j * mu * time) * T),
            bound=3 * tol,
        )


def _ground_states(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    metric = sh.InverseMetric((2.0, 1.1))
    for shape in ((28, 31), (38, 41)):  # dense, and iterated
        lattice = CosineLattice(torus_of(*shape), (1.5, -2.0), (1, 2), inverse_metric=metric, **UNITS)
        H = hamiltonian(lattice.torus, metric, "spectral", mode.default("spectral"), V=lattice.potential())
        yield claim(
            name=f"ground state of a cosine lattice, {shape[0]}×{shape[1]}",
            formula="|E_0 − exact| ≤ 1e-10",
            source=BLOCH,
            expected=float(lattice.bloch_energies(1)[0]),
            measured=float(ground_state(H)[1]),
            bound=1e-10,
        )


def _decay(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """E(τ) − E_0 falls as e^{−2(E_j − E_0)τ/ħ}: j = 1, or 2 from an even start, which does not hold the odd state."""
    torus = torus_of(40)
    metric = sh.InverseMetric((LATTICE_G,))
    lattice = CosineLattice(torus, 1.5, 1, inverse_metric=metric, **UNITS)
    H = hamiltonian(torus, metric, "spectral", mode.default("spectral"), V=lattice.potential())
    E = [float(energy) for energy in lattice.bloch_energies(5)]
    even, (x,) = torch.ones(40, dtype=torch.float64), torus.coordinates()
    skew = even + 0.3 * torch.sin(2 * math.pi * (x - torus.origin[0]) / torus.lengths[0])
    for name, T, j, later in (("even", even, 2, 4), ("skew", skew, 1, 2)):
        # From τ on, the next state is 1e-5 of the rest; e^{−2(E_j − E_0)τ/ħ} stays far above rounding, 1e-16.
        tau = HBAR * math.log(1e5) / (2 * (E[later] - E[j]))
        times = [tau, 1.2 * tau]
        run = sh.evolve(H, T, times[1], imaginary=True, save_times=times)
        excess = [float(H.energy(T) / (T.square().sum() * torus.cell_volume)) - E[0] for T in run.fields]
        yield claim(
            name=f"imaginary time from a {name} start: rate of decay of the energy",
            formula="ħ ln(ΔE(τ_1)/ΔE(τ_2))/(2(τ_2 − τ_1)) = E_j − E_0 to 0.1 %",
            source=BLOCH,
            expected=E[j] - E[0],
            measured=HBAR * math.log(excess[0] / excess[1]) / (2 * (times[1] - times[0])),
            bound=1e-3 * (E[j] - E[0]),
        )


def _condensate(mode: Mode, torus: sh.Torus, metric: sh.InverseMetric, backend: str) -> sh.Hamiltonian:
    return hamiltonian(torus, metric, backend, mode.default(backend), V=sh.GrossPitaevskii(G))


def _steps(H: sh.Hamiltonian, T: torch.Tensor, method: str, time: float, steps: int) -> torch.Tensor:
    return METHODS[method](H, time / steps).advance(T, steps)


STUDY = Study("condensates", "Condensates and ground states against their exact solutions", run)
