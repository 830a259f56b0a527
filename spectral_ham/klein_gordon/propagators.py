"""Propagators of the Klein–Gordon equation: symplectic ones, and the exact one."""

import math
from dataclasses import dataclass
from typing import final

import torch

from spectral_ham._internal.checks import as_count, as_number, check_option, check_square_field, invalid
from spectral_ham._internal.typing import Scalar
from spectral_ham.execution.fft import inverse_transform, transform
from spectral_ham.geometry.inverse_metric import MetricLike
from spectral_ham.geometry.torus import Torus
from spectral_ham.klein_gordon.wave_equation import (
    STABILITY_LIMITS,
    WAVE_SCHEMES,
    Nudge,
    State,
    WaveEquation,
    add_scaled,
)
from spectral_ham.operators.hamiltonian import Hamiltonian


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
        >>> from spectral_ham.klein_gordon.propagators import SymplecticWave, WaveEquation
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
            start, last = t + step * dt, step == steps - 1
            for i, share in enumerate(a, start=1):
                T = add_scaled(T, share * dt / mass, P)
                weight = b[i] + (b[0] if i == len(a) and not last else 0.0)
                P = add_scaled(P, -weight * dt, pull(T, t=start + math.fsum(a[:i]) * dt))
        return T, P


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
        >>> from spectral_ham.klein_gordon.propagators import ExactWave, WaveEquation
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
        sine, versine = s * _sinc(angle2), s**2 / 2 * _sinc(angle2 / 4) ** 2  # sin(ωs)/ω, (1 − cos(ωs))/ω²

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


def _sinc(y: torch.Tensor) -> torch.Tensor:
    """Return sin(√y)/√y, smooth at y = 0 with all derivatives: there √y, which has none, is not taken.

    Example:
        >>> import torch
        >>> _sinc(torch.tensor([0.0, 1e-4, 1.0], dtype=torch.float64))
        tensor([1.0000, 1.0000, 0.8415], dtype=torch.float64)
    """
    near = y.abs() < 1e-2
    series = 1 - y / 6 * (1 - y / 20 * (1 - y / 42 * (1 - y / 72 * (1 - y / 110))))
    root = torch.where(near, 1.0, y).sqrt()
    return torch.where(near, series, root.sin() / root)


def wave_evolution(
    T: torch.Tensor,
    P: torch.Tensor,
    *,
    dt: float,
    steps: int = 1,
    t: float = 0.0,
    method: str = "verlet",
    hbar: Scalar = 0.1,
    mass: Scalar = 1.0,
    stiffness: Scalar = 0.01,
    equilibrium: torch.Tensor | None = None,
    nudge: Nudge | None = None,
    inverse_metric: MetricLike | None = None,
    backend: str = "fd",
    stencil_order: int = 2,
    dx: float = 1.0,
    dy: float = 1.0,
) -> State:
    """Return (T, P) after ``steps`` steps of T' = P/m, P' = (ħ²/2m)∇²_g T − k(T − T_eq) + nudge.

    One call, no objects, for loops that keep T and P themselves; the classes do the same for any grid and V.

    Args:
        T: the field; axis 0 is x.
        P: its momentum m·T_t.
        dt: the step. Stable for "verlet" up to 8.94 ("fd") and 6.07 ("spectral") with the other defaults.
        steps: how many.
        t: when the first begins; only a nudge(t) reads it.
        method: "verlet" (order 2), "yoshida4", "rkn4" (order 4) or "exact".
        hbar: ħ.
        mass: m.
        stiffness: k.
        equilibrium: T_eq, like T; None is 0.
        nudge: a further force, like T, or a function of t that returns one; None is 0.
        inverse_metric: (g^xx, g^yy) or the matrix; None is flat.
        backend: "fd" or "spectral".
        stencil_order: 2, 4, 6 or 8, for "fd".
        dx: grid spacing along axis 0.
        dy: grid spacing along axis 1.

    Shape:
        T, P and the results: (N_x, N_y, D, D), complex64, complex128, float32 or float64.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.klein_gordon.propagators import wave_evolution
        >>> T, P = torch.randn(2, 8, 8, 2, 2, dtype=torch.complex128)
        >>> fd, _ = wave_evolution(T, P, dt=0.5, steps=10)
        >>> finer, _ = wave_evolution(T, P, dt=0.25, steps=20)
        >>> exact, _ = wave_evolution(T, P, dt=5.0, method="exact")
        >>> round(float((fd - exact).norm() / (finer - exact).norm()))  # order 2
        4
    """
    check_square_field("wave_evolution(T)", T)
    torus = Torus(T.shape[:2], spacing=(dx, dy))
    H = Hamiltonian(
        torus, inverse_metric=inverse_metric, hbar=hbar, mass=mass, backend=backend, stencil_order=stencil_order
    )
    check_option("wave_evolution(method=...)", method, STABILITY_LIMITS)
    equation = WaveEquation(H, stiffness, equilibrium, nudge)
    propagator = ExactWave(equation, dt) if method == "exact" else SymplecticWave(equation, dt, method)
    return propagator.advance(T, P, steps, t=t)
