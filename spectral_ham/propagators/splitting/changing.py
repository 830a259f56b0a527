"""Splittings whose V depends on time or on the field, or mixes channels: all channels take a step together."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch

from spectral_ham.execution.fft import chunk, convolve
from spectral_ham.execution.layout import channels_first, channels_last
from spectral_ham.potentials import StaticPotential

Change: TypeAlias = tuple[torch.Tensor | None, Callable[[torch.Tensor], StaticPotential | None]]
"""(k, e): k as `folded` makes it, or None; e(T) = e^{wzV} of the V that the field meets, or None."""


def run_changing(T: torch.Tensor, changes: Iterable[Change], ndim: int, out: torch.Tensor | None) -> torch.Tensor:
    """Return T after all factors, in ``out`` if it is given. Nothing is recorded but what the potentials record.

    Args:
        T: torus.shape + channels, contiguous.
        changes: the factors; potentials see the field in T's shape.
        ndim: number of grid axes.
        out: like T, contiguous.
    """
    grid, channels = T.shape[:ndim], T.shape[ndim:]
    X = T.view(*grid, -1)
    step = chunk(X)
    with torch.no_grad():
        F = channels_first(X, 0, X.shape[-1])
        F = F.clone() if X.shape[-1] == 1 else F
    for k, exponential in changes:
        with torch.no_grad():
            if k is not None and len(F) <= step:
                F = convolve(F, k, ndim)
            elif k is not None:
                for part in torch.split(F, step):
                    part.copy_(convolve(part, k, ndim))
        seen = F.view(*channels, *grid).permute(*range(len(channels), T.ndim), *range(len(channels)))
        V = exponential(seen)
        with torch.no_grad():
            if V is not None and V.mixes_channels:
                seen.copy_(V.apply(seen))
            elif V is not None:
                V.diagonal(seen)  # refuses a V that does not fit
                values = V.values.detach()
                own = values if values.ndim == ndim else values.reshape(*grid, -1).movedim(-1, 0).contiguous()
                F.mul_(own.to(F.dtype))
    Y = torch.empty_like(X) if out is None else out.view(X.shape)
    channels_last(F, Y, 0)
    return Y.view(T.shape) if out is None else out
