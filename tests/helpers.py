"""Oracles: dense matrices from typed stencil weights and closed formulas, in numpy, with no part of the package.

The default case is ugly on purpose: even and odd N, no power of two, L_x ≠ L_y, g^xx ≠ g^yy, origin ≠ 0, ħ, m ≠ 1.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import reduce
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

import spectral_ham as sh

HBAR, MASS = 1.3, 0.7
KINETIC = -(HBAR**2) / (2 * MASS)

GRIDS = {
    1: sh.Torus((11,), lengths=2.1, origin=-0.4),
    2: sh.Torus((10, 9), lengths=(2.1, 3.7), origin=(-0.4, 0.9)),
    3: sh.Torus((10, 9, 11), lengths=(2.1, 3.7, 2.9), origin=(-0.4, 0.9, 0.2)),
}
TORUS = GRIDS[2]

FULL_METRIC = np.array([[2.0, 0.6, -0.2], [0.6, 0.7, 0.1], [-0.2, 0.1, 1.4]])

ORDERS = (2, 4, 6, 8)
BACKENDS = [("spectral", 2), *(("fd", order) for order in ORDERS)]
BACKEND_IDS = ["spectral", *(f"fd{order}" for order in ORDERS)]
DTYPES = [torch.complex128, torch.complex64, torch.float64, torch.float32]

# Fornberg, Math. Comp. 51 (1988) 699, doi:10.1090/S0025-5718-1988-0935077-0, table 1: offsets 0, …, p/2.
SECOND_WEIGHTS = {
    2: ("-2", "1"),
    4: ("-5/2", "4/3", "-1/12"),
    6: ("-49/18", "3/2", "-3/20", "1/90"),
    8: ("-205/72", "8/5", "-1/5", "8/315", "-1/560"),
}
FIRST_WEIGHTS = {
    2: ("0", "1/2"),
    4: ("0", "2/3", "-1/12"),
    6: ("0", "3/4", "-3/20", "1/60"),
    8: ("0", "4/5", "-1/5", "4/105", "-1/280"),
}


def metric(ndim: int, kind: str) -> np.ndarray:
    """Return a metric as a matrix: "diagonal" or "full"."""
    g = FULL_METRIC[:ndim, :ndim]
    return np.diag(np.diag(g)) if kind == "diagonal" else g


def given_metric(ndim: int, kind: str) -> torch.Tensor:
    """Return the same metric as a user gives it: (d,) or (d, d)."""
    g = torch.from_numpy(metric(ndim, kind))
    return torch.diagonal(g) if kind == "diagonal" else g


def executions(backend: str) -> tuple[str, ...]:
    """Return the executions that can run a backend."""
    return ("auto", "fft", "dense", "stencil") if backend == "fd" else ("auto", "fft", "dense")


def field(shape: tuple[int, ...], dtype: torch.dtype = torch.complex128, seed: int = 7) -> torch.Tensor:
    """Return white noise: every mode takes part alike, the Nyquist mode too."""
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def eps(dtype: torch.dtype) -> float:
    """Return the distance from 1 to the next number in the real dtype behind ``dtype``."""
    return torch.finfo(dtype.to_real()).eps


def largest(values: torch.Tensor | np.ndarray) -> float:
    """Return the largest absolute value."""
    return float(abs(values).max())


def circulant(column: np.ndarray) -> np.ndarray:
    """Return the matrix M_jl = column[(j − l) mod N]."""
    n = len(column)
    return np.array([[column[(j - l) % n] for l in range(n)] for j in range(n)])  # noqa: E741


def fd_matrix(n: int, spacing: float, order: int, derivative: int) -> np.ndarray:
    """Return the periodic matrix of the typed weights of ∂² (derivative 2) or ∂ (derivative 1)."""
    weights = [float(Fraction(w)) for w in (SECOND_WEIGHTS if derivative == 2 else FIRST_WEIGHTS)[order]]
    matrix = np.zeros((n, n))
    for j in range(n):
        matrix[j, j] += weights[0]
        for r, w in enumerate(weights[1:], start=1):
            matrix[j, (j + r) % n] += w
            matrix[j, (j - r) % n] += w if derivative == 2 else -w
    return matrix / spacing**derivative


def spectral_matrix(n: int, length: float, derivative: int) -> np.ndarray:
    """Return the matrix that differentiates the trigonometric interpolant, by its closed form.

    Reference:
        Trefethen, Spectral Methods in MATLAB (2000), doi:10.1137/1.9780898719598, equations 3.10 and 3.12: even N
        on the period 2π. The odd case is summed up in the same way; a test compares both with the sums.
    """
    h = 2 * math.pi / n
    column = np.zeros(n)
    for j in range(1, n):
        sine, cosine, sign = math.sin(j * h / 2), math.cos(j * h / 2), (-1) ** j
        if derivative == 1:
            column[j] = sign / 2 * (cosine / sine if n % 2 == 0 else 1 / sine)
        else:
            column[j] = -sign / (2 * sine**2) * (1 if n % 2 == 0 else cosine)
    if derivative == 2:
        column[0] = -(math.pi**2) / (3 * h**2) + (-1 / 6 if n % 2 == 0 else 1 / 12)
    return circulant(column) * (2 * math.pi / length) ** derivative


def axis_matrix(torus: sh.Torus, axis: int, derivative: int, backend: str, order: int) -> np.ndarray:
    """Return the 1-D matrix of either backend."""
    n, length = torus.shape[axis], torus.lengths[axis]
    return fd_matrix(n, length / n, order, derivative) if backend == "fd" else spectral_matrix(n, length, derivative)


def dense_laplacian(torus: sh.Torus, g: np.ndarray, backend: str, order: int = 2) -> np.ndarray:
    """Return Σ_ij g^ij ∂_i ∂_j over grid points in C order, as a sum of Kronecker products."""
    total = np.zeros((torus.size, torus.size))
    for i in range(torus.ndim):
        for j in range(i, torus.ndim):
            factors = [np.eye(n) for n in torus.shape]
            if i == j:
                factors[i] = g[i, i] * axis_matrix(torus, i, 2, backend, order)
            else:
                factors[i] = 2 * g[i, j] * axis_matrix(torus, i, 1, backend, order)
                factors[j] = axis_matrix(torus, j, 1, backend, order)
            if factors[i].any():
                total += reduce(np.kron, factors)
    return total


def dense_symbol(matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the eigenvalues of a real symmetric circulant matrix over grid points, in FFT order."""
    return np.fft.fftn(matrix[:, 0].reshape(shape)).real


