"""What single precision costs: the error relative to HT grows as (k_max/k)², the backward error does not."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import spectral_ham as sh
from spectral_ham.exact import plane_wave, plane_wave_energy
from spectral_ham.plotting import COLORS, MARKERS
from validation.cases import DTYPES, UNITS, budget, hamiltonian
from validation.claim import Claim
from validation.figures import dress
from validation.study import Mode, Plot, Result, Study
from validation.waves import AMPLITUDE, largest_energy, residuals

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "E = (ħ²/2m) g^ij k_i k_j; backward error of the FFT: Higham (2002), ch. 24, doi:10.1137/1.9780898718027"
WAVE = (1, 1)
METRIC = sh.InverseMetric((1.0, 1.0))
DENSE_MAX = 128
"""The rounding of a matrix product grows with N; beyond this the package does not choose it."""


def run(mode: Mode) -> Iterator[Result]:
    """Yield the error relative to HT on the smoothest oblique wave, for each grid and precision."""
    claim = partial(Claim, "precision", source=SOURCE)
    for N in (28, 256, 1024) if mode.full else (28, 256):
        for execution in mode.executions("spectral"):
            if execution == "dense" and N > DENSE_MAX:
                continue
            for dtype in DTYPES:
                _, forward, amplification = _errors(N, dtype, execution)
                yield claim(
                    name=f"{N}×{N}, {execution}, {dtype}: error relative to HT",
                    formula="‖HT − E T‖_max/‖E T‖_max ≤ 16 eps·max|symbol|/|symbol(k)|: backward error ≤ 16 eps",
                    expected=0.0,
                    measured=forward,
                    bound=budget(DTYPES[dtype]) * amplification,
                )
    yield Plot("precision", partial(_draw, mode))


def _errors(N: int, dtype: str, execution: str) -> tuple[float, float, float]:
    """Return the backward error, the error relative to HT, and their ratio max|symbol|/|symbol(k)|."""
    torus = sh.Torus((N, N), lengths=(2.9, 4.7), origin=(-0.4, 1.1))
    H = hamiltonian(torus, METRIC, "spectral", execution)
    T = plane_wave(torus, WAVE, amplitude=AMPLITUDE, dtype=DTYPES[dtype])
    E = plane_wave_energy(torus, WAVE, METRIC, **UNITS)
    top = largest_energy(torus, METRIC, "spectral")
    error = float(residuals(H, T.unsqueeze(-1), E).max() / T.abs().max())
    return error / top, error / E, top / E


def _draw(mode: Mode, figure: "Figure") -> None:
    axes = figure.add_subplot()
    sizes = (16, 28, 64, 128, 256, 512, 1024) if mode.full else (16, 28, 64, 128, 256)
    for dtype, color, marker in zip(DTYPES, COLORS, MARKERS, strict=False):
        found = [_errors(N, dtype, "fft") for N in sizes]
        bound = budget(DTYPES[dtype])
        axes.plot(sizes, [f for _, f, _ in found], color=color, marker=marker, label=f"{dtype}: relative to HT")
        axes.plot(
            sizes, [b for b, _, _ in found], color=color, marker=marker, markerfacecolor="white", linestyle=":",
            label=f"{dtype}: backward error",
        )  # fmt: skip
        axes.plot(sizes, [bound * a for _, _, a in found], color=color, linewidth=1, linestyle="--")
        axes.plot(sizes, [bound for _ in sizes], color=color, linewidth=1, linestyle="--")
    axes.plot([], [], color="0.3", linewidth=1, linestyle="--", label="bounds: 16 eps·(max|symbol|/|symbol|), 16 eps")
    dress(axes, "The lowest oblique wave, spectral by FFT", "points per axis N", "error of HT")
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(sizes, [str(N) for N in sizes])
    axes.set_xticks([], minor=True)
    axes.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(0, 0.45))


STUDY = Study("precision", "The error budget of complex64 and complex128", run)
