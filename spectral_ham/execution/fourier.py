"""Execution by FFT: out = F⁻¹ (symbol · F X). The only file that calls torch.fft."""

from collections.abc import Sequence
from typing import ClassVar, final

import torch

from spectral_ham.backends import Description
from spectral_ham.backends.description import Tables
from spectral_ham.execution.base import Execution, add_diagonal

CHUNK_BYTES = 2**21
"""Channels are transformed in chunks of about this size, so that a chunk stays in cache between the transforms."""

# For two axes this is torch.fft.fft2, the reference way of executing the spectral backend.
_FORWARD = {1: torch.fft.fftn, 2: torch.fft.fft2, 3: torch.fft.fftn}
_INVERSE = {1: torch.fft.ifftn, 2: torch.fft.ifft2, 3: torch.fft.ifftn}


@final
class Fourier(Execution):
    """Multiply by the symbol between two FFTs; 20·log₂N flops per point. Runs every description."""

    name: ClassVar[str] = "fft"

    def why_not(self, description: Description) -> str:  # noqa: ARG002
        """Return an empty string: any circulant operator is diagonal in Fourier space."""
        return ""

    def prepare(self, description: Description, dtype: torch.dtype, device: torch.device) -> Tables:
        """Return the whole symbol as one table."""
        return ((description.symbol(dtype, device).contiguous(),),)

    def run(
        self,
        description: Description,
        tables: Tables,
        X: torch.Tensor,
        diagonal: torch.Tensor | None,
        out: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return A·X + diagonal∘X."""
        ((symbol,),) = tables
        result = multiply_spectrum(X, symbol, description.torus.ndim, out)
        if diagonal is not None:
            add_diagonal(result, diagonal, X)
        return result

    def recur(
        self,
        description: Description,
        tables: Tables,
        X: torch.Tensor,
        diagonal: torch.Tensor | None,
        out: torch.Tensor,
        source: torch.Tensor,
        gamma: float,
    ) -> None:
        """Write A·X + diagonal∘X + γ·source − out into ``out``."""
        out.neg_().add_(source, alpha=gamma).add_(self.run(description, tables, X, diagonal, None))


def multiply_spectrum(X: torch.Tensor, table: torch.Tensor, ndim: int, out: torch.Tensor | None = None) -> torch.Tensor:
    """Return F⁻¹ (table · F X) over the first ``ndim`` axes, without recording a gradient.

    Args:
        X: (N_x, …, C), contiguous; complex where ``table`` is.
        table: (N_x, …), in FFT order. For a real X it must be even in k, as every function of a symbol is.
        ndim: number of grid axes.
        out: where to write, like X.
    """
    channels = X.shape[-1]
    if channels == 1:
        result = _transform_pair(X.squeeze(-1), table, ndim).unsqueeze(-1)
        return result if out is None else out.copy_(result)
    if out is None:
        out = torch.empty_like(X)
    # Channels first while transforming: torch's FFT along other axes makes hidden copies of the whole field.
    step = max(1, CHUNK_BYTES // (table.numel() * X.element_size()))
    for start in range(0, channels, step):
        chunk = X[..., start : start + step].movedim(-1, 0).contiguous()
        out[..., start : start + step] = _transform_pair(chunk, table, ndim).movedim(0, -1)
    return out


def _transform_pair(fields: torch.Tensor, table: torch.Tensor, ndim: int) -> torch.Tensor:
    axes = tuple(range(-ndim, 0))
    if fields.is_complex():
        spectrum = _FORWARD[ndim](fields, dim=axes)
        _scale(spectrum, table)
        result: torch.Tensor = _INVERSE[ndim](spectrum, dim=axes)
        return result
    spectrum = torch.fft.rfftn(fields, dim=axes)
    _scale(spectrum, table[..., : spectrum.shape[-1]])
    real: torch.Tensor = torch.fft.irfftn(spectrum, s=table.shape, dim=axes)
    return real


def _scale(spectrum: torch.Tensor, table: torch.Tensor) -> None:
    if table.is_complex():
        spectrum.mul_(table)
    else:
        torch.view_as_real(spectrum).mul_(table.unsqueeze(-1))


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


def inverse_transform(T_hat: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
    """Return F⁻¹ T_hat over ``axes``, complex, by an operation that autograd records."""
    T: torch.Tensor = _INVERSE[len(axes)](T_hat, dim=tuple(axes))
    return T


def circulant_column(symbol: torch.Tensor, derivative: int) -> torch.Tensor:
    """Return the first column of the real circulant matrix of ∂² (symbol S) or ∂ (symbol i·D): (N,), float64."""
    column: torch.Tensor = torch.fft.ifft(symbol if derivative == 2 else 1j * symbol).real
    return column
