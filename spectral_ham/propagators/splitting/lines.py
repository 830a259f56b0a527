"""The passes of a splitting along alternate directions, and their matrices.

K_x and K_y commute, so e^{aK} may be read as e^{aK_x} e^{aK_y} in one substep and as e^{aK_y} e^{aK_x} in the next.
Then neighbors pair along one axis,

    ⋯ (e^{bK_x} e^{wV} e^{aK_x}) (e^{aK_y} e^{vV} e^{cK_y}) ⋯

and each pair is one matrix per grid line, built once: n Strang steps are n + 1 products, the same scheme to rounding.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import torch

from spectral_ham._internal.exponential import exponential
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.execution.fft import circulant_matrix
from spectral_ham.execution.planner import ROUGH_PRIME, largest_prime_factor

MAX_POINTS, MAX_POINTS_DOUBLE = 56, 40
ROUGH_MAX_POINTS, ROUGH_MAX_POINTS_DOUBLE = 112, 64
MIN_CHANNELS = 16
SHORT, FEW_CHANNELS = 32, 4
"""Where products beat FFTs, in points per axis and channels: measured, see docs/design_decisions.md."""

MAX_TABLE_BYTES = 2**26
"""Bound of all matrices of a scheme; beyond it they are not made, even if asked for."""

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


@final
@dataclass(frozen=True)
class LineMatrices:
    """The matrices of passes, for one H and one z, as functions of the tensors that they are made of.

    Args:
        kinetic: K = Σ c_i ∂_i², without cross terms.
        z: the factor in e^{zH}.
        phases: w ↦ e^{wzV}, of the grid's shape.
    """

    kinetic: ConstantCoefficientOperator
    z: complex | torch.Tensor
    phases: Callable[[float], torch.Tensor]

    def of(self, one: Pass, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
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
        return circulant_matrix(exponential(share * self.z, c * symbol).to(torch.complex128))


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
