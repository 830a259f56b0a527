"""Axis 0 is x, and the torus closes: each axis has its own metric component, and neighbors reach across the seam."""

import math
from collections.abc import Iterator
from functools import partial

import torch

import spectral_ham as sh
from spectral_ham.exact import SECOND_DERIVATIVE_WEIGHTS, ManufacturedField, plane_wave
from validation.cases import DIAGONAL, KINETIC, ORDERS, Execution, budget, hamiltonian, random_field, ugly_torus
from validation.claim import Claim
from validation.study import Mode, Result, Study
from validation.waves import AMPLITUDE, largest_energy

BUDGET = budget(torch.complex128)
BACKENDS = ("spectral", "fd")

_claim = partial(Claim, "axes_and_seam", source="definition", expected=0.0)


def run(mode: Mode) -> Iterator[Result]:
    """Yield waves along one axis, then steps and points at the seam in exact integers, then fields across the seam."""
    for backend in BACKENDS:
        for axis in (0, 1):
            for other in (1.0, 1e3):
                yield _wave_along(mode, backend, axis, other)
    if "stencil" in mode.executions("fd"):
        yield from _integers()
    for order in ORDERS:
        for execution in mode.executions("fd"):
            yield _rolled_copies(order, execution)
    for execution in mode.executions("spectral"):
        yield _bump_on_the_seam(execution)


def _wave_along(mode: Mode, backend: str, axis: int, other: float) -> Claim:
    """A wave along one axis has the energy of that axis, whatever the metric of the other axis is."""
    torus, n = ugly_torus(), 3
    g = [DIAGONAL[a] * (1.0 if a == axis else other) for a in (0, 1)]
    k, step = 2 * math.pi * n / torus.lengths[axis], torus.spacing[axis]
    squared = k**2 if backend == "spectral" else (2 * math.sin(k * step / 2) / step) ** 2
    E = KINETIC * g[axis] * squared
    H = hamiltonian(torus, sh.InverseMetric(g), backend, mode.default(backend))
    T = plane_wave(torus, (n, 0) if axis == 0 else (0, n), amplitude=AMPLITUDE)
    own, foreign = ("xx", "yy") if axis == 0 else ("yy", "xx")
    unchanged = "" if other == 1 else f", with {other:g} g^{foreign}"
    return _claim(
        name=f"{backend}: a wave along axis {axis} sees g^{own} only{unchanged}",
        formula="‖HT − E T‖_max/(max|symbol|·max|T|) ≤ 16 eps",
        source="E = (ħ²/2m) g^ii k², for fd of order 2 with k → 2 sin(kΔ/2)/Δ",
        measured=float((H(T) - E * T).abs().max()) / largest_energy(torus, H.inverse_metric, backend),
        bound=BUDGET,
    )


def _integers() -> Iterator[Claim]:
    """Fields of small integers under fd of order 2 with Δ = 1, ħ²/2m = 1: every sum is exact, so nothing may be off."""
    H = sh.Hamiltonian(
        sh.Torus((6, 5)), inverse_metric=(2.0, 3.0), hbar=1.0, mass=0.5, backend="fd", execution="stencil"
    )
    point, point_answer = _zeros(), _zeros()
    point[0, 0] = 1.0
    point_answer[0, 0] = 10.0  # 2 (g^xx + g^yy)
    point_answer[1, 0] = point_answer[5, 0] = -2.0  # −g^xx, inside and across the seam
    point_answer[0, 1] = point_answer[0, 4] = -3.0  # −g^yy
    step_x, step_x_answer = _zeros(), _zeros()
    step_x[:2] = 1.0
    step_x_answer[:] = 2.0 * torch.tensor([1.0, 1.0, -1.0, 0.0, 0.0, -1.0], dtype=torch.float64)[:, None]
    step_y, step_y_answer = _zeros(), _zeros()
    step_y[:, :2] = 1.0
    step_y_answer[:] = 3.0 * torch.tensor([1.0, 1.0, -1.0, 0.0, -1.0], dtype=torch.float64)
    cases = {
        "a point at index (0, 0)": (point, point_answer),
        "a step across index 0 of axis 0": (step_x, step_x_answer),
        "a step across index 0 of axis 1": (step_y, step_y_answer),
    }
    for name, (T, answer) in cases.items():
        yield _claim(
            name=f"fd of order 2: {name}, in exact integers",
            formula="max|−g^xx ∂_x² T − g^yy ∂_y² T − answer written out by hand| = 0",
            measured=float((H(T) - answer).abs().max()),
            bound=0.0,
        )


def _rolled_copies(order: int, execution: str) -> Claim:
    """∂² of white noise as a weighted sum of rolled copies: what a periodic stencil is, written in another way."""
    torus = ugly_torus()
    H = hamiltonian(torus, sh.InverseMetric(DIAGONAL), "fd", execution, stencil_order=order)
    T = random_field((*torus.shape, 2), seed=11)
    weights = [float(c) for c in SECOND_DERIVATIVE_WEIGHTS[order]]
    answer = torch.zeros_like(T)
    for axis in (0, 1):
        copies = sum(c * (T.roll(r, axis) + T.roll(-r, axis)) for r, c in enumerate(weights) if r > 0)
        answer -= KINETIC * DIAGONAL[axis] / torus.spacing[axis] ** 2 * (weights[0] * T + copies)
    scale = largest_energy(torus, H.inverse_metric, "fd", order) * float(T.abs().max())
    return _claim(
        name=f"fd of order {order} by {execution}: white noise, against rolled copies",
        formula="‖HT − Σ_r c_r (T_{j+r} + T_{j−r})·…‖_max/(max|symbol|·max|T|) ≤ 16 eps",
        source="doi:10.1090/S0025-5718-1988-0935077-0, Table 1",
        measured=float((H(T) - answer).abs().max()) / scale,
        bound=BUDGET,
    )


def _bump_on_the_seam(execution: Execution) -> Claim:
    torus = sh.Torus((40, 35), lengths=(2.9, 4.7), origin=(-0.4, 1.1))
    field = ManufacturedField(torus, kappa=(0.8, 0.5), modes=(1, -1), center=torus.origin, channels=(2,))
    lap = sh.Laplacian(torus, inverse_metric=DIAGONAL, execution=execution)
    T, exact = field.values(), field.laplacian(lap.inverse_metric)
    largest = largest_energy(torus, lap.inverse_metric, "spectral") / KINETIC
    return _claim(
        name=f"spectral by {execution}: a bump whose maximum lies on the seam",
        formula="‖∇²_g T − exact‖_max/(max|symbol|·max|T|) ≤ 16 eps",
        source="doi:10.2172/759450, manufactured solution",
        measured=float((lap(T) - exact).abs().max()) / (largest * float(T.abs().max())),
        bound=BUDGET,
    )


def _zeros() -> torch.Tensor:
    return torch.zeros(6, 5, dtype=torch.float64)


STUDY = Study("axes_and_seam", "Axis 0 is x, and the torus closes across the seam", run)
