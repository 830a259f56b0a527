"""Execution by FFT: out = F⁻¹ (symbol · F X). The only file that calls torch.fft."""

import math
from collections.abc import Sequence
from typing import ClassVar, Self, final

import torch

from spectral_ham._internal.checks import as_real
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.execution.base import Execution, Kind, Prepared, real_view
from spectral_ham.execution.layout import Add, add_potential, channels_first, channels_last, flattened

CHUNK_BYTES = 2**22
"""Channels are transformed in chunks of about this size, so that a chunk stays in cache between the transforms."""

SMALL_BYTES = 2**20
"""Fields of fewer bytes are transformed in one piece: memory is no concern, calls are."""

# For two axes this is torch.fft.fft2, the reference way of executing the spectral backend.
_FORWARD = {1: torch.fft.fftn, 2: torch.fft.fft2, 3: torch.fft.fftn}
_INVERSE = {1: torch.fft.ifftn, 2: torch.fft.ifft2, 3: torch.fft.ifftn}


@final
class FFT(Execution):
    """Multiply by the symbol between two FFTs; 20·log₂N flops per point. Any circulant operator is diagonal there."""

    name: ClassVar[str] = "fft"

    def prepare(self, operator: ConstantCoefficientOperator, kind: Kind) -> "FFTOperator":
        """Return the operator with its whole symbol as one table, the 1/N of the inverse transform folded in."""
        symbol = operator.symbol(kind.real, kind.device, scale=1 / operator.torus.size)
        return FFTOperator(operator.torus.shape, kind, _doubled(symbol))


