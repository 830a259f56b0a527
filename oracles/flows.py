"""Flows of H by other means: the matrix exponential, and a Runge–Kutta method of order 8."""

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

import spectral_ham as sh

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]


def columns_of(H: sh.Hamiltonian, channels: tuple[int, ...] = ()) -> "Array":
    """Return H as a matrix on flattened fields, column by column: H of each unit field."""
    import numpy as np

    n = H.torus.size * math.prod(channels)
    units = torch.eye(n, dtype=torch.complex128).reshape(n, *H.torus.shape, *channels)
    return np.stack([H(unit).flatten().numpy() for unit in units], axis=1)


def dense_flow(H: sh.Hamiltonian, z: complex, T: torch.Tensor) -> torch.Tensor:
    """Return e^{zH} T by the matrix exponential (Padé)."""
    from scipy.linalg import expm

    channels, V = tuple(T.shape[H.torus.ndim :]), H.potential_at(0.0)
    if V is None or V.is_channel_independent:  # one matrix serves every channel
        columns = T.reshape(H.torus.size, -1).to(torch.complex128).numpy()
        return torch.from_numpy(expm(z * H.as_matrix().numpy()) @ columns).reshape(T.shape)
    flat = T.flatten().to(torch.complex128).numpy()
    return torch.from_numpy(expm(z * columns_of(H, channels)) @ flat).reshape(T.shape)


def integrated(H: sh.Hamiltonian, T: torch.Tensor, time: float, t0: float = 0.0) -> torch.Tensor:
    """Return T(t0 + time) by DOP853 to 1e-12, which shares nothing with the package but H: for V(t) and V[T]."""
    from scipy.integrate import solve_ivp

    K = H.with_potential(None).as_matrix().to(torch.complex128)

    def rate(t: float, y: "Array") -> "Array":
        Y = torch.from_numpy(y).reshape(T.shape)
        V = H.potential_at(t, Y)
        HY = (K @ Y.reshape(H.torus.size, -1)).reshape(T.shape)
        HY = HY if V is None else HY + V.apply(Y)
        slope: Array = (-1j / float(H.hbar) * HY).flatten().numpy()
        return slope

    found = solve_ivp(rate, (t0, t0 + time), T.flatten().numpy(), method="DOP853", rtol=1e-12, atol=1e-14)
    return torch.from_numpy(found.y[:, -1]).reshape(T.shape)
