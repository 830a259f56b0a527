"""Symplectic steps of the Klein–Gordon equation: kicks of P and drifts of T in turn."""

import math
from dataclasses import dataclass
from typing import final

import torch

from spectral_ham._internal.checks import as_count, as_number, check_option
from spectral_ham._internal.clock import time_of_step
from spectral_ham.klein_gordon.schemes import WAVE_SCHEMES
from spectral_ham.klein_gordon.wave_equation import State, WaveEquation, add_scaled


@final
@dataclass(frozen=True, eq=False)
class SymplecticWave:
    """Kicks P += b·dt·force(T) and drifts T += a·dt·P/m in turn: symplectic, reversible, explicit.

    "verlet" is velocity Verlet, kick–drift–kick, of order 2. "yoshida4" composes three of them. "rkn4" has six stages,
    made for a force that does not depend on P: at equal cost its error is about 300 times below yoshida4's. The last
    kick of a step and the first of the next are one evaluation, so that n Verlet steps cost n + 1 of them.

    Args:
        equation: what is solved. A nudge(t) is taken at the time that T has reached, which keeps the order.
        dt: the step; negative runs backwards. Stable up to ``equation.max_stable_dt(method)``.
        method: "verlet", "yoshida4" or "rkn4".

    Reference:
        Verlet (1967), Phys. Rev. 159, 98, doi:10.1103/PhysRev.159.98; for the others see `WAVE_SCHEMES`.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.klein_gordon import SymplecticWave, WaveEquation
        >>> equation = WaveEquation(sh.Hamiltonian(sh.Torus((6, 5)), hbar=0.1), stiffness=0.01)
        >>> T, P = torch.rand(2, 6, 5, dtype=torch.float64)
        >>> there, back = SymplecticWave(equation, 0.5), SymplecticWave(equation, -0.5)
        >>> torch.allclose(back.advance(*there.advance(T, P, 100), 100)[0], T)
        True
    """

    equation: WaveEquation
    dt: float
    method: str = "verlet"

    def __post_init__(self) -> None:
        as_number("SymplecticWave(dt=...)", self.dt)
        check_option("SymplecticWave(method=...)", self.method, WAVE_SCHEMES)

    @property
    def order(self) -> int:
        """The power p of the error dt^p over a fixed time: 2 or 4."""
        return WAVE_SCHEMES[self.method].order

    def advance(self, T: torch.Tensor, P: torch.Tensor, steps: int = 1, *, t: float = 0.0) -> State:
        """Return (T, P) after ``steps`` steps, the first of which begins at time ``t``."""
        T, P = self.equation.as_state(T, P)
        if as_count("advance(steps=...)", steps, minimum=0) == 0:
            return T, P
        scheme, dt, mass = WAVE_SCHEMES[self.method], self.dt, self.equation.hamiltonian.mass
        a, b, pull = scheme.kinetic, scheme.potential, self.equation.pull
        P = add_scaled(P, -b[0] * dt, pull(T, t=t))
        for step in range(steps):
            start, last = time_of_step(t, dt, step), step == steps - 1
            for i, share in enumerate(a, start=1):
                T = add_scaled(T, share * dt / mass, P)
                weight = b[i] + (b[0] if i == len(a) and not last else 0.0)
                P = add_scaled(P, -weight * dt, pull(T, t=start + math.fsum(a[:i]) * dt))
        return T, P
