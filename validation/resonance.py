"""Two levels that a splitting takes for degenerate: the problem, what is measured of it, and its picture."""

import math
from typing import TYPE_CHECKING

import torch

import spectral_ham as sh
from spectral_ham.plotting import COLORS
from spectral_ham.propagators import propagator
from validation.figures import dress

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COUPLING = 0.05
STEPS_TO_EMPTY = 169
"""Steps after which little of k = 0 is left at the resonance."""


def resonant() -> tuple[sh.Hamiltonian, torch.Tensor]:
    """Return ħ = m = 1, a weak lattice that couples k = 0 to k = ±8, at E = 32, and the constant field."""
    torus = sh.Torus(17, lengths=2 * math.pi, origin=-0.7)
    (x,) = torus.coordinates()
    H = sh.Hamiltonian(torus, potential=COUPLING * torch.cos(8 * (x - torus.origin[0])))
    return H, torch.ones(17, dtype=torch.complex128)


def occupation(T: torch.Tensor) -> float:
    """Return the share of k = 0."""
    return float(T.mean().abs() ** 2 / T.abs().square().mean())


def draw(figure: "Figure") -> None:
    """Draw the occupation of k = 0 against dt, with the norm: only one of them tells."""
    figure.set_size_inches(8.0, 4.2)
    axes = figure.add_subplot()
    H, T = resonant()
    phases = [0.98 + 0.0005 * i for i in range(81)]
    ends = [propagator("strang", H, phase * 2 * math.pi / 32).advance(T, STEPS_TO_EMPTY) for phase in phases]
    axes.plot(phases, [float(end.norm() / T.norm()) for end in ends], color=COLORS[1], label="norm")
    axes.plot(phases, [occupation(end) for end in ends], color=COLORS[0], marker="o", markersize=3, label="|c_0|²")
    axes.axhline(1, color="0.6", linewidth=0.8, linestyle="--", label="exact |c_0|² = 0.9999993")
    axes.axvline(1, color="0.8", linewidth=0.8)
    axes.legend(frameon=False)
    dress(axes, "Strang: dt·ΔE = 2πħ empties k = 0 at constant norm", "dt·ΔE/2πħ", f"after {STEPS_TO_EMPTY} steps")
