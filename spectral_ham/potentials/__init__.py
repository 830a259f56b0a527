"""Potentials: what V·T may mean (scalar, elementwise, matrix, V(t)), and a library of named ones."""

from collections.abc import Callable

import torch

from spectral_ham.geometry.torus import Torus
from spectral_ham.potentials.base import Potential, StaticPotential
from spectral_ham.potentials.library import (
    constant,
    cosine_lattice,
    gaussian_barrier,
    gaussian_well,
    harmonic,
    periodic_gaussian_barrier,
    periodic_gaussian_well,
    periodic_harmonic,
    zero,
)
from spectral_ham.potentials.matrix import MatrixPotential, matrix_exponential
from spectral_ham.potentials.nonlinear import GrossPitaevskii, NonlinearPotential
from spectral_ham.potentials.pointwise import ElementwisePotential, ScalarPotential
from spectral_ham.potentials.time_dependent import TimeDependentPotential, tensor_potential

PotentialLike = Potential | torch.Tensor | Callable[[float], torch.Tensor | StaticPotential]


def as_potential(V: PotentialLike, torus: Torus) -> Potential:
    """Return V as a potential bound to ``torus``: a `Potential`, a tensor of one of two shapes, or a function of t.

    Raises:
        ValueError: values that do not fit the torus.
        TypeError: anything else.
    """
    if isinstance(V, Potential):
        return V.on(torus)
    if not isinstance(V, torch.Tensor) and callable(V):
        return TimeDependentPotential(V).on(torus)
    return tensor_potential(V, torus).on(torus)


__all__ = [
    "ElementwisePotential",
    "GrossPitaevskii",
    "MatrixPotential",
    "NonlinearPotential",
    "Potential",
    "ScalarPotential",
    "StaticPotential",
    "TimeDependentPotential",
    "as_potential",
    "constant",
    "cosine_lattice",
    "gaussian_barrier",
    "gaussian_well",
    "harmonic",
    "matrix_exponential",
    "periodic_gaussian_barrier",
    "periodic_gaussian_well",
    "periodic_harmonic",
    "zero",
]
