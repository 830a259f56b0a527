"""Transpositions between (points, channels) and (channels, points), in blocks that fit the nearest cache.

Loaded by `jit.kernels` alone, since it needs numba. All arrays are flat and all offsets unsigned: signed ones would be
checked for wrapping around, which keeps the compiler from using vector instructions.
"""

from typing import Any

from numba import prange, uint64

from spectral_ham.execution.numba.jit import compiled

POINTS = 32
CHANNELS = 8
"""Points and channels of a block: 8 planes at a time, since a cache holds 8 rows whose addresses are equal mod 4096."""


def _gather_block(x: Any, f: Any, points: Any, channels: Any, first: Any, count: Any, block: Any) -> None:
    begin = uint64(block) * uint64(POINTS)
    end = min(begin + uint64(POINTS), uint64(points))
    n, c = uint64(points), uint64(channels)
    for k in range(uint64(count)):
        source, target = uint64(first) + uint64(k), uint64(k) * n
        for p in range(begin, end):
            f[target + uint64(p)] = x[uint64(p) * c + source]


def _scatter_block(f: Any, out: Any, points: Any, channels: Any, first: Any, count: Any, block: Any) -> None:
    begin = uint64(block) * uint64(POINTS)
    end = min(begin + uint64(POINTS), uint64(points))
    n, c = uint64(points), uint64(channels)
    for low in range(uint64(0), uint64(count), uint64(CHANNELS)):
        high = min(uint64(low) + uint64(CHANNELS), uint64(count))
        for p in range(begin, end):
            row = uint64(p) * c + uint64(first)
            for k in range(uint64(low), high):
                out[row + uint64(k)] = f[uint64(k) * n + uint64(p)]


def _add_part(out: Any, x: Any, v: Any, points: Any, part: Any, parts: Any) -> None:
    """Add v∘x to ``out``, one channel: all three are contiguous."""
    begin = uint64(part) * uint64(points) // uint64(parts)
    end = (uint64(part) + uint64(1)) * uint64(points) // uint64(parts)
    for p in range(begin, end):
        out[uint64(p)] += v[uint64(p)] * x[uint64(p)]


def _add_real_part(out: Any, x: Any, v: Any, points: Any, part: Any, parts: Any) -> None:
    one, two = uint64(1), uint64(2)
    begin = uint64(part) * uint64(points) // uint64(parts)
    end = (uint64(part) + one) * uint64(points) // uint64(parts)
    for p in range(begin, end):
        value, i = v[uint64(p)], two * uint64(p)
        out[i] += value * x[i]
        out[i + one] += value * x[i + one]


_gather = compiled(_gather_block, inline=True)
_scatter = compiled(_scatter_block, inline=True)
_add_to_part = compiled(_add_part, inline=True)
_add_real_to_part = compiled(_add_real_part, inline=True)


def _blocks(points: Any) -> Any:
    return (points + POINTS - 1) // POINTS


_count = compiled(_blocks, inline=True)


def _gather_serial(x: Any, f: Any, points: Any, channels: Any, first: Any, count: Any) -> None:
    for block in range(_count(points)):
        _gather(x, f, points, channels, first, count, block)


def _gather_parallel(x: Any, f: Any, points: Any, channels: Any, first: Any, count: Any) -> None:
    for block in prange(_count(points)):
        _gather(x, f, points, channels, first, count, block)


def _scatter_serial(f: Any, out: Any, points: Any, channels: Any, first: Any, count: Any) -> None:
    for block in range(_count(points)):
        _scatter(f, out, points, channels, first, count, block)


def _scatter_parallel(f: Any, out: Any, points: Any, channels: Any, first: Any, count: Any) -> None:
    for block in prange(_count(points)):
        _scatter(f, out, points, channels, first, count, block)


def _add_serial(out: Any, x: Any, v: Any, points: Any, parts: Any) -> None:
    for part in range(parts):
        _add_to_part(out, x, v, points, part, parts)


def _add_parallel(out: Any, x: Any, v: Any, points: Any, parts: Any) -> None:
    for part in prange(parts):
        _add_to_part(out, x, v, points, part, parts)


def _add_real_serial(out: Any, x: Any, v: Any, points: Any, parts: Any) -> None:
    for part in range(parts):
        _add_real_to_part(out, x, v, points, part, parts)


def _add_real_parallel(out: Any, x: Any, v: Any, points: Any, parts: Any) -> None:
    for part in prange(parts):
        _add_real_to_part(out, x, v, points, part, parts)


gather = compiled(_gather_serial), compiled(_gather_parallel, parallel=True)
scatter = compiled(_scatter_serial), compiled(_scatter_parallel, parallel=True)
add = compiled(_add_serial), compiled(_add_parallel, parallel=True)
add_real = compiled(_add_real_serial), compiled(_add_real_parallel, parallel=True)
"""(serial, parallel). Two functions each: the disk cache of numba does not tell the two ways of compiling one apart."""
