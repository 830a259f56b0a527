"""Exact propagation: e^{zH} in a basis where H is diagonal. Any time costs the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal, TypeAlias, final

import torch

from spectral_ham._internal.exponential import exponential
from spectral_ham._internal.memo import Memo
from spectral_ham._internal.mode import carries_derivative
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.execution.dense import axis_matrix
from spectral_ham.execution.precision import ieee_float32, without_autocast
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.potentials import StaticPotential, matrix_exponential
from spectral_ham.propagators.base import Propagator
from spectral_ham.propagators.method import Facts

DENSE_MAX_POINTS = 2048

ExactKind: TypeAlias = Literal["commuting", "separable", "dense"]

Flow = Callable[[torch.Tensor, complex | torch.Tensor], torch.Tensor]
"""(T, z) ↦ e^{zH} T."""


@final
@dataclass(frozen=True, eq=False)
class Exact(Propagator):
    """T ↦ e^{zH} T, exact in time for the given discretization.

    The cheapest way that applies is taken:

    * V = 0, constant, or one matrix for all points (it commutes with K): one Fourier multiplication;
    * V = V_x(x) + V_y(y) + … for all channels alike, and a diagonal metric: one eigendecomposition per axis;
    * V for all channels alike on at most 2048 points: one dense eigendecomposition.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.propagators import Exact
        >>> H = sh.Hamiltonian(torus := sh.Torus((12, 9)), potential=sh.potentials.cosine_lattice(torus))
        >>> T = torch.randn(12, 9, 2, dtype=torch.complex128)
        >>> there, back = Exact(H, 7.5), Exact(H, -7.5)
        >>> torch.allclose(back(there(T)), T)
        True
    """

    name: ClassVar[str] = "exact"
    facts = Facts(order=None, is_symmetric=True, is_unitary=True, is_error_controlled=True)
    kind: str = field(default="", init=False)
    _flow: Flow = field(init=False, repr=False)

    def _prepare(self) -> None:
        self._require_static()
        kind = exact_kind(self.hamiltonian)
        if kind is None:
            raise self._refused("given a potential that can be diagonalized", "chebyshev", "lanczos")
        self._set(_flow=_flow_of(self.hamiltonian, kind), kind=kind)

    def _advance(self, T: torch.Tensor, steps: int, t: float, out: torch.Tensor | None) -> torch.Tensor:  # noqa: ARG002
        return self.jump(T, steps)

    def jump(self, T: torch.Tensor, steps: float) -> torch.Tensor:
        """Return T after ``steps`` steps in one go; here it may be any real number."""
        if self.kind == "commuting":
            self.counters.transforms += 2
        return self._flow(self.as_evolving(T), steps * self.z)


def exact_kind(H: Hamiltonian) -> ExactKind | None:
    """Return which diagonal form H has, or None if it has no cheap one."""
    V = H.potential_at(0.0) if H.is_static else None
    if not H.is_static:
        return None
    # Where V is differentiated its neighbors count too, and these have no simple form.
    varies = V is not None and carries_derivative(V.values)
    if V is None or (V.is_uniform and not varies):
        return "commuting"
    if not V.is_channel_independent or not V.is_hermitian:
        return None
    simple = H.kinetic.is_static and not H.kinetic.has_cross_terms and not varies
    if simple and V.separable_parts() is not None:
        return "separable"
    return "dense" if H.torus.size <= DENSE_MAX_POINTS else None


def _flow_of(H: Hamiltonian, kind: ExactKind) -> Flow:
    """Return (T, z) ↦ e^{zH} T."""
    V = H.potential_at(0.0)
    parts = None if V is None or kind != "separable" else V.separable_parts()
    if parts is not None:
        return _separable(H.kinetic, parts)
    return _commuting(H, V) if kind == "commuting" else _dense(H)


def _commuting(H: Hamiltonian, V: StaticPotential | None) -> Flow:
    last: Memo[tuple[FourierMultiplier, StaticPotential | None]] = Memo(max_entries=1)  # steps build no table

    def exponentials(z: complex | torch.Tensor) -> tuple[FourierMultiplier, StaticPotential | None]:
        return H.kinetic_function(partial(exponential, z)), None if V is None else V.exponential(z)

    def flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
        K, e_V = exponentials(z) if isinstance(z, torch.Tensor) else last.get(z, partial(exponentials, z))
        return K(T) if e_V is None else e_V.apply(K(T))

    return flow


def _separable(kinetic: ConstantCoefficientOperator, parts: list[torch.Tensor]) -> Flow:
    """Return the product of one dense 1-D exponential per axis."""
    cpu = torch.device("cpu")
    decompositions = [
        torch.linalg.eigh(c * axis_matrix(kinetic, axis, 2, torch.float64, cpu) + torch.diag(part))
        for axis, (c, part) in enumerate(zip(kinetic.coefficients, parts, strict=True))
    ]

    kept: Memo[torch.Tensor] = Memo(max_entries=2 * len(decompositions))  # for two values of z

    def factor(axis: int, z: complex | torch.Tensor) -> torch.Tensor:
        energies, states = decompositions[axis]
        factors = exponential(z, energies)
        U: torch.Tensor = (states * factors) @ states.mT.to(factors.dtype)
        return U

    def flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
        for axis, n in enumerate(kinetic.torus.shape):
            U = _cast(kept, z, axis, T, partial(factor, axis, z))
            T = _product(U, T.reshape(T.shape[:axis].numel(), n, -1)).reshape(T.shape)
        return T

    return flow


def _dense(H: Hamiltonian) -> Flow:
    matrix, points = H.as_matrix(), H.torus.size
    kept: Memo[torch.Tensor] = Memo(max_entries=2)
    if carries_derivative(matrix):
        # Autograd through eigh divides by E_i − E_j, and ±k are degenerate: the matrix exponential does not.
        def differentiable_flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
            U = matrix_exponential(z * matrix).to(T.device, T.dtype)
            return _product(U, T.reshape(points, -1)).reshape(T.shape)

        return differentiable_flow
    energies, states = torch.linalg.eigh(matrix)

    def propagator(z: complex | torch.Tensor) -> torch.Tensor:
        factors = exponential(z, energies)
        U: torch.Tensor = (states * factors) @ states.mH.to(factors.dtype)
        return U

    def flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
        U = _cast(kept, z, 0, T, partial(propagator, z))
        return _product(U, T.reshape(points, -1)).reshape(T.shape)

    return flow


def _product(U: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """Return U X in the precision of the field, whatever the user allows to matrix products."""
    with ieee_float32(), without_autocast(X):
        product: torch.Tensor = U @ X
    return product


def _cast(
    kept: Memo[torch.Tensor], z: complex | torch.Tensor, axis: int, T: torch.Tensor, build: Callable[[], torch.Tensor]
) -> torch.Tensor:
    """Return ``build()`` in T's precision: kept, but where z is a tensor, which may carry a gradient."""
    if isinstance(z, torch.Tensor):
        return build().to(T.device, T.dtype)
    return kept.get((z, axis, T.dtype, T.device), lambda: build().to(T.device, T.dtype))
