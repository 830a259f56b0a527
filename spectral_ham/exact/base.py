"""What the exact solutions share: integers per axis, the metric as numbers, and phases without rounding."""

from collections.abc import Iterable, Sequence
from functools import reduce
from numbers import Integral
from typing import TypeAlias

import torch

from spectral_ham._internal.checks import as_number, invalid
from spectral_ham._internal.typing import Scalar
from spectral_ham.errors import UnsupportedDTypeError
from spectral_ham.geometry.inverse_metric import InverseMetric
from spectral_ham.geometry.torus import Torus

IntPerAxis: TypeAlias = int | Sequence[int]
"""One integer for every axis, or one integer per axis."""


def as_integers(where: str, value: IntPerAxis, ndim: int) -> tuple[int, ...]:
    """Return one int per axis from one integer or a sequence of ``ndim`` integers."""
    numbers = tuple(value) if isinstance(value, Sequence) else (value,) * ndim
    if len(numbers) != ndim or any(isinstance(n, bool) or not isinstance(n, Integral) for n in numbers):
        raise invalid(where, f"one integer or one per axis ({ndim})", value)
    return tuple(int(n) for n in numbers)


def check_complex(where: str, dtype: torch.dtype) -> None:
    """Refuse a dtype that cannot hold a phase."""
    if dtype not in (torch.complex64, torch.complex128):
        remedy = "Take `.real` of the complex field if a real one is wanted."
        raise invalid(where, "torch.complex64 or torch.complex128", dtype, remedy, UnsupportedDTypeError)


def metric_rows(where: str, inverse_metric: InverseMetric | None, ndim: int) -> list[list[float]]:
    """Return g^ij as rows of floats; None is flat."""
    if inverse_metric is None:
        return [[float(i == j) for j in range(ndim)] for i in range(ndim)]
    if not isinstance(inverse_metric, InverseMetric) or inverse_metric.ndim != ndim:
        raise invalid(where, f"None or an InverseMetric with {ndim} axes", inverse_metric)
    g = inverse_metric.tensor.detach()
    rows: list[list[float]] = (g.diag() if g.ndim == 1 else g).tolist()
    return rows


def kinetic_factor(where: str, hbar: Scalar, mass: Scalar) -> float:
    """Return ħ²/2m as a float."""
    hbar, mass = (as_number(f"{where}({name}=...)", x, positive=True) for name, x in (("hbar", hbar), ("mass", mass)))
    return hbar**2 / (2 * mass)


def turns(torus: Torus, axis: int, mode: int) -> torch.Tensor:
    """Return mode·(x − origin)/L modulo 1 along ``axis``: ((mode·j) mod N)/N, rounded once.

    The product is an integer, so that the phase 2π·turns of a high mode is as good as that of a low one.
    """
    n = torus.shape[axis]
    return (mode % n * torch.arange(n, dtype=torch.int64, device="cpu") % n).to(torch.float64) / n


def broadcast_sum(terms: Iterable[torch.Tensor]) -> torch.Tensor:
    """Return Σ_i terms_i, broadcast: the sum of one open grid per axis is a field on the grid."""
    return reduce(torch.add, terms)
