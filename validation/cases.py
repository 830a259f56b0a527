"""The cases that several studies share: ugly on purpose, so that no symmetry hides a mistake."""

import math
from typing import Literal, TypeAlias, cast

import torch

import spectral_ham as sh
from spectral_ham.potentials import PotentialLike

Backend: TypeAlias = Literal["spectral", "fd"]
Execution: TypeAlias = Literal["auto", "measure", "fft", "dense", "stencil"]

HBAR, MASS, V0 = 0.7, 1.3, 0.9
UNITS = {"hbar": HBAR, "mass": MASS}
KINETIC = HBAR**2 / (2 * MASS)

DIAGONAL = (2.0, 0.35)
FULL = ((2.0, 0.45), (0.45, 0.35))

DTYPES = {"complex64": torch.complex64, "complex128": torch.complex128}
ORDERS = (2, 4, 6, 8)


def torus_of(*shape: int) -> sh.Torus:
    """Return a torus with unequal, irrational-looking lengths and an origin away from zero."""
    d = len(shape)
    return sh.Torus(shape, lengths=(2.9, 4.7, 3.7)[:d], origin=(-0.4, 1.1, 0.3)[:d])


def ugly_torus() -> sh.Torus:
    """Return the default case: not square, one even and one odd N, no power of two, L_x ≠ L_y, origin ≠ 0."""
    return torus_of(22, 15)


def hamiltonian(
    torus: sh.Torus,
    metric: sh.InverseMetric,
    backend: str,
    execution: str,
    *,
    stencil_order: int = 2,
    V: PotentialLike | None = None,
) -> sh.Hamiltonian:
    """Return H with the ħ and m of the suite."""
    return sh.Hamiltonian(
        torus,
        inverse_metric=metric,
        potential=V,
        hbar=HBAR,
        mass=MASS,
        backend=cast(Backend, backend),
        stencil_order=stencil_order,
        execution=cast(Execution, execution),
    )


def spread_metric(ndim: int, ratio: float) -> sh.InverseMetric:
    """Return a diagonal g^ii with largest/smallest = ``ratio``, the largest on axis 0."""
    exponents = [0.5 - axis / max(ndim - 1, 1) for axis in range(ndim)]
    return sh.InverseMetric(tuple(ratio**p for p in exponents))


def rotated_metric(ndim: int, ratio: float) -> sh.InverseMetric:
    """Return R diag R^T: the metric of `spread_metric` turned by half a radian in every plane, so that all g^ij ≠ 0."""
    g = spread_metric(ndim, ratio).tensor.diag()
    c, s = math.cos(0.5), math.sin(0.5)
    for i in range(ndim):
        for j in range(i + 1, ndim):
            R = torch.eye(ndim, dtype=torch.float64)
            R[i, i], R[i, j], R[j, i], R[j, j] = c, -s, s, c
            g = R @ g @ R.mT
    return sh.InverseMetric((g + g.mT) / 2)


def metrics_of(ndim: int) -> dict[str, sh.InverseMetric]:
    """Return diagonal and full metrics of anisotropy 1 to 1e6, by name."""
    if ndim == 1:
        return {"g = 0.37": sh.InverseMetric((0.37,))}
    diagonal = {f"diagonal, anisotropy {ratio:g}": spread_metric(ndim, ratio) for ratio in (1.0, 1e3, 1e6)}
    return diagonal | {f"full, anisotropy {ratio:g}": rotated_metric(ndim, ratio) for ratio in (10.0, 1e6)}


def random_field(
    shape: tuple[int, ...], seed: int, dtype: torch.dtype = torch.complex128, *, scale: float = 1.0
) -> torch.Tensor:
    """Return a field of independent normal numbers, the same in every run, made in double precision and cast."""
    generator = torch.Generator().manual_seed(seed)
    wide = torch.complex128 if dtype.is_complex else torch.float64
    return (scale * torch.randn(shape, generator=generator, dtype=wide)).to(dtype)


def budget(dtype: torch.dtype) -> float:
    """Return 16 eps of the precision: what H may err by, relative to its largest eigenvalue times max|T|."""
    return 16 * torch.finfo(dtype).eps


def shape_name(shape: tuple[int, ...]) -> str:
    """Return "22×15"."""
    return "×".join(map(str, shape))