@final
class FFTOperator(Prepared):
    """F⁻¹ (table · F X) + V∘X."""

    execution: ClassVar[str] = FFT.name

    def __init__(self, grid: tuple[int, ...], kind: Kind, table: torch.Tensor, V: torch.Tensor | None = None) -> None:
        self.grid, self.kind, self.table = grid, kind, table
        self.nbytes = table.nbytes
        self.V = V = None if V is None else flattened(V, grid)
        self._add: Add | None = None if V is None else add_potential(V, grid, kind)
        self._axes = tuple(range(len(grid)))
        self._is_lone_complex = kind.dtype.is_complex and math.prod(kind.shape) == math.prod(grid)

    def with_potential(self, V: torch.Tensor | None) -> Self:
        """Return the operator with another V."""
        return self if V is None and self.V is None else type(self)(self.grid, self.kind, self.table, V)

    def apply(self, X: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return A·X + V∘X."""
        grid, ndim = self.grid, len(self.grid)
        if out is None and self._is_lone_complex:  # no conversion of layouts, no detour
            spectrum = _FORWARD[ndim](X if X.ndim == ndim else X.view(grid), dim=self._axes)
            real_view(spectrum).mul_(self.table)
            result: torch.Tensor = _INVERSE[ndim](spectrum, dim=self._axes, norm="forward")
            if self._add is not None:
                self._add(result.unsqueeze(-1), X.view(*grid, 1))
            return result if X.ndim == ndim else result.view(X.shape)
        flat = X.view(*grid, -1)
        result = multiply_spectrum(flat, self.table, ndim, None if out is None else out.view(flat.shape))
        if self._add is not None:
            self._add(result, flat)
        return result.view(X.shape) if out is None else out

    def recur(self, X: torch.Tensor, out: torch.Tensor, source: torch.Tensor, gamma: float) -> None:
        """Write A·X + V∘X + γ·source − out into ``out``."""
        out.neg_().add_(source, alpha=gamma).add_(self.apply(X))


def folded(table: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Return table/N as `multiply_spectrum` wants it for fields like T, so that no inverse transform has to scale.

    N is the number of grid points, and the division is made before the cast to T's precision. A real table is
    written twice, for the real and the imaginary part of a spectrum seen as real numbers: multiplying these is
    several times faster than multiplying complex numbers by real ones.
    """
    double = table.to(torch.complex128 if table.is_complex() else torch.float64).resolve_conj().contiguous()
    if table.is_complex():
        scaled = (torch.view_as_real(double) / table.numel()).to(T.device, as_real(T.dtype))
        return torch.view_as_complex(scaled)
    return _doubled((double / table.numel()).to(T.device, as_real(T.dtype)))


def _doubled(table: torch.Tensor) -> torch.Tensor:
    return torch.stack([table, table], dim=-1).flatten(-2)


def multiply_spectrum(
    X: torch.Tensor,
    table: torch.Tensor,
    ndim: int,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return F⁻¹ (table · F X) over the first ``ndim`` axes, without recording a gradient.

    Channels are brought in front, chunk by chunk, since torch's FFT along other axes makes hidden copies of the whole
    field.

    Args:
        X: (N_x, …, C), contiguous; complex where ``table`` is.
        table: from `folded`. For a real X it must be even in k, as every function of a symbol is.
        ndim: number of grid axes.
        out: where to write, like X.
    """
    channels = X.shape[-1]
    if channels == 1 and out is None:
        result = convolve(X.squeeze(-1), table, ndim).unsqueeze(-1)
    else:
        result = torch.empty_like(X) if out is None else out
        step = chunk(X)
        if X.nbytes > SMALL_BYTES:  # a chunk, its spectrum and what comes back are three arrays: together one field
            step = min(step, math.ceil(channels / 3))
        for first in range(0, channels, step):
            fields = channels_first(X, first, min(step, channels - first))
            fields = convolve(fields, table, ndim)  # by the same name, so that the chunk itself is freed
            channels_last(fields, result, first)
            del fields
    return result


def chunk(X: torch.Tensor) -> int:
    """Return how many channels of X (N_x, …, C) make a chunk."""
    return max(1, CHUNK_BYTES // (X.shape[:-1].numel() * X.element_size()))


def convolve(fields: torch.Tensor, table: torch.Tensor, ndim: int) -> torch.Tensor:
    """Return F⁻¹ (table · F fields) over the last ``ndim`` axes, a new tensor; ``table`` is from `folded`."""
    spectrum = spectrum_of(fields, ndim)
    multiply_by_table(spectrum, table)
    return from_spectrum(spectrum, fields.shape[-ndim:], real=not fields.is_complex())


def spectrum_of(fields: torch.Tensor, ndim: int) -> torch.Tensor:
    """Return F fields over the last ``ndim`` axes; of a real field the half that determines the rest."""
    axes = tuple(range(-ndim, 0))
    if fields.is_complex():
        whole: torch.Tensor = _FORWARD[ndim](fields, dim=axes)
        return whole
    half: torch.Tensor = torch.fft.rfftn(fields, dim=axes)
    return half


def multiply_by_table(spectrum: torch.Tensor, table: torch.Tensor, out: torch.Tensor | None = None) -> None:
    """Multiply in place, or write table · spectrum to ``out``.

    ``table`` is from `folded`, and may be whole where the spectrum is the half of a real field's.
    """
    width = spectrum.shape[-1] if table.is_complex() else 2 * spectrum.shape[-1]
    values = table if table.shape[-1] == width else table[..., :width]
    source = spectrum if table.is_complex() else real_view(spectrum)
    if out is None:
        source.mul_(values)
    else:
        torch.mul(source, values, out=out if table.is_complex() else real_view(out))


def from_spectrum(spectrum: torch.Tensor, shape: Sequence[int], *, real: bool) -> torch.Tensor:
    """Return N·F⁻¹ spectrum over the last axes, of lengths ``shape``: `folded` tables hold the 1/N."""
    axes = tuple(range(-len(shape), 0))
    if not real:
        waves: torch.Tensor = _INVERSE[len(shape)](spectrum, dim=axes, norm="forward")
        return waves
    fields: torch.Tensor = torch.fft.irfftn(spectrum, s=tuple(shape), dim=axes, norm="forward")
    return fields


def differentiable_multiply_spectrum(T: torch.Tensor, table: torch.Tensor, ndim: int) -> torch.Tensor:
    """Return F⁻¹ (table · F T) over the first ``ndim`` axes by operations that autograd records."""
    axes = tuple(range(ndim))
    table = table.reshape(table.shape + (1,) * (T.ndim - ndim))
    result: torch.Tensor = _INVERSE[ndim](table * _FORWARD[ndim](T, dim=axes), dim=axes)
    return result if T.is_complex() else result.real


def transform(T: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
    """Return F T over ``axes``, complex, by an operation that autograd records."""
    T_hat: torch.Tensor = _FORWARD[len(axes)](T, dim=tuple(axes))
    return T_hat


def inverse_transform(T_hat: torch.Tensor, axes: Sequence[int], norm: str = "backward") -> torch.Tensor:
    """Return F⁻¹ T_hat over ``axes``, complex, by an operation that autograd records; norm="forward" leaves out 1/N."""
    T: torch.Tensor = _INVERSE[len(axes)](T_hat, dim=tuple(axes), norm=norm)
    return T


def derivative_matrix(symbol: torch.Tensor, derivative: int) -> torch.Tensor:
    """Return the real circulant matrix of ∂² (symbol S) or ∂ (symbol i·D): (N, N), float64."""
    return circulant_matrix(symbol if derivative == 2 else 1j * symbol).real


def circulant_matrix(symbol: torch.Tensor) -> torch.Tensor:
    """Return F⁻¹ diag(symbol) F for a 1-D symbol: M_jl = (F⁻¹ symbol)_{(j − l) mod N}, (N, N), complex."""
    column: torch.Tensor = torch.fft.ifft(symbol)
    j = torch.arange(len(symbol), dtype=torch.int64, device=symbol.device)
    return column[(j[:, None] - j[None, :]) % len(symbol)]
