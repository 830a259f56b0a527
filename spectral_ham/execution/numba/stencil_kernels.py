"""The stencil as loops that numba compiles: everything in one pass over memory. Imported where numba is.

A field is flat here: rows (the leading grid axes) of M = N·C real numbers (the last axis with its channels), so that a
neighbor along the last axis is C numbers away, and one along a leading axis a whole number of rows.

Offsets are unsigned, since numba wraps negative ones and a loop that might wrap does not become vector code. Every loop
names few pointers, since LLVM gives up where it would have to compare many; hence one sweep per distance r, over a
block of a row that stays in the cache meanwhile.
"""

from typing import Any

import numpy as np
from numba import prange, uint64

from spectral_ham.execution.numba.jit import compiled

ONE, TWO, MANY = uint64(1), uint64(2), uint64(16)


def _add(
    out: Any, X: Any, c: Any, up: Any, down: Any, left: Any, right: Any, n: Any, w: Any, w_row: Any
) -> None:  # fmt: skip
    """out_q += w (X_left + X_right) + w_row (X_up + X_down)."""
    for q in range(n):
        out[c + q] += w * (X[left + q] + X[right + q]) + w_row * (X[up + q] + X[down + q])


def _first(
    out: Any, X: Any, S: Any, gamma: Any, v: Any, values: Any, c: Any, up: Any, down: Any, left: Any, right: Any,
    n: Any, w: Any, w_row: Any, recurs: bool, spread: bool,
) -> None:  # fmt: skip
    """out_q = v_q X_q + the same, or that + γS_q − out_q. The flags are literals at every call."""
    for q in range(n):
        total = w * (X[left + q] + X[right + q]) + w_row * (X[up + q] + X[down + q])
        total += (values[q] if spread else v) * X[c + q]
        if recurs:
            total += gamma * S[c + q] - out[c + q]
        out[c + q] = total


def _pairs(
    out: Any, X: Any, S: Any, gamma: Any, v: Any, V: Any, k: Any, c: Any, up: Any, down: Any, left: Any, right: Any,
    n: Any, w: Any, w_row: Any, recurs: bool,
) -> None:  # fmt: skip
    """The first sweep for two numbers per point, the real and imaginary part of one channel."""
    for p in range(n // TWO):
        here = v + V[k + p]
        for part in range(2):
            q = TWO * p + uint64(part)
            total = w * (X[left + q] + X[right + q]) + w_row * (X[up + q] + X[down + q]) + here * X[c + q]
            if recurs:
                total += gamma * S[c + q] - out[c + q]
            out[c + q] = total


add, first, pairs = (compiled(f, inline=True) for f in (_add, _first, _pairs))


def _center(
    out: Any, X: Any, S: Any, gamma: Any, v: Any, V: Any, values: Any, C: Any, c: Any, up: Any, down: Any, left: Any,
    right: Any, n: Any, w: Any, w_row: Any, recurs: bool,
) -> None:  # fmt: skip
    """The sweep for r = 1, which takes the center along: v + V, one number for all channels of a point."""
    if V.size == 0:
        first(out, X, S, gamma, v, values, c, up, down, left, right, n, w, w_row, recurs, False)
    elif C == TWO:
        pairs(out, X, S, gamma, v, V, c // C, c, up, down, left, right, n, w, w_row, recurs)
    elif C >= MANY:
        for p in range(n // C):
            o, at = C * p, v + V[c // C + p]
            first(
                out, X, S, gamma, at, values, c + o, up + o, down + o, left + o, right + o, C, w, w_row, recurs, False
            )
    else:
        for p in range(n // C):
            at = v + V[c // C + p]
            for q in range(16):  # one vector store; what it writes beyond C numbers is written over by the next point
                values[C * p + uint64(q)] = at
        first(out, X, S, gamma, v, values, c, up, down, left, right, n, w, w_row, recurs, True)


center = compiled(_center, inline=True)


def _segment(
    out: Any, X: Any, S: Any, gamma: Any, v: Any, V: Any, values: Any, C: Any, M: Any, row: Any, up: Any, down: Any,
    a: Any, b: Any, r: Any, w: Any, w_row: Any,
) -> None:  # fmt: skip
    """Sweep over [a, b) of one row for the distance r, cut where a neighbor along the row crosses the seam."""
    shift, start = r * C, row * M
    m = a
    while m < b:
        left = m - shift if m >= shift else m + M - shift
        right = m + shift if m + shift < M else m + shift - M
        n = min(b - m, min(M - left, M - right))
        c, left, right = start + m, start + left, start + right
        # Without leading axes, up and down are left and right again, and each has half the weight.
        u, d = (up * M + m, down * M + m) if up != down else (left, right)
        if r != ONE:
            add(out, X, c, u, d, left, right, n, w, w_row)
        elif S.size > 0:
            center(out, X, S, gamma, v, V, values, C, c, u, d, left, right, n, w, w_row, True)
        else:
            center(out, X, S, gamma, v, V, values, C, c, u, d, left, right, n, w, w_row, False)
        m += n


segment = compiled(_segment, inline=True)


def _rows(
    out: Any, X: Any, V: Any, S: Any, gamma: Any, weights: Any, sizes: Any, low: Any, high: Any, begin: Any, end: Any
) -> None:
    """Rows low … high, of each [begin, end), block after block; ``weights`` and ``sizes`` as `fused` packs them."""
    near, near_n, far, far_n, C, M, block, reach = sizes
    values = np.empty(block + MANY if V.size > 0 else ONE, X.dtype)
    a = begin
    while a < end:
        b = min(a + block, end)
        for row in range(low, high):
            for k in range(reach):
                r = k + ONE
                up = down = row
                if near_n > 0:
                    up, down = neighbor(row, r, near, near_n), neighbor(row, near_n - r, near, near_n)
                w, w_row, w_far = weights[r], weights[reach + r], weights[TWO * reach + r]
                segment(out, X, S, gamma, weights[0], V, values, C, M, row, up, down, a, b, r, w, w_row)
                if far_n > 0:
                    u = neighbor(row, r, far, far_n) * M + a
                    d = neighbor(row, far_n - r, far, far_n) * M + a
                    add(out, X, row * M + a, u, d, u, d, b - a, w_far, w_far)
        a = b


def _neighbor(row: Any, r: Any, stride: Any, n: Any) -> Any:
    """The row r points further along a leading axis of n points that are ``stride`` rows apart, 0 < r < n."""
    wraps = (row // stride) % n + r >= n
    return row + stride * r - (stride * n if wraps else uint64(0))


neighbor = compiled(_neighbor, inline=True)
rows = compiled(_rows)


def _all(out: Any, X: Any, V: Any, S: Any, gamma: Any, weights: Any, sizes: Any, parts: Any) -> None:
    """The whole field in ``parts`` parts side by side: some rows each, or stretches of a few long rows."""
    for part in prange(parts):
        t, p, C, M = uint64(part), uint64(parts), sizes[4], sizes[5]
        count = uint64(X.size) // M
        if count >= p:
            low, high = t * count // p, (t + ONE) * count // p
            rows(out, X, V, S, gamma, weights, sizes, low, high, uint64(0), M)
        else:
            begin, end = t * (M // C) // p * C, (t + ONE) * (M // C) // p * C
            rows(out, X, V, S, gamma, weights, sizes, uint64(0), count, begin, end)


parts_of_rows = compiled(_all, parallel=True)
