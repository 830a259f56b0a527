"""Hamiltonian operators for tensor fields on a periodic torus with an anisotropic metric.

H[T] = -(ħ²/2m) Σ_ij g^ij ∂_i ∂_j T + V·T
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from spectral_ham import potentials
from spectral_ham._about import about, citation
from spectral_ham._cache import clear_cache
from spectral_ham._checks import LargeMetricWarning, NotHermitianError, UnsupportedDTypeError
from spectral_ham.context import INHERIT, GeometryContext, MetricContext
from spectral_ham.evolution import evolve
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
from spectral_ham.trajectory import EvolutionError, Stats, Trajectory

if TYPE_CHECKING:
    from spectral_ham import convergence, exact, plotting

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


def __getattr__(name: str) -> ModuleType:
    """Import the modules that operators do not need when they are first asked for."""
    if name in ("convergence", "exact", "plotting"):
        return import_module(f"spectral_ham.{name}")
    raise AttributeError(f"module 'spectral_ham' has no attribute {name!r}")
