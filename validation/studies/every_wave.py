"""Every oblique plane wave that a grid resolves is an eigenfunction of the spectral H, to rounding."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import torch

import spectral_ham as sh
from validation.cases import FULL, budget, hamiltonian, shape_name, spread_metric, torus_of, ugly_torus
from validation.claim import Claim
from validation.study import Mode, Plot, Result, Study
from validation.sweep import sweep_claims
from validation.waves import AMPLITUDE, all_modes, energies, nyquist_axes, relative_residuals, wave_chunks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = "T = A exp(ik·x), E = (ħ²/2m) Σ_ij g^ij k_i k_j; Trefethen (2000), ch. 3, doi:10.1137/1.9780898719598"
NYQUIST_SOURCE = "definition: at n = N/2 the grid keeps k² and has no odd derivative"

QUICK = ((31,), (64,), (22, 15), (16, 16), (13, 11), (1, 12), (6, 5, 4), (7, 5, 3))
FULL_GRIDS = (*QUICK, (97,), (128,), (2, 9), (31, 29), (48, 45), (40, 27), (9, 8, 10), (5, 7, 13))
QUICK_NYQUIST = ((64,), (22, 15), (16, 16), (6, 5, 4))
HARD_LENGTHS = ((34,), (46,), (19, 34))
"""Vendors' FFTs are least accurate at composite N with a prime factor above 13; dense execution does not mind."""
FULL_NYQUIST = (*QUICK_NYQUIST, (2, 9), (48, 45), (9, 8, 10))


def run(mode: Mode) -> Iterator[Result]:
    """Yield the worst backward error of each grid: first the resolved waves, then those at the Nyquist mode."""
    claim = partial(Claim, "every_wave", source=SOURCE)
    at_nyquist = partial(Claim, "every_wave", source=NYQUIST_SOURCE)
    for shape in FULL_GRIDS if mode.full else QUICK:
        label = f"{shape_name(shape)} grid, |n| < N/2"
        yield from sweep_claims(claim, label, [shape], mode, "spectral", wanted=lambda t, n: not nyquist_axes(t, n))
    shapes = FULL_NYQUIST if mode.full else QUICK_NYQUIST
    label = f"{len(shapes)} grids, n = N/2"
    yield from sweep_claims(at_nyquist, label, shapes, mode, "spectral", wanted=lambda t, n: bool(nyquist_axes(t, n)))
    if "dense" in mode.executions("spectral"):
        label = f"{len(HARD_LENGTHS)} grids, N with a prime factor above 13"
        yield from sweep_claims(claim, label, HARD_LENGTHS, Mode(mode.full, "dense"), "spectral")
    if "fft" in mode.executions("spectral"):
        for shape in HARD_LENGTHS:
            yield _as_good_as_the_fft(shape)
    yield Plot("every_wave", partial(_draw, mode))


def _as_good_as_the_fft(shape: tuple[int, ...]) -> Claim:
    """On lengths where torch.fft itself errs by more than eps, H may err by 16 times as much as torch.fft does.

    The transform of a plane wave is one number and zeros: that is what torch.fft is measured against, with no part of
    the package between.
    """
    torus, metric = torus_of(*shape), spread_metric(len(shape), 1.0)
    waves = all_modes(torus)
    ((_, T),) = wave_chunks(torus, waves)
    spectrum = torch.zeros_like(T)
    for channel, modes in enumerate(waves):
        spectrum[(*modes, channel)].fill_(AMPLITUDE * torus.size)
    axes = tuple(range(-len(shape), 0))
    by_fft = torch.fft.fftn(T.movedim(-1, 0).contiguous(), dim=axes).movedim(0, -1)
    library = float((by_fft - spectrum).abs().max()) / torus.size
    E = energies(torus, waves, metric, "spectral")
    H = hamiltonian(torus, metric, "spectral", "fft")
    return Claim(
        "every_wave",
        name=f"{shape_name(shape)} grid, N with a prime factor above 13: fft, complex128",
        formula="‖HT − E T‖_max/(max|symbol|·max|T|) ≤ 16 max(eps, e), e the error of torch.fft on the same waves",
        source=SOURCE,
        expected=0.0,
        measured=float(relative_residuals(H, T, E, float(E.max())).max()),
        bound=max(budget(T.dtype), 16 * library),
        detail=f"torch.fft alone errs by {library / torch.finfo(T.dtype).eps:.1f} eps here",
    )


def _draw(mode: Mode, figure: "Figure") -> None:
    """Backward error of every wave of the ugly grid, under a full metric: spectral beside fd of order 2 and 8."""
    from matplotlib.colors import LogNorm

    torus, metric = ugly_torus(), sh.InverseMetric(FULL)
    waves = all_modes(torus)
    E = energies(torus, waves, metric, "spectral")
    ((_, T),) = wave_chunks(torus, waves)
    figure.set_size_inches(12, 4.6)
    panels = figure.subplots(1, 3, sharey=True)
    N_x, N_y = torus.shape
    for axes, (backend, order) in zip(panels, (("spectral", 2), ("fd", 2), ("fd", 8)), strict=True):
        execution = mode.default(backend)
        H = hamiltonian(torus, metric, backend, execution, stencil_order=order)
        errors = relative_residuals(H, T, E, float(E.max())).clamp_min(1e-17).reshape(N_x, N_y)
        extent = (-((N_x - 1) // 2) - 0.5, N_x // 2 + 0.5, -((N_y - 1) // 2) - 0.5, N_y // 2 + 0.5)
        image = axes.imshow(
            errors.mT.numpy(), origin="lower", extent=extent, norm=LogNorm(1e-17, 1), cmap="cividis", aspect="auto"
        )
        name = f"spectral ({execution})" if backend == "spectral" else f"fd, order {order} ({execution})"
        axes.set_title(f"{name}: worst {float(errors.max()):.1e}", fontsize="medium", loc="left")
        axes.set_xlabel("mode number $n_x$")
    panels[0].set_ylabel("mode number $n_y$")
    bar = figure.colorbar(image, ax=list(panels), label="‖HT − E T‖ / (max|symbol|·max|T|)")
    bar.ax.axhline(budget(T.dtype), color="white", linewidth=2)
    bar.ax.annotate("16 eps", (0, budget(T.dtype)), xytext=(-3, 0), textcoords="offset points", ha="right", va="center")


STUDY = Study("every_wave", "Every plane wave that a grid resolves, spectral, to rounding", run)
