"""Every method converges at its order in time, for Schrödinger's equation (imaginary exponents) with [K, V] ≠ 0."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

import spectral_ham as sh
from oracles.flows import dense_flow, integrated
from spectral_ham.convergence import ConvergenceStudy, study_errors
from spectral_ham.potentials import PotentialLike
from spectral_ham.propagators import METHODS
from validation.cases import FULL, hamiltonian, torus_of
from validation.claim import Claim
from validation.dynamics import coupled_potential, gap, smooth_field
from validation.figures import draw_panels
from validation.orders import order_claims
from validation.study import Mode, Plot, Result, Study

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]

TORUS, METRIC, TIME = torus_of(6, 7), sh.InverseMetric(FULL), 1.5
FLOOR = 2e-11
"""Below 50 times this, 1e-9, errors do not enter a fit."""
CONSTANT = (
    "local error operator of the scheme by series, moved by the Fréchet derivative of exp; Hairer, Lubich & Wanner"
)
CONSTANT += ", Geometric Numerical Integration (2006), IX.8, doi:10.1007/3-540-30666-8"
DEFINITION = "order in theory: doi:10.1017/S0962492902000053 (McLachlan & Quispel 2002), and the method's own paper"


@dataclass(frozen=True)
class Case:
    """A method, its order in theory, and the numbers of steps that show it."""

    method: str
    order: int
    steps: tuple[int, ...]


STATIC = (
    Case("lie", 1, (400, 800)),
    Case("strang", 2, (100, 200)),
    Case("yoshida4", 4, (100, 150, 200)),
    Case("suzuki4", 4, (40, 60, 80)),
    Case("blanes_moan4", 4, (20, 30, 40)),
    Case("yoshida6", 6, (36, 44, 52)),
    Case("crank_nicolson", 2, (100, 200)),
    Case("rk4", 4, (120, 160, 200)),
    Case("etdrk4", 4, (60, 90, 120)),
)
DRIVEN = (Case("strang", 2, (100, 200)), Case("blanes_moan4", 4, (20, 30, 40)), Case("magnus4", 4, (40, 50)))
NONLINEAR = (
    Case("strang", 2, (100, 200)),
    Case("blanes_moan4", 4, (40, 60)),
    Case("yoshida6", 6, (80, 100, 120)),
    Case("etdrk4", 4, (100, 200)),
)
DISCRETIZATIONS = (("spectral", 2), ("fd", 4))


def run(mode: Mode) -> Iterator[Result]:
    """Yield order and constant with a static V for both backends, then the orders with V(t) and g|T|²."""
    panels: dict[str, dict[str, ConvergenceStudy]] = {}
    for backend, stencil_order in DISCRETIZATIONS:
        H = _hamiltonian(mode, backend, stencil_order, coupled_potential(TORUS))
        T, constants = smooth_field(TORUS, 3), _constants(H, smooth_field(TORUS, 3))
        exact, panel = dense_flow(H, -1j * TIME / float(H.hbar), T), panels.setdefault(f"Static V, {backend}", {})
        for case in STATIC:
            study = _study(H, T, exact, case, f"static V, {backend}", constants.get(case.method))
            panel[case.method] = study
            yield from order_claims(partial(Claim, "temporal_orders", source=CONSTANT), study)
    others: dict[str, ConvergenceStudy] = {}
    for label, V, cases in (("V(t)", _driven, DRIVEN), ("g|T|²", _condensate(), NONLINEAR)):
        for backend, stencil_order in DISCRETIZATIONS if mode.full else DISCRETIZATIONS[:1]:
            H, T = _hamiltonian(mode, backend, stencil_order, V), smooth_field(TORUS, 3)
            exact = integrated(H, T, TIME)
            for case in cases:
                study = _study(H, T, exact, case, f"{label}, {backend}")
                others.setdefault(f"{case.method}, {label}", study)
                yield from order_claims(partial(Claim, "temporal_orders", source=DEFINITION), study)
    panels["V(t) and g|T|²"] = others
    yield Plot("temporal_orders", partial(draw_panels, panels))


def _hamiltonian(mode: Mode, backend: str, stencil_order: int, V: PotentialLike) -> sh.Hamiltonian:
    return hamiltonian(TORUS, METRIC, backend, mode.default(backend), stencil_order=stencil_order, V=V)


def _driven(t: float) -> torch.Tensor:
    return coupled_potential(TORUS, 1.7 * t) * (1 + 0.5 * math.sin(2 * t))


def _condensate() -> sh.GrossPitaevskii:
    return sh.GrossPitaevskii(2.0 * TORUS.size, coupled_potential(TORUS))


def _study(
    H: sh.Hamiltonian, T: torch.Tensor, exact: torch.Tensor, case: Case, label: str, constant: float | None = None
) -> ConvergenceStudy:
    def error(n: int) -> float:
        return gap(METHODS[case.method](H, TIME / n).advance(T, n), exact)

    return study_errors(
        error,
        case.steps,
        h=lambda n: TIME / n,
        floor=FLOOR,
        expected_order=case.order,
        expected_constant=constant,
        order_tolerance=0.1 if case.order == 6 else 0.05,
        name=f"{case.method}, {label}",
        h_label="dt (time)",
        error_label="‖T − exact‖ / ‖T‖",
    )


# The constants: S(dt) = e^{zH} + D z^{p+1} + …, z = −i·dt/ħ, makes an error of dt^p·‖∫ e^{(1−s)A} B e^{sA} ds T‖ over
# the time t, with A = −iHt/ħ and B = t (−i/ħ)^{p+1} D: the Fréchet derivative of exp at A in the direction B.


def _constants(H: sh.Hamiltonian, T: torch.Tensor) -> dict[str, float]:
    """Return C of error = C·dt^p for the splittings and the rational methods."""
    import numpy as np
    from scipy.linalg import expm_frechet

    K = H.with_potential(None).as_matrix().numpy()
    V = H.as_matrix().numpy() - K
    M, unit, hbar = K + V, np.eye(len(K)), float(H.hbar)
    powers = [np.linalg.matrix_power(M, k) for k in range(6)]
    local = {"crank_nicolson": (2, powers[3] / 12), "rk4": (4, -powers[5] / 120)}
    for method, (order, factors) in _splittings().items():
        series = _truncated_product(K, V, factors, order + 1)
        local[method] = order, series[-1] - np.linalg.matrix_power(M, order + 1) / math.factorial(order + 1)
    constants: dict[str, float] = {}
    for method, (order, D) in local.items():
        B = TIME * (-1j / hbar) ** (order + 1) * D
        moved = expm_frechet(-1j * TIME / hbar * M, B @ unit, compute_expm=False)
        constants[method] = float(np.linalg.norm(moved @ T.flatten().numpy()) / torch.linalg.vector_norm(T))
    return constants


def _truncated_product(K: "Array", V: "Array", factors: list[tuple[str, float]], degree: int) -> "list[Array]":
    """Return the coefficients of z^0 … z^degree of Π e^{weight·zX}, X = K or V, read from the right."""
    import numpy as np

    series = [np.eye(len(K))] + [np.zeros_like(K)] * degree
    for name, weight in factors:
        X = weight * (K if name == "K" else V)
        terms = [np.linalg.matrix_power(X, k) / math.factorial(k) for k in range(degree + 1)]
        series = [sum((terms[k] @ series[n - k] for k in range(n + 1)), np.zeros_like(K)) for n in range(degree + 1)]
    return series


def _splittings() -> dict[str, tuple[int, list[tuple[str, float]]]]:
    """Return (order, factors) of each splitting, from its paper and not from the package's tables."""
    w, p = 1 / (2 - 2 ** (1 / 3)), 1 / (4 - 4 ** (1 / 3))
    w1, w2, w3 = -1.17767998417887, 0.235573213359357, 0.784513610477560
    w0 = 1 - 2 * (w1 + w2 + w3)
    a1, a2 = 0.209515106613362, -0.143851773179818
    b0, b1, b2 = 0.0792036964311957, 0.353172906049774, -0.0420650803577195
    a3, b3 = 0.5 - a1 - a2, 1 - 2 * (b0 + b1 + b2)
    kinetic, potential = (a1, a2, a3, a3, a2, a1), (b0, b1, b2, b3, b2, b1)
    blanes_moan = [pair for a, b in zip(kinetic, potential, strict=True) for pair in (("V", b), ("K", a))]
    return {
        "lie": (1, [("K", 1.0), ("V", 1.0)]),
        "strang": (2, _strangs(1.0)),
        "yoshida4": (4, _strangs(w, 1 - 2 * w, w)),
        "suzuki4": (4, _strangs(p, p, 1 - 4 * p, p, p)),
        "yoshida6": (6, _strangs(w3, w2, w1, w0, w1, w2, w3)),
        "blanes_moan4": (4, [*blanes_moan, ("V", b0)]),
    }


def _strangs(*weights: float) -> list[tuple[str, float]]:
    return [factor for w in weights for factor in (("V", w / 2), ("K", w), ("V", w / 2))]


STUDY = Study("temporal_orders", "Every method converges at its order in time, with the constant of the theory", run)
