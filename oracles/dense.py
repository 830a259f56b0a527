"""Dense matrices from tabulated stencil weights and closed formulas, in NumPy, with no part of the package."""

import math
from fractions import Fraction
from functools import reduce

import numpy as np
import torch

import spectral_ham as sh
from oracles.fields import eps, largest

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


def stencil_weights(order: int, derivative: int) -> list[float]:
    """Return the weights of ∂ or ∂² on spacing 1 at the offsets 0, …, order/2."""
    table = SECOND_WEIGHTS if derivative == 2 else FIRST_WEIGHTS
    return [float(Fraction(weight)) for weight in table[order]]


def circulant(column: np.ndarray) -> np.ndarray:
    """Return the matrix M_jl = column[(j − l) mod N]."""
    n = len(column)
    return np.array([[column[(j - l) % n] for l in range(n)] for j in range(n)])  # noqa: E741


def fd_matrix(n: int, spacing: float, order: int, derivative: int) -> np.ndarray:
    """Return the periodic matrix of the typed weights of ∂² (derivative 2) or ∂ (derivative 1)."""
    weights = stencil_weights(order, derivative)
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
    total: np.ndarray = np.zeros((torus.size, torus.size))
    for i in range(torus.ndim):
        for j in range(i, torus.ndim):
            factors: list[np.ndarray] = [np.eye(n) for n in torus.shape]
            if i == j:
                factors[i] = g[i, i] * axis_matrix(torus, i, 2, backend, order)
            else:
                factors[i] = 2 * g[i, j] * axis_matrix(torus, i, 1, backend, order)
                factors[j] = axis_matrix(torus, j, 1, backend, order)
            if factors[i].any():
                total = total + reduce(np.kron, factors)
    return total


def axis_symbol(n: int, spacing: float, derivative: int, backend: str, order: int) -> np.ndarray:
    """Return the real number s of ∂² e^{ikx} = s e^{ikx} (derivative 2) or ∂ e^{ikx} = i s e^{ikx}, in FFT order."""
    mode = np.array([m if 2 * m < n else m - n for m in range(n)])
    theta = 2 * np.pi * mode / n
    if backend == "spectral":
        values = -((theta / spacing) ** 2) if derivative == 2 else theta / spacing
    else:
        first, *rest = stencil_weights(order, derivative)
        wave = np.cos if derivative == 2 else np.sin
        values = np.full(n, first)
        for r, w in enumerate(rest, start=1):
            values += 2 * w * wave(r * theta)
        values /= spacing**derivative
    return np.where(2 * np.abs(mode) == n, 0.0, values) if derivative == 1 else values


def dense_symbol(matrix: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the eigenvalues of a real symmetric circulant matrix over grid points, in FFT order."""
    return np.fft.fftn(matrix[:, 0].reshape(shape)).real


def act(matrix: np.ndarray, T: torch.Tensor) -> np.ndarray:
    """Return matrix · T over grid points, channel by channel, in float64."""
    values = T.detach().resolve_conj().resolve_neg().to(torch.complex128 if T.is_complex() else torch.float64).numpy()
    product: np.ndarray = (matrix @ values.reshape(len(matrix), -1)).reshape(values.shape)
    return product


def backward_bound(dtype: torch.dtype, symbol_max: float, T: torch.Tensor, V_max: float = 0.0) -> float:
    """Return C·eps·(max|symbol| + max|V|)·max|T|, C = 16: rounding is amplified by H, whatever H[T] is."""
    return 16 * eps(dtype) * (symbol_max + V_max) * largest(T)
