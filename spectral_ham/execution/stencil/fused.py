"""The stencil in one pass over memory, by kernels that numba compiles: out = A·X + V∘X, or A·X + V∘X + γS − out."""

from math import prod
from typing import TYPE_CHECKING, Any, final

import torch

from spectral_ham.execution.base import Kind
from spectral_ham.execution.numba import jit
from spectral_ham.execution.stencil.base import Neighbors, StencilOperator

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

KERNELS = "stencil_kernels"

BLOCK_REALS = 8192
"""Numbers of a row that are worked on at a time, so that those of its neighbors stay in cache."""


@final
class FusedStencil(StencilOperator):
    """All neighbors and one real V per point in one pass. Runs where `jit.serves` allows: a kind with ``fused``."""

    def __init__(self, grid: tuple[int, ...], kind: Kind, neighbors: Neighbors, V: torch.Tensor | None = None) -> None:
        super().__init__(grid, kind, neighbors, V)
        shape = (*grid, kind.reals_per_point(grid))
        self._sizes, whole = _sizes(shape, neighbors.axes, len(neighbors.weights[0]) - 1)
        self._weights = _packed(neighbors, kind.real)
        self._none = torch.empty(0, dtype=kind.real, device="cpu").numpy()
        # A copy: memory that NumPy sees is memory whose writes torch no longer sees, and V may be the user's own.
        self._V = self._none if self.swept is None else self.swept.clone().contiguous().numpy().reshape(-1)
        self._zero = self._none.dtype.type(0.0)
        self._kernels, self._parts = jit.kernels(KERNELS), jit.parts(prod(shape))
        self._ends: tuple[Any, ...] = whole if self._parts == 1 else (self._parts,)

    def apply(self, X: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return A·X + V∘X."""
        result = torch.empty_like(X) if out is None else out
        real = self._zero.dtype
        y, x = result.numpy().reshape(-1).view(real), X.numpy().reshape(-1).view(real)
        if self._parts == 1:
            self._kernels.rows(y, x, self._V, self._none, self._zero, self._weights, self._sizes, *self._ends)
        else:
            self._run_parallel(y, x, self._none, self._zero)
        if out is not None:
            jit.written(out)
        if not self.is_whole:
            self._add_the_rest(X, result)
        return result

    def recur(self, X: torch.Tensor, out: torch.Tensor, source: torch.Tensor, gamma: float) -> None:
        """Write A·X + V∘X + γ·source − out into ``out``."""
        real = self._zero.dtype
        y, x, s = (field.numpy().reshape(-1).view(real) for field in (out, X, source))
        if self._parts == 1:
            self._kernels.rows(y, x, self._V, s, real.type(gamma), self._weights, self._sizes, *self._ends)
        else:
            self._run_parallel(y, x, s, real.type(gamma))
        jit.written(out)
        if not self.is_whole:
            self._add_the_rest(X, out)

    def _run_parallel(self, y: "Array", x: "Array", s: "Array", gamma: Any) -> None:
        arguments = (y, x, self._V, s, gamma, self._weights, self._sizes, *self._ends)
        jit.run_parallel(self._kernels.parts_of_rows, self._parts, *arguments)


def _sizes(shape: tuple[int, ...], axes: tuple[int, ...], reach: int) -> tuple["Array", tuple[Any, ...]]:
    """Return how a field lies in memory: rows, with a line in each, whose neighbors are C numbers or so many rows away.

    (stride, points) in rows of the last axis across rows that takes part, and of the one before (0 points: there is
    none); C, the numbers per point of the line; M, those per row; those of a block; the reach R of the stencil. And the
    ranges of rows, and of numbers within them, that are the whole field.
    """
    import numpy as np

    *across, line = axes
    C = prod(shape[line + 1 :])
    near = (prod(shape[across[-1] + 1 : line]), shape[across[-1]]) if across else (1, 0)
    far = (prod(shape[across[0] + 1 : line]), shape[across[0]]) if len(across) > 1 else (1, 0)
    M, block = shape[line] * C, C * max(1, BLOCK_REALS // C)
    everything = tuple(np.uint64(n) for n in (0, prod(shape) // M, 0, M))
    return np.array([*near, *far, C, M, block, reach], dtype=np.uint64), everything


def _packed(neighbors: Neighbors, dtype: torch.dtype) -> "Array":
    """Return Σ w_0, then w_1 … w_R along the line, along the near axis and along the far one, as one array.

    They are numbers, or 0-d tensors where a gradient asks for them, whose values the host never reads.
    """
    weights = neighbors.weights
    if isinstance(weights[0][0], torch.Tensor):
        rows = torch.stack([torch.stack([w for w in row if isinstance(w, torch.Tensor)]) for row in weights])
    else:
        rows = torch.tensor(weights, dtype=torch.float64, device="cpu")
    array: Array = _pack(rows.detach().to("cpu", torch.float64)).to(dtype).numpy()
    return array


def _pack(weights: torch.Tensor) -> torch.Tensor:
    """(axes, R + 1) ↦ the array that `_packed` returns.

    A sweep adds two pairs of neighbors: where an axis is alone, its own pair twice, at half the weight.
    """
    line, near, far = weights[-1], weights[max(0, len(weights) - 2)], weights[0] / 2
    if len(weights) == 1:
        line = near = line / 2
    return torch.cat([weights[:, 0].sum()[None], line[1:], near[1:], far[1:]])
