"""The finite differences converge at their order, with the constant of the leading error term."""

import math
from collections.abc import Iterator
from functools import partial

import torch

import spectral_ham as sh
from spectral_ham.convergence import ConvergenceStudy, study_errors
from spectral_ham.exact import leading_error_constant, plane_wave, plane_wave_energy
from validation import manufactured
from validation.cases import DIAGONAL, ORDERS, UNITS, budget, hamiltonian, torus_of
from validation.claim import Claim
from validation.figures import draw_panels
from validation.orders import order_claims
from validation.study import Mode, Plot, Result, Study
from validation.waves import AMPLITUDE, largest_energy

SOURCE = "E_fd/E = 1 − C(kΔ)^p + …, C = 1/12, 1/90, 1/560, 1/3150; Fornberg (1998), doi:10.1137/S0036144596322507"
METRIC = sh.InverseMetric(DIAGONAL)
POINTS = {2: (32, 48, 64, 96, 128), 4: (24, 32, 48, 64, 96), 6: (20, 24, 32, 40, 48), 8: (20, 24, 28, 32, 36)}
"""Points per wavelength for each order: fine enough to be asymptotic, and coarse enough to stay above round-off."""


def run(mode: Mode) -> Iterator[Result]:
    """Yield order and constant for a wave along each axis, then the order for the manufactured field."""
    waves: dict[str, ConvergenceStudy] = {}
    fields: dict[str, ConvergenceStudy] = {}
    for order in ORDERS:
        for axis in (0, 1):
            study = _plane_wave(mode, order, axis)
            if axis == 0:
                waves[f"order {order}"] = study
            yield from order_claims(partial(Claim, "fd_orders", source=SOURCE), study)
        fields[f"order {order}"] = study = _manufactured(mode, order)
        yield from order_claims(partial(Claim, "fd_orders", source=manufactured.SOURCE), study)
    panels = {"Plane wave along x: error C·(kΔ)^p": waves, "Manufactured field, full metric, with V": fields}
    yield Plot("fd_orders", partial(draw_panels, panels))


def _plane_wave(mode: Mode, order: int, axis: int) -> ConvergenceStudy:
    """|E_fd/E − 1| for the wave of mode number 1 along ``axis``, refined along that axis only."""
    wave = (1, 0) if axis == 0 else (0, 1)

    def torus(N: int) -> sh.Torus:
        return torus_of(N, 11) if axis == 0 else torus_of(12, N)

    def error(N: int) -> float:
        grid = torus(N)
        H = hamiltonian(grid, METRIC, "fd", mode.default("fd"), stencil_order=order)
        T, E = plane_wave(grid, wave, amplitude=AMPLITUDE), plane_wave_energy(grid, wave, METRIC, **UNITS)
        return float((H(T) - E * T).abs().max() / (E * T).abs().max())

    def floor(N: int) -> float:
        top = largest_energy(torus(N), METRIC, "fd", order)
        return budget(torch.complex128) * top / plane_wave_energy(torus(N), wave, METRIC, **UNITS)

    return study_errors(
        error,
        POINTS[order],
        h=lambda N: 2 * math.pi / N,
        floor=floor,
        expected_order=order,
        expected_constant=float(leading_error_constant(order)),
        name=f"wave along axis {axis}, fd of order {order}",
        h_label="k·Δ (radians per point)",
        error_label="|E_fd/E − 1|",
    )


def _manufactured(mode: Mode, order: int) -> ConvergenceStudy:
    """max|H_fd T − HT|/max|HT| for the manufactured field."""

    def error(N: int) -> float:
        case = manufactured.problem(N)
        return case.distance(case.apply("fd", mode.default("fd"), order), case.HT)

    return study_errors(
        error,
        manufactured.POINTS[order],
        h=lambda N: 1 / N,
        floor=lambda N: manufactured.problem(N).floor("fd", order),
        expected_order=order,
        name=f"manufactured field, fd of order {order}",
        h_label="1/N along x",
        error_label="max|H_fd T − HT| / max|HT|",
    )


STUDY = Study("fd_orders", "Finite differences converge at order 2, 4, 6, 8 with the constants of the theory", run)
