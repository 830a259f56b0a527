"""Facts about methods, asked without building a propagator. To be replaced by `propagators.METHODS[name]`."""

from dataclasses import dataclass

import torch

from spectral_ham._internal.checks import invalid
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.propagators import METHODS, SCHEMES, TO_TOLERANCE
from spectral_ham.propagators.lanczos import MAX_BASIS_BYTES, Lanczos


@dataclass(frozen=True)
class MethodFacts:
    """What `METHODS[name]` will say of itself: the same attributes."""

    name: str
    order: int | None
    is_error_controlled: bool
    is_splitting: bool
    is_symmetric: bool
    is_unitary: bool


def _facts(name: str) -> MethodFacts:
    scheme = SCHEMES.get(name)
    orders = {"crank_nicolson": 2, "rk4": 4, "etdrk4": 4, "magnus4": 4}
    return MethodFacts(
        name=name,
        order=orders.get(name) if scheme is None else scheme.order,
        is_error_controlled=name in TO_TOLERANCE,
        is_splitting=scheme is not None,
        is_symmetric=scheme is not None
        and (scheme.kinetic, scheme.potential) == (scheme.kinetic[::-1], scheme.potential[::-1]),
        is_unitary=scheme is not None or name == "exact",
    )


FACTS: dict[str, MethodFacts] = {name: _facts(name) for name in METHODS}
"""Name → facts."""


def check_reversible(where: str, method: MethodFacts, H: Hamiltonian, *, imaginary: bool) -> None:
    """Refuse a method whose step cannot be undone by its own factors."""
    able = method.is_splitting and method.is_symmetric and method.is_unitary
    if able and not imaginary and H.is_static and H.is_hermitian:
        return
    needs = "'autograd' or 'checkpoint' for this method and H"
    remedy = "'reversible' serves symmetric splittings of a static Hermitian H in real time."
    raise invalid(where, needs, "reversible", remedy)


def krylov_dimension(T: torch.Tensor) -> int:
    """Return how many fields like T a Krylov space of "lanczos" holds."""
    affordable = max(4, MAX_BASIS_BYTES // (T.numel() * T.element_size()))
    return min(Lanczos.krylov_dim, affordable, T.numel())
