"""Exact propagation: e^{zH} in a basis where H is diagonal. Any time costs the same."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, final

import torch

from spectral_ham._checks import carries_derivative
from spectral_ham.backends import Description
from spectral_ham.execution.circulant import axis_matrix
from spectral_ham.hamiltonian import Hamiltonian
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
    def flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
        T = H.kinetic_function(lambda E: torch.exp(z * E))(T)
        return T if V is None else V.exponential(z).apply(T)

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


def _separable(kinetic: Description, parts: list[torch.Tensor]) -> Flow:
    """Return the product of one dense 1-D exponential per axis."""
    cpu = torch.device("cpu")
    decompositions = [
        torch.linalg.eigh(c * axis_matrix(kinetic, axis, 2, torch.float64, cpu) + torch.diag(part))
        for axis, (c, part) in enumerate(zip(kinetic.coefficients, parts, strict=True))
    ]

    def flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
        for axis, (energies, states) in enumerate(decompositions):
            U = (states * torch.exp(z * energies)) @ states.mT.to(torch.exp(z * energies).dtype)
            before, n, behind = T.shape[:axis].numel(), T.shape[axis], T.shape[axis + 1 :].numel()
            T = (U.to(T.device, T.dtype) @ T.reshape(before, n, behind)).reshape(T.shape)
        return T

    return flow


def _dense(H: Hamiltonian) -> Flow:
    matrix = H.as_matrix()
    points = H.torus.size
    if carries_derivative(matrix):
        # Autograd through eigh divides by E_i − E_j, and ±k are degenerate: the matrix exponential does not.
        def exponential(z: complex | torch.Tensor) -> torch.Tensor:
            return matrix_exponential(z * matrix)
    else:
        energies, states = torch.linalg.eigh(matrix)
        last: dict[complex | torch.Tensor, torch.Tensor] = {}  # so that step after step is one product each

        def exponential(z: complex | torch.Tensor) -> torch.Tensor:
            if z not in last:
                factors = torch.exp(z * energies)
                last.clear()
                last[z] = (states * factors) @ states.mH.to(factors.dtype)
            return last[z]

    def flow(T: torch.Tensor, z: complex | torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = exponential(z).to(T.device, T.dtype) @ T.reshape(points, -1)
        return result.reshape(T.shape)

    return flow
