"""Lanczos: the Krylov space of a field under a Hermitian operator, and the operator in it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import torch

if TYPE_CHECKING:
    import numpy as np

    Array: TypeAlias = np.ndarray[Any, Any]


class KrylovSpace(NamedTuple):
    """H Q = Q 𝒯 + β q_{m+1} e_mᵀ with orthonormal Q and a real tridiagonal 𝒯."""

    basis: list[torch.Tensor]
    """q_1, …, q_m."""
    energies: "Array"
    """Eigenvalues of 𝒯."""
    states: "Array"
    """Eigenvectors of 𝒯, one in each column."""
    beta: float
    """β, 0 where the space is invariant to rounding."""


def krylov_space(apply: Callable[[torch.Tensor], torch.Tensor], T: torch.Tensor, dimension: int) -> KrylovSpace:
    """Return the space of T, HT, H²T, …, of at most ``dimension`` fields, reorthogonalized.

    Args:
        apply: T ↦ H T, Hermitian in Σ a*·b.
        T: where the space begins.
        dimension: m.

    Reference:
        Parlett, The Symmetric Eigenvalue Problem (1998), chapter 13, doi:10.1137/1.9781611971163.

    Example:
        >>> import torch
        >>> E = torch.tensor([1.0, 2.0, 4.0], dtype=torch.float64)
        >>> space = krylov_space(lambda T: E * T, torch.ones(3, dtype=torch.float64), 3)
        >>> space.energies.round(9).tolist()
        [1.0, 2.0, 4.0]
    """
    from scipy.linalg import eigh_tridiagonal

    basis: list[torch.Tensor] = []
    alphas: list[float] = []
    betas: list[float] = []
    candidate = T
    scale = float(torch.linalg.vector_norm(T))
    while True:
        basis.append(candidate / (scale or 1.0))
        candidate = apply(basis[-1])
        alphas.append(float(_inner(basis[-1], candidate).real))
        for _ in range(2):  # twice is enough: Parlett, section 6-9
            for vector in basis:
                overlap = _inner(vector, candidate)
                candidate = candidate - overlap * vector
        scale = float(torch.linalg.vector_norm(candidate))
        negligible = 4 * torch.finfo(T.dtype).eps * (abs(alphas[-1]) + sum(betas[-1:]))
        if len(basis) == dimension or scale <= negligible:
            break
        betas.append(scale)
    energies, states = eigh_tridiagonal(alphas, betas)
    return KrylovSpace(basis, energies, states, scale if scale > negligible else 0.0)


def _inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    product: torch.Tensor = torch.linalg.vecdot(a.flatten(), b.flatten())
    return product
