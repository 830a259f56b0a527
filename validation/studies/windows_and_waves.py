"""The trainer's window of 64 steps in one go, and the (T, P) equation: orders, energy, way back."""

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch

import spectral_ham as sh
from spectral_ham.convergence import ConvergenceStudy, study_errors
from spectral_ham.klein_gordon import ExactWave, SymplecticWave, WaveEquation
from spectral_ham.operators.window import euler_window
from validation.cases import DTYPES, FULL, MASS, budget, hamiltonian, random_field, torus_of
from validation.claim import Claim
from validation.dynamics import coupled_potential, gap, smooth_field
from validation.figures import draw_panels
from validation.orders import order_claims
from validation.study import Mode, Plot, Result, Study

METRIC, STIFFNESS = sh.InverseMetric(FULL), 0.4
EXPONENTIAL = "(T, P)(t) by the exponential of the dense matrix of the first-order system"
VERLET = "phase error (ω dt)³/24 per step: Hairer, Lubich & Wanner (2006), I.5.2, doi:10.1007/3-540-30666-8"


def run(mode: Mode) -> Iterator[Result]:
    """Yield the claims."""
    claim = partial(Claim, "windows_and_waves")
    yield from _windows(mode, claim)
    for backend in ("spectral", "fd"):
        yield from _exact_wave(mode, backend, claim)
    studies: dict[str, ConvergenceStudy] = {}
    for method, order, steps in (("verlet", 2, (100, 200)), ("yoshida4", 4, (60, 90)), ("rkn4", 4, (30, 40))):
        study = studies[method] = _order(mode, method, order, steps)
        yield from order_claims(partial(claim, source=EXPONENTIAL), study)
    yield from _verlet_energy(mode, claim)
    yield Plot("windows_and_waves", partial(draw_panels, {"(T, P) with V: ‖error‖ ~ dt^p": studies}))


