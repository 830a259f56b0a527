"""Random problems for the property tests, and the plain numpy formulas that they are held against."""

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from hypothesis import strategies as st

import spectral_ham as sh
from oracles.dense import axis_symbol

EPS = {
    torch.float32: 2.0**-23,
    torch.complex64: 2.0**-23,
    torch.float64: 2.0**-52,
    torch.complex128: 2.0**-52,
}
REAL = (torch.float32, torch.float64)
COMPLEX = (torch.complex64, torch.complex128)
ALL_DTYPES = (*COMPLEX, *REAL)

NO_POTENTIAL = ("none",)
REAL_POTENTIALS = ("none", "scalar", "elementwise", "matrix")
COMPLEX_POTENTIALS = ("complex scalar", "complex elementwise", "complex matrix")
HERMITIAN_POTENTIALS = ("none", "scalar", "elementwise", "hermitian matrix")
ALL_POTENTIALS = (*REAL_POTENTIALS, *COMPLEX_POTENTIALS, "hermitian matrix")


@dataclass(frozen=True)
class Problem:
    """One Hamiltonian and what it acts on. ``seed`` makes the values of V and of fields."""

    shape: tuple[int, ...]
    lengths: tuple[float, ...]
    origin: tuple[float, ...]
    metric: tuple[tuple[float, ...], ...]
    hbar: float
    mass: float
    backend: str
    stencil_order: int
    execution: str
    potential: str
    channels: tuple[int, ...]
    dtype: torch.dtype
    seed: int

    @property
    def ndim(self):
        return len(self.shape)

    @property
    def torus(self):
        return sh.Torus(self.shape, lengths=self.lengths, origin=self.origin)

    @property
    def eps(self):
        return EPS[self.dtype]

    @property
    def has_full_metric(self):
        return any(self.metric[i][j] != 0 for i in range(self.ndim) for j in range(i))

    @property
    def given_metric(self):
        """The metric as a user would give it: the diagonal where there is nothing else."""
        return self.metric if self.has_full_metric else tuple(self.metric[i][i] for i in range(self.ndim))

    @property
    def laplacian(self):
        return sh.Laplacian(
            self.torus,
            inverse_metric=self.given_metric,
            backend=self.backend,
            stencil_order=self.stencil_order,
            execution=self.execution,
        )

    @property
    def hamiltonian(self):
        return self.hamiltonian_with(self.V)

    def hamiltonian_with(self, potential):
        return sh.Hamiltonian(
            self.torus,
            inverse_metric=self.given_metric,
            potential=potential,
            hbar=self.hbar,
            mass=self.mass,
            backend=self.backend,
            stencil_order=self.stencil_order,
            execution=self.execution,
        )

    @property
    def values(self):
        """The tensor behind V, or None."""
        kind = self.potential
        if kind == "none":
            return None
        generator = torch.Generator().manual_seed(self.seed + 1)
        if kind.endswith("matrix"):
            shape = (*self.shape, self.channels[0], self.channels[0])
        else:
            shape = self.shape if kind.endswith("scalar") else (*self.shape, *self.channels)
        is_complex = kind.startswith(("complex", "hermitian"))
        V = torch.randn(shape, generator=generator, dtype=torch.complex128 if is_complex else torch.float64)
        return V + V.mH if kind == "hermitian matrix" else V

    @property
    def V(self):
        return self.potential_of(self.values)

    def potential_of(self, values):
        """What the Hamiltonian takes for V with these values."""
        return sh.MatrixPotential(values) if self.potential.endswith("matrix") else values

    @property
    def output_dtype(self):
        """T's dtype, or the complex one if V is complex by value (a 1×1 Hermitian matrix is not)."""
        V = self.values
        is_complex = V is not None and V.is_complex() and bool(V.imag.any())
        return self.dtype.to_complex() if is_complex else self.dtype

    def field(self, which=0, dtype=None):
        """A white field: every mode takes part."""
        generator = torch.Generator().manual_seed(self.seed + 7 + which)
        dtype = dtype or self.dtype
        return torch.randn((*self.shape, *self.channels), generator=generator, dtype=dtype)

    def multiply(self, T):
        """V·T by its definition, in numpy."""
        if self.potential == "none":
            return np.zeros_like(T)
        V = self.values.numpy()
        if self.potential.endswith("matrix"):
            flat = T.reshape(*self.shape, self.channels[0], -1)
            return np.einsum("...ac,...cb->...ab", V, flat).reshape(T.shape)
        if self.potential.endswith("scalar"):
            V = V.reshape(V.shape + (1,) * len(self.channels))
        return V * T

    @property
    def symbol(self):
        """The symbol of ∇²_g over all modes, in numpy."""
        second = [self._axis_symbol(axis, 2) for axis in range(self.ndim)]
        first = [self._axis_symbol(axis, 1) for axis in range(self.ndim)]
        total = np.zeros(self.shape)
        for i in range(self.ndim):
            total += self.metric[i][i] * second[i]
            for j in range(i + 1, self.ndim):
                total -= 2 * self.metric[i][j] * first[i] * first[j]
        return total

    @property
    def kinetic_symbol(self):
        return -(self.hbar**2) / (2 * self.mass) * self.symbol

    @property
    def largest(self):
        """max|symbol of ∇²_g|."""
        return float(np.abs(self.symbol).max())

    @property
    def unit(self):
        """A time over which ∇²_g acts by order 1: 1/max|symbol|."""
        return 1 / self.largest if self.largest > 0 else 1.0

    @property
    def scale(self):
        """max|kinetic symbol| + ‖V‖_max: the largest number by which H multiplies a field."""
        V = 0.0
        if self.potential.endswith("matrix"):
            V = float(self.values.abs().sum(-1).max())
        elif self.potential != "none":
            V = float(self.values.abs().max())
        return float(np.abs(self.kinetic_symbol).max()) + V

    def _axis_symbol(self, axis, derivative):
        n, h = self.shape[axis], self.lengths[axis] / self.shape[axis]
        values = axis_symbol(n, h, derivative, self.backend, self.stencil_order)
        return values.reshape([-1 if i == axis else 1 for i in range(self.ndim)])

    def apply_by_formula(self, T):
        """H[T] = F⁻¹(kinetic symbol · F T) + V·T, in numpy and float64."""
        axes = tuple(range(self.ndim))
        spread = self.kinetic_symbol.reshape(self.shape + (1,) * len(self.channels))
        return np.fft.ifftn(spread * np.fft.fftn(T, axes=axes), axes=axes) + self.multiply(T)


