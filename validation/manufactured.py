"""A manufactured field under a full metric and a varying potential: T is no eigenfunction, and H T is known."""

from dataclasses import dataclass
from functools import lru_cache

import torch

import spectral_ham as sh
from spectral_ham.exact import CosineLattice, ManufacturedField
from validation.cases import FULL, KINETIC, V0, budget, hamiltonian, torus_of
from validation.waves import largest_energy

SOURCE = "T = Π exp(κ[cos K(x−a) − 1] + ik(x−a)), derivatives by hand; Salari & Knupp (2000), doi:10.2172/759450"

METRIC = sh.InverseMetric(FULL)

POINTS: dict[int, tuple[int, ...]] = {
    2: (40, 56, 88, 120, 152),
    4: (56, 72, 88, 120, 152),
    6: (72, 88, 104, 136),
    8: (120, 128, 136, 144),
}
"""Points along x for each order: fine enough to be asymptotic, and coarse enough to stay above round-off."""

SPECTRAL_POINTS = (8, 12, 16, 20, 24, 40, 56, 88)


@dataclass(frozen=True)
class Problem:
    """H T = −(ħ²/2m) ∇²_g T + V·T on a grid of N by 7N/8 points."""

    torus: sh.Torus
    T: torch.Tensor
    V: torch.Tensor
    HT: torch.Tensor

    def apply(self, backend: str, execution: str, stencil_order: int = 2) -> torch.Tensor:
        """Return H T as the package computes it."""
        H = hamiltonian(self.torus, METRIC, backend, execution, stencil_order=stencil_order, V=self.V)
        return H(self.T)

    def distance(self, a: torch.Tensor, b: torch.Tensor) -> float:
        """Return max|a − b|/max|H T|."""
        return float((a - b).abs().max() / self.HT.abs().max())

    def floor(self, backend: str, stencil_order: int = 2) -> float:
        """Return the round-off budget of H T relative to max|H T|."""
        top = largest_energy(self.torus, METRIC, backend, stencil_order)
        return budget(self.T.dtype) * top * float(self.T.abs().max() / self.HT.abs().max())


@lru_cache
def problem(N: int) -> Problem:
    """Return the problem on a grid with N points along x."""
    torus = torus_of(N, N * 7 // 8)
    field = ManufacturedField(torus, kappa=(0.2, 0.15), modes=(3, 2), channels=(2,))
    V = CosineLattice(torus, V0).potential()
    T = field.values()
    return Problem(torus, T, V, -KINETIC * field.laplacian(METRIC) + V.unsqueeze(-1) * T)
