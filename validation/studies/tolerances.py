"""What `evolve` says about its error is true: bounds on random linear problems, estimates on nonlinear ones."""

import math
import random
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch

import spectral_ham as sh
from oracles.flows import integrated
from spectral_ham.errors import UnderresolvedWarning
from spectral_ham.plotting import COLORS
from validation.cases import random_field
from validation.claim import Claim
from validation.dynamics import coupled_potential, gap, smooth_field
from validation.figures import dress
from validation.study import Mode, Plot, Result, Study

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Method: TypeAlias = Literal["auto", "chebyshev", "lanczos"]

METHODS: tuple[Method, ...] = ("auto", "chebyshev", "lanczos")
COUNT = {False: 14, True: 70}
"""Linear problems per method: 42 and 210 in all."""
NONLINEAR = {False: 8, True: 24}
DOUBLE, SINGLE = torch.complex128, torch.complex64


@dataclass(frozen=True)
class Problem:
    """A field, its Hamiltonian, and how long it runs."""

    H: sh.Hamiltonian
    T: torch.Tensor
    time: float


@dataclass(frozen=True)
class Found:
    """What a run says and what is true, relative to the start."""

    seed: int
    error: float
    stated: float
    tol: float


def run(mode: Mode) -> Iterator[Result]:
    """Yield the claims about bounds, then about estimates."""
    claim = partial(Claim, "tolerances")
    bounds: dict[str, list[Found]] = {}
    for method in METHODS:
        bounds[method] = [_linear(method, 1000 * METHODS.index(method) + seed) for seed in range(COUNT[mode.full])]
        yield from _bound_claims(claim, method, bounds[method])
    estimates = [_nonlinear(mode, seed) for seed in range(NONLINEAR[mode.full])]
    yield _ratio_claim(claim, estimates)
    yield claim(
        name=f"{len(estimates)} problems, V(t) or g|T|²: error ≤ 3 tol",
        formula="largest error/tol ≤ 3: the estimate, which is within tol, may be a factor 3 off",
        source="DOP853 at 1e-12",
        expected=0.0,
        measured=max(found.error / found.tol for found in estimates),
        bound=3.0,
    )
    yield Plot("tolerances", partial(_draw, {**bounds, "estimate": estimates}))


def _bound_claims(claim: Callable[..., Claim], method: str, all_found: list[Found]) -> Iterator[Claim]:
    """Error ≤ bound, and bound ≤ tol."""
    count = len(all_found)
    worst = max(all_found, key=lambda found: found.error / found.stated)
    yield claim(
        name=f"{count} random linear problems, {method}: error ≤ error_bound",
        formula="largest ‖T − exact‖/(‖T_0‖·error_bound) ≤ 1; complex64 and complex128, D×D V, metrics, both backends",
        source="e^(−iHt/ħ) by a dense eigendecomposition of H on all channels",
        expected=0.0,
        measured=worst.error / worst.stated,
        bound=1.0,
        detail=f"seed {worst.seed}, error {worst.error:.3g}, bound {worst.stated:.3g}",
    )
    loosest = max(all_found, key=lambda found: found.stated / found.tol)
    yield claim(
        name=f"{count} random linear problems, {method}: error_bound ≤ tol",
        formula="largest error_bound/tol ≤ 1",
        source="definition",
        expected=0.0,
        measured=loosest.stated / loosest.tol,
        bound=1.0,
        detail=f"seed {loosest.seed}",
    )


def _ratio_claim(claim: Callable[..., Claim], estimates: list[Found]) -> Claim:
    """|log_3(estimate/error)| ≤ 1."""
    factors = {found.seed: math.log(found.stated / found.error, 3) for found in estimates}
    seed = max(factors, key=lambda seed: abs(factors[seed]))
    return claim(
        name=f"{len(estimates)} problems, V(t) or g|T|²: estimate within a factor 3",
        formula="largest |log_3(error_estimate/error)| ≤ 1",
        source="DOP853 at 1e-12",
        expected=0.0,
        measured=abs(factors[seed]),
        bound=1.0,
        detail=f"seed {seed}: a factor of {3 ** factors[seed]:.3g}",
    )


def _linear(method: Method, seed: int) -> Found:
    dice, problem = random.Random(seed), _random_problem(seed)
    H, T, time = problem.H, problem.T, problem.time
    tol = 10 ** dice.uniform(-3.5 if T.dtype == SINGLE else -11, -1)
    found = _evolved(H, T, time, tol, method)
    return Found(seed, gap_to_start(found.final, _dense(H, T, time), T), found.stats.error_bound or math.nan, tol)


def _evolved(H: sh.Hamiltonian, T: torch.Tensor, time: float, tol: float, method: Method = "auto") -> sh.Trajectory:
    with warnings.catch_warnings():
        # Fields are random on purpose: the error is that of the time steps, not of the grid.
        warnings.simplefilter("ignore", UnderresolvedWarning)
        return sh.evolve(H, T, time, method=method, tol=tol)


