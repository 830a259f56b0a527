"""A particle in a cosine lattice: Mathieu's equation, solved as Bloch waves."""

import math
from dataclasses import dataclass

import torch

from spectral_ham._internal.checks import as_count, as_per_axis, check_field_dtype, invalid
from spectral_ham._internal.frozen import Frozen
from spectral_ham._internal.typing import Device, PerAxis, Scalar
from spectral_ham.exact.base import (
    IntPerAxis,
    as_integers,
    broadcast_sum,
    check_complex,
    kinetic_factor,
    metric_rows,
    turns,
)
from spectral_ham.geometry.inverse_metric import InverseMetric
from spectral_ham.geometry.torus import Torus, on_axis

MAX_MATHIEU_Q = 20.0
"""Above this q, SciPy 1.17 can return wrong values: 15.03 for a_5(20.9), where 37.4 is right."""


@dataclass(frozen=True, init=False)
class CosineLattice(Frozen):
    """H = Σ_i [−c_i ∂_i² + V0_i cos(2π n_i (x_i − origin_i)/L_i)] with c_i = (ħ²/2m) g^ii: spectrum and eigenstates.

    H is a sum of 1-D operators, so energies add and states multiply. In 1-D the lattice couples the waves e^{2πi p x/L}
    with p of one class modulo n (one quasi-momentum): a symmetric tridiagonal matrix, diagonal c(2πp/L)², off-diagonal
    V0/2. All n classes fit the torus. Kinetic and potential energy do not commute: splitting errors show here.

    Args:
        torus: the grid that `potential` and `bloch_states` are sampled on. The energies are those of the continuum.
        V0: amplitude of the cosine, any sign, one number or one per axis.
        periods: n, lattice periods per length L, one integer or one per axis.
        inverse_metric: diagonal g^ij (a cross term would not separate); None is flat.
        hbar: ħ.
        mass: m.

    Attributes:
        kinetic: c_i = (ħ²/2m) g^ii per axis.

    Raises:
        ValueError: a metric with cross terms, periods below 1, ħ or m that is not positive, or arguments that do not
            fit the torus.

    Reference:
        NIST Digital Library of Mathematical Functions, sections 28.2 and 28.29, https://dlmf.nist.gov/28.

    Example:
        >>> import math, spectral_ham as sh
        >>> lattice = sh.exact.CosineLattice(sh.Torus(32, lengths=2 * math.pi), V0=1.5, periods=2)
        >>> lattice.bloch_energies(3)
        tensor([-0.4684, -0.3666,  1.0830], dtype=torch.float64)
    """

    torus: Torus
    V0: tuple[float, ...]
    periods: tuple[int, ...]
    kinetic: tuple[float, ...]

    def __init__(
        self,
        torus: Torus,
        V0: PerAxis,
        periods: IntPerAxis = 1,
        *,
        inverse_metric: InverseMetric | None = None,
        hbar: Scalar = 1.0,
        mass: Scalar = 1.0,
    ) -> None:
        name, d = "CosineLattice", torus.ndim
        g = metric_rows(f"{name}(inverse_metric=...)", inverse_metric, d)
        if any(g[i][j] != 0 for i in range(d) for j in range(i)):
            raise invalid(f"{name}(inverse_metric=...)", "diagonal", g, "A cross term does not separate into axes.")
        counts = as_integers(f"{name}(periods=...)", periods, d)
        if min(counts) < 1:
            raise invalid(f"{name}(periods=...)", "integers of at least 1", periods, "V0=0 makes an axis free.")
        c = kinetic_factor(name, hbar, mass)
        self._set(
            torus=torus,
            V0=as_per_axis(f"{name}(V0=...)", V0, d),
            periods=counts,
            kinetic=tuple(c * g[i][i] for i in range(d)),
        )

    def potential(self, dtype: torch.dtype = torch.float64, device: Device = "cpu") -> torch.Tensor:
        """Return V = Σ_i V0_i cos(2π n_i (x_i − origin_i)/L_i) on the grid, of shape ``torus.shape``."""
        check_field_dtype("CosineLattice.potential(dtype=...)", dtype)
        torus = self.torus
        return broadcast_sum(
            on_axis(i, V0 * torch.cos(2 * math.pi * turns(torus, i, n)), torus.ndim)
            for i, (V0, n) in enumerate(zip(self.V0, self.periods, strict=True))
        ).to(device, dtype)

    def bandwidth(self, count: int) -> tuple[int, ...]:
        """Return P per axis: the ``count`` lowest states hold less than eps beyond ±P, so that N > 2P resolves them.

        Raises:
            ValueError: ``count`` below 1.
        """
        count = as_count("CosineLattice.bandwidth(count=...)", count)
        return tuple(_cutoff(self._unit(i), self.V0[i], self.periods[i], count) for i in range(self.torus.ndim))

    def bloch_energies(self, count: int) -> torch.Tensor:
        """Return the ``count`` lowest energies, ascending, repeated where degenerate: float64, (count,).

        Raises:
            ValueError: ``count`` below 1.
        """
        count = as_count("CosineLattice.bloch_energies(count=...)", count)
        axes = range(self.torus.ndim)
        return _lowest_sums([self._solve(axis, count)[0] for axis in axes], count)[0]

    def bloch_states(
        self, count: int, dtype: torch.dtype = torch.complex128, device: Device = "cpu"
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the ``count`` lowest energies (count,) and the states on the grid (count, N_x, …).

        States are orthonormal in the continuum, ∫ conj(ψ_a) ψ_b = δ_ab. On a grid that resolves them (`bandwidth`) so
        is Σ conj(ψ_a) ψ_b·cell_volume, and the spectral H has them as eigenvectors to rounding.

        Raises:
            ValueError: ``count`` below 1.
            TypeError: a dtype that is not complex.
        """
        count = as_count("CosineLattice.bloch_states(count=...)", count)
        check_complex("CosineLattice.bloch_states(dtype=...)", dtype)
        ndim = self.torus.ndim
        solutions = [self._solve(axis, count) for axis in range(ndim)]
        energies, chosen = _lowest_sums([energy for energy, _ in solutions], count)
        states = torch.ones((count,) + (1,) * ndim, dtype=torch.complex128)
        for axis, (_, coefficients) in enumerate(solutions):
            waves = self._sample(axis, coefficients)[chosen[axis]]
            states = states * torch.stack([on_axis(axis, wave, ndim) for wave in waves])
        return energies, states.to(device, dtype)

    def mathieu_energies(self, count: int) -> torch.Tensor:
        """Return the ``count`` lowest energies from SciPy's Mathieu characteristic values: an independent check.

        With s = c (nπ/L)² and q = ``|V0|``/(2s), E = s·a_r(q) and s·b_r(q): even r only for n = 1, every r for n = 2.
        The sign of V0 only swaps a_r and b_r of odd r. More periods need orders that are not integers, which SciPy
        does not have.

        Raises:
            ValueError: ``count`` below 1, more than 2 periods, or q above 20, where SciPy's values can be wrong.
        """
        count = as_count("CosineLattice.mathieu_energies(count=...)", count)
        return _lowest_sums([self._mathieu(axis, count) for axis in range(self.torus.ndim)], count)[0]

    def _unit(self, axis: int) -> float:
        """The kinetic energy c(2π/L)² of the wave p = 1."""
        return self.kinetic[axis] * (2 * math.pi / self.torus.lengths[axis]) ** 2

    def _solve(self, axis: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
        """The lowest 1-D energies (count,) and their coefficients (2P + 1, count) on the waves p = −P … P."""
        from scipy.linalg import eigh_tridiagonal

        n, V0, s = self.periods[axis], self.V0[axis], self._unit(axis)
        P = _cutoff(s, V0, n, count)
        p = torch.arange(-P, P + 1, dtype=torch.float64)
        energies, columns = [], []
        for m in range(n):
            members = torch.nonzero((p - m) % n == 0)[:, 0]
            diagonal = s * p[members] ** 2
            off_diagonal = torch.full((len(members) - 1,), V0 / 2, dtype=torch.float64)
            v = torch.from_numpy(eigh_tridiagonal(diagonal.numpy(), off_diagonal.numpy())[1])[:, :count]
            # Rayleigh quotients: LAPACK's own eigenvalues are only good to eps·s P², these to eps·(|E| + |V0|).
            energies.append(diagonal @ v**2 + V0 * (v[1:] * v[:-1]).sum(0))
            # Of the two signs take the one that makes the largest coefficient, and the ground state, positive.
            column = torch.zeros(len(p), v.shape[1], dtype=torch.float64)
            column[members] = v * v.gather(0, v.abs().argmax(0, keepdim=True)).sign()
            columns.append(column)
        energy, order = torch.cat(energies).sort()
        return energy[:count], torch.cat(columns, dim=1)[:, order[:count]]

    def _sample(self, axis: int, coefficients: torch.Tensor) -> torch.Tensor:
        """Return Σ_p coefficient_p e^{2πi p (x − origin)/L}/√L on the grid of ``axis``, (count, N)."""
        P = len(coefficients) // 2
        phase = 2 * math.pi * torch.stack([turns(self.torus, axis, p) for p in range(-P, P + 1)])
        waves = torch.polar(torch.ones_like(phase), phase) / math.sqrt(self.torus.lengths[axis])
        return coefficients.mT.to(torch.complex128) @ waves

    def _mathieu(self, axis: int, count: int) -> torch.Tensor:
        from scipy.special import mathieu_a, mathieu_b

        where, n = "CosineLattice.mathieu_energies", self.periods[axis]
        if n > 2:
            raise invalid(f"{where}: periods", "1 or 2", n, "Use `bloch_energies`: orders are not integers here.")
        s = self._unit(axis) * (n / 2) ** 2
        q = abs(self.V0[axis]) / (2 * s)
        if q > MAX_MATHIEU_Q:
            remedy = "SciPy's characteristic values can be wrong beyond; use `bloch_energies`."
            raise invalid(f"{where}: q = |V0|/(2s)", f"at most {MAX_MATHIEU_Q:g}", q, remedy)
        orders = range(0, count + 1, 2 if n == 1 else 1)
        values = [mathieu_a(r, q) for r in orders] + [mathieu_b(r, q) for r in orders if r > 0]
        return (s * torch.tensor(values, dtype=torch.float64)).sort().values[:count]


def _cutoff(s: float, V0: float, n: int, count: int) -> int:
    """Return P such that the ``count`` lowest states hold less than eps on every wave |p| > P.

    Weyl: the wanted E lie below top = s·⌊count/2⌋² + |V0|. Beyond the turning point, s p² ≥ top + |V0|, a bounded
    solution of (s p² − E) v_p = −(V0/2)(v_{p−n} + v_{p+n}) decays: |v_{p+n}| ≤ |v_p|, hence
    |v_p| ≤ |v_{p−n}|·(|V0|/2)/(s p² − top − |V0|/2). P is where the product of these factors falls below eps. Cutting a
    tail off changes E by ⟨tail|H − E|tail⟩ at most, because (H − E)v = 0: that is of order eps².
    """
    half = abs(V0) / 2
    top = s * (count // 2) ** 2 + 2 * half
    P, tail = math.ceil(math.sqrt((top + 2 * half) / s)), 1.0
    while tail > torch.finfo(torch.float64).eps:
        P += n
        tail *= half / (s * P**2 - top - half)
    return P


def _lowest_sums(spectra: list[torch.Tensor], count: int) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Return the ``count`` lowest sums of one energy per axis, ascending, and which energy each takes from each axis.

    The lowest sums use the ``count`` lowest of every partial sum, so axes are joined one by one and cut.
    """
    sums, chosen = spectra[0], [torch.arange(len(spectra[0]), dtype=torch.int64)]
    for spectrum in spectra[1:]:
        joined, order = (sums[:, None] + spectrum).flatten().sort()
        sums, order = joined[:count], order[:count]
        chosen = [index[order // len(spectrum)] for index in chosen] + [order % len(spectrum)]
    return sums, chosen