def max_abs(T):
    """‖T‖_max."""
    return float(T.detach().abs().max())


@st.composite
def problems(draw, *, potentials=ALL_POTENTIALS, dtypes=ALL_DTYPES, ndims=(1, 2, 3), max_points=2500, full=None):
    """Draw a problem. ``full`` asks for a full (True) or diagonal (False) metric; None leaves it open."""
    ndim = draw(st.sampled_from(ndims))
    backend, order = draw(st.sampled_from([("spectral", 2), ("fd", 2), ("fd", 4), ("fd", 6), ("fd", 8)]))
    least = 1 if backend == "spectral" else order + 1
    per_axis = math.floor(max_points ** (1 / ndim) + 1e-9)
    most = max(least, min(per_axis, least + (12 if ndim < 3 else 5)))
    shape = tuple(draw(st.integers(least, most)) for _ in range(ndim))
    executions = ["auto", "fft", "dense", *(["stencil"] if backend == "fd" else [])]
    channels = draw(st.sampled_from([(2,), (2, 2), (1,), (3, 2), (2, 1, 2)]))
    seed = draw(st.integers(0, 2**16))
    numbers = np.random.default_rng(seed)
    if full is None:
        full = draw(st.booleans())
    return Problem(
        shape=shape,
        lengths=tuple(numbers.uniform(0.4, 9.0, ndim).tolist()),
        origin=tuple(numbers.uniform(-2.0, 2.0, ndim).tolist()),
        metric=_metric(numbers, ndim, full),
        hbar=float(numbers.uniform(0.1, 2.0)),
        mass=float(numbers.uniform(0.2, 3.0)),
        backend=backend,
        stencil_order=order,
        execution=draw(st.sampled_from(executions)),
        potential=draw(st.sampled_from(potentials)),
        channels=channels,
        dtype=draw(st.sampled_from(dtypes)),
        seed=seed,
    )


def _metric(numbers, ndim, full):
    """A symmetric positive definite matrix s_i R_ij s_j, where R = A Aᵀ has a unit diagonal."""
    s = numbers.uniform(0.4, 2.0, ndim)
    A = numbers.uniform(-1.0, 1.0, (ndim, ndim)) if full else np.zeros((ndim, ndim))
    A += np.eye(ndim)
    A /= np.linalg.norm(A, axis=1, keepdims=True)
    g = s[:, None] * (A @ A.T) * s[None, :]
    return tuple(map(tuple, ((g + g.T) / 2).tolist()))


def permuted(problem, order):
    """The same problem with its axes in another order."""
    return replace(
        problem,
        shape=tuple(problem.shape[i] for i in order),
        lengths=tuple(problem.lengths[i] for i in order),
        origin=tuple(problem.origin[i] for i in order),
        metric=tuple(tuple(problem.metric[i][j] for j in order) for i in order),
    )
