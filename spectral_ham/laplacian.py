"""The Laplacian ∇²_g = Σ_ij g^ij ∂_i ∂_j on a torus, and functions of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import final

import torch

from spectral_ham._checks import as_complex, as_real, carries_derivative, check_field, check_out, check_tensor, invalid
from spectral_ham._typing import Device, Scalar
from spectral_ham.backends import Description, get_backend
from spectral_ham.execution import apply, check_execution
from spectral_ham.execution.fourier import differentiable_multiply_spectrum, folded, multiply_spectrum
from spectral_ham.metric import InverseMetric
from spectral_ham.torus import Torus

MetricLike = InverseMetric | torch.Tensor | Sequence[float] | Sequence[Sequence[float]]


@final
@dataclass(frozen=True, init=False, eq=False, repr=False)
class Laplacian:
    """∇²_g T = Σ_ij g^ij ∂_i ∂_j T for fields of shape torus.shape + channels.

    Args:
        torus: the grid; axis 0 is x.
        inverse_metric: g^ij, (d,) or (d, d); flat (1, 1, …) by default.
        backend: "spectral" (exact for every resolved mode) or "fd" (central finite differences).
        stencil_order: 2, 4, 6 or 8: the order of accuracy of "fd"; "spectral" accepts and ignores it.
        execution: "fft", "dense" or "stencil" (fd only): how it is run; "auto" takes what a table says, "measure"
            what is fastest here, timed once. All agree to rounding.

    Shape:
        T and the result: torus.shape + any channels; complex64, complex128, float32 or float64. A real field stays
        real. Contiguous out, whatever the strides of T.

    Raises:
        ValueError: unknown flags, a metric that does not fit the torus or is not positive definite, a grid too
            small for the stencil.

    Example:
        >>> import math, torch, spectral_ham as sh
        >>> torus = sh.Torus((8, 5), lengths=2 * math.pi)
        >>> lap = sh.Laplacian(torus, inverse_metric=(2.0, 0.5))
        >>> x, y = torus.coordinates()
        >>> T = torch.exp(1j * (3 * x + y))
        >>> torch.allclose(lap(T), -(2.0 * 3**2 + 0.5 * 1**2) * T)
        True
    """

    torus: Torus
    inverse_metric: InverseMetric
    execution: str
    _description: Description = field(repr=False)

    def __init__(
        self,
        torus: Torus,
        *,
        inverse_metric: MetricLike | None = None,
        backend: str = "spectral",
        stencil_order: int = 2,
        execution: str = "auto",
    ) -> None:
        metric = as_metric(inverse_metric, torus)
        chosen = get_backend(backend, stencil_order)
        description = Description(torus, chosen, metric.terms, detached(metric.coefficients()))
        check_execution("execution=...", execution, description)
        object.__setattr__(self, "torus", torus)
        object.__setattr__(self, "inverse_metric", metric)
        object.__setattr__(self, "execution", execution)
        object.__setattr__(self, "_description", description)

    def __repr__(self) -> str:
        discretization = f"backend={self._description.backend!r}, execution={self.execution!r}"
        return f"Laplacian(torus={self.torus!r}, inverse_metric={self.inverse_metric!r}, {discretization})"

    @property
    def backend(self) -> str:
        """Name of the backend."""
        return self._description.backend.name

    @property
    def description(self) -> Description:
        """Σ_ij g^ij ∂_i ∂_j as data.

        A graph serves one backward pass, so coefficients that carry a gradient are computed anew each time.
        """
        if self._description.is_static:
            return self._description
        return self._description.with_coefficients(self.inverse_metric.coefficients())

    def __call__(self, T: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return ∇²_g T, written into ``out`` if it is given."""
        check_field("Laplacian(T)", T, self.torus.shape)
        return apply(self.description, T, out=out, execution=self.execution)

    def symbol(self, dtype: torch.dtype = torch.float64, device: Device = "cpu") -> torch.Tensor:
        """Return the symbol of ∇²_g over all modes in FFT order: real, ≤ 0, torus.shape.

        For "spectral" it is −Σ_ij g^ij k_i k_j; for "fd" the k are modified wavenumbers.
        """
        symbol = self.description.symbol(torch.float64, torch.device("cpu"))
        return symbol.to(device, dtype) if symbol.requires_grad else symbol.to(device, dtype, copy=True)

    def function(self, f: Callable[[torch.Tensor], torch.Tensor]) -> "FourierMultiplier":
        """Return f(∇²_g): the operator T ↦ F⁻¹ f(symbol) F T.

        A heat kernel, a resolvent, a filter or a propagator of the free particle, for either backend.

        Args:
            f: from the symbol (float64, torus.shape) to a tensor of the same shape, real or complex; pointwise.

        Raises:
            ValueError: f returns another shape, or NaN or Inf.
            TypeError: f returns no tensor.

        Example:
            >>> import torch, spectral_ham as sh
            >>> lap = sh.Laplacian(sh.Torus(16), backend="fd")
            >>> solve = lap.function(lambda s: 1 / (1 - s))  # (1 − ∇²)⁻¹
            >>> T = torch.rand(16, 3, dtype=torch.float64)
            >>> torch.allclose(solve(T - lap(T)), T)
            True
        """
        if not callable(f):
            raise invalid("Laplacian.function(f=...)", "a function of the symbol", f, error=TypeError)
        return FourierMultiplier(self.torus, lambda: f(self.symbol()))


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


def as_metric(metric: MetricLike | None, torus: Torus) -> InverseMetric:
    """Return the metric as an `InverseMetric` of the torus's dimension; None is flat."""
    if not isinstance(torus, Torus):
        raise invalid("torus=...", "a Torus", torus, "Make one: Torus((N_x, N_y), lengths=...).", TypeError)
    if metric is None:
        return InverseMetric((1.0,) * torus.ndim)
    made = metric if isinstance(metric, InverseMetric) else InverseMetric(metric)
    if made.ndim != torus.ndim:
        needs = f"of the torus's dimension {torus.ndim}"
        raise invalid("inverse_metric=...", needs, made, f"Give {torus.ndim} components, x first.")
    return made


def detached(coefficients: tuple[Scalar, ...]) -> tuple[Scalar, ...]:
    """Return the values alone: what is kept holds no graph."""
    return tuple(c.detach() if isinstance(c, torch.Tensor) else c for c in coefficients)
