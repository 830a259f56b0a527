"""Limits of the time step: just within them nothing grows, just beyond it grows as the theory says, and is told."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch

import spectral_ham as sh
from spectral_ham.analysis.preflight import advise
from spectral_ham.analysis.stability import max_stable_dt
from spectral_ham.errors import SplittingResonanceWarning, UnstableStepWarning
from spectral_ham.exact import plane_wave
from spectral_ham.klein_gordon import SymplecticWave, WaveEquation
from spectral_ham.propagators import propagator
from validation.cases import FULL, HBAR, MASS, V0, hamiltonian, random_field, torus_of
from validation.claim import Claim
from validation.dynamics import coupled_potential, gap
from validation.resonance import COUPLING, STEPS_TO_EMPTY, draw, occupation, resonant
from validation.study import Mode, Plot, Result, Study
from validation.waves import all_modes, energies

METRIC = sh.InverseMetric(FULL)
STEPS = 200
INSIDE, BEYOND = 0.99, 1.01
LEAPFROG = "Leforestier et al. (1991) J. Comput. Phys. 94, 59, doi:10.1016/0021-9991(91)90137-A"
RUNGE_KUTTA = "Hairer & Wanner (1996), Solving Ordinary Differential Equations II, IV.2, doi:10.1007/978-3-642-05221-7"
VERLET = "x_{n+1} = (2 − (ω dt)²) x_n − x_{n−1}: Hairer, Lubich & Wanner (2006), I.5.2, doi:10.1007/3-540-30666-8"
RESONANCE = "two levels degenerate modulo 2πħ/dt; Weideman & Herbst (1986), doi:10.1137/0723033, for the mechanism"
GROWTH = "ln of the growth per step, after the growing solution prevails; relative 1e-6"


def run(mode: Mode) -> Iterator[Result]:
    """Yield the claims about explicit methods, the resonance of splittings, and what long runs keep."""
    claim = partial(Claim, "stability_limits")
    for backend in ("spectral", "fd"):
        yield from _runge_kutta(mode, backend, claim)
        yield from _leapfrog(mode, backend, claim)
        yield from _verlet(mode, backend, claim)
    yield from _resonance(claim)
    yield from _drift(mode, claim)
    yield Plot("stability_limits", draw)


def _highest(mode: Mode, backend: str, V: float | None = V0) -> tuple[sh.Hamiltonian, torch.Tensor, float]:
    """Return H, the wave of highest energy on its grid, and that energy."""
    torus = torus_of(10, 11)
    potential = None if V is None else sh.potentials.constant(torus, V)
    H = hamiltonian(torus, METRIC, backend, mode.default(backend), V=potential)
    waves = all_modes(torus)
    E = energies(torus, waves, METRIC, backend)
    return H, plane_wave(torus, waves[int(E.argmax())]), float(E.max()) + (V or 0.0)


def _limit(claim: Callable[..., Claim], name: str, source: str, expected: float, measured: float) -> Claim:
    return claim(
        name=f"{name}: limit of dt",
        formula="max_stable_dt, relative 16 eps",
        source=source,
        expected=expected,
        measured=measured,
        bound=16 * torch.finfo(torch.float64).eps * expected,
    )


def _bounded(claim: Callable[..., Claim], name: str, source: str, growth: float, allowed: float) -> Claim:
    return claim(
        name=f"{name}, {INSIDE} of the limit: nothing grows",
        formula="‖T_n‖/‖T_0‖ of a random field stays below the bound of the theory",
        source=source,
        expected=0.0,
        measured=growth,
        bound=allowed,
    )


def _growing(claim: Callable[..., Claim], name: str, source: str, expected: float, measured: float) -> Claim:
    return claim(
        name=f"{name}, {BEYOND} of the limit: the highest wave grows",
        formula=GROWTH,
        source=source,
        expected=expected,
        measured=measured,
        bound=1e-6 * expected,
    )


def _warns(claim: Callable[..., Claim], name: str, H: sh.Hamiltonian, T: torch.Tensor, method: str, dt: float) -> Claim:
    kind = UnstableStepWarning if method == "rk4" else SplittingResonanceWarning
    beyond = name.endswith("beyond")
    return claim(
        name=name,
        formula=f"number of {kind.__name__}",
        source="definition",
        expected=float(beyond),
        measured=float(sum(isinstance(advice, kind) for advice in advise(H, T, method=method, dt=dt))),
        bound=0.0,
    )


def _runge_kutta(mode: Mode, backend: str, claim: Callable[..., Claim]) -> Iterator[Claim]:
    H, T, E = _highest(mode, backend)
    limit, noise, name = math.sqrt(8) * HBAR / E, random_field((10, 11), 2), f"rk4, {backend}"
    yield _limit(claim, name, RUNGE_KUTTA, limit, max_stable_dt(H, "rk4"))
    inside = propagator("rk4", H, INSIDE * limit).advance(noise, STEPS)
    yield _bounded(claim, name, RUNGE_KUTTA, float(inside.norm() / noise.norm()), 1.0)
    z = -1j * BEYOND * math.sqrt(8)
    factor = abs(1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24)
    beyond = propagator("rk4", H, BEYOND * limit).advance(T, STEPS)
    rate = math.log(float(beyond.norm() / T.norm())) / STEPS
    yield _growing(claim, name, RUNGE_KUTTA, math.log(factor), rate)
    yield _warns(claim, f"{name}: no warning within", H, T, "rk4", INSIDE * limit)
    yield _warns(claim, f"{name}: a warning beyond", H, T, "rk4", BEYOND * limit)


def _leapfrog(mode: Mode, backend: str, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """T_{n+1} = T_{n−1} − 2i·dt·H[T_n]/ħ; a mode is e^{∓inφ} with sin φ = dt·E/ħ, or grows by x + √(x² − 1)."""
    H, T, E = _highest(mode, backend)
    limit, noise, name = HBAR / E, random_field((10, 11), 2), f"leapfrog, {backend}"
    yield _limit(claim, name, LEAPFROG, limit, max_stable_dt(H, "leapfrog"))

    def growths(T: torch.Tensor, dt: float) -> list[float]:
        before, now, sizes = T + 1j * dt / HBAR * H(T), T, [float(T.norm())]
        for _ in range(STEPS):
            before, now = now, before - 2j * dt / HBAR * H(now)
            sizes.append(float(now.norm()))
        return [size / sizes[0] for size in sizes]

    # |A| ≤ (1 + |T_{−1}|)/(2 cos φ), |B| ≤ 1 + |A|, |T_{−1}| ≤ √2.
    allowed = 1 + (1 + math.sqrt(2)) / math.sqrt(1 - INSIDE**2)
    yield _bounded(claim, name, LEAPFROG, max(growths(noise, INSIDE * limit)), allowed)
    sizes = growths(T, BEYOND * limit)
    rate = math.log(sizes[-1] / sizes[-41]) / 40
    yield _growing(claim, name, LEAPFROG, math.log(BEYOND + math.sqrt(BEYOND**2 - 1)), rate)


def _verlet(mode: Mode, backend: str, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """T_tt = −ω² T by velocity Verlet; half the trace of a step is 1 − (ω dt)²/2."""
    H, T, E = _highest(mode, backend, V=None)
    stiffness = 0.3
    equation = WaveEquation(H, stiffness)
    limit, noise, name = 2 * math.sqrt(MASS / (E + stiffness)), random_field((10, 11), 2), f"verlet, {backend}"
    yield _limit(claim, name, VERLET, limit, equation.max_stable_dt("verlet"))

    def growths(T: torch.Tensor, dt: float) -> list[float]:
        state, sizes, step = (T, torch.zeros_like(T)), [float(T.norm())], SymplecticWave(equation, dt)
        for _ in range(STEPS):
            state = step.advance(*state)
            sizes.append(float(state[0].norm()))
        return [size / sizes[0] for size in sizes]

    # From rest a mode is cos(nθ), at any ω dt < 2.
    yield _bounded(claim, name, VERLET, max(growths(noise, INSIDE * limit)) - 1, 1e-12)
    sizes, half = growths(T, BEYOND * limit), 2 * BEYOND**2 - 1
    rate = math.log(sizes[-1] / sizes[-41]) / 40
    yield _growing(claim, name, VERLET, math.log(half + math.sqrt(half**2 - 1)), rate)


def _resonance(claim: Callable[..., Claim]) -> Iterator[Claim]:
    from scipy.linalg import expm

    H, T = resonant()
    dt, steps = 2 * math.pi / 32, STEPS_TO_EMPTY
    exact = torch.from_numpy(expm(-1j * dt * steps * H.as_matrix().numpy()) @ T.numpy())
    yield claim(
        name="resonance: what happens, k = 0 stays occupied",
        formula="1 − |c_0|² ≤ 4|⟨8|V|0⟩|²/E² = 2(V0/E)² = 4.9e-6, V0 = 0.05, E = 32; by the dense exponential",
        source="Rabi's formula for two levels",
        expected=1.0,
        measured=occupation(exact),
        bound=2 * (COUPLING / 32) ** 2,
    )
    after = propagator("strang", H, dt).advance(T, steps)
    yield claim(
        name="resonance: what strang makes of it at dt·ΔE = 2πħ",
        formula="cos²(V0 t/(√2 ħ)) = 0.15, first order in V0·dt/ħ = 0.0098: ± 0.01",
        source=RESONANCE,
        expected=math.cos(COUPLING * dt * steps / math.sqrt(2)) ** 2,
        measured=occupation(after),
        bound=0.01,
    )
    yield claim(
        name="resonance: and the norm does not tell",
        formula="‖T_n‖/‖T_0‖ = 1 to 16 eps·n",
        source="a splitting is unitary at any dt",
        expected=1.0,
        measured=float(after.norm() / T.norm()),
        bound=16 * torch.finfo(torch.float64).eps * steps,
    )
    yield claim(
        name="resonance: chebyshev finds |c_0|² = 0.9999993",
        formula="|c_0|² within 1e-11 of the dense exponential",
        source="scipy.linalg.expm",
        expected=occupation(exact),
        measured=occupation(propagator("chebyshev", H, dt * steps)(T)),
        bound=1e-11,
    )
    yield _warns(claim, "resonance: no warning at 0.97 of it, within", H, T, "strang", 0.97 * dt)
    yield _warns(claim, "resonance: a warning at it and beyond", H, T, "strang", dt)


def _drift(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """What 1e6 and 1e5 steps must keep, 2e-10, in proportion to a shorter run."""
    steps, dt = 20_000 if mode.full else 2000, 0.01
    torus = torus_of(16, 16)
    H = hamiltonian(torus, METRIC, "spectral", mode.default("spectral"), V=coupled_potential(torus))
    T = random_field((16, 16), 7)
    there = propagator("strang", H, dt).advance(T, steps)
    yield claim(
        name=f"norm after {steps} steps of strang, 16×16",
        formula="|‖T_n‖/‖T_0‖ − 1| ≤ 16 eps + 2e-16·n: 2e-10 in 1e6 steps",
        source="unitarity",
        expected=0.0,
        measured=float(there.norm() / T.norm()) - 1,
        bound=16 * torch.finfo(torch.float64).eps + 2e-16 * steps,
    )
    back = propagator("strang", H, -dt).advance(there, steps)
    yield claim(
        name=f"{steps} steps of strang forward and back, 16×16",
        formula="‖T'' − T‖/‖T‖ ≤ 16 eps + 2e-15·n: 2e-10 in 1e5 steps",
        source="a symmetric splitting retraces its way",
        expected=0.0,
        measured=gap(back, T),
        bound=16 * torch.finfo(torch.float64).eps + 2e-15 * steps,
    )


STUDY = Study("stability_limits", "Steps at 0.99 and 1.01 of their limits, the resonance of splittings, long runs", run)