def _windows(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """T_{n+1} = (1 + cH) T_n for 64 steps on 28×28 with 4×4 channels, both ways of computing it."""
    for backend in ("spectral", "fd"):
        H = sh.Hamiltonian(sh.Torus((28, 28)), hbar=0.1, backend=backend, execution=mode.default(backend))
        c = [-0.05j] * 64
        for name, dtype in DTYPES.items():
            T = random_field((28, 28, 4, 4), 1, dtype)
            loop = [T]
            for factor in c:
                loop.append(loop[-1] + factor * H(loop[-1]))
            expected = torch.stack(loop[1:])
            E = H.spectral_bounds()[1]
            allowed = budget(dtype) * len(c) * (1 + abs(c[0]) * E)
            for what, found, target in (
                ("all frames", euler_window(H, T, c), expected),
                ("final frame", euler_window(H, T, c, final_only=True), expected[-1]),
            ):
                yield claim(
                    name=f"window of 64 steps, 28×28×4×4, {backend}, {name}: {what}",
                    formula="max|window − loop|/max|loop| ≤ 16 eps·n·(1 + |c| max E)",
                    source="the loop T ← T + c H[T]",
                    expected=0.0,
                    measured=float((found - target).abs().max() / target.abs().max()),
                    bound=allowed,
                )


def _equation(mode: Mode, backend: str, *, V: bool) -> WaveEquation:
    torus = torus_of(6, 7)
    potential = coupled_potential(torus) + 2.0 if V else None
    return WaveEquation(hamiltonian(torus, METRIC, backend, mode.default(backend), V=potential), STIFFNESS)


def _start(equation: WaveEquation) -> tuple[torch.Tensor, torch.Tensor]:
    torus = equation.hamiltonian.torus
    return smooth_field(torus, 3), 2.0 * smooth_field(torus, 4)


def _flow(equation: WaveEquation, T: torch.Tensor, P: torch.Tensor, time: float) -> torch.Tensor:
    """Return (T, P) stacked, after ``time``: T' = P/m, P' = −(H + k) T."""
    from scipy.linalg import expm

    H = equation.hamiltonian.as_matrix()
    unit, zero = torch.eye(len(H), dtype=torch.float64), torch.zeros_like(H)
    M = torch.cat([torch.cat([zero, unit / MASS], 1), torch.cat([-H - STIFFNESS * unit, zero], 1)])
    after = torch.from_numpy(expm(time * M.numpy()) @ torch.stack([T, P]).flatten().numpy())
    return after.reshape(2, *T.shape)


def _exact_wave(mode: Mode, backend: str, claim: Callable[..., Claim]) -> Iterator[Claim]:
    equation, time = _equation(mode, backend, V=False), 12.0
    T, P = _start(equation)
    after = torch.stack(ExactWave(equation, time).advance(T, P))
    top = math.sqrt((equation.hamiltonian.spectral_bounds()[1] + STIFFNESS) / MASS)
    yield claim(
        name=f"(T, P) exact flow, {backend}",
        formula="relative error ≤ 16 eps·(1 + ω_max t)·max(1, mω_max): T and P differ by that factor",
        source=EXPONENTIAL,
        expected=0.0,
        measured=gap(after, _flow(equation, T, P, time)),
        bound=budget(torch.complex128) * (1 + top * time) * max(1.0, MASS * top),
    )
    E = float(equation.energy(T, P))
    yield claim(
        name=f"(T, P) energy under the exact flow, {backend}",
        formula="E = Σ [|P|²/2m + ½ T*·H[T] + (k/2)|T|²] ΔV; relative 16 eps·(1 + ω_max t)·2",
        source="conservation",
        expected=E,
        measured=float(equation.energy(after[0], after[1])),
        bound=2 * budget(torch.complex128) * (1 + top * time) * E,
    )


def _order(mode: Mode, method: str, order: int, steps: tuple[int, ...]) -> ConvergenceStudy:
    equation, time = _equation(mode, "spectral", V=True), 3.0
    T, P = _start(equation)
    exact = _flow(equation, T, P, time)

    def error(n: int) -> float:
        return gap(torch.stack(SymplecticWave(equation, time / n, method).advance(T, P, n)), exact)

    return study_errors(
        error,
        steps,
        h=lambda n: time / n,
        floor=2e-11,
        expected_order=order,
        name=f"(T, P), {method}",
        h_label="dt (time)",
        error_label="‖(T, P) − exact‖ / ‖(T, P)‖",
    )


def _verlet_energy(mode: Mode, claim: Callable[..., Claim]) -> Iterator[Claim]:
    """Verlet keeps an energy of its own, E − (dt²/8m)·‖(H + k)T‖²: E itself oscillates and does not drift."""
    equation = _equation(mode, "spectral", V=True)
    T, P = _start(equation)
    steps, blocks = (100_000, 50) if mode.full else (2000, 20)
    dt = 0.2 * equation.max_stable_dt("verlet")
    step, state, kept = SymplecticWave(equation, dt), (T, P), []
    volume = equation.hamiltonian.torus.cell_volume

    def own_energy(T: torch.Tensor, P: torch.Tensor) -> float:
        pull = equation.pull(T)
        return float(equation.energy(T, P)) - dt**2 / (8 * MASS) * float(pull.abs().square().sum()) * volume

    for _ in range(blocks):
        state = step.advance(*state, steps // blocks)
        kept.append(own_energy(*state))
    start = own_energy(T, P)
    yield claim(
        name=f"(T, P) verlet: its own energy over {steps} steps",
        formula="max|Ẽ − Ẽ_0|/Ẽ_0, Ẽ = E − (dt²/8m)‖(H + k)T‖²; ≤ 16 eps·n",
        source="the quadratic form that x_{n+1} = (2 − ω²dt²) x_n − x_{n−1} keeps",
        expected=0.0,
        measured=max(abs(E - start) for E in kept) / start,
        bound=budget(torch.complex128) * steps,
    )
    back = torch.stack(SymplecticWave(equation, -dt).advance(*state, steps))
    yield claim(
        name=f"(T, P) verlet: {steps} steps there and back",
        formula="relative error ≤ 16 eps·n",
        source="a symmetric method retraces its way",
        expected=0.0,
        measured=gap(back, torch.stack([T, P])),
        bound=budget(torch.complex128) * steps,
    )


STUDY = Study("windows_and_waves", "The trainer's window equals its loop; the (T, P) equation keeps its energy", run)
