"""Functions of an operator: T ↦ F⁻¹ (table · F T)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch

from spectral_ham._internal.checks import as_complex, as_real, check_field, check_out, check_tensor, invalid
from spectral_ham._internal.mode import carries_derivative
from spectral_ham.execution.fft import differentiable_multiply_spectrum, folded, multiply_spectrum
from spectral_ham.geometry.torus import Torus


@final
@dataclass(frozen=True, init=False, eq=False)
class FourierMultiplier:
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
    _folded: dict[tuple[torch.dtype, torch.device], torch.Tensor] = field(repr=False)

    def __init__(self, torus: Torus, compute: Callable[[], torch.Tensor]) -> None:
        with torch.inference_mode(False), torch.enable_grad():
            table = compute()
        check_tensor("Laplacian.function(f=...)", table)
        if table.shape != torus.shape:
            raise invalid("Laplacian.function(f=...)", f"a function that keeps the shape {torus.shape}", table)
        if not bool(torch.isfinite(table.detach()).all()):
            raise ValueError("`Laplacian.function(f=...)` must be finite on the spectrum, but gives NaN or Inf.")
        object.__setattr__(self, "torus", torus)
        object.__setattr__(self, "_compute", compute)
        object.__setattr__(self, "_table", None if carries_derivative(table) else table)
        object.__setattr__(self, "_folded", {})

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
        if self._table is None:
            return folded(self._compute().detach(), T)
        key = (T.dtype, T.device)
        if key not in self._folded:
            with torch.inference_mode(False):
                self._folded[key] = folded(self._table, T)
        return self._folded[key]

    def __call__(self, T: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return f(∇²_g) T, written into ``out`` if it is given."""
        check_field("f(Laplacian)(T)", T, self.torus.shape)
        table = self.table
        field = T.to(as_complex(T.dtype)) if table.is_complex() else T
        if out is not None:
            check_out("f(Laplacian)(T, out=...)", out, field, [table])
        ndim = self.torus.ndim
        if out is None and (carries_derivative(field) or carries_derivative(table)):
            cast = table.to(field.device, field.dtype if table.is_complex() else as_real(field.dtype))
            return differentiable_multiply_spectrum(field, cast, ndim)
        with torch.no_grad():
            X = field.resolve_conj().resolve_neg().reshape(*self.torus.shape, -1).contiguous()
            values = self.folded_for(X)
            result = multiply_spectrum(X, values, ndim, None if out is None else out.view(X.shape))
        return result.view(T.shape) if out is None else out
