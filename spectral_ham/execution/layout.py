"""Channels last, as users hold fields, and channels first, as FFTs want them: a chunk of channels at a time.

The conversions run as fused kernels where these are on, else on torch's own operations; both give the same numbers.
"""

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import torch

from spectral_ham.execution.base import Kind, add_diagonal
from spectral_ham.execution.numba.jit import kernels, parts, run_parallel, serves, written

Add: TypeAlias = Callable[[torch.Tensor, torch.Tensor], None]
"""(out, X) ↦ out += V∘X, both (N_x, …, C) and contiguous."""


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


def flattened(V: torch.Tensor, grid: tuple[int, ...]) -> torch.Tensor:
    """Return V as it is if it has the grid's shape, else with all channels on one axis, (N_x, …, C)."""
    return V if V.shape == grid else V.reshape(*grid, -1)


def add_potential(V: torch.Tensor, grid: tuple[int, ...], kind: Kind) -> Add:
    """Return (out, X) ↦ out += V∘X, the kernel picked: for a lone channel numba's, torch being slow at complex × real.

    Args:
        V: values of the grid's shape, or (N_x, …, C); never complex for a real X.
        grid: (N_x, …).
        kind: of X and ``out``.
    """
    points = math.prod(grid)
    if not kind.fused or math.prod(kind.shape) != points:
        return lambda out, X: add_diagonal(out, V, X)
    # A copy of V: memory that NumPy sees is memory whose writes torch no longer sees.
    kernel, count, v = kernels("layout_kernels"), parts(points), _flat(V.clone().contiguous())
    # Real V: a complex field is seen as twice as many real numbers.
    pair = kernel.add_real if kind.dtype.is_complex and not V.is_complex() else kernel.add

    def add(out: torch.Tensor, X: torch.Tensor) -> None:
        _run(pair, points, _flat(out).view(v.dtype), _flat(X).view(v.dtype), v, points, count)
        written(out)

    return add


def _kernels_for(X: torch.Tensor) -> Any | None:
    """Return the compiled kernels where they may run on X."""
    return kernels("layout_kernels") if serves(X) else None


def _flat(X: torch.Tensor) -> Any:
    return (X.detach() if X.requires_grad else X).numpy().reshape(-1)


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
    numbers = np.empty(shape, dtype=torch.empty(0, dtype=dtype, device="cpu").numpy().dtype)
    return torch.from_numpy(numbers)
