"""Operators that callers without objects name by plain numbers: kept, so that equal numbers meet prepared tables."""

from collections.abc import Sequence
from functools import partial

import torch

from spectral_ham._internal.memo import Memo
from spectral_ham._internal.typing import Scalar
from spectral_ham.backends import ConstantCoefficientOperator, get_backend
from spectral_ham.execution.bound import AUTO, BoundOperator
from spectral_ham.geometry.torus import Torus

Terms = tuple[tuple[int, int], ...]

_geometries: Memo[BoundOperator] = Memo(max_entries=64)
_operators: Memo[BoundOperator] = Memo(max_entries=64)


def operator_from_numbers(
    shape: tuple[int, ...],
    spacing: tuple[float, ...],
    terms: Terms,
    coefficients: Sequence[Scalar],
    backend: str,
    stencil_order: int,
    execution: str = AUTO,
) -> BoundOperator:
    """Return Σ_t c_t ∂_i ∂_j on a torus, the same object for equal numbers; with tensors among them a new one."""
    if not isinstance(backend, str) or type(stencil_order) is not int:
        stencil_order = get_backend(backend, stencil_order).stencil_order  # refuses what must not become a key
    geometry = (shape, spacing, terms, backend, stencil_order, execution)

    def build() -> BoundOperator:
        return _geometries.get(geometry, partial(_made, geometry)).with_coefficients(coefficients)

    for c in coefficients:
        if isinstance(c, torch.Tensor):
            return build()
    return _operators.get((geometry, *coefficients), build)


def _made(geometry: tuple[tuple[int, ...], tuple[float, ...], Terms, str, int, str]) -> BoundOperator:
    shape, spacing, terms, backend, stencil_order, execution = geometry
    torus = Torus(shape, spacing=spacing)
    operator = ConstantCoefficientOperator(torus, get_backend(backend, stencil_order), terms, (1.0,) * len(terms))
    return BoundOperator(operator, execution)
