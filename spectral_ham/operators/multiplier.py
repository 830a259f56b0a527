"""Functions of an operator: T ↦ F⁻¹ (table · F T)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch

from spectral_ham._internal.checks import as_complex, as_real, check_field, check_out, check_tensor, invalid, is_finite
from spectral_ham._internal.frozen import Frozen
from spectral_ham._internal.memo import Memo
from spectral_ham._internal.mode import carries_derivative, mode_of
from spectral_ham.execution.bound import plain
from spectral_ham.execution.fft import differentiable_multiply_spectrum, folded, multiply_spectrum
from spectral_ham.geometry.torus import Torus


@final
@dataclass(frozen=True, init=False, eq=False)
class FourierMultiplier(Frozen):
    """T ↦ F⁻¹ (table · F T): a function of the Laplacian, made by `Laplacian.function`.

    A complex table makes a real field complex. Gradients flow to T, and to what the table is computed from.

    Args:
        torus: the grid.
        compute: returns the values over all modes in FFT order, torus.shape; even in k, as every function of the
            symbol is. Called once, or in every call where the values carry a gradient (a graph serves one backward).
    """

    torus: Torus
    _compute: Callable[[], torch.Tensor] = field(repr=False)
    _table: torch.Tensor | None = field(repr=False)
    _folded: Memo[torch.Tensor] = field(repr=False)

    def __init__(self, torus: Torus, compute: Callable[[], torch.Tensor]) -> None:
        with torch.inference_mode(False), torch.enable_grad():
            table = compute()
        check_tensor("Laplacian.function(f=...)", table)
        if table.shape != torus.shape:
            raise invalid("Laplacian.function(f=...)", f"a function that keeps the shape {torus.shape}", table)
        if not is_finite(table):
            raise ValueError("`Laplacian.function(f=...)` must be finite on the spectrum, but gives NaN or Inf.")
        static = None if carries_derivative(table) else table
        self._set(torus=torus, _compute=compute, _table=static, _folded=Memo())

    @property
    def table(self) -> torch.Tensor:
        """The values over all modes in FFT order."""
        return self._compute() if self._table is None else self._table

    @property
    def is_static(self) -> bool:
        """Whether the values carry no gradient, so that they are computed once."""
        return self._table is not None

    def folded_for(self, T: torch.Tensor) -> torch.Tensor:
        """Return the values without gradient, as the transforms of fields like T multiply by them; kept if static."""
        table = self._table
        if table is None:
            return folded(self._compute().detach(), T)
        return self._folded.get((T.dtype, T.device), lambda: folded(table, T))

    def __call__(self, T: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return f(∇²_g) T, written into ``out`` if it is given."""
        check_field("f(Laplacian)(T)", T, self.torus.shape)
        table = self.table
        field = T.to(as_complex(T.dtype)) if table.is_complex() else T
        if out is not None:
            check_out("f(Laplacian)(T, out=...)", out, field, [table])
        ndim = self.torus.ndim
        mode = mode_of(field, table)
        differentiates = mode == "traced" and (carries_derivative(field) or carries_derivative(table))
        if out is None and (mode == "recorded" or differentiates):
            cast = table.to(field.device, field.dtype if table.is_complex() else as_real(field.dtype))
            return differentiable_multiply_spectrum(field, cast, ndim)
        X = plain(field).view(*self.torus.shape, -1)
        result = multiply_spectrum(X, self.folded_for(X), ndim, None if out is None else out.detach().view(X.shape))
        return result.view(T.shape) if out is None else out