def act(matrix: np.ndarray, T: torch.Tensor) -> np.ndarray:
    """Return matrix · T over grid points, channel by channel, in float64."""
    values = T.detach().resolve_conj().resolve_neg().to(torch.complex128 if T.is_complex() else torch.float64).numpy()
    return (matrix @ values.reshape(len(matrix), -1)).reshape(values.shape)


def backward_bound(dtype: torch.dtype, symbol_max: float, T: torch.Tensor, V_max: float = 0.0) -> float:
    """Return C·eps·(max|symbol| + max|V|)·max|T|, C = 16: rounding is amplified by H, whatever H[T] is."""
    return 16 * eps(dtype) * (symbol_max + V_max) * largest(T)


@contextmanager
def count_ops() -> Iterator[Counter[str]]:
    """Count torch's own operations by name."""
    seen: Counter[str] = Counter()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen[func.overloadpacket.__name__] += 1
            return func(*args, **(kwargs or {}))

    with Watch():
        yield seen


def peak_bytes(call: Callable[[], object], path: Path) -> int:
    """Return the most bytes that torch's allocator has handed out at one time during ``call``, result included.

    The allocator's own events are counted, so a temporary inside an operation counts too; what MKL allocates for
    itself does not. ``path``: where the profiler may write.
    """
    call()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        result = call()
    record.export_chrome_trace(str(path))
    events = [event for event in json.loads(path.read_text())["traceEvents"] if event["name"] == "[memory]"]
    events.sort(key=lambda event: (event["ts"], event["args"]["Ev Idx"]))
    held = np.cumsum([event["args"]["Bytes"] for event in events] or [0])
    del result
    return int(held.max())
