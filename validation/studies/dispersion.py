"""The dispersion curves: which kinetic energy each discretization gives to each wave."""

import math
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import torch

import spectral_ham as sh
from spectral_ham.exact import SECOND_DERIVATIVE_WEIGHTS
from spectral_ham.plotting import COLORS
from validation.cases import KINETIC, ORDERS, budget, hamiltonian, torus_of
from validation.claim import Claim
from validation.figures import dress
from validation.study import Mode, Plot, Result, Study
from validation.waves import all_modes, wave_chunks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

POINTS = 500
G_XX = 0.37
METRIC = sh.InverseMetric((G_XX,))
SOURCE = "S(θ) = −(c_0 + 2 Σ_j c_j cos jθ), Fornberg's weights, doi:10.1090/S0025-5718-1988-0935077-0"
AT_NYQUIST = {2: Fraction(4), 4: Fraction(16, 3), 6: Fraction(272, 45), 8: Fraction(2048, 315)}
THRESHOLD = 0.01


def run(mode: Mode) -> Iterator[Result]:
    """Yield the value of each curve at the Nyquist mode, and the θ = kΔ where it has left θ² by 1 %."""
    claim = partial(Claim, "dispersion", source=SOURCE)
    allowed = budget(torch.complex128)
    theta, spectral = measured_curve(mode, "spectral")
    yield claim(
        name="spectral: (kΔ)² on every wave, π² at Nyquist included",
        formula="max|S − (kΔ)²| ≤ 16 eps·π²",
        source="definition",
        expected=0.0,
        measured=float((spectral - theta**2).abs().max()),
        bound=allowed * math.pi**2,
    )
    for order in ORDERS:
        theta, S = measured_curve(mode, "fd", order)
        top = AT_NYQUIST[order]
        yield claim(
            name=f"fd of order {order}: S at Nyquist is {top}",
            formula="S(π) within 16 eps·S(π)",
            expected=float(top),
            measured=float(S[-1]),
            bound=allowed * float(top),
        )
        late = theta[1:][(S[1:] / theta[1:] ** 2 - 1).abs() > THRESHOLD]
        yield claim(
            name=f"fd of order {order}: θ from which S is off by 1 %",
            formula="first θ = kΔ with |S/θ² − 1| > 1 %, within one mode, 2π/N",
            expected=threshold_angle(order),
            measured=float(late[0]) if len(late) else math.nan,
            bound=2 * math.pi / POINTS,
        )
    yield Plot("dispersion", partial(_draw, mode))


def measured_curve(mode: Mode, backend: str, order: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Return θ = kΔ from 0 to π and S = ⟨T, HT⟩ Δ²/((ħ²/2m) g^xx ⟨T, T⟩) for the wave at each θ."""
    torus = torus_of(POINTS)
    H = hamiltonian(torus, METRIC, backend, mode.default(backend), stencil_order=order)
    waves = [modes for modes in all_modes(torus) if modes[0] >= 0]
    unit = KINETIC * G_XX / torus.spacing[0] ** 2
    energies = [torch.linalg.vecdot(T, H(T), dim=0).real / POINTS / unit for _, T in wave_chunks(torus, waves)]
    theta = 2 * math.pi * torch.arange(len(waves), dtype=torch.float64) / POINTS
    return theta, torch.cat(energies)


def exact_curve(order: int, theta: torch.Tensor) -> torch.Tensor:
    """Return S(θ) = 4 Σ_j c_j sin²(jθ/2), the same as −(c_0 + 2 Σ_j c_j cos jθ) without cancellation."""
    weights = SECOND_DERIVATIVE_WEIGHTS[order]
    return sum((4 * float(c) * torch.sin(j * theta / 2) ** 2 for j, c in enumerate(weights)), torch.zeros_like(theta))


def threshold_angle(order: int) -> float:
    """Return the θ where S(θ) = 0.99 θ²: S/θ² falls from 1 at θ = 0, so that bisection finds it."""
    low, high = 1e-2, math.pi
    for _ in range(60):
        middle = (low + high) / 2
        theta = torch.tensor(middle, dtype=torch.float64)
        below = float(exact_curve(order, theta)) < (1 - THRESHOLD) * middle**2
        low, high = (low, middle) if below else (middle, high)
    return low


def _draw(mode: Mode, figure: "Figure") -> None:
    figure.set_size_inches(12, 4.8)
    left, right = figure.subplots(1, 2)
    theta = torch.linspace(0.02, math.pi, 300, dtype=torch.float64)
    left.plot(theta / math.pi, theta**2, color="black", linewidth=1.5, label="exact, and spectral")
    points, S = measured_curve(mode, "spectral")
    left.plot(points[::25] / math.pi, S[::25], color="black", marker="o", markersize=4, linestyle="none")
    for order, color in zip(ORDERS, COLORS, strict=False):
        curve = exact_curve(order, theta)
        left.plot(theta / math.pi, curve, color=color, label=f"fd, order {order}: {AT_NYQUIST[order]} at Nyquist")
        cost = 2 * math.pi / threshold_angle(order)
        label = f"fd, order {order}: {cost:.1f} points for 1 %"
        right.plot(2 * math.pi / theta, (curve / theta**2 - 1).abs(), color=color, label=label)
        points, S = measured_curve(mode, "fd", order)
        left.plot(points[::25] / math.pi, S[::25], color=color, marker="o", markersize=4, linestyle="none")
        error = (S[1:] / points[1:] ** 2 - 1).abs()
        right.plot(
            (2 * math.pi / points[1:])[3::8], error[3::8], color=color, marker="o", markersize=3, linestyle="none"
        )
    right.axhline(THRESHOLD, color="0.4", linewidth=1, linestyle="--")
    dress(left, "Lines: exact; points: measured", "kΔ/π (1 is the Nyquist mode)", "modified (kΔ)²")
    dress(
        right,
        "Relative error of the kinetic energy; spectral has none",
        "points per wavelength, 2π/(kΔ)",
        "|S/(kΔ)² − 1|",
    )
    right.set(xscale="log", yscale="log", xlim=(2, 60), ylim=(1e-8, 1))
    right.set_xticks([2, 3, 5, 10, 20, 50], ["2", "3", "5", "10", "20", "50"])
    right.set_xticks([], minor=True)
    left.legend(frameon=False)
    right.legend(frameon=False)


STUDY = Study("dispersion", "Dispersion curves: the value at the Nyquist mode, and where 1 % is passed", run)
