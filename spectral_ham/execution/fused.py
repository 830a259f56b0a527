"""The stencil in one pass over memory, by kernels that numba compiles: out = A·X + V∘X, or A·X + V∘X + γS − out."""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from spectral_ham._typing import Scalar
from spectral_ham.execution import jit

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

KERNELS = "stencil_kernels"

SERIAL_REALS = 2**14
"""Fewer numbers than these are done before another thread is awake."""

BLOCK_REALS, ROW_REALS = 2048, 8192
"""Numbers of a row that are worked on at a time, so that they stay in cache; few channels read longer stretches."""


class Sizes(NamedTuple):
    """A field as rows of a line, in the kernels' unsigned numbers: neighbors are ``stride`` rows or C numbers away."""

    near_stride: Any
    near_points: Any
    """The last axis across rows that has a term; 0 points: none."""
    far_stride: Any
    far_points: Any
    C: Any
    """Numbers per point of the line."""
    M: Any
    """Numbers per row."""


def fits(axes: tuple[int, ...], X: torch.Tensor, V: torch.Tensor | None) -> bool:
    """Tell whether the kernels can add the neighbors along ``axes`` of X (N_x, …, reals), and one real V per point."""
    # Axes behind the last one that takes part count as channels, and V has no values for those.
    return X.device.type == "cpu" and bool(axes) and (V is None or axes[-1] == X.ndim - 2) and jit.is_on()


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
    """
    kernels = jit.kernels(KERNELS)
    sizes, block = _sizes(tuple(X.shape), axes)
    *across, along = (_array(w, X.dtype) for w in weights)
    center = sum((w[:1] for w in across), start=along[:1])
    if not across:  # up and down are left and right again, with half the weight each
        along = along / 2
    near, far = (across[-1] if across else along), (across[0] / 2 if across else along)
    arguments = (
        _flat(out),
        _flat(X),
        _array((), X.dtype) if V is None else _flat(V),
        _array((), X.dtype) if source is None else _flat(source),
        _array((gamma,), X.dtype),
        center,
        along[1:],
        near[1:],
        far[1:],
        *sizes,
    )
    parts = jit.tasks() if X.numel() >= SERIAL_REALS else 1
    if parts == 1:
        kernels.one_part(*arguments, block)
    else:
        jit.run_parallel(kernels.all_parts, parts, *arguments, block, parts)


@lru_cache(maxsize=256)
def _sizes(shape: tuple[int, ...], axes: tuple[int, ...]) -> tuple[Sizes, Any]:
    """Return how the axes that have terms lie in memory, and the numbers of a block."""
    from numpy import uint64

    *across, line = axes
    C = prod(shape[line + 1 :])
    M = shape[line] * C

    def stride(axis: int) -> int:
        return prod(shape[axis + 1 : line])

    near = (stride(across[-1]), shape[across[-1]]) if across else (1, 0)
    far = (stride(across[0]), shape[across[0]]) if len(across) > 1 else (1, 0)
    block = C * max(1, (BLOCK_REALS if C >= 16 else ROW_REALS) // C)
    return Sizes(*(uint64(n) for n in (*near, *far, C, M))), uint64(block)


def _array(weights: tuple[Scalar, ...], dtype: torch.dtype) -> "Array":
    """Return numbers, or 0-d tensors where a gradient asks for them, as an array; no value is read by the host."""
    tensors = [w for w in weights if isinstance(w, torch.Tensor)]
    if not tensors:
        return _constant(weights, dtype)
    array: Array = torch.stack(tensors).to("cpu", dtype).numpy()
    return array


@lru_cache(maxsize=256)
def _constant(weights: tuple[Scalar, ...], dtype: torch.dtype) -> "Array":
    import numpy as np

    return np.array(weights, dtype=np.float32 if dtype == torch.float32 else np.float64)


def _flat(X: torch.Tensor) -> "Array":
    flat: Array = X.detach().reshape(-1).numpy()
    return flat
