"""Execution by dense 1-D matrices: one real matrix product per axis."""

import math
from collections.abc import Sequence
from typing import ClassVar, Self, final

import torch

from spectral_ham._internal.memo import geometry_memo
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.execution.base import Execution, Kind, Prepared, add_diagonal, real_view
from spectral_ham.execution.fft import derivative_matrix
from spectral_ham.execution.layout import flattened
from spectral_ham.execution.precision import ieee_float32, without_autocast


@final
class Dense(Execution):
    """Multiply each axis by its circulant matrix: 4N flops per point, axis and real number, at the speed of GEMM.

    ∂² is a real symmetric matrix and ∂ a real antisymmetric one, so a complex field costs two real products.
    Exact for both backends, and free of cliffs at prime N.
    """

    name: ClassVar[str] = "dense"

    def prepare(self, operator: ConstantCoefficientOperator, kind: Kind) -> "DenseOperator":
        """Return the operator with c·∂² for each term on the diagonal, and c·∂_j, then ∂_i, for each term off it."""

        def matrix(axis: int, derivative: int) -> torch.Tensor:
            return axis_matrix(operator, axis, derivative, kind.real, kind.device)

        products = [
            ((i, c * matrix(i, 2)),) if i == j else ((j, c * matrix(j, 1)), (i, matrix(i, 1)))
            for (i, j), c in zip(operator.terms, operator.coefficients, strict=True)
        ]
        return DenseOperator(operator.torus.shape, products)


Product = tuple[int, torch.Tensor]
"""(axis, matrix)."""


@final
class DenseOperator(Prepared):
    """Σ_terms (products with matrices, one after the other) X + V∘X."""

    execution: ClassVar[str] = Dense.name

    def __init__(
        self, grid: tuple[int, ...], products: Sequence[tuple[Product, ...]], V: torch.Tensor | None = None
    ) -> None:
        self.grid, self.products = grid, products
        self.nbytes = sum(matrix.nbytes for chain in products for _, matrix in chain)
        self.V = None if V is None else flattened(V, grid)

    def with_potential(self, V: torch.Tensor | None) -> Self:
        """Return the operator with another V."""
        return self if V is None and self.V is None else type(self)(self.grid, self.products, V)

    def apply(self, X: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return A·X + V∘X."""
        result = torch.empty_like(X) if out is None else out
        flat, flat_result = X.view(*self.grid, -1), result.view(*self.grid, -1)
        self._add_products(flat, flat_result, beta=0)
        if self.V is not None:
            add_diagonal(flat_result, self.V, flat)
        return result

    def recur(self, X: torch.Tensor, out: torch.Tensor, source: torch.Tensor, gamma: float) -> None:
        """Write A·X + V∘X + γ·source − out into ``out``."""
        flat, flat_out = X.view(*self.grid, -1), out.view(*self.grid, -1)
        self._add_products(flat, flat_out, beta=-1)
        out.add_(source, alpha=gamma)
        if self.V is not None:
            add_diagonal(flat_out, self.V, flat)

    def _add_products(self, X: torch.Tensor, out: torch.Tensor, beta: int) -> None:
        """Write A·X + β·out into ``out``."""
        X, out = real_view(X), real_view(out)
        scratch = torch.empty_like(X) if any(len(chain) > 1 for chain in self.products) else X
        with ieee_float32(), without_autocast(X):
            for chain in self.products:
                source = X
                for axis, matrix in chain[:-1]:
                    _multiply_axis(matrix, source, axis, scratch, 0)
                    source = scratch
                axis, matrix = chain[-1]
                _multiply_axis(matrix, source, axis, out, beta)
                beta = 1


def axis_matrix(
    operator: ConstantCoefficientOperator, axis: int, derivative: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """Return the cached circulant matrix of ∂² (derivative 2) or ∂ (derivative 1) along ``axis``: (N, N)."""
    torus, backend = operator.torus, operator.backend
    n, spacing = torus.shape[axis], torus.spacing[axis]

    def build() -> torch.Tensor:
        symbol = operator.axis_symbol(axis, derivative, torch.float64, torch.device("cpu"))
        return derivative_matrix(symbol, derivative).to(device, dtype).contiguous()

    return geometry_memo.get(("matrix", derivative, n, spacing, backend, dtype, device), build)


def _multiply_axis(matrix: torch.Tensor, X: torch.Tensor, axis: int, out: torch.Tensor, beta: int) -> None:
    """Write matrix @ X + β·out into ``out``, along ``axis``."""
    n = X.shape[axis]
    before, behind = math.prod(X.shape[:axis]), math.prod(X.shape[axis + 1 :])
    if before == 1:
        out.view(n, behind).addmm_(matrix, X.view(n, behind), beta=beta)
    elif behind == 1:
        out.view(before, n).addmm_(X.view(before, n), matrix.mT, beta=beta)
    else:
        out.view(before, n, behind).baddbmm_(matrix.expand(before, n, n), X.view(before, n, behind), beta=beta)
