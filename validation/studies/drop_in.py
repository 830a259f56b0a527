"""The drop-in functions on a trainer's field, (28, 28, 16, 16) complex64: plane waves, and the 5-point formula."""

from collections.abc import Iterator
from functools import partial

import torch

import spectral_ham as sh
from spectral_ham.exact import fd_plane_wave_energy, plane_wave, plane_wave_energy, plane_wave_symbol
from validation.cases import DIAGONAL, budget, random_field
from validation.claim import Claim
from validation.study import Mode, Result, Study
from validation.waves import Modes, largest_energy

FIELD = (28, 28, 16, 16)
UNEVEN = (24, 17, 4, 4)
WAVES: tuple[Modes, ...] = ((1, 0), (0, 1), (5, -3), (13, 13))
HBAR, MASS = 0.1, 1.0
UNITS = {"hbar": HBAR, "mass": MASS}
PLANE_WAVES = "E = (ħ²/2m) Σ_i g^ii k_i², for fd with k → 2 sin(kΔ/2)/Δ"
FIVE_POINTS = "definition: −(ħ²/2m)(g^xx δ_x²/Δx² + g^yy δ_y²/Δy²)T + V∘T by rolled copies in complex128"
NORMALIZED = "‖HT − exact‖_max/(max|symbol|·max|T|) ≤ 16 eps of T's precision"

_claim = partial(Claim, "drop_in", expected=0.0)


def run(mode: Mode) -> Iterator[Result]:
    """Yield plane waves for both flags, random fields against five points, then the defaults and the context."""
    del mode  # these functions take no execution: they plan for themselves
    for backend in ("spectral", "fd"):
        for modes in WAVES:
            yield _plane_wave(backend, modes)
    V = random_field(FIELD, seed=22, dtype=torch.complex64)
    yield _five_points("no V", FIELD, torch.complex64)
    yield _five_points("V per point and channel", FIELD, torch.complex64, V=V)
    yield _five_points("V per point", FIELD, torch.complex64, V=V[:, :, 0, 0].real.contiguous())
    yield _five_points("Δx ≠ Δy, 24×17 grid", UNEVEN, torch.complex64, spacing=(0.7, 1.3))
    yield _five_points("Δx ≠ Δy, 24×17 grid", UNEVEN, torch.complex128, spacing=(0.7, 1.3))
    yield _five_points("Δx ≠ Δy, 24×17 grid", UNEVEN, torch.float32, spacing=(0.7, 1.3))
    for axis in (0, 1):
        yield _one_axis(axis)
    yield from _defaults()


def _plane_wave(backend: str, modes: Modes) -> Claim:
    g = torch.tensor((*DIAGONAL, 7.0, 7.0), dtype=torch.float32)  # as the trainer has it: longer than 2, float32
    torus, metric = sh.Torus(FIELD[:2]), sh.InverseMetric(g[:2])
    T = plane_wave(torus, modes, amplitude=random_field(FIELD[2:], seed=21), dtype=torch.complex64)
    energy = plane_wave_energy if backend == "spectral" else fd_plane_wave_energy
    E = energy(torus, modes, metric, **UNITS)
    HT = sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g, backend=backend)
    return _claim(
        name=f"{backend}: n = {modes}, 256 random amplitudes, complex64",
        formula=NORMALIZED,
        source=PLANE_WAVES,
        measured=_normalized(HT, E * T.to(torch.complex128), T, largest_energy(torus, metric, backend, units=UNITS)),
        bound=budget(T.dtype),
    )


def _five_points(
    label: str,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    *,
    V: torch.Tensor | None = None,
    spacing: tuple[float, float] = (1.0, 1.0),
) -> Claim:
    T = random_field(shape, seed=23, dtype=dtype)
    HT = sh.hamiltonian_evolution_with_metric(
        T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=DIAGONAL, V=V, backend="fd", dx=spacing[0], dy=spacing[1]
    )
    torus = sh.Torus(shape[:2], spacing=spacing)
    top = largest_energy(torus, sh.InverseMetric(DIAGONAL), "fd", units=UNITS)
    top += 0.0 if V is None else float(V.abs().max())
    return _claim(
        name=f"fd against the 5-point formula: {label}, {str(dtype).removeprefix('torch.')}",
        formula=NORMALIZED + (", plus max|V|" if V is not None else ""),
        source=FIVE_POINTS,
        measured=_normalized(HT, _by_hand(T, DIAGONAL, V, spacing), T, top),
        bound=budget(dtype),
    )


