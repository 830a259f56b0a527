"""Operators on fields as scipy LinearOperators on flattened arrays."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    import numpy as np
    from scipy.sparse.linalg import LinearOperator

    Array = np.ndarray[Any, Any]


def linear_operator(
    apply: Callable[[torch.Tensor], torch.Tensor],
    shape: tuple[int, ...],
    *,
    device: torch.device | str,
    is_complex: bool,
    is_symmetric: bool,
    is_hermitian: bool,
) -> "LinearOperator":
    """Return the matrix of ``apply`` on flattened fields (C order), matrix-free.

    Args:
        apply: T ↦ A·T, linear.
        shape: shape of the fields.
        device: where ``apply`` runs; arrays travel there and back.
        is_complex: whether A·T is complex for a real T.
        is_symmetric: whether Aᵀ = A: then A†x = (A x*)*.
        is_hermitian: whether A† = A. With neither, the operator has no adjoint.
    """
    import numpy as np
    from scipy.sparse.linalg import LinearOperator

    def matvec(x: "Array") -> "Array":
        T = torch.from_numpy(np.ascontiguousarray(x)).to(device).reshape(shape)
        with torch.no_grad():
            AT: Array = apply(T).cpu().numpy().reshape(-1)
        return AT

    def conjugated(x: "Array") -> "Array":
        return matvec(x.conj()).conj()

    size = math.prod(shape)
    return LinearOperator(
        shape=(size, size),
        dtype=np.dtype(np.complex128 if is_complex else np.float64),
        matvec=matvec,
        rmatvec=matvec if is_hermitian else conjugated if is_symmetric else None,
    )
