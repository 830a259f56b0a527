"""Which method `evolve` takes, with which step or tolerance, and why."""

import math
from dataclasses import dataclass

import torch

from spectral_ham._internal.checks import Words, as_number, check_option, invalid
from spectral_ham.analysis.stability import hbar_of, max_stable_dt
from spectral_ham.evolution.problem import Problem
from spectral_ham.propagators import METHODS, exact_kind
from spectral_ham.propagators.lanczos import krylov_dimension
from spectral_ham.propagators.method import Method

DEFAULT_TOL = {torch.complex64: 1e-5, torch.float32: 1e-5, torch.complex128: 1e-10, torch.float64: 1e-10}

OVERFLOW = 1e250
"""A run in imaginary time whose field may grow by such a factor is refused: floats end soon after."""

LARGEST_EXPONENT = 700.0  # exp(700) is still a float


@dataclass(frozen=True)
class Choice:
    """What was decided.

    Args:
        name: of the method.
        reason: why this one.
        dt: step of a run with a given step, else None.
        tol: tolerance to meet, else None.
        rounding: bound of the rounding error relative to ‖T₀‖, for a run without a given step; else None.
    """

    name: str
    reason: str
    dt: float | None = None
    tol: float | None = None
    rounding: float | None = None

    @property
    def method(self) -> Method:
        """The method."""
        return METHODS[self.name]

    @property
    def leaps(self) -> bool:
        """Whether one step leads from each target to the next, its error within a tolerance."""
        return self.method.is_error_controlled and self.dt is None

    @property
    def searches(self) -> bool:
        """Whether the step has to be found first."""
        return self.dt is None and not self.leaps


def choose_method(problem: Problem, method: str, dt: float | None, tol: float | None) -> Choice:
    """Return method, and step or tolerance, of a run.

    Raises:
        ValueError: an unknown method, both dt and tol, neither for a method with a fixed step, a value that is not
            positive, or a tolerance that rounding does not let the dtype reach.
    """
    check_option("evolve(method=...)", method, ("auto", *METHODS))
    if dt is not None and tol is not None:
        raise invalid("evolve(dt=..., tol=...)", "one of the two", (dt, tol), "dt fixes the step, tol finds one.")
    step = None if dt is None else as_number("evolve(dt=...)", dt, positive=True)
    if dt is None and tol is None and method != "auto" and not METHODS[method].is_error_controlled:
        remedy = "dt fixes the step; tol finds one that meets a tolerance."
        raise invalid(f"evolve(method={method!r})", "given dt= or tol=", Words("neither"), remedy)
    name, reason = (method, "asked for") if method != "auto" else _automatic(problem, stepped=step is not None)
    if step is not None:
        reason += ", dt given"
        if name == "exact":
            return Choice(name, reason, rounding=rounding(problem, exact=True))
        return Choice(name, reason, dt=step)
    error = rounding(problem, exact=name == "exact")
    if name == "lanczos":
        reason += f", Krylov spaces of {krylov_dimension(problem.T)} fields"
    return Choice(name, reason, tol=_tolerance(problem.T, tol, 2 * error), rounding=error)


def _automatic(problem: Problem, *, stepped: bool) -> tuple[str, str]:
    """Return the method that "auto" stands for, with a given step or for a tolerance, and why."""
    H = problem.H
    if (kind := exact_kind(H)) is not None:
        consequence = ", so no step is needed" if stepped else ": any time costs the same"
        return "exact", f"H has a {kind} diagonal form{consequence}"
    if stepped:
        return _splitting(problem)
    if H.is_static and problem.is_hermitian and not isinstance(H.hbar, torch.Tensor):
        return "chebyshev", "H is Hermitian and static: an expansion with a proven bound"
    why = (
        "V[T] is nonlinear" if not H.is_linear else "V(t) depends on time" if not H.is_static else "H is not Hermitian"
    )
    return _splitting(problem)[0], f"{why}: its step is halved until two runs agree"


def _splitting(problem: Problem) -> tuple[str, str]:
    if problem.imaginary and not problem.H.is_linear:
        return "rk4", "in imaginary time a splitting falls to first order for V[T]"
    if problem.imaginary:
        return "strang", "imaginary time allows no backward substeps"
    return "blanes_moan4", "the most accurate splitting for its cost"


def _tolerance(T: torch.Tensor, tol: float | None, reachable: float) -> float:
    if tol is None and reachable > OVERFLOW:
        raise invalid(
            "evolve(time=...)",
            "short enough for the field to stay a number",
            Words("an imaginary time over which e^{−E_min·τ/ħ} overflows"),
            "Shift the potential so that the lowest energy is about zero (the same state up to a factor), or use "
            "ground_state.",
        )
    if tol is None:
        return max(DEFAULT_TOL[T.dtype], reachable)
    wanted = as_number("evolve(tol=...)", tol, positive=True)
    if wanted < reachable:
        larger = "" if T.dtype in (torch.complex128, torch.float64) else ", or use complex128"
        needs = f"at least {reachable:.2g}, what rounding lets {T.dtype} reach over this time"
        raise invalid("evolve(tol=...)", needs, wanted, f"Raise tol{larger}.")
    return wanted


def growth(problem: Problem) -> float:
    """Return the factor by which a field can grow: 1 in real time, e^{−E_min·τ/ħ} in imaginary time, at least 1."""
    H = problem.H
    if not problem.imaginary or not H.is_static or not problem.is_hermitian:
        return 1.0
    exponent = -H.spectral_bounds()[0] * problem.schedule.duration / hbar_of(H)
    return math.exp(min(LARGEST_EXPONENT, max(0.0, exponent)))


def rounding(problem: Problem, *, exact: bool) -> float:
    """Return a bound of the rounding error of a linear run, relative to ‖T₀‖: (16·targets + 4α)·eps, α = |time|·ΔE/2ħ.

    α counts the Chebyshev terms, each of which rounds once; the exact methods meet the phase E·t/ħ itself, in double,
    and eigenvectors of n points that are orthogonal to 2√n·eps at each target. In imaginary time errors grow with the
    lowest state.
    """
    H, schedule = problem.H, problem.schedule
    eps, double = torch.finfo(problem.T.dtype).eps, torch.finfo(torch.float64).eps
    if not H.is_linear or not problem.is_hermitian:
        return 64 * eps
    low, high = H.spectral_bounds()
    alpha = abs(schedule.duration) * max(high - low, abs(high), abs(low)) / (2 * hbar_of(H))
    per_target = 16 * eps + (2 * math.sqrt(H.torus.size) * double if exact else 0.0)
    total = len(schedule.targets) * per_target + 4 * (double if exact else eps) * alpha
    return total * growth(problem)


def first_steps(problem: Problem, method: str) -> int:
    """Return a number of steps at which a search may begin: V turns phases by half a radian, and no mode grows."""
    H, schedule, T = problem.H, problem.schedule, problem.T
    duration = abs(schedule.duration)
    V = H.potential_at(schedule.start, T)
    steps = 8
    if V is not None and not V.is_hermitian:
        return steps
    if V is not None:
        low, high = V.bounds()
        steps = max(steps, math.ceil(2 * duration * (high - low) / hbar_of(H)))
    limit = max_stable_dt(H, method, T=T, t=schedule.start, imaginary=problem.imaginary)
    return max(steps, math.ceil(duration / (0.9 * limit))) if 0 < limit < math.inf else steps
