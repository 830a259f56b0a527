"""Which method `evolve` takes, with which step or tolerance, and why."""

import math
from dataclasses import dataclass

import torch

from spectral_ham._internal.checks import as_number, check_option, invalid
from spectral_ham.analysis.stability import hbar_of
from spectral_ham.evolution.times import Schedule
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.propagators import METHODS, TO_TOLERANCE, Lanczos, exact_kind

DEFAULT_TOL = {torch.complex64: 1e-5, torch.float32: 1e-5, torch.complex128: 1e-10, torch.float64: 1e-10}

OVERFLOW = 1e250
"""A run in imaginary time whose field may grow by such a factor is refused: floats end soon after."""

LARGEST_EXPONENT = 700.0  # exp(700) is still a float


@dataclass(frozen=True)
class Plan:
    """What was decided.

    Args:
        method: name of the method.
        reason: why.
        dt: step of a run with a given step, else None.
        tol: tolerance to meet, else None.
    """

    method: str
    reason: str
    dt: float | None
    tol: float | None

    @property
    def leaps(self) -> bool:
        """Whether the method goes from stop to stop in one step each, its error within a tolerance."""
        return self.method in TO_TOLERANCE and self.dt is None


def choose_plan(
    H: Hamiltonian, T: torch.Tensor, when: Schedule, method: str, dt: float | None, tol: float | None, imaginary: bool
) -> Plan:
    """Return the plan of a run.

    Raises:
        ValueError: an unknown method, both dt and tol, neither for a method with a fixed step, a value that is not
            positive, or a tolerance that rounding does not let the dtype reach.
    """
    check_option("evolve(method=...)", method, ("auto", *METHODS))
    if dt is not None and tol is not None:
        raise invalid("evolve(dt=..., tol=...)", "one of the two", (dt, tol), "dt fixes the step, tol finds one.")
    if dt is not None:
        step = as_number("evolve(dt=...)", dt, positive=True)
        name, reason = (method, "asked for") if method != "auto" else _for_step(H, imaginary)
        return Plan(name, f"{reason}, dt given", None if name == "exact" else step, None)
    if tol is None and method not in ("auto", *TO_TOLERANCE):
        remedy = "dt fixes the step; tol finds one that meets a tolerance."
        raise invalid(f"evolve(method={method!r})", "given dt= or tol=", "neither", remedy)
    name, reason = (method, "asked for") if method != "auto" else _for_tolerance(H, imaginary)
    reachable = 2 * rounding(H, T, when, imaginary=imaginary, exact=name == "exact")
    if name == "lanczos":
        reason += f", Krylov spaces of {Lanczos(H, 1.0, imaginary).dimension(T)} fields"
    return Plan(name, reason, None, _tolerance(T, tol, reachable))


def _for_step(H: Hamiltonian, imaginary: bool) -> tuple[str, str]:
    if (kind := exact_kind(H)) is not None:
        return "exact", f"H has a {kind} diagonal form, so no step is needed"
    if imaginary and not H.is_linear:
        return "rk4", "in imaginary time a splitting falls to first order for V[T]"
    if imaginary:
        return "strang", "imaginary time allows no backward substeps"
    return "blanes_moan4", "the most accurate splitting for its cost"


def _for_tolerance(H: Hamiltonian, imaginary: bool) -> tuple[str, str]:
    if (kind := exact_kind(H)) is not None:
        return "exact", f"H has a {kind} diagonal form: any time costs the same"
    if H.is_static and H.is_hermitian and not isinstance(H.hbar, torch.Tensor):
        return "chebyshev", "H is Hermitian and static: an expansion with a proven bound"
    why = (
        "V[T] is nonlinear" if not H.is_linear else "V(t) depends on time" if not H.is_static else "H is not Hermitian"
    )
    name, _ = _for_step(H, imaginary)
    return name, f"{why}: its step is halved until two runs agree"


def _tolerance(T: torch.Tensor, tol: float | None, reachable: float) -> float:
    if tol is None and reachable > OVERFLOW:
        raise invalid(
            "evolve(time=...)",
            "short enough for the field to stay a number",
            "an imaginary time over which e^{−E_min·τ/ħ} overflows",
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


def growth(H: Hamiltonian, duration: float) -> float:
    """Return the factor by which imaginary time can make a field grow: e^{−E_min·τ/ħ}, at least 1."""
    if not H.is_static or not H.is_hermitian:
        return 1.0
    return math.exp(min(LARGEST_EXPONENT, max(0.0, -H.spectral_bounds()[0] * duration / hbar_of(H))))


def rounding(H: Hamiltonian, T: torch.Tensor, when: Schedule, *, imaginary: bool, exact: bool) -> float:
    """Return a bound of the rounding error of a linear run, relative to ‖T₀‖: (16·stops + 4α)·eps, α = |time|·ΔE/2ħ.

    α counts the Chebyshev terms, each of which rounds once; the exact methods meet the phase E·t/ħ itself, in double,
    and eigenvectors of n points that are orthogonal to 2√n·eps at each stop. In imaginary time errors grow with the
    lowest state.
    """
    eps, double = torch.finfo(T.dtype).eps, torch.finfo(torch.float64).eps
    if not H.is_linear or not H.is_hermitian:
        return 64 * eps
    low, high = H.spectral_bounds()
    alpha = abs(when.duration) * max(high - low, abs(high), abs(low)) / (2 * hbar_of(H))
    per_stop = 16 * eps + (2 * math.sqrt(H.torus.size) * double if exact else 0.0)
    total = len(when.halts()) * per_stop + 4 * (double if exact else eps) * alpha
    return total * (growth(H, when.duration) if imaginary else 1.0)


def first_guess(H: Hamiltonian, T: torch.Tensor, when: Schedule) -> int:
    """Return a number of splitting steps that resolves the phases of V: half a radian each."""
    V = H.potential_at(when.start, T)
    if V is None or not V.is_hermitian:
        return 8
    low, high = V.bounds()
    return max(8, math.ceil(2 * abs(when.duration) * (high - low) / hbar_of(H)))
