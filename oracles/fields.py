"""The ugly torus, metrics on it, and random fields: even and odd N, no power of two, nothing symmetric, no unit 1."""

import numpy as np
import torch

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
    magnitude = values.abs() if isinstance(values, torch.Tensor) else np.abs(values)
    return float(magnitude.max())
