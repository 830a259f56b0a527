"""The stencil in one pass over memory, by kernels that numba compiles: out = A·X + V∘X, or A·X + V∘X + γS − out."""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import torch

from spectral_ham._internal.typing import Scalar
from spectral_ham.execution.numba import jit

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

KERNELS = "stencil_kernels"

BLOCK_REALS = 8192
"""Numbers of a row that are worked on at a time, so that those of its neighbors stay in cache."""


def fits(axes: tuple[int, ...], X: torch.Tensor, V: torch.Tensor | None) -> bool:
    """Tell whether the kernels can add the neighbors along ``axes`` of X (N_x, …, reals), and one real V per point."""
    # Axes behind the last one that takes part count as channels, and V has no values for those.
    return bool(axes) and (V is None or axes[-1] == X.ndim - 2) and jit.serves(X)


def fused_stencil(
    axes: tuple[int, ...],
    weights: Sequence[tuple[Scalar, ...]],
    X: torch.Tensor,
    V: torch.Tensor | None,
    out: torch.Tensor,
    source: torch.Tensor | None = None,
    gamma: float = 0.0,
) -> None:
    """Write A·X + V∘X into ``out``; with a ``source`` S: A·X + V∘X + γS − out, a term of a three-term recurrence.

    Args:
        axes: along which A adds neighbors, ascending.
        weights: (w_0, …, w_R) for each of them.
        X: (N_x, …, reals), contiguous; see `fits`.
        V: None, or one real number per grid point.
        out: like X, overlapping neither X nor S.
        source: like X.
        gamma: γ.

    None of them records a gradient.
    """
    reach = len(weights[0]) - 1
    sizes, everything = _sizes(tuple(X.shape), axes, reach)
    packed = _packed(tuple(weights), X.dtype)
    empty = _empty(X.dtype)
    kernels = jit.kernels(KERNELS)
    arguments = (
        out.numpy().ravel(),
        X.numpy().ravel(),
        empty if V is None else V.numpy().ravel(),
        empty if source is None else source.numpy().ravel(),
        empty.dtype.type(gamma),
        packed,
        sizes,
    )
    parts = jit.parts(X.numel())
    if parts == 1:
        kernels.rows(*arguments, *everything)
    else:
        jit.run_parallel(kernels.parts_of_rows, parts, *arguments, parts)
    jit.written(out)


@lru_cache(maxsize=256)
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


def _packed(weights: tuple[tuple[Scalar, ...], ...], dtype: torch.dtype) -> "Array":
    """Return Σ w_0, then w_1 … w_R along the line, along the near axis and along the far one, as one array.

    They are numbers, or 0-d tensors where a gradient asks for them, whose values the host never reads.
    """
    if isinstance(weights[0][0], float):
        return _constant(weights, dtype)
    rows = torch.stack([torch.stack([w for w in row if isinstance(w, torch.Tensor)]) for row in weights])
    array: Array = _pack(rows.to("cpu", torch.float64)).to(dtype).numpy()
    return array


@lru_cache(maxsize=256)
def _constant(weights: tuple[tuple[Scalar, ...], ...], dtype: torch.dtype) -> "Array":
    array: Array = _pack(torch.tensor(weights, dtype=torch.float64)).to(dtype).numpy()
    return array


def _pack(weights: torch.Tensor) -> torch.Tensor:
    """(axes, R + 1) ↦ what `_packed` returns.

    A sweep adds two pairs of neighbors: where an axis is alone, its own pair twice, at half the weight.
    """
    line, near, far = weights[-1], weights[max(0, len(weights) - 2)], weights[0] / 2
    if len(weights) == 1:
        line = near = line / 2
    return torch.cat([weights[:, 0].sum()[None], line[1:], near[1:], far[1:]])


@lru_cache(maxsize=2)
def _empty(dtype: torch.dtype) -> "Array":
    array: Array = torch.empty(0, dtype=dtype).numpy()
    return array
