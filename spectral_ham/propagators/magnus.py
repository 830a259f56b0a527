"""The commutator-free Magnus method of order 4, for a smooth V(t)."""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from spectral_ham.potentials import ElementwisePotential, MatrixPotential, ScalarPotential, StaticPotential
from spectral_ham.propagators.base import Propagator
from spectral_ham.propagators.lanczos import Lanczos

NODES = (0.5 - math.sqrt(3) / 6, 0.5 + math.sqrt(3) / 6)
WEIGHTS = ((3 + 2 * math.sqrt(3)) / 6, (3 - 2 * math.sqrt(3)) / 6)
"""Weights of the two Gauss nodes in the first half of the step, of the second in reverse; each sums to 1."""


@final
@dataclass(frozen=True, eq=False)
class Magnus4(Propagator):
    """T ↦ e^{½z(K + W_2)} e^{½z(K + W_1)} T with W_1 = w_1 V(t_1) + w_2 V(t_2), W_2 = w_2 V(t_1) + w_1 V(t_2).

    t_1, t_2 are the Gauss nodes of the step and w = ½ ± 1/√3: no commutator is needed. Each exponential
    is propagated by Lanczos to ``tol``, so that the kinetic energy puts no limit on dt.

    Args:
        hamiltonian: linear and Hermitian; V(t) smooth, and of one kind at all times.
        dt: the step.
        imaginary: must be False.
        tol: bound of the Lanczos error of one exponential, relative to ‖T‖.

    Reference:
        Blanes & Moan (2006), Appl. Numer. Math. 56, 1519, eq. (26), doi:10.1016/j.apnum.2005.11.004.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.propagators import Magnus4
        >>> x, = (torus := sh.Torus(16)).coordinates()
        >>> H = sh.Hamiltonian(torus, potential=lambda t: torch.cos(x - t))
        >>> T = torch.ones(16, dtype=torch.complex128)
        >>> torch.allclose(Magnus4(H, 0.1).advance(T, 10).norm(), T.norm())
        True
    """

    tol: float = 1e-12
    name: ClassVar[str] = "magnus4"

    @property
    def order(self) -> int:
        """4."""
        return 4

    @property
    def is_unitary(self) -> bool:
        """False: only to ``tol``."""
        return False

    def _prepare(self) -> None:
        if self.imaginary or not self.hamiltonian.is_linear:
            raise self._refused("used in real time with a linear V(t)", "strang", "rk4")
        self._require_hermitian()

    def advance(self, T: torch.Tensor, steps: int = 1, *, t: float = 0.0) -> torch.Tensor:
        """Return T after ``steps`` steps."""
        self._require_no_gradient(T)
        T = self._as_evolving(T)
        for step in range(steps):
            start = t + step * self.dt
            V_1, V_2 = (self.hamiltonian.potential_at(start + c * self.dt) for c in NODES)
            for w_1, w_2 in (WEIGHTS, WEIGHTS[::-1]):
                frozen = self.hamiltonian.with_potential(_mixed(V_1, w_1, V_2, w_2))
                half = Lanczos(frozen, self.dt / 2, tol=self.tol)
                half.share(self.tally)
                T = half(T)
        return T


def _mixed(V_1: StaticPotential | None, w_1: float, V_2: StaticPotential | None, w_2: float) -> StaticPotential | None:
    """Return w_1 V_1 + w_2 V_2."""
    if V_1 is None or V_2 is None:
        return None
    values = w_1 * V_1.values + w_2 * V_2.values
    if isinstance(V_1, ScalarPotential):
        return ScalarPotential(values)
    return ElementwisePotential(values) if isinstance(V_1, ElementwisePotential) else MatrixPotential(values)
