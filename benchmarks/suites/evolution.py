"""Cost against error of every method of `evolve`.

Three problems, both backends, complex128. A method with a step runs at n = 2, 4, 8, … steps, one with a tolerance at
10⁻², 10⁻⁴, …; cost is counted in transform pairs and applications of H, and taken in CPU time.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import torch

import spectral_ham as sh
from benchmarks.harness.measure import clock, peak_bytes
from spectral_ham.propagators import METHODS, Chebyshev, propagator

PART = "evolution"
MEMORY = "memory"
TO_TOLERANCE = ("exact", "chebyshev", "lanczos")
TORUS = sh.Torus((40, 36), lengths=2 * math.pi)
CHANNELS = 2
TIME = 2.0
BACKENDS: dict[str, dict[str, Any]] = {
    "spectral": {"backend": "spectral"},
    "fd, order 4": {"backend": "fd", "stencil_order": 4},
}

FIRST_STEPS, LONGEST_CPU, REPEATS = 2, 0.16, 3
IMPLICIT_CPU = 0.8
"""For "crank_nicolson" and "magnus4", each of whose steps is an iteration."""

LEAST_ERROR, LARGEST_ERROR = 1e-11, 0.5
TOLERANCES = tuple(10.0**-p for p in range(2, 12, 2))
REFERENCE_STEPS = 512
AUTO = "auto, tol"


def lattice() -> torch.Tensor:
    """V = 2cos x cos y + cos(x − y): not separable, and of low wavenumbers."""
    x, y = TORUS.coordinates()
    return 2 * torch.cos(x) * torch.cos(y) + torch.cos(x - y)


PROBLEMS: dict[str, Callable[[], Any]] = {
    "static lattice": lattice,
    "V(t)": lambda: (lambda V: lambda t: math.cos(3 * t) * V)(lattice()),
    "Gross–Pitaevskii": lambda: sh.GrossPitaevskii(g=2.0, external=lattice()),
}


@dataclass(frozen=True)
class Point:
    """One run."""

    method: str
    setting: float
    """dt, or tol of a method that takes one."""
    transforms: int
    applications: int
    products: float
    """Transform pairs, and applications of H that need none."""
    cpu_ms: float
    error: float
    """‖T − reference‖/‖T₀‖ at the end."""


@dataclass(frozen=True)
class Case:
    """One problem on one backend, with the field that every method should end at."""

    H: sh.Hamiltonian
    T: torch.Tensor
    reference: torch.Tensor
    reference_error: float
    """How far two references are apart."""


def make_case(problem: str, backend: str) -> Case:
    """Return a case. Static: Chebyshev, against exact; else two step sizes of yoshida6."""
    H = sh.Hamiltonian(TORUS, inverse_metric=(2.0, 0.5), potential=PROBLEMS[problem](), **BACKENDS[backend])
    T = smooth_field()
    if H.is_static:
        fine, coarse = (P(T) for P in (Chebyshev(H, TIME, tol=1e-14), propagator("exact", H, TIME)))
    else:
        fine, coarse = (
            propagator("yoshida6", H, TIME / n).advance(T, n) for n in (2 * REFERENCE_STEPS, REFERENCE_STEPS)
        )
    return Case(H, T, fine, relative(coarse, fine, T))


def smooth_field() -> torch.Tensor:
    """Return e^{cos(x − c) + cos y + ix}, a wave packet that is periodic, in channels with c = 0, 1."""
    x, y = TORUS.coordinates()
    T = torch.stack([torch.exp(torch.cos(x - c) + torch.cos(y) - 2 + 1j * x) for c in range(CHANNELS)], dim=-1)
    return T / 2  # a density of at most 1


def relative(T: torch.Tensor, reference: torch.Tensor, start: torch.Tensor) -> float:
    """Return ‖T − reference‖/‖start‖."""
    return float(torch.linalg.vector_norm(T - reference) / torch.linalg.vector_norm(start))


def serves(method: str, H: sh.Hamiltonian) -> bool:
    """Tell whether the method takes this H."""
    if method == "magnus4":
        return H.is_linear
    return H.is_static or method not in (*TO_TOLERANCE, "crank_nicolson")


def measure_case(case: Case) -> list[Point]:
    """Run every method that serves the case, cheap settings first."""
    points = [p for method in METHODS if serves(method, case.H) for p in measure_method(case, method)]
    return points + measure_method(case, AUTO)


def measure_method(case: Case, method: str) -> list[Point]:
    """Return the points of one method, until they are exact or slow; the first, useless points are cut."""
    points: list[Point] = []
    cap = IMPLICIT_CPU if method in ("crank_nicolson", "magnus4") else LONGEST_CPU
    for option, value in _settings(method):
        point = _measure(case, method, option, value)
        if point.error <= LARGEST_ERROR:
            points.append(point)
        if (point.error <= LEAST_ERROR and method != AUTO) or (option == "dt" and point.cpu_ms > 1e3 * cap):
            break
    return points


def _settings(method: str) -> Iterator[tuple[str, float]]:
    if method == "exact":
        yield "dt", TIME
    elif method in (*TO_TOLERANCE, AUTO):
        yield from (("tol", tol) for tol in TOLERANCES)
    else:
        yield from (("dt", TIME / (FIRST_STEPS * 2**k)) for k in range(20))


def _measure(case: Case, method: str, option: str, value: float) -> Point:
    """Return the shortest of a few runs."""
    now, best = clock(), math.inf
    given: dict[str, Any] = {"method": "auto" if method == AUTO else method, option: value}
    for _ in range(REPEATS):
        start = now()
        try:
            run = sh.evolve(case.H, case.T, TIME, **given)
        except sh.EvolutionError:  # an unstable step
            return Point(method, value, 0, 0, 0.0, 0.0, math.inf)
        best = min(best, now() - start)
        if best > LONGEST_CPU:
            break
    stats = run.stats
    by_fft = case.H.execution_for(case.T) == "fft"
    products = stats.transforms / 2 + (0 if by_fft else stats.hamiltonian_applications)
    error = relative(run.final, case.reference, case.T)
    return Point(
        method, value, stats.transforms, stats.hamiltonian_applications, products, 1e3 * best, max(error, 1e-16)
    )


def memory() -> list[dict[str, Any]]:
    """Return the most memory that a run of each method holds, beyond the input, in fields: on 20×18×32×32."""
    torus = sh.Torus((20, 18), lengths=2 * math.pi)
    x, y = torus.coordinates()
    H = sh.Hamiltonian(torus, potential=torch.cos(x) * torch.cos(y))
    T = torch.exp(torch.cos(x) + 1j * y)[..., None, None].expand(20, 18, 32, 32).contiguous()
    used = []
    for method in METHODS:
        given: dict[str, Any] = {"tol": 1e-8} if method in TO_TOLERANCE else {"dt": 0.01}
        call = partial(sh.evolve, H, T, 0.03, method=method, **given)
        call()
        used.append({"problem": MEMORY, "method": method, "peak_fields": round(peak_bytes(call) / T.nbytes, 1)})
    return used


def measure() -> list[dict[str, Any]]:
    """Return one row per run, and one per method of the memory that it holds."""
    rows: list[dict[str, Any]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", sh.Advice)  # steps that are too long are part of the picture
        for problem in PROBLEMS:
            for backend in BACKENDS:
                case = make_case(problem, backend)
                points = measure_case(case)
                print(f"{problem}, {backend}: {len(points)} runs", flush=True)
                shared = {"problem": problem, "backend": backend, "reference_error": case.reference_error}
                rows += [{name: _digits(x) for name, x in (shared | asdict(point)).items()} for point in points]
        return rows + memory()


def _digits(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value
