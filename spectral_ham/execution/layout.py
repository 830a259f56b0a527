"""Channels last, as users hold fields, and channels first, as FFTs want them: a chunk of channels at a time.

The conversions run as fused kernels where these are on, else on torch's own operations; both give the same numbers.
"""

from typing import Any

import numpy as np
import torch

from spectral_ham.execution.base import add_diagonal
from spectral_ham.execution.numba.jit import kernels, parts, run_parallel, serves, written


def channels_first(X: torch.Tensor, first: int, count: int) -> torch.Tensor:
    """Return the channels first, …, first + count − 1 of X as (count, N_x, …), contiguous.

    Args:
        X: (N_x, …, C), contiguous.
        first: the first channel of the chunk.
        count: how many channels.
    """
    grid, channels = X.shape[:-1], X.shape[-1]
    if channels == 1:
        return X.view(1, *grid)
    fused = _kernels_for(X)
    if fused is None:
        return X[..., first : first + count].movedim(-1, 0).contiguous()
    F = X.new_empty((count, *grid))
    _run(fused.gather, F.numel(), _flat(X), _flat(F), grid.numel(), channels, first, count)
    return F


def channels_last(F: torch.Tensor, out: torch.Tensor, first: int) -> None:
    """Write F back as channels first, … of ``out``.

    Args:
        F: (count, N_x, …), contiguous.
        out: (N_x, …, C), contiguous.
        first: the channel where the chunk begins.
    """
    count, channels = F.shape[0], out.shape[-1]
    if channels == 1:
        out.copy_(F.view(out.shape))
    elif (fused := _kernels_for(out)) is None:
        out[..., first : first + count].copy_(F.movedim(0, -1))
    else:
        points = out.shape[:-1].numel()
        _run(fused.scatter, F.numel(), _flat(F), _flat(out), points, channels, first, count)
        written(out)


def add_to(out: torch.Tensor, diagonal: torch.Tensor, X: torch.Tensor) -> None:
    """Add diagonal∘X to ``out`` in place: for a lone channel by a kernel, since torch is slow at complex times real."""
    fused = _kernels_for(out) if X.shape[-1] == 1 else None
    if fused is None:
        add_diagonal(out, diagonal, X)
        return
    y, x, v, points = _flat(out), _flat(X), _flat(diagonal), out.numel()
    if X.is_complex() and not diagonal.is_complex():
        _run(fused.add_real, points, _reals(y), _reals(x), v, points, parts(points))
    else:
        _run(fused.add, points, y, x, v, points, parts(points))
    written(out)


def _kernels_for(X: torch.Tensor) -> Any | None:
    """Return the compiled kernels where they may run on X."""
    return kernels("layout_kernels") if serves(X) else None


def _flat(X: torch.Tensor) -> Any:
    return (X.detach() if X.requires_grad else X).numpy().reshape(-1)


def _reals(values: Any) -> Any:
    return values.view(values.real.dtype)


def _run(pair: tuple[Any, Any], numbers: int, *arguments: Any) -> None:
    """Run the serial kernel of a pair, or the parallel one."""
    serial, parallel = pair
    count = parts(numbers)
    if count == 1:
        serial(*arguments)
    else:
        run_parallel(parallel, count, *arguments)


def uninitialized(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> torch.Tensor:
    """Return an empty tensor for many fields: on the CPU in numpy's memory, since numpy asks for large pages.

    The first touch of a page of 4 kB costs more than writing it does; torch asks for large ones only on demand
    (THP_MEM_ALLOC_ENABLE=1).
    """
    if device.type != "cpu":
        return torch.empty(shape, dtype=dtype, device=device)
    numbers = np.empty(shape, dtype=torch.empty(0, dtype=dtype).numpy().dtype)
    return torch.from_numpy(numbers)
