"""The classical Runge–Kutta method, explicit and general; stable only for dt·E_max/ħ ≤ 2.828."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch

from spectral_ham.propagators.base import OneStep
from spectral_ham.propagators.method import Facts

STABILITY_LIMIT = 8**0.5
"""dt·|E|/ħ at which |1 + z + z²/2 + z³/6 + z⁴/24| passes 1 on the imaginary axis, z = −i·dt·E/ħ."""

REAL_STABILITY_LIMIT = 2.785293563405282
"""The same on the negative real axis: imaginary time."""


@final
@dataclass(frozen=True, eq=False)
class RungeKutta4(OneStep):
    """T ↦ T + (k_1 + 2k_2 + 2k_3 + k_4)/6.

    k_1 = zH[T](t), k_2 = zH[T + ½k_1](t + ½dt), k_3 = zH[T + ½k_2](t + ½dt), k_4 = zH[T + k_3](t + dt).

    Any H: V may be complex, depend on time or on the field. Four applications of H per step.

    Reference:
        Hairer, Nørsett & Wanner (1993), Solving Ordinary Differential Equations I, section II.1,
        doi:10.1007/978-3-540-78862-1; stability: Hairer & Wanner (1996), II, section IV.2.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.propagators import RungeKutta4
        >>> H = sh.Hamiltonian(sh.Torus(8), backend="fd")
        >>> T = torch.ones(8, dtype=torch.complex128)  # a constant has no energy
        >>> torch.allclose(RungeKutta4(H, 0.1)(T), T)
        True
    """

    name: ClassVar[str] = "rk4"
    facts = Facts(order=4)

    def _prepare(self) -> None:
        """Nothing to prepare: any H is served."""

    def _step(self, T: torch.Tensor, t: float) -> torch.Tensor:
        H, z, dt = self._apply_hamiltonian, self.z, self.dt
        k1 = z * H(T, t)
        k2 = z * H(T + k1 / 2, t + dt / 2)
        k3 = z * H(T + k2 / 2, t + dt / 2)
        k4 = z * H(T + k3, t + dt)
        return T + (k1 + 2 * (k2 + k3) + k4) / 6