def _by_hand(
    T: torch.Tensor,
    g: tuple[float, float],
    V: torch.Tensor | None = None,
    spacing: tuple[float, float] = (1.0, 1.0),
) -> torch.Tensor:
    """The order-2 drop-in in three lines, in double precision."""
    wide = T.to(torch.complex128)
    second = [(wide.roll(1, axis) - 2 * wide + wide.roll(-1, axis)) / spacing[axis] ** 2 for axis in (0, 1)]
    HT = -(HBAR**2) / (2 * MASS) * (g[0] * second[0] + g[1] * second[1])
    return HT if V is None else HT + V.reshape(V.shape + (1,) * (T.ndim - V.ndim)).to(torch.complex128) * wide


def _one_axis(axis: int) -> Claim:
    """spatial_laplacian_x acts along axis 0, spatial_laplacian_y along axis 1."""
    torus, modes = sh.Torus(UNEVEN[:2], spacing=(0.7, 1.3)), (3, -2)
    T = plane_wave(torus, modes, amplitude=random_field(UNEVEN[2:], seed=24))
    step, own = torus.spacing[axis], tuple(n if a == axis else 0 for a, n in enumerate(modes))
    laplacian, letter = ((sh.spatial_laplacian_x, "x"), (sh.spatial_laplacian_y, "y"))[axis]
    exact = plane_wave_symbol(torus, own) * T
    return _claim(
        name=f"spatial_laplacian_{letter}: an oblique wave, along axis {axis} only, complex128",
        formula="‖∂²T − (−k²)T‖_max/((π/Δ)²·max|T|) ≤ 16 eps",
        source="definition",
        measured=_normalized(laplacian(T, step, backend="spectral"), exact, T, (torch.pi / step) ** 2),
        bound=budget(T.dtype),
    )


def _defaults() -> Iterator[Claim]:
    """The flag's default is the 5-point stencil; a context supplies metric and flag, an argument wins over it."""
    T = random_field(FIELD, seed=25, dtype=torch.complex64)
    top = largest_energy(sh.Torus(FIELD[:2]), sh.InverseMetric(DIAGONAL), "fd", units=UNITS)
    flat = sh.hamiltonian_evolution(T, hbar_cog=HBAR, m_cog=MASS)
    with sh.GeometryContext(g_inv_diag=DIAGONAL):
        inside = sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS)
    with sh.GeometryContext(g_inv_diag=(9.0, 9.0), backend="spectral"):
        argument_wins = sh.hamiltonian_evolution_with_metric(
            T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=DIAGONAL, backend="fd"
        )
    cases = {
        "no flag, no metric: flat, fd of order 2": (flat, (1.0, 1.0)),
        "metric from the context": (inside, DIAGONAL),
        "an argument wins over the context": (argument_wins, DIAGONAL),
    }
    for label, (HT, g) in cases.items():
        yield _claim(
            name=f"{label}, complex64",
            formula=NORMALIZED,
            source=FIVE_POINTS,
            measured=_normalized(HT, _by_hand(T, g), T, top),
            bound=budget(T.dtype),
        )


def _normalized(HT: torch.Tensor, exact: torch.Tensor, T: torch.Tensor, top: float) -> float:
    """max|HT − exact|/(top · max|T|); NaN if HT has not T's dtype, which a drop-in promises."""
    if HT.dtype != T.dtype:
        return float("nan")
    return float((HT.to(torch.complex128) - exact).abs().max() / (top * T.abs().max()))


STUDY = Study("drop_in", "The drop-in functions on the trainer's (28, 28, 16, 16) complex64 field", run)
