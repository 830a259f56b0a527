"""Exact propagation: e^{zH} in a basis where H is diagonal. Any time costs the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Literal, final

import torch

from spectral_ham._internal.mode import carries_derivative
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.execution.dense import axis_matrix
from spectral_ham.execution.precision import ieee_float32, without_autocast
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.potentials import MatrixPotential, ScalarPotential, StaticPotential, matrix_exponential
from spectral_ham.propagators.base import Propagator

DENSE_MAX_POINTS = 2048
SEPARABLE_TOLERANCE = 4e-16

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
    kind: str = field(default="", init=False)
    _flow: Flow = field(init=False, repr=False)

    @property
    def order(self) -> None:
        """None: there is no error in time."""
        return

    @property
    def is_unitary(self) -> bool:
        """True for a Hermitian H in real time."""
        return not self.imaginary and self.hamiltonian.is_hermitian

    def _prepare(self) -> None:
        self._require_static()
        flow = _flow_of(self.hamiltonian)
        if flow is None:
            raise self._refused("given a potential that can be diagonalized", "chebyshev", "lanczos")
        self._set(_flow=flow, kind=exact_kind(self.hamiltonian))

    def advance(self, T: torch.Tensor, steps: float = 1, *, t: float = 0.0) -> torch.Tensor:  # noqa: ARG002
        """Return T after ``steps`` steps, in one go; here it may be any real number."""
        if self.kind == "commuting":
            self.tally.transforms += 2
        return self._flow(self._as_evolving(T), steps * self.z)


def exact_kind(H: Hamiltonian) -> Literal["commuting", "separable", "dense"] | None:
    """Return which diagonal form H has, or None if it has no cheap one."""
    if not H.is_static:
        return None
    V = H.potential_at(0.0)
    varies = V is not None and carries_derivative(V.values)  # then its neighbors count too, which have no simple form
    if V is None or (_is_constant(V) and not varies):
        return "commuting"
    if not isinstance(V, ScalarPotential) or not V.is_hermitian:
        return None
    simple = H.kinetic.is_static and not H.kinetic.has_cross_terms and not varies
    if simple and separated(V.values) is not None:
        return "separable"
    return "dense" if H.torus.size <= DENSE_MAX_POINTS else None


def _flow_of(H: Hamiltonian) -> Flow | None:
    """Return (T, z) ↦ e^{zH} T, or None if H has no cheap diagonal form."""
    kind, V = exact_kind(H), H.potential_at(0.0)
    if kind == "commuting":
        return _commuting(H, V)
    if kind == "separable" and V is not None:
        return _separable(H.kinetic, separated(V.values) or [])
    return _dense(H) if kind == "dense" else None


def _is_constant(V: StaticPotential) -> bool:
    """Tell whether V is the same at every grid point, so that it commutes with K."""
    values = V.values.detach()
    if isinstance(V, MatrixPotential):
        points = values.reshape(-1, *values.shape[-2:])
        return bool((points == points[:1]).all())
    return isinstance(V, ScalarPotential) and bool((values == values.flatten()[0]).all())


def _commuting(H: Hamiltonian, V: StaticPotential | None) -> Flow:
    last: dict[complex, tuple[FourierMultiplier, StaticPotential | None]] = {}  # step after step builds no table

    def exponentials(z: complex | torch.Tensor) -> tuple[FourierMultiplier, StaticPotential | None]:
        return H.kinetic_function(lambda E: torch.exp(z * E)), None if V is None else V.exponential(z)

    def flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
        made = exponentials(z) if isinstance(z, torch.Tensor) else last.get(z)
        if made is None:
            with torch.inference_mode(False):  # what is kept must serve where autograd records, too
                made = exponentials(z)
            last.clear()
            last[complex(z)] = made
        K, e_V = made
        return K(T) if e_V is None else e_V.apply(K(T))

    return flow


def separated(V: torch.Tensor) -> list[torch.Tensor] | None:
    """Return 1-D parts with V[i, j, …] = V_0[i] + V_1[j] + … to rounding, or None if V is not such a sum.

    Example:
        >>> import torch
        >>> x, y = torch.arange(3.0, dtype=torch.float64), torch.arange(2.0, dtype=torch.float64)
        >>> separated(x[:, None] * y[None, :]) is None
        True
        >>> [part.tolist() for part in separated(x[:, None] + y[None, :])]
        [[0.0, 1.0, 2.0], [0.0, 1.0]]
    """
    values = V.detach().to(torch.float64)
    corner = values[(0,) * V.ndim]
    parts = [values[tuple(slice(None) if i == axis else 0 for i in range(V.ndim))] - corner for axis in range(V.ndim)]
    total = corner.expand(V.shape)
    for axis, part in enumerate(parts):
        total = total + part.reshape([-1 if i == axis else 1 for i in range(V.ndim)])
    parts[0] = parts[0] + corner
    scale = float(values.abs().max())
    return parts if float((total - values).abs().max()) <= 8 * SEPARABLE_TOLERANCE * scale else None


def _separable(kinetic: ConstantCoefficientOperator, parts: list[torch.Tensor]) -> Flow:
    """Return the product of one dense 1-D exponential per axis."""
    cpu = torch.device("cpu")
    decompositions = [
        torch.linalg.eigh(c * axis_matrix(kinetic, axis, 2, torch.float64, cpu) + torch.diag(part))
        for axis, (c, part) in enumerate(zip(kinetic.coefficients, parts, strict=True))
    ]

    kept = _Kept(len(decompositions))

    def factor(axis: int, z: complex | torch.Tensor) -> torch.Tensor:
        energies, states = decompositions[axis]
        factors = torch.exp(z * energies)
        U: torch.Tensor = (states * factors) @ states.mT.to(factors.dtype)
        return U

    def flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
        for axis, n in enumerate(kinetic.torus.shape):
            U = kept.cast(z, axis, T, partial(factor, axis, z))
            T = _product(U, T.reshape(T.shape[:axis].numel(), n, -1)).reshape(T.shape)
        return T

    return flow


def _dense(H: Hamiltonian) -> Flow:
    matrix, kept, points = H.as_matrix(), _Kept(1), H.torus.size
    if carries_derivative(matrix):
        # Autograd through eigh divides by E_i − E_j, and ±k are degenerate: the matrix exponential does not.
        def differentiable_flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
            U = matrix_exponential(z * matrix).to(T.device, T.dtype)
            return _product(U, T.reshape(points, -1)).reshape(T.shape)

        return differentiable_flow
    energies, states = torch.linalg.eigh(matrix)

    def exponential(z: complex | torch.Tensor) -> torch.Tensor:
        factors = torch.exp(z * energies)
        U: torch.Tensor = (states * factors) @ states.mH.to(factors.dtype)
        return U

    def flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
        U = kept.cast(z, 0, T, partial(exponential, z))
        return _product(U, T.reshape(points, -1)).reshape(T.shape)

    return flow


def _product(U: torch.Tensor, X: torch.Tensor) -> torch.Tensor:
    """Return U X in the precision of the field, whatever the user allows to matrix products."""
    with ieee_float32(), without_autocast(X):
        product: torch.Tensor = U @ X
    return product


class _Kept:
    """The matrices made last, in the field's precision: step after step is nothing but products.

    Args:
        count: matrices that one z needs; those of two values of z are kept.
    """

    def __init__(self, count: int) -> None:
        self._most = 2 * count
        self._made: dict[tuple[object, ...], torch.Tensor] = {}

    def cast(
        self, z: complex | torch.Tensor, number: int, T: torch.Tensor, build: Callable[[], torch.Tensor]
    ) -> torch.Tensor:
        """Return ``build()`` in T's precision: anew where z is a tensor, which may carry a gradient."""
        if isinstance(z, torch.Tensor):
            return build().to(T.device, T.dtype)
        key = (z, number, T.dtype, T.device)
        if (made := self._made.get(key)) is None:
            while len(self._made) >= self._most:
                self._made.pop(next(iter(self._made)), None)
            with torch.inference_mode(False), torch.no_grad():
                made = self._made[key] = build().to(T.device, T.dtype)
        return made
