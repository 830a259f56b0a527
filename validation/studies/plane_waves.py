"""The first check of all: spectral and finite differences against analytic plane waves, side by side."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import torch

import spectral_ham as sh
from spectral_ham.exact import fd_plane_wave_energy, plane_wave, plane_wave_energy
from spectral_ham.plotting import COLORS, MARKERS
from validation.cases import DIAGONAL, ORDERS, UNITS, V0, budget, hamiltonian, random_field, ugly_torus
from validation.claim import Claim
from validation.figures import dress
from validation.study import Mode, Plot, Result, Study
from validation.waves import Modes, largest_energy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "E = (ħ²/2m) Σ_ij g^ij k_i k_j + V0 for T = A exp(ik·x); discrete dispersion: doi:10.1137/S0036144596322507"
WAVES: tuple[Modes, ...] = ((0, 0), (1, 0), (0, 1), (3, -2), (-7, 5), (10, 7))

METRIC = sh.InverseMetric(DIAGONAL)
BUDGET = budget(torch.complex128)
BOTTOM = 1e-17

_claim = partial(Claim, "plane_waves", source=SOURCE)


def run(mode: Mode) -> Iterator[Result]:
    """Yield, for each wave, the error of the spectral H, and the error of each fd H beside the one predicted for it."""
    for modes in WAVES:
        yield _spectral(mode, modes, channels=(2, 2))
        for order in ORDERS:
            yield _fd(mode, modes, order)
    yield _spectral(mode, (3, -2), channels=())
    yield Plot("plane_waves", partial(_draw, mode))


def _error(H: sh.Hamiltonian, modes: Modes, channels: tuple[int, ...]) -> float:
    """‖HT − E T‖_max/max|T| for a wave with one random amplitude per channel, E being the continuum's."""
    A = random_field(channels, seed=1) if channels else 0.6 - 0.8j
    T = plane_wave(H.torus, modes, amplitude=A)
    E = plane_wave_energy(H.torus, modes, H.inverse_metric, **UNITS, potential=V0)
    return float((H(T) - E * T).abs().max() / T.abs().max())


def _hamiltonian(backend: str, execution: str, stencil_order: int = 2) -> sh.Hamiltonian:
    torus = ugly_torus()
    V = sh.potentials.constant(torus, V0)
    return hamiltonian(torus, METRIC, backend, execution, stencil_order=stencil_order, V=V)


def _spectral(mode: Mode, modes: Modes, channels: tuple[int, ...]) -> Claim:
    H = _hamiltonian("spectral", mode.default("spectral"))
    return _claim(
        name=f"n = {modes}: spectral by {H.execution}" + ("" if channels else ", no channels"),
        formula="‖HT − E T‖_max/max|T| ≤ 16 eps·max|kinetic symbol|",
        expected=0.0,
        measured=_error(H, modes, channels),
        bound=BUDGET * largest_energy(H.torus, H.inverse_metric, "spectral"),
    )


def _fd(mode: Mode, modes: Modes, order: int) -> Claim:
    H = _hamiltonian("fd", mode.default("fd"), order)
    E_fd = fd_plane_wave_energy(H.torus, modes, H.inverse_metric, order, **UNITS)
    E = plane_wave_energy(H.torus, modes, H.inverse_metric, **UNITS)
    return _claim(
        name=f"n = {modes}: fd of order {order} errs as its dispersion predicts",
        formula="‖HT − E T‖_max/max|T| = |E_fd − E| within 16 eps·max|kinetic symbol|",
        expected=abs(E_fd - E),
        measured=_error(H, modes, (2, 2)),
        bound=BUDGET * largest_energy(H.torus, H.inverse_metric, "fd", order),
    )


def _draw(mode: Mode, figure: "Figure") -> None:
    """Relative error of H for waves along the diagonal n_x = n_y."""
    axes = figure.add_subplot()
    torus = ugly_torus()
    n = list(range(1, 8))
    E = [plane_wave_energy(torus, (i, i), METRIC, **UNITS) for i in n]
    for order, color, marker in zip(ORDERS, COLORS, MARKERS, strict=False):
        H = _hamiltonian("fd", mode.default("fd"), order)
        E_fd = [fd_plane_wave_energy(torus, (i, i), METRIC, order, **UNITS) for i in n]
        measured = [_error(H, (i, i), (2, 2)) / e for i, e in zip(n, E, strict=True)]
        axes.plot(n, measured, color=color, marker=marker, linestyle="none", label=f"fd, order {order}")
        axes.plot(n, [abs(d / e - 1) for d, e in zip(E_fd, E, strict=True)], color=color, linewidth=1)
    H = _hamiltonian("spectral", mode.default("spectral"))
    measured = [max(_error(H, (i, i), (2, 2)) / e, BOTTOM) for i, e in zip(n, E, strict=True)]
    axes.plot(n, measured, color=COLORS[4], marker=MARKERS[4], linestyle="none", label=f"spectral by {H.execution}")
    allowed = BUDGET * largest_energy(torus, METRIC, "spectral")
    axes.fill_between(
        n, BOTTOM, [allowed / e for e in E], color="0.85", linewidth=0, zorder=0, label="round-off budget"
    )
    dress(
        axes, "Points: measured; lines: predicted", "n of the wave $n_x = n_y = n$, 22×15 grid", "relative error of H"
    )
    axes.set(yscale="log", ylim=(BOTTOM, 3.0))
    axes.legend(frameon=False, ncols=2, loc=(0.45, 0.32), fontsize="small")


STUDY = Study("plane_waves", "Spectral and finite differences against analytic plane waves, side by side", run)
