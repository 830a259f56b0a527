"""Exponential time differencing: the kinetic part exactly, the rest by a fourth-order Runge–Kutta method."""

import cmath
import math
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, final

import torch

from spectral_ham._internal.exponential import exponential
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.propagators.base import OneStep
from spectral_ham.propagators.method import Facts

CONTOUR_POINTS = 64


@final
@dataclass(frozen=True, eq=False)
class ETDRK4(OneStep):
    """One step of dt·T' = zK T + zV·T with the kinetic part kept exactly and N_T = zV·T by Runge–Kutta.

    a = e^{h/2}T + ½φ_1(h/2) N_T,  b = e^{h/2}T + ½φ_1(h/2) N_a,  c = e^{h/2}a + ½φ_1(h/2)(2N_b − N_T),
    T ↦ e^h T + f_1 N_T + f_2 (N_a + N_b) + f_3 N_c, where h = zE for each mode: four evaluations of V.

    The coefficients are complex: for the Schrödinger equation h is imaginary, and keeping only their real part, as
    codes written for diffusion do, costs three orders.

    Reference:
        Cox & Matthews (2002), J. Comput. Phys. 176, 430, eqs. (26)–(29), doi:10.1006/jcph.2002.6995; the contour mean:
        Kassam & Trefethen (2005), SIAM J. Sci. Comput. 26, 1214, section 3, doi:10.1137/S1064827502410633.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.propagators import ETDRK4, Exact
        >>> H = sh.Hamiltonian(torus := sh.Torus(16), potential=sh.potentials.cosine_lattice(torus))
        >>> T = torch.ones(16, dtype=torch.complex128)
        >>> float((ETDRK4(H, 0.01).advance(T, 10) - Exact(H, 0.1)(T)).abs().max()) < 1e-9
        True
    """

    name: ClassVar[str] = "etdrk4"
    facts = Facts(order=4)
    _half: FourierMultiplier = field(init=False, repr=False)
    _whole: FourierMultiplier = field(init=False, repr=False)
    _weights: tuple[FourierMultiplier, ...] = field(init=False, repr=False)

    def _prepare(self) -> None:
        multiplier, z = self.hamiltonian.kinetic_function, self.z
        self._set(
            _half=multiplier(lambda E: exponential(z / 2, E)),
            _whole=multiplier(lambda E: exponential(z, E)),
            _weights=tuple(multiplier(partial(_weight, z, k)) for k in range(4)),
        )

    def _step(self, T: torch.Tensor, t: float) -> torch.Tensor:
        q, f1, f2, f3 = self._weights
        middle, end = t + self.dt / 2, t + self.dt
        times = self._multiply
        drifted, N_T = times(self._half, T), self._potential_term(T, t)
        a = drifted + times(q, N_T)
        N_a = self._potential_term(a, middle)
        N_b = self._potential_term(drifted + times(q, N_a), middle)
        N_c = self._potential_term(times(self._half, a) + times(q, 2 * N_b - N_T), end)
        return times(self._whole, T) + times(f1, N_T) + times(f2, N_a + N_b) + times(f3, N_c)

    def _potential_term(self, T: torch.Tensor, t: float) -> torch.Tensor:
        V = self.hamiltonian.potential_at(t, T)
        return torch.zeros_like(T) if V is None else self.z * V.apply(T)


def _weight(z: complex | torch.Tensor, k: int, E: torch.Tensor) -> torch.Tensor:
    return etdrk4_weights(z * E)[k]


def etdrk4_weights(h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return ½φ_1(h/2) and f_1, f_2, f_3, each as a mean over a circle around h, where no digits cancel.

    Example:
        >>> import torch
        >>> q, f1, f2, f3 = etdrk4_weights(torch.zeros(1, dtype=torch.complex128))  # the weights of RK4
        >>> [round(float(w.real), 6) for w in (q, f1, f2, f3)]
        [0.5, 0.166667, 0.333333, 0.166667]
    """
    angles = [2 * math.pi * (k + 0.5) / CONTOUR_POINTS for k in range(CONTOUR_POINTS)]
    circle = torch.tensor([cmath.exp(1j * angle) for angle in angles], dtype=torch.complex128)
    r = h.to(torch.complex128).unsqueeze(-1) + circle
    e, e_half = torch.exp(r), torch.exp(r / 2)
    q = (e_half - 1) / r
    f1 = (-4 - r + e * (4 - 3 * r + r**2)) / r**3
    f2 = 2 * (2 + r + e * (-2 + r)) / r**3
    f3 = (-4 - 3 * r - r**2 + e * (4 - r)) / r**3
    means = [w.mean(-1) for w in (q, f1, f2, f3)]
    real = not h.is_complex()  # imaginary time: the mean over the whole circle of a real point is real
    q, f1, f2, f3 = (w.real if real else w for w in means)
    return q, f1, f2, f3
