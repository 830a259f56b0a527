"""Execution by dense 1-D matrices: one real matrix product per axis."""

from typing import ClassVar, final

import torch

from spectral_ham._internal.memo import geometry_memo
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.backends.operator import Tables
from spectral_ham.execution.base import Execution, add_diagonal, ieee_float32, real_view
from spectral_ham.execution.fft import derivative_matrix


@final
class Dense(Execution):
    """Multiply each axis by its circulant matrix: 4N flops per point, axis and real number, at the speed of GEMM.

    ∂² is a real symmetric matrix and ∂ a real antisymmetric one, so a complex field costs two real products.
    Exact for both backends, and free of cliffs at prime N.
    """

    name: ClassVar[str] = "dense"

    def why_not(self, description: ConstantCoefficientOperator) -> str:  # noqa: ARG002
        """Return an empty string: every 1-D operator on a periodic axis is a circulant matrix."""
        return ""

    def prepare(self, description: ConstantCoefficientOperator, dtype: torch.dtype, device: torch.device) -> Tables:
        """Return (c·∂²,) for each term on the diagonal, and (∂_i, c·∂_j) for each term off it."""
        return tuple(
            (c * axis_matrix(description, i, 2, dtype, device),)
            if i == j
            else (axis_matrix(description, i, 1, dtype, device), c * axis_matrix(description, j, 1, dtype, device))
            for (i, j), c in zip(description.terms, description.coefficients, strict=True)
        )

    def run(
        self,
        description: ConstantCoefficientOperator,
        tables: Tables,
        X: torch.Tensor,
        diagonal: torch.Tensor | None,
        out: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return A·X + diagonal∘X."""
        result = torch.empty_like(X) if out is None else out
        _add_products(description, tables, real_view(X), real_view(result), beta=0)
        if diagonal is not None:
            add_diagonal(result, diagonal, X)
        return result

    def recur(
        self,
        description: ConstantCoefficientOperator,
        tables: Tables,
        X: torch.Tensor,
        diagonal: torch.Tensor | None,
        out: torch.Tensor,
        source: torch.Tensor,
        gamma: float,
    ) -> None:
        """Write A·X + diagonal∘X + γ·source − out into ``out``."""
        _add_products(description, tables, real_view(X), real_view(out), beta=-1)
        out.add_(source, alpha=gamma)
        if diagonal is not None:
            add_diagonal(out, diagonal, X)


def _add_products(
    description: ConstantCoefficientOperator, tables: Tables, X: torch.Tensor, out: torch.Tensor, beta: int
) -> None:
    """Write A·X + β·out into ``out``."""
    scratch = torch.empty_like(X) if description.has_cross_terms else X
    with ieee_float32():
        for (i, j), matrices in zip(description.terms, tables, strict=True):
            if i == j:
                _multiply_axis(matrices[0], X, i, out, beta)
            else:
                _multiply_axis(matrices[1], X, j, scratch, 0)
                _multiply_axis(matrices[0], scratch, i, out, beta)
            beta = 1


def axis_matrix(
    description: ConstantCoefficientOperator, axis: int, derivative: int, dtype: torch.dtype, device: torch.device
) -> torch.Tensor:
    """Return the cached circulant matrix of ∂² (derivative 2) or ∂ (derivative 1) along ``axis``: (N, N)."""
    torus, backend = description.torus, description.backend
    n, spacing = torus.shape[axis], torus.spacing[axis]

    def build() -> torch.Tensor:
        symbol = description.axis_symbol(axis, derivative, torch.float64, torch.device("cpu"))
        return derivative_matrix(symbol, derivative).to(device, dtype).contiguous()

    return geometry_memo.get(("matrix", derivative, n, spacing, backend, dtype, device), build)


def _multiply_axis(matrix: torch.Tensor, X: torch.Tensor, axis: int, out: torch.Tensor, beta: int) -> None:
    """Write matrix @ X + β·out into ``out``, along ``axis``."""
    n = X.shape[axis]
    before = X.shape[:axis].numel()
    behind = X.shape[axis + 1 :].numel()
    if before == 1:
        out.view(n, behind).addmm_(matrix, X.view(n, behind), beta=beta)
    elif behind == 1:
        out.view(before, n).addmm_(X.view(before, n), matrix.mT, beta=beta)
    else:
        out.view(before, n, behind).baddbmm_(matrix.expand(before, n, n), X.view(before, n, behind), beta=beta)
