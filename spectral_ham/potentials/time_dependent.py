"""A potential V(t), given as a function of time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import final

import torch

from spectral_ham._internal.checks import invalid
from spectral_ham.geometry.torus import Torus
from spectral_ham.potentials.base import Potential, StaticPotential
from spectral_ham.potentials.pointwise import ElementwisePotential, ScalarPotential


@final
@dataclass(frozen=True, eq=False)
class TimeDependentPotential(Potential):
    """V(t)·T, where ``function(t)`` is a tensor or a static potential. A bare callable means this.

    Args:
        function: t ↦ V(t): a tensor of the grid's or the field's shape, or a `StaticPotential`.
        torus: left out by users; set when a Hamiltonian binds the potential.

    Example:
        >>> import torch, spectral_ham as sh
        >>> x, = (torus := sh.Torus(8)).coordinates()
        >>> H = sh.Hamiltonian(torus, potential=lambda t: torch.cos(x - t))
        >>> T = torch.ones(8, dtype=torch.float64)
        >>> bool((H(T, t=2.0) == torch.cos(x - 2.0)).all())
        True
    """

    function: Callable[[float], torch.Tensor | StaticPotential]
    torus: Torus | None = None

    def on(self, torus: Torus) -> Potential:
        """Return V(t) on ``torus``; its values are checked whenever they are evaluated."""
        return TimeDependentPotential(self.function, torus)

    def identity(self, times: Sequence[float], T: torch.Tensor) -> Iterable[tuple[str, object]]:  # noqa: ARG002
        """Return kind and values of V at ``times``."""
        for t in times:
            V = self.at(t)
            yield f"kind at t = {t}", type(V).__name__
            yield f"V at t = {t}", V.values

    def energy_density(self, T: torch.Tensor, t: float) -> None:  # noqa: ARG002
        """Return None."""
        return

    def at(self, t: float, T: torch.Tensor | None = None) -> StaticPotential:  # noqa: ARG002
        """Return V(t)."""
        V = self.function(t)
        potential = V if isinstance(V, StaticPotential) else tensor_potential(V, self.torus)
        bound = potential if self.torus is None else potential.on(self.torus)
        if not isinstance(bound, StaticPotential):
            raise invalid("potential=...", "a function of t that returns a static potential", V, error=TypeError)
        return bound


def tensor_potential(V: torch.Tensor, torus: Torus | None) -> StaticPotential:
    """Return what a bare tensor means: of the grid's shape it acts on every channel alike, else elementwise.

    Two shapes only, and no broadcasting: the second must turn out to be the field's own.
    """
    if not isinstance(V, torch.Tensor):
        kinds = "a tensor, a Potential, or a function of t that returns one"
        is_number = isinstance(V, (int, float, complex))
        remedy = "For a constant use potentials.constant(torus, value)." if is_number else "Use torch.as_tensor."
        raise invalid("potential=...", kinds, V, remedy, TypeError)
    if torus is not None and V.shape == torus.shape:
        return ScalarPotential(V)
    if torus is not None and V.shape[: torus.ndim] != torus.shape:
        needs = f"of the grid's shape {torus.shape}, or of the field's, which begins with it"
        raise invalid("potential=...", needs, V, "Axis 0 is x, axis 1 is y.")
    return ElementwisePotential(V)