def gap_to_start(T: torch.Tensor, expected: torch.Tensor, start: torch.Tensor) -> float:
    """Return ‖T − expected‖/‖start‖, in double precision."""
    difference = torch.linalg.vector_norm(T.to(DOUBLE) - expected)
    return float(difference / torch.linalg.vector_norm(start.to(DOUBLE)))


def _random_problem(seed: int) -> Problem:
    """Return a problem of at most 98 numbers; which kind of V, metric, precision and direction go by the seed."""
    dice = random.Random(seed + 1)
    shape = tuple(dice.randint(5, 7) for _ in range(1 + seed % 2))
    channels = (2,) if seed % 3 == 0 else ()
    d = len(shape)
    A = torch.tensor([[dice.uniform(-0.7, 0.7) + (i == j) for j in range(d)] for i in range(d)], dtype=torch.float64)
    metric = A @ A.mT if seed % 7 < 4 else (A @ A.mT).diagonal()
    torus = sh.Torus(shape, lengths=[dice.uniform(2.0, 9.0) for _ in shape], origin=dice.uniform(-2, 2))
    H = sh.Hamiltonian(
        torus,
        inverse_metric=metric,
        potential=_random_potential(seed, shape, channels, dice.uniform(0.1, 3.0)),
        hbar=dice.uniform(0.3, 2.0),
        mass=dice.uniform(0.3, 3.0),
        backend=dice.choice(("spectral", "fd")),
        stencil_order=dice.choice((2, 4)),
    )
    low, high = H.spectral_bounds()
    time = 2 * float(H.hbar) / (high - low) * 10 ** dice.uniform(-1.0, 1.3) * (1 if seed % 3 else -1)
    T = random_field((*shape, *channels), seed, (DOUBLE, SINGLE)[seed // 2 % 2])
    return Problem(H, T, time)


def _random_potential(seed: int, shape: tuple[int, ...], channels: tuple[int, ...], size: float) -> Any:
    if channels and seed % 4 == 3:
        M = size * random_field((*shape, 2, 2), seed + 2)
        return sh.MatrixPotential(M + M.mH)
    if seed % 5 == 0:
        return None
    if seed % 5 == 4:
        return torch.full(shape, size, dtype=torch.float64)
    return size * random_field((*shape, *channels) if seed % 5 == 3 else shape, seed + 2, torch.float64)


def _dense(H: sh.Hamiltonian, T: torch.Tensor, time: float) -> torch.Tensor:
    """Return e^{−iHt/ħ} T from H on every unit field, channels included."""
    units = torch.eye(T.numel(), dtype=DOUBLE).reshape(T.numel(), *T.shape)
    M = torch.stack([H(unit).flatten() for unit in units], dim=1)
    E, U = torch.linalg.eigh((M + M.mH) / 2)
    phases = torch.exp(-1j * time / float(H.hbar) * E)
    after: torch.Tensor = U @ (phases * (U.mH @ T.to(DOUBLE).flatten()))
    return after.reshape(T.shape)


def _nonlinear(mode: Mode, seed: int) -> Found:
    dice, torus = random.Random(seed + 7), sh.Torus((6, 7), lengths=(6.1, 7.3), origin=(-0.4, 0.9))
    size, rate, phase = dice.uniform(0.3, 1.5), dice.uniform(0.5, 3.0), dice.uniform(0, 6)
    V: Any = (
        lambda t: size * coupled_potential(torus, rate * t + phase),
        sh.GrossPitaevskii(dice.uniform(-20, 40), size * coupled_potential(torus, phase)),
    )[seed % 2]
    H = sh.Hamiltonian(
        torus,
        inverse_metric=((1.3, 0.2), (0.2, 0.8)),
        potential=V,
        hbar=dice.uniform(0.5, 1.5),
        mass=1.2,
        backend=("spectral", "fd")[seed // 2 % 2],
        stencil_order=4,
        execution=mode.execution if mode.execution in ("fft", "dense") else "auto",
    )
    T, time, tol = smooth_field(torus, seed), dice.uniform(0.5, 1.5), (1e-4, 1e-6)[seed // 4 % 2]
    run = _evolved(H, T, time, tol)
    return Found(seed, gap(run.final, integrated(H, T, time)), run.stats.error_estimate or math.nan, tol)


def _draw(found: dict[str, list[Found]], figure: "Figure") -> None:
    """The true error against the stated one: bounds lie above the diagonal's left, estimates on it."""
    figure.set_size_inches(7.0, 5.6)
    axes = figure.add_subplot()
    for color, marker, (name, problems) in zip(COLORS, "osv^", found.items(), strict=False):
        true, stated = [max(p.error, 1e-17) for p in problems], [p.stated for p in problems]
        label = "estimate, V(t) or g|T|²" if name == "estimate" else f"bound, {name}"
        axes.plot(stated, true, marker, color=color, markersize=4, alpha=0.7, label=label)
    axes.plot([1e-16, 1], [1e-16, 1], color="0.3", linewidth=1)
    axes.set(xscale="log", yscale="log")
    axes.legend(frameon=False)
    dress(axes, "No point of a bound lies above the line", "error as stated", "true error, ‖T − exact‖/‖T_0‖")


STUDY = Study("tolerances", "Stated errors are true: bounds for linear problems, estimates for the others", run)
