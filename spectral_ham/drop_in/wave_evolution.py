"""The (T, P) dynamics in one call, for a trainer's field (N_x, N_y, D, D)."""

import torch

from spectral_ham._internal.checks import check_option
from spectral_ham._internal.typing import BackendName, Scalar
from spectral_ham.drop_in.square_field import check_square_field
from spectral_ham.geometry.inverse_metric import MetricLike
from spectral_ham.geometry.torus import Torus
from spectral_ham.klein_gordon import STABILITY_LIMITS, ExactWave, Nudge, State, SymplecticWave, WaveEquation
from spectral_ham.operators.hamiltonian import Hamiltonian


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
    backend: BackendName = "fd",
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
        >>> T, P = torch.randn(2, 8, 8, 2, 2, dtype=torch.complex128)
        >>> fd, _ = sh.wave_evolution(T, P, dt=0.5, steps=10)
        >>> finer, _ = sh.wave_evolution(T, P, dt=0.25, steps=20)
        >>> exact, _ = sh.wave_evolution(T, P, dt=5.0, method="exact")
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
