"""Potentials that depend on the field itself: V[T]·T with a real V that local phases leave alone."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch

from spectral_ham._internal.checks import as_number, invalid
from spectral_ham.geometry.torus import Torus
from spectral_ham.potentials.base import Potential, StaticPotential
from spectral_ham.potentials.pointwise import ElementwisePotential, ScalarPotential


@final
@dataclass(frozen=True, eq=False)
class NonlinearPotential(Potential):
    """V[T](t)·T with V = function(T, t), real and unchanged by T ↦ e^{iθ(x)} T.

    Such a V is constant along its own flow: e^{−iVt/ħ} is that flow exactly, and splittings keep their order.

    Args:
        function: (T, t) ↦ V, a real tensor of the grid's shape or of T's.
        antiderivative: (T, t) ↦ F, the interaction energy per volume: real, the grid's shape or T's, with
            ∂F/∂T* = V·T. Without it the energy of H is not defined.
        torus: left out by users; set when a Hamiltonian binds the potential.

    Raises:
        ValueError: V of another shape, or complex.

    Example:
        >>> import torch, spectral_ham as sh
        >>> saturable = sh.NonlinearPotential(lambda T, t: 1 / (1 + T.abs() ** 2))
        >>> H = sh.Hamiltonian(sh.Torus(4), potential=saturable)
        >>> H(torch.ones(4, dtype=torch.float64))
        tensor([0.5000, 0.5000, 0.5000, 0.5000], dtype=torch.float64)
    """

    function: Callable[[torch.Tensor, float], torch.Tensor]
    antiderivative: Callable[[torch.Tensor, float], torch.Tensor] | None = None
    torus: Torus | None = field(default=None, repr=False)
    is_linear: ClassVar[bool] = False
    shows_field: ClassVar[bool] = True

    def on(self, torus: Torus) -> Potential:
        """Return V[T] on ``torus``; its values are checked whenever they are evaluated."""
        return NonlinearPotential(self.function, self.antiderivative, torus)

    def at(self, t: float, T: torch.Tensor | None = None) -> StaticPotential:
        """Return V[T](t)."""
        if T is None:
            raise invalid("potential=...", "linear here, where no field is at hand", "a NonlinearPotential")
        V = self.function(T, t)
        grid = T.shape if self.torus is None else T.shape[: self.torus.ndim]
        if not isinstance(V, torch.Tensor) or V.is_complex() or V.shape not in (T.shape, grid):
            raise invalid("NonlinearPotential(function=...)", f"a function with real values {tuple(grid)} or like T", V)
        return ScalarPotential.unchecked(V) if V.shape == grid else ElementwisePotential.unchecked(V)

    def identity(self, times: Sequence[float], T: torch.Tensor) -> Iterable[tuple[str, object]]:
        """Return V at ``times`` in the fields T and 2T."""
        for t in times:
            for factor in (1, 2):  # a copy: the function may write into the field
                yield f"V[{factor}T] at t = {t}", self.at(t, factor * T.detach()).values

    def energy_density(self, T: torch.Tensor, t: float) -> torch.Tensor:
        """Return F, the interaction energy per volume."""
        if self.antiderivative is None:
            remedy = "Give NonlinearPotential(antiderivative=...), (T, t) ↦ F with ∂F/∂T* = V·T."
            raise invalid(
                "H.energy(T)", "asked of a potential whose energy is defined", "a function V[T] alone", remedy
            )
        return self.antiderivative(T, t)


@final
@dataclass(frozen=True, eq=False)
class GrossPitaevskii(Potential):
    """V[T] = V_ext + g·n with the density n = Σ_channels |T|²; energy per volume V_ext·n + (g/2)·n².

    Args:
        g: strength of the contact interaction (an energy per density); positive is repulsive.
        external: V_ext, a real tensor of the grid's shape, or None.
        torus: left out by users; set when a Hamiltonian binds the potential.

    Reference:
        Dalfovo, Giorgini, Pitaevskii & Stringari (1999), Rev. Mod. Phys. 71, 463, eq. (35),
        doi:10.1103/RevModPhys.71.463.

    Example:
        >>> import torch, spectral_ham as sh
        >>> H = sh.Hamiltonian(torus := sh.Torus(4), potential=sh.GrossPitaevskii(g=0.5))
        >>> T = torch.full((4,), 2.0, dtype=torch.complex128)
        >>> bool((H(T) == 0.5 * 4 * T).all()), float(H.energy(T))  # (g/2)·n² over 4 cells
        (True, 16.0)
    """

    g: float
    external: torch.Tensor | None = None
    torus: Torus | None = field(default=None, repr=False)
    is_linear: ClassVar[bool] = False

    def __post_init__(self) -> None:
        as_number("GrossPitaevskii(g=...)", self.g)
        if self.external is not None and not ScalarPotential(self.external).is_hermitian:
            raise invalid("GrossPitaevskii(external=...)", "real", self.external.dtype)

    def on(self, torus: Torus) -> Potential:
        """Return it on ``torus``."""
        if self.external is not None:
            ScalarPotential(self.external).on(torus)
        return GrossPitaevskii(self.g, self.external, torus)

    def at(self, t: float, T: torch.Tensor | None = None) -> StaticPotential:  # noqa: ARG002
        """Return V_ext + g·n."""
        if T is None:
            raise invalid("potential=...", "linear here, where no field is at hand", "a GrossPitaevskii potential")
        interaction = self.g * self._density(T)
        return ScalarPotential.unchecked(interaction if self.external is None else self.external + interaction)

    def identity(self, times: Sequence[float], T: torch.Tensor) -> Iterable[tuple[str, object]]:  # noqa: ARG002
        """Return g and V_ext."""
        return [("g", float(self.g)), ("external", self.external)]

    def energy_density(self, T: torch.Tensor, t: float) -> torch.Tensor:  # noqa: ARG002
        """Return V_ext·n + (g/2)·n²."""
        n = self._density(T)
        interaction = self.g / 2 * n**2
        return interaction if self.external is None else self.external * n + interaction

    def _density(self, T: torch.Tensor) -> torch.Tensor:
        channels = tuple(range(T.ndim if self.torus is None else self.torus.ndim, T.ndim))
        n = T.abs().square()
        return n.sum(channels) if channels else n
