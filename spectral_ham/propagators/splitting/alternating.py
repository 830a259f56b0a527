"""Splittings by alternate directions: one product with small dense matrices per step, for small 2-D grids.

K_x and K_y commute, so e^{aK} may be read as e^{aK_x} e^{aK_y} in one substep and as e^{aK_y} e^{aK_x} in the next.
Then neighbors pair along one axis,

    ⋯ (e^{bK_x} e^{wV} e^{aK_x}) (e^{aK_y} e^{vV} e^{cK_y}) ⋯

and each pair is one matrix per grid line, built once: n Strang steps are n + 1 products, the same scheme to rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.execution.fft import circulant_matrix
from spectral_ham.execution.planner import ROUGH_PRIME, largest_prime_factor
from spectral_ham.execution.precision import ieee_float32, without_autocast

MAX_POINTS, MAX_POINTS_DOUBLE = 56, 40
ROUGH_MAX_POINTS, ROUGH_MAX_POINTS_DOUBLE = 112, 64
MIN_CHANNELS = 16
SHORT, FEW_CHANNELS = 32, 4
"""Where products beat FFTs, in points per axis and channels: measured, see docs/design_decisions.md."""

MAX_TABLE_BYTES = 2**26
"""Bound of all matrices of a scheme; beyond it this way is not taken, even if asked for."""

Pass: TypeAlias = tuple[int, float | None, float, float | None]
"""(axis, a, w, b): e^{bK} e^{wV} e^{aK} along ``axis``; None at the ends of a run."""


def table_bytes(shape: Sequence[int], passes: int, dtype: torch.dtype) -> int:
    """Return the size of the matrices of ``passes`` different passes along each axis."""
    N_x, N_y = shape
    return passes * N_x * N_y * (N_x + N_y) * dtype.itemsize


def passes(shares: Sequence[float], weights: Sequence[float]) -> list[Pass]:
    """Return the passes of e^{w_s V} e^{a_s K} ⋯ e^{a_1 K} e^{w_0 V}: one more than there are substeps.

    Example:
        >>> passes([1.0, 1.0], [0.5, 1.0, 0.5])
        [(1, None, 0.5, 1.0), (0, 1.0, 1.0, 1.0), (1, 1.0, 0.5, None)]
    """
    ends: list[float | None] = [None, *shares, None]
    first = 1 - len(shares) % 2  # so that the last pass ends in the layout of the field
    return [((first + j) % 2, ends[j], w, ends[j + 1]) for j, w in enumerate(weights)]


@dataclass(frozen=True)
class Lines:
    """The matrices of passes, for one H and one z, as functions of the tensors that they are made of.

    Args:
        kinetic: K = Σ c_i ∂_i², without cross terms.
        z: the factor in e^{zH}.
        phases: w ↦ e^{wzV}, of the grid's shape.
    """

    kinetic: ConstantCoefficientOperator
    z: complex | torch.Tensor
    phases: Callable[[float], torch.Tensor]

    def matrices(self, one: Pass, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        """Return e^{bK_i} diag(e^{wzV}) e^{aK_i} for every line along axis i: (lines, N_i, N_i), differentiable."""
        axis, before, weight, behind = one
        p = self.phases(weight).cpu()
        along = (p.mT if axis == 0 else p).to(torch.complex128)  # (lines, N_i)
        if before is None:
            M = self._exponential(axis, behind or 0.0) * along.unsqueeze(-2)
        elif behind is None:
            M = along.unsqueeze(-1) * self._exponential(axis, before)
        else:
            M = (self._exponential(axis, behind) * along.unsqueeze(-2)) @ self._exponential(axis, before)
        return (M if dtype.is_complex else M.real).to(device, dtype).contiguous()

    def _exponential(self, axis: int, share: float) -> torch.Tensor:
        """Return the circulant matrix e^{share·zK_i} along ``axis``."""
        symbol = self.kinetic.axis_symbol(axis, 2, torch.float64, torch.device("cpu"))
        c = self.kinetic.coefficients[self.kinetic.terms.index((axis, axis))]
        return circulant_matrix(torch.exp(share * self.z * (c * symbol)).to(torch.complex128))


def run(X: torch.Tensor, sequence: Sequence[tuple[int, torch.Tensor]], out: torch.Tensor) -> None:
    """Write to ``out`` what the passes (axis, matrices) make of X, (N_x, N_y, C), contiguous.

    A product writes the lines one after the other, so a pass along x leaves the field as (N_y, N_x, C), the next one
    along y brings it back: no pass moves numbers for the sake of the layout.
    """
    scratch = torch.empty_like(out)
    with ieee_float32(), without_autocast(X):
        for number, (axis, M) in enumerate(sequence):
            target = (out if (len(sequence) - number) % 2 else scratch).view(len(M), M.shape[-1], -1)
            torch.bmm(M, lines(X, axis, number), out=target)
            X = target


def lines(X: torch.Tensor, axis: int, number: int) -> torch.Tensor:
    """Return the field before a pass along ``axis`` as (lines, N_i, C): the first may find it lying right."""
    return X if number == 0 and axis == 1 else X.transpose(0, 1)


def pays(shape: Sequence[int], channels: int, *, double: bool) -> bool:
    """Tell whether dense products are likely to beat the FFT: the rule, in one place.

    Short lines, and channels enough to fill the products; double precision costs the products more. FFTs of lengths
    with a large prime factor cost several times those of their neighbors, products do not.

    Example:
        >>> pays((28, 28), 256, double=False), pays((64, 64), 256, double=False), pays((31, 61), 16, double=False)
        (True, False, True)
    """
    longest = max(shape)
    if max(map(largest_prime_factor, shape)) >= ROUGH_PRIME:
        return longest <= (ROUGH_MAX_POINTS_DOUBLE if double else ROUGH_MAX_POINTS) and channels >= MIN_CHANNELS
    if double:
        return longest <= MAX_POINTS_DOUBLE and channels >= MIN_CHANNELS
    return longest <= MAX_POINTS and channels >= (FEW_CHANNELS if longest <= SHORT else MIN_CHANNELS)


def walk_back(
    Y: torch.Tensor,
    G: torch.Tensor,
    sequence: Sequence[tuple[int, torch.Tensor]],
    sums: Sequence[torch.Tensor | None],
) -> torch.Tensor:
    """Return the cotangent of T for Y = (passes) T with unitary matrices, undoing them one by one.

    With y = M x on a line: x = M†y, x̄ = M†ȳ, M̄ = ȳ x†. The state is carried as its conjugate, x* = Mᵀ y*, so that M̄
    is a plain product.

    Args:
        Y: the final field (N_x, N_y, C), contiguous.
        G: its cotangent, like Y.
        sequence: the passes (axis, matrices) of the run.
        sums: for each pass where M̄ is added up, or None; the same tensor for equal passes.
    """
    wanted = any(total is not None for total in sums)
    conjugates = {id(M): M.conj().resolve_conj() for _, M in sequence}
    y, g = Y.conj().resolve_conj() if wanted else Y, G
    with ieee_float32(), without_autocast(G):
        for number in reversed(range(len(sequence))):
            (axis, M), total = sequence[number], sums[number]
            x = torch.bmm(M.mT, y) if wanted else y
            if total is not None:
                total.baddbmm_(g, x.mT)
            g = torch.bmm(conjugates[id(M)].mT, g)
            y, g = (lines(Z, axis, number) for Z in (x, g))  # what was taken across is put back across
    return g.contiguous()
