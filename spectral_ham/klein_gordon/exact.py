"""The exact propagator of the Klein–Gordon equation: every mode is an oscillator."""

from dataclasses import dataclass
from typing import final

import torch

from spectral_ham._internal.checks import as_count, as_number, invalid
from spectral_ham.execution.fft import inverse_transform, transform
from spectral_ham.klein_gordon.wave_equation import State, WaveEquation


@final
@dataclass(frozen=True, eq=False)
class ExactWave:
    """T' = cos(ωt) T + (sin(ωt)/ω) P/m + ((1 − cos(ωt))/ω²) F/m, mode by mode, with F = k T_eq + nudge; P' = mT_t.

    Exact in time at any dt, ω = 0 included, where T' = T + Pt/m + Ft²/2m. Any number of steps costs one transform
    of T, one of P, one of F, and two back.

    Args:
        equation: without V, and without a nudge that depends on time.
        dt: the step; negative runs backwards.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.klein_gordon import ExactWave, WaveEquation
        >>> free = WaveEquation(sh.Hamiltonian(sh.Torus(4)))
        >>> T, P = torch.zeros(4, dtype=torch.float64), torch.ones(4, dtype=torch.float64)
        >>> ExactWave(free, 3.0).advance(T, P)[0]  # nothing pulls a constant back
        tensor([3., 3., 3., 3.], dtype=torch.float64)
    """

    equation: WaveEquation
    dt: float

    def __post_init__(self) -> None:
        as_number("ExactWave(dt=...)", self.dt)
        V, nudge = self.equation.hamiltonian.potential, self.equation.nudge
        if V is not None or callable(nudge):
            remedy = 'Use SymplecticWave, "verlet" or "rkn4".'
            raise invalid("ExactWave(equation=...)", "without V and without nudge(t)", V or nudge, remedy)

    @property
    def order(self) -> None:
        """None: there is no error in time."""
        return

    def advance(self, T: torch.Tensor, P: torch.Tensor, steps: int = 1, *, t: float = 0.0) -> State:  # noqa: ARG002
        """Return (T, P) after ``steps`` steps, in one go."""
        T, P = self.equation.as_state(T, P)
        F = self.equation.constant_force(T)
        s = as_count("advance(steps=...)", steps, minimum=0) * self.dt
        H, ndim = self.equation.hamiltonian, self.equation.hamiltonian.torus.ndim
        K = H.kinetic.symbol(torch.float64, torch.device("cpu")) + self.equation.stiffness  # mω²
        angle2 = K * s**2 / H.mass
        sine, versine = s * sinc(angle2), s**2 / 2 * sinc(angle2 / 4) ** 2  # sin(ωs)/ω, (1 − cos(ωs))/ω²

        def table(values: torch.Tensor) -> torch.Tensor:
            return values.to(T.device, T.dtype.to_real()).reshape(values.shape + (1,) * (T.ndim - ndim))

        def back(T_hat: torch.Tensor) -> torch.Tensor:
            field = inverse_transform(T_hat, axes)
            return (field if T.is_complex() else field.real).contiguous()

        axes = tuple(range(ndim))
        cosine = table(1 - K / H.mass * versine)
        T_hat, P_hat = transform(T, axes), transform(P, axes)
        T_next = cosine * T_hat + table(sine / H.mass) * P_hat
        P_next = cosine * P_hat - table(K * sine) * T_hat
        if F is not None:
            F_hat = transform(F, axes)
            T_next, P_next = T_next + table(versine / H.mass) * F_hat, P_next + table(sine) * F_hat
        return back(T_next), back(P_next)


def sinc(y: torch.Tensor) -> torch.Tensor:
    """Return sin(√y)/√y, smooth at y = 0 with all derivatives: there √y, which has none, is not taken.

    Example:
        >>> import torch
        >>> sinc(torch.tensor([0.0, 1e-4, 1.0], dtype=torch.float64))
        tensor([1.0000, 1.0000, 0.8415], dtype=torch.float64)
    """
    near = y.abs() < 1e-2
    series = 1 - y / 6 * (1 - y / 20 * (1 - y / 42 * (1 - y / 72 * (1 - y / 110))))
    root = torch.where(near, 1.0, y).sqrt()
    return torch.where(near, series, root.sin() / root)
