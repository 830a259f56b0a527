"""The Klein–Gordon equation of a pair (T, P): its force, its energy, and the steps that it allows."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, final

import torch

from spectral_ham._internal.checks import as_number, check_field, check_option, check_same_device, check_tensor, invalid
from spectral_ham._internal.typing import Scalar
from spectral_ham.errors import NotHermitianError
from spectral_ham.klein_gordon.schemes import STABILITY_LIMITS
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.potentials.base import like_field

Nudge: TypeAlias = torch.Tensor | Callable[[float], torch.Tensor]
State: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""(T, P)."""


@final
@dataclass(frozen=True, eq=False)
class WaveEquation:
    """T' = P/m, P' = −H[T] − k(T − T_eq) + nudge; so T_tt = (ħ²/2m²)∇²_g T − (k/m)(T − T_eq) + nudge/m without V.

    Each mode of H, of energy E, is an oscillator of frequency ω = √((E + k)/m).

    Args:
        hamiltonian: H, Hermitian and static; its mass is m.
        stiffness: k ≥ 0 (energy), a number or a 0-d tensor.
        equilibrium: T_eq, like T; None is 0.
        nudge: a further force, like T, or a function of t that returns one; None is 0.

    Raises:
        NotHermitianError: V is not Hermitian.
        ValueError: an H that depends on time or field, a negative k, tensors that do not fit.
        TypeError: an equilibrium or a nudge that is no tensor (nor function).

    Example:
        >>> import spectral_ham as sh
        >>> from spectral_ham.klein_gordon import WaveEquation
        >>> H = sh.Hamiltonian(sh.Torus((28, 28)), hbar=0.1, backend="fd")
        >>> round(WaveEquation(H, stiffness=0.01).max_stable_dt("verlet"), 2)
        8.94
    """

    hamiltonian: Hamiltonian
    stiffness: Scalar = 0.0
    equilibrium: torch.Tensor | None = None
    nudge: Nudge | None = None

    def __post_init__(self) -> None:
        H = self.hamiltonian
        if not H.is_static:
            raise invalid("WaveEquation(hamiltonian=...)", "linear and independent of time", H.potential)
        if not H.is_hermitian:
            raise invalid("WaveEquation(hamiltonian=...)", "Hermitian", H.potential, error=NotHermitianError)
        if as_number("WaveEquation(stiffness=...)", self.stiffness) < 0:
            raise invalid("WaveEquation(stiffness=...)", "at least 0", self.stiffness, "T_eq would be unstable.")
        if self.equilibrium is not None:
            check_field("WaveEquation(equilibrium=...)", self.equilibrium, H.torus.shape)
        if self.nudge is not None and not callable(self.nudge):
            check_field("WaveEquation(nudge=...)", self.nudge, H.torus.shape)

    def external(self, T: torch.Tensor, t: float = 0.0) -> torch.Tensor | None:
        """Return the nudge at time ``t``, or None."""
        nudge = self.nudge(t) if callable(self.nudge) else self.nudge
        return None if nudge is None else _fitted("nudge=...", nudge, T)

    def displacement(self, T: torch.Tensor) -> torch.Tensor:
        """Return T − T_eq."""
        return T if self.equilibrium is None else T - _fitted("equilibrium=...", self.equilibrium, T)

    def constant_force(self, T: torch.Tensor) -> torch.Tensor | None:
        """Return F = k T_eq + nudge, or None if both are None."""
        nudge = self.external(T)
        if self.equilibrium is None:
            return nudge
        F = self.stiffness * _fitted("equilibrium=...", self.equilibrium, T)
        return F if nudge is None else F + nudge

    def force(self, T: torch.Tensor, *, t: float = 0.0) -> torch.Tensor:
        """Return −H[T] − k(T − T_eq) + nudge(t)."""
        return -self.pull(T, t=t)

    def pull(self, T: torch.Tensor, *, t: float = 0.0) -> torch.Tensor:
        """Return minus the force, which costs a pass over the field less."""
        pull = add_scaled(self.hamiltonian(T), self.stiffness, self.displacement(T))
        nudge = self.external(T, t)
        return pull if nudge is None else pull - nudge

    def energy(self, T: torch.Tensor, P: torch.Tensor, *, t: float = 0.0) -> torch.Tensor:
        """Return E = Σ [|P|²/2m + ½ Re T*·H[T] + (k/2)|T − T_eq|² − Re nudge*·T] ΔV: a real 0-d tensor.

        ½ T*·H[T] is (ħ²/4m) Σ_ij g^ij ∂_iT*·∂_jT, integrated by parts, plus ½V|T|²; H is the backend's own, so that
        E is conserved exactly by the exact flow, unless the nudge depends on time.

        Example:
            >>> import torch, spectral_ham as sh
            >>> from spectral_ham.klein_gordon import WaveEquation
            >>> rest = WaveEquation(sh.Hamiltonian(sh.Torus(8)), stiffness=3.0)
            >>> rest.energy(torch.ones(8), torch.zeros(8))  # (3/2)·8
            tensor(12.)
        """
        T, P = self.as_state(T, P, "energy(T, P)")
        k, m = self.stiffness, self.hamiltonian.mass
        E = _square(P) / (2 * m) + k / 2 * _square(self.displacement(T))
        if (nudge := self.external(T, t)) is not None:
            E = E - (nudge.conj() * T).real.sum(dtype=torch.float64)
        E = E * self.hamiltonian.torus.cell_volume + self.hamiltonian.energy(T) / 2
        return E.to(T.dtype.to_real())

    def max_stable_dt(self, method: str = "verlet") -> float:
        """Return the largest stable step, x/ω_max with ω_max² = (E_max + k)/m and x of `STABILITY_LIMITS`.

        Turning the flag from "fd" to "spectral" raises E_max, so it shortens the step.
        """
        check_option("max_stable_dt(method=...)", method, STABILITY_LIMITS)
        stiffest = self.hamiltonian.spectral_bounds()[1] + float(self.stiffness)
        if stiffest <= 0:
            return math.inf
        return STABILITY_LIMITS[method] * math.sqrt(float(self.hamiltonian.mass) / stiffest)

    def as_state(self, T: torch.Tensor, P: torch.Tensor, where: str = "advance(T, P)") -> State:
        """Return T and P in one dtype: complex if either is, or T_eq, or the nudge, or V."""
        check_field(where, T, self.hamiltonian.torus.shape)
        check_tensor(where, P)
        if P.shape != T.shape:
            raise invalid(where, f"given a P of T's shape {tuple(T.shape)}", P)
        dtype = torch.promote_types(T.dtype, P.dtype)
        static = [x for x in (self.equilibrium, self.nudge) if isinstance(x, torch.Tensor)]
        if any(x.is_complex() for x in static) or not self.hamiltonian.is_real:
            dtype = dtype.to_complex()
        return T.to(dtype), P.to(dtype)


def add_scaled(T: torch.Tensor, factor: Scalar, other: torch.Tensor) -> torch.Tensor:
    """Return T + factor·other: one pass over memory where the factor is a number."""
    return T + factor * other if isinstance(factor, torch.Tensor) else T.add(other, alpha=factor)


def _fitted(where: str, values: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    check_tensor(where, values)
    check_same_device(where, values, T)
    if values.shape != T.shape or (values.is_complex() and not T.is_complex()):
        needs = f"of the field's shape {tuple(T.shape)}, and real for a real field"
        raise invalid(where, needs, values, "Make T complex, or give the nudge as real.")
    return like_field(values, T)


def _square(T: torch.Tensor) -> torch.Tensor:
    return T.abs().square().sum(dtype=torch.float64)
