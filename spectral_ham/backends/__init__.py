"""Backends describe: 1-D Fourier symbols, and stencil weights where there is a stencil.

This is the one place where the string ``backend=`` is read. A further backend is one file with a final subclass
of `Backend`, and one line in `BACKENDS`.
"""

from collections.abc import Callable

from spectral_ham._internal.checks import check_option
from spectral_ham._internal.typing import BackendName
from spectral_ham.backends.base import Backend, Stencil
from spectral_ham.backends.finite_difference import FiniteDifference
from spectral_ham.backends.operator import ConstantCoefficientOperator
from spectral_ham.backends.spectral import Spectral

BACKENDS: dict[BackendName, Callable[[int], Backend]] = {
    "spectral": Spectral,
    "fd": FiniteDifference,
}
"""Name → how to build it from ``stencil_order`` (which a backend without a stencil accepts and ignores)."""


def check_backend(where: str, name: object) -> BackendName:
    """Return the name of a known backend; refuse another, listing the known ones."""
    return check_option(where, name, BACKENDS)


def get_backend(name: str, stencil_order: int = 2, *, where: str = "backend=...") -> Backend:
    """Return the backend called ``name``.

    Raises:
        ValueError: an unknown name (the message lists the known ones) or an unknown stencil order.

    Example:
        >>> get_backend("fd", stencil_order=4)
        FiniteDifference(stencil_order=4)
    """
    return BACKENDS[check_backend(where, name)](stencil_order)


__all__ = [
    "BACKENDS",
    "Backend",
    "ConstantCoefficientOperator",
    "FiniteDifference",
    "Spectral",
    "Stencil",
    "check_backend",
    "get_backend",
]
