"""The least bytes and flops of an operation: t_floor = max(bytes / bandwidth, flops / peak).

Bytes count each array that the least schedule must read or write once per pass, flops real additions and
multiplications; C is the number of channels, V one real value per grid point.
"""

import math
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Floor:
    """Bytes and flops of one call."""

    bytes: float
    flops: float

    def __mul__(self, times: float) -> "Floor":
        """Return the floor of ``times`` such calls."""
        return Floor(self.bytes * times, self.flops * times)


def copy(T: torch.Tensor) -> Floor:
    """Read, write."""
    return Floor(2 * T.nbytes, 0)


def stencil(T: torch.Tensor, order: int) -> Floor:
    """H·T of fd in one pass: T, V, result; 4R + 2 real operations on each of a number's parts."""
    return Floor(2 * T.nbytes + _potential_bytes(T), (4 * order + 4) * _reals(T))


def spectral(T: torch.Tensor) -> Floor:
    """H·T of spectral in two passes, out = K_y T + V T; out += K_x T: five fields, dense or by FFT."""
    per_point = min(4 * sum(T.shape[:2]), _pair(T))
    return Floor(5 * T.nbytes + _potential_bytes(T), per_point * _reals(T) / 2)


def strang(T: torch.Tensor) -> Floor:
    """A Strang step in one pass, neighbors paired as K_x·V·K_x | K_y·V·K_y: dense (8N a point) or by FFT."""
    per_point = min(8 * max(T.shape[:2]), _pair(T))
    return Floor(2 * T.nbytes + _potential_bytes(T), per_point * _reals(T) / 2)


def chebyshev_term(T: torch.Tensor, order: int) -> Floor:
    """One term of the forward recurrence: three fields read, two written."""
    return Floor(5 * T.nbytes + _potential_bytes(T), stencil(T, order).flops + 3 * _reals(T))


def window(T: torch.Tensor, frames: int) -> Floor:
    """One transform there and one back for each frame, each written once."""
    return Floor((frames + 1) * T.nbytes, (frames + 1) * _pair(T) / 2 * _reals(T) / 2)


def _pair(T: torch.Tensor) -> float:
    """Flops per complex point of a transform there and back: 5 log₂(points) each."""
    return 10 * math.log2(max(2, T.shape[0] * T.shape[1]))


def _reals(T: torch.Tensor) -> int:
    return T.numel() * (2 if T.is_complex() else 1)


def _potential_bytes(T: torch.Tensor) -> float:
    return T.shape[0] * T.shape[1] * T.element_size() / (2 if T.is_complex() else 1)
