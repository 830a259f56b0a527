"""The Hamiltonian H[T] = −(ħ²/2m) Σ_ij g^ij ∂_i ∂_j T + V·T."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, final

import torch

from spectral_ham._internal.checks import as_scalar, check_field, check_out
from spectral_ham._internal.typing import BackendName, ExecutionName, Scalar
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.errors import NotHermitianError
from spectral_ham.execution import BoundOperator, apply
from spectral_ham.execution.precision import inner
from spectral_ham.geometry.inverse_metric import InverseMetric, MetricLike
from spectral_ham.geometry.torus import Torus
from spectral_ham.operators.matrices import dense_matrix, linear_operator
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.operators.scaled_laplacian import ScaledLaplacian, kinetic_factor
from spectral_ham.operators.with_potential import WithPotential, complex_where, pointwise
from spectral_ham.potentials import Potential, PotentialLike, as_potential

if TYPE_CHECKING:
    from scipy.sparse.linalg import LinearOperator


@final
@dataclass(frozen=True, init=False, eq=False, repr=False)
class Hamiltonian(WithPotential):
    """H[T] = −(ħ²/2m) Σ_ij g^ij ∂_i ∂_j T + V·T on a periodic torus.

    Args:
        torus: the grid; axis 0 is x.
        inverse_metric: g^ij, (d,) or (d, d); flat (1, 1, …) by default.
        potential: V. A tensor of the grid's shape acts on every channel alike, one of the field's shape acts
            elementwise (no other shape is taken: nothing is decided by broadcasting); a `MatrixPotential` mixes
            channels; a function of t is V(t). None is V = 0.
        hbar: ħ > 0, a number or a 0-d tensor.
        mass: m > 0, a number or a 0-d tensor.
        backend: "spectral" (exact for every resolved mode) or "fd" (central finite differences).
        stencil_order: 2, 4, 6 or 8: the order of accuracy of "fd"; "spectral" accepts and ignores it.
        execution: "fft", "dense" or "stencil" (fd only): how it is run; "auto" takes what a table says, "measure"
            what is fastest here, timed once. All agree to rounding.

    Shape:
        T and H[T]: torus.shape + any channels; complex64, complex128, float32 or float64. A real field stays real
        unless V is complex. Gradients flow to T, V, the metric, ħ and m, to any order.

    Units:
        Consistent units of your choice: ħ²/(2m·length²) and V are energies.

    Raises:
        ValueError: flags, values or shapes that do not fit; the message names argument, requirement and value.
        TypeError: numbers or tensors of a kind that is not taken.

    Example:
        >>> import math, torch, spectral_ham as sh
        >>> torus = sh.Torus((16, 9), lengths=(2 * math.pi, 5.0))
        >>> H = sh.Hamiltonian(torus, inverse_metric=(2.0, 0.5), hbar=0.1)
        >>> x, y = torus.coordinates()
        >>> wave = torch.exp(1j * (3 * x + 0 * y))
        >>> E = 0.1**2 / 2 * 2.0 * 3**2
        >>> torch.allclose(H(wave), E * wave)
        True
    """

    torus: Torus
    inverse_metric: InverseMetric
    potential: Potential | None
    hbar: Scalar
    mass: Scalar
    execution: ExecutionName
    _kinetic: ScaledLaplacian = field(repr=False)
    _bound: BoundOperator = field(repr=False)
    """The kinetic part, with V where V is static and pointwise."""

    def __init__(
        self,
        torus: Torus,
        *,
        inverse_metric: MetricLike | None = None,
        potential: PotentialLike | None = None,
        hbar: Scalar = 1.0,
        mass: Scalar = 1.0,
        backend: BackendName = "spectral",
        stencil_order: int = 2,
        execution: ExecutionName = "auto",
    ) -> None:
        hbar, mass = as_scalar("Hamiltonian(hbar=...)", hbar), as_scalar("Hamiltonian(mass=...)", mass)
        factor = partial(kinetic_factor, hbar, mass)
        kinetic = ScaledLaplacian.on(torus, inverse_metric, backend, stencil_order, execution, factor)
        V = None if potential is None else as_potential(potential, torus)
        self._set(torus=torus, inverse_metric=kinetic.metric, hbar=hbar, mass=mass, execution=execution)
        self._set(potential=V, _kinetic=kinetic, _bound=kinetic.bound.with_potential(pointwise(V)))

    def __repr__(self) -> str:
        V = "None" if self.potential is None else type(self.potential).__name__
        hbar, mass = (float(x.detach()) if isinstance(x, torch.Tensor) else x for x in (self.hbar, self.mass))
        return (
            f"Hamiltonian(torus={self.torus!r}, inverse_metric={self.inverse_metric!r}, potential={V}, hbar={hbar}, "
            f"mass={mass}, backend={self._bound.operator.backend!r}, execution={self.execution!r})"
        )

    @property
    def backend(self) -> BackendName:
        """Name of the backend."""
        return self._bound.operator.backend.name

    @property
    def kinetic(self) -> ConstantCoefficientOperator:
        """The kinetic part −(ħ²/2m) Σ_ij g^ij ∂_i ∂_j as data."""
        return self._kinetic.operator

    def __call__(self, T: torch.Tensor, out: torch.Tensor | None = None, *, t: float = 0.0) -> torch.Tensor:
        """Return H[T] at time ``t``, written into ``out`` if it is given.

        Args:
            T: torus.shape + channels.
            out: like the result, contiguous, overlapping no input; not while a gradient is recorded.
            t: time, for a potential V(t).
        """
        check_field("H(T)", T, self.torus.shape)
        bound, V = self._bound, self.potential
        live = None if bound.operator.is_static else self._kinetic.live_coefficients()
        if V is None:
            return apply(bound, T, out, None, live)
        if bound.potential is not None:  # V is prepared with the kinetic part
            return apply(bound, T if T.is_complex() else complex_where(bound.potential.values, T), out, None, live)
        at_t = V.at(t, T)
        T = complex_where(at_t.values, T)
        if not at_t.mixes_channels:
            return apply(bound, T, out, at_t.diagonal(T), live)
        VT = at_t.apply(T)  # before anything is written: it may refuse T
        if out is not None:
            check_out("H(T, out=...)", out, T, [at_t.values])
        return apply(bound, T, out, None, live).add_(VT)

    def with_potential(self, potential: PotentialLike | None) -> "Hamiltonian":
        """Return the Hamiltonian with the same kinetic part, tables included, and another potential."""
        V, other = None if potential is None else as_potential(potential, self.torus), copy(self)
        other._set(potential=V, _bound=self._bound.with_potential(pointwise(V)))
        return other

    def kinetic_function(self, f: Callable[[torch.Tensor], torch.Tensor]) -> FourierMultiplier:
        """Return f(K) for the kinetic part K = −(ħ²/2m) ∇²_g: the operator T ↦ F⁻¹ f(symbol of K) F T.

        Example:
            >>> import torch, spectral_ham as sh
            >>> H = sh.Hamiltonian(sh.Torus(16), backend="fd")
            >>> free = H.kinetic_function(lambda E: torch.exp(-1j * E * 0.5))  # e^{−iKt/ħ} over t = 0.5
            >>> T = torch.rand(16, dtype=torch.complex128)
            >>> torch.allclose(free(T).abs().square().sum(), T.abs().square().sum())
            True
        """
        return self._kinetic.function(f)

    def energy(self, T: torch.Tensor, *, t: float = 0.0) -> torch.Tensor:
        """Return E = Re Σ T*·H[T] · ΔV, summed over all grid points and channels: a real 0-d tensor.

        ΔV is the volume of a grid cell. T is not normalized, and no √det g is put in: divide by Σ|T|²·ΔV for the
        mean energy.

        Example:
            >>> import torch, spectral_ham as sh
            >>> H = sh.Hamiltonian(torus := sh.Torus(8, lengths=2.0), potential=sh.potentials.constant(torus, 3.0))
            >>> H.energy(torch.ones(8, dtype=torch.float64))  # 3 · Σ|T|²·ΔV = 3 · 2
            tensor(6., dtype=torch.float64)
        """
        points = self.torus.size
        interaction = None if self.potential is None else self.potential.energy_density(T, t)
        HT = (
            self(T, t=t)
            if interaction is None
            else apply(self._kinetic.bound, T, coefficients=self._kinetic.live_coefficients())
        )
        per_point = inner(T.to(HT.dtype).reshape(points, -1), HT.reshape(points, -1)).real
        E: torch.Tensor = per_point.sum(dtype=torch.float64)
        if interaction is not None:
            E = E + interaction.sum(dtype=torch.float64)
        E = E * self.torus.cell_volume
        return E.to(per_point.dtype)

    def spectral_bounds(self, *, t: float = 0.0) -> tuple[float, float]:
        """Return (E_min, E_max) that enclose the spectrum: range of the kinetic symbol + [V_min, V_max].

        Raises:
            NotHermitianError: V is not Hermitian, so the spectrum is not real.

        Example:
            >>> import spectral_ham as sh
            >>> sh.Hamiltonian(sh.Torus(8), backend="fd").spectral_bounds()
            (0.0, 2.0)
        """
        K_min, K_max = self.kinetic_bounds
        V = self.potential_at(t)
        if V is None:
            return K_min, K_max
        if not V.is_hermitian:
            raise NotHermitianError(
                "`H.spectral_bounds()` must be called for a Hermitian H, but the potential is not Hermitian: "
                "its eigenvalues are not real. Pass its Hermitian part."
            )
        V_min, V_max = V.bounds()
        return K_min + V_min, K_max + V_max

    @property
    def kinetic_bounds(self) -> tuple[float, float]:
        """The smallest and the largest kinetic energy of the grid."""
        return self._kinetic.bounds

    def as_matrix(self, *, t: float = 0.0) -> torch.Tensor:
        """Return H as a dense (n, n) matrix over grid points, C order: H[T].flatten() = M @ T.flatten().

        For an H that acts on every channel alike, on at most 4096 points; float64, or complex128 for a complex V.

        Raises:
            ValueError: too many points, or a potential with channels of its own.

        Example:
            >>> import spectral_ham as sh
            >>> sh.Hamiltonian(sh.Torus(3), backend="fd", hbar=2.0, mass=2.0).as_matrix()
            tensor([[ 2., -1., -1.],
                    [-1.,  2., -1.],
                    [-1., -1.,  2.]], dtype=torch.float64)
        """
        return dense_matrix(self, t)

    def as_linear_operator(self, channels: tuple[int, ...] = (), *, t: float = 0.0) -> "LinearOperator":
        """Return H as a scipy LinearOperator on flattened fields (C order), for its eigen- and linear solvers.

        Args:
            channels: channel shape of the fields; () for one channel.
            t: time, for a potential V(t).

        Example:
            >>> import spectral_ham as sh
            >>> from scipy.sparse.linalg import eigsh
            >>> H = sh.Hamiltonian(torus := sh.Torus(32), potential=sh.potentials.cosine_lattice(torus))
            >>> ground = eigsh(H.as_linear_operator(), k=1, which="SA")[0]
            >>> bool(-1 < ground[0] < 0)
            True
        """
        return linear_operator(self, channels, t)

    def execution_for(self, T: torch.Tensor) -> str:
        """Return the execution that runs on fields like T: the pinned one, or the planner's choice."""
        return self._bound.execution_for(T)
