"""H as a matrix: dense, and as a SciPy operator for eigen- and linear solvers."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from spectral_ham._internal.checks import as_count, invalid

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse.linalg import LinearOperator

    from spectral_ham.operators.hamiltonian import Hamiltonian

    Array = np.ndarray[Any, Any]

MAX_MATRIX_POINTS = 4096


def dense_matrix(H: "Hamiltonian", t: float) -> torch.Tensor:
    """Return H at time ``t`` as an (n, n) matrix over grid points: H applied to the unit fields, one a channel."""
    n, V = H.torus.size, H.potential_at(t)
    if n > MAX_MATRIX_POINTS:
        raise invalid("H.as_matrix()", f"on at most {MAX_MATRIX_POINTS} points", n, "Use as_linear_operator().")
    if V is not None and not V.is_channel_independent:
        remedy = "Use as_linear_operator(channels=...)."
        raise invalid("H.as_matrix()", "for a potential that acts on every channel alike", V, remedy)
    device = "cpu" if V is None else V.values.device
    unit_fields = torch.eye(n, dtype=torch.float64, device=device).reshape(*H.torus.shape, n)
    return H(unit_fields, t=t).reshape(n, n)


def linear_operator(H: "Hamiltonian", channels: tuple[int, ...], t: float) -> "LinearOperator":
    """Return H at time ``t`` on flattened fields (C order) with these channels, matrix-free.

    Arrays travel to the device of V and back. Without a symmetry of V the operator has no adjoint.
    """
    import numpy as np
    from scipy.sparse.linalg import LinearOperator

    if not isinstance(channels, Sequence):
        raise invalid("H.as_linear_operator(channels=...)", "a tuple of counts", channels, error=TypeError)
    shape = (*H.torus.shape, *(as_count("H.as_linear_operator(channels=...)", n) for n in channels))
    V, size = H.potential_at(t), math.prod(shape)
    device = "cpu" if V is None else V.values.device
    is_complex = V is not None and V.values.is_complex()

    def matvec(x: "Array") -> "Array":
        T = torch.from_numpy(np.ascontiguousarray(x)).to(device).reshape(shape)
        with torch.no_grad():
            HT: Array = H(T, t=t).cpu().numpy().reshape(-1)
        return HT

    def conjugated(x: "Array") -> "Array":
        return matvec(x.conj()).conj()  # H†x = (H x*)* where Hᵀ = H

    adjoint = matvec if V is None or V.is_hermitian else None if V.mixes_channels else conjugated
    dtype = np.dtype(np.complex128 if is_complex else np.float64)
    return LinearOperator(shape=(size, size), dtype=dtype, matvec=matvec, rmatvec=adjoint)
