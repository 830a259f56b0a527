"""The commutator-free Magnus method of order 4, for a smooth V(t)."""

import math
from dataclasses import dataclass
from typing import ClassVar, final

import torch

from spectral_ham.propagators.base import OneStep
from spectral_ham.propagators.lanczos import Lanczos
from spectral_ham.propagators.method import Facts

NODES = (0.5 - math.sqrt(3) / 6, 0.5 + math.sqrt(3) / 6)
WEIGHTS = ((3 + 2 * math.sqrt(3)) / 6, (3 - 2 * math.sqrt(3)) / 6)
"""Weights of the two Gauss nodes in the first half of the step, of the second in reverse; each sums to 1."""


@final
@dataclass(frozen=True, eq=False)
class Magnus4(OneStep):
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
    facts = Facts(order=4)

    def _prepare(self) -> None:
        if self.imaginary or not self.hamiltonian.is_linear:
            raise self._refused("used in real time with a linear V(t)", "strang", "rk4")
        self._require_hermitian()

    def _step(self, T: torch.Tensor, t: float) -> torch.Tensor:
        self._require_no_gradient(T)
        V_1, V_2 = (self.hamiltonian.potential_at(t + c * self.dt) for c in NODES)
        for w_1, w_2 in (WEIGHTS, WEIGHTS[::-1]):
            mixed = None if V_1 is None or V_2 is None else V_1.combined(w_1, V_2, w_2)
            half = Lanczos(self.hamiltonian.with_potential(mixed), self.dt / 2, tol=self.tol)
            half.share(self.counters)
            T = half(T)
        return T
