"""Hamiltonian operators for tensor fields on a periodic torus with an anisotropic metric.

H[T] = -(ħ²/2m) Σ_ij g^ij ∂_i ∂_j T + V·T
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spectral_ham import potentials
from spectral_ham._about import about, citation
from spectral_ham._cache import clear_cache
from spectral_ham._checks import LargeMetricWarning, NotHermitianError, UnsupportedDTypeError
from spectral_ham.context import INHERIT, GeometryContext, MetricContext
from spectral_ham.functional import (
    create_potential,
    hamiltonian_evolution,
    hamiltonian_evolution_with_metric,
    spatial_laplacian,
    spatial_laplacian_x,
    spatial_laplacian_y,
)
from spectral_ham.hamiltonian import Hamiltonian
from spectral_ham.laplacian import FourierMultiplier, Laplacian
from spectral_ham.metric import InverseMetric
from spectral_ham.potentials import (
    ElementwisePotential,
    GrossPitaevskii,
    MatrixPotential,
    NonlinearPotential,
    Potential,
    ScalarPotential,
    TimeDependentPotential,
)
from spectral_ham.torus import Torus

if TYPE_CHECKING:
    from spectral_ham import convergence, exact, observables, plotting, propagators
    from spectral_ham.advisor import Advice
    from spectral_ham.eigen import eigenstates, ground_state
    from spectral_ham.evolution import evolve
    from spectral_ham.propagators.wave import wave_evolution
    from spectral_ham.stability import max_stable_dt
    from spectral_ham.trajectory import EvolutionError, Stats, Trajectory
    from spectral_ham.windows import euler_window, window

__version__ = "0.1.0"

__all__ = [
    # geometry
    "Torus",
    "InverseMetric",
    # operators
    "Laplacian",
    "FourierMultiplier",
    "Hamiltonian",
    # exact solutions and convergence studies
    "exact",
    "convergence",
    "plotting",
    # time evolution
    "evolve",
    "Trajectory",
    "Stats",
    "EvolutionError",
    "Advice",
    "max_stable_dt",
    "ground_state",
    "eigenstates",
    "window",
    "euler_window",
    "wave_evolution",
    "observables",
    "propagators",
    # potentials
    "potentials",
    "Potential",
    "ScalarPotential",
    "ElementwisePotential",
    "MatrixPotential",
    "TimeDependentPotential",
    "NonlinearPotential",
    "GrossPitaevskii",
    # drop-in functions and their context
    "hamiltonian_evolution",
    "hamiltonian_evolution_with_metric",
    "spatial_laplacian",
    "spatial_laplacian_x",
    "spatial_laplacian_y",
    "create_potential",
    "GeometryContext",
    "MetricContext",
    "INHERIT",
    # housekeeping
    "clear_cache",
    "about",
    "citation",
    # named errors and warnings
    "UnsupportedDTypeError",
    "NotHermitianError",
    "LargeMetricWarning",
]

_LATER = {
    **dict.fromkeys(("convergence", "exact", "observables", "plotting", "propagators")),
    "evolve": "evolution",
    **dict.fromkeys(("Trajectory", "Stats", "EvolutionError"), "trajectory"),
    "Advice": "advisor",
    "max_stable_dt": "stability",
    **dict.fromkeys(("ground_state", "eigenstates"), "eigen"),
    **dict.fromkeys(("window", "euler_window"), "windows"),
    "wave_evolution": "propagators.wave",
}
"""What the operators do not need, and the module that has it (None: it is the module)."""


def __getattr__(name: str) -> Any:
    """Import what the operators do not need when it is first asked for."""
    if name not in _LATER:
        raise AttributeError(f"module 'spectral_ham' has no attribute {name!r}")
    module = _LATER[name]
    if module is None:
        return import_module(f"spectral_ham.{name}")
    return getattr(import_module(f"spectral_ham.{module}"), name)


def __dir__() -> list[str]:
    """List the public names, those not yet imported among them."""
    return sorted(__all__)
