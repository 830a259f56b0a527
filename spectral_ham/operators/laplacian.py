"""The Laplacian ∇²_g = Σ_ij g^ij ∂_i ∂_j on a torus, and functions of it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch

from spectral_ham._internal.checks import check_field, invalid
from spectral_ham._internal.frozen import Frozen
from spectral_ham._internal.typing import BackendName, Device, ExecutionName
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.execution import apply
from spectral_ham.geometry.inverse_metric import InverseMetric, MetricLike
from spectral_ham.geometry.torus import Torus
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.operators.scaled_laplacian import ScaledLaplacian


@final
@dataclass(frozen=True, init=False, eq=False, repr=False)
class Laplacian(Frozen):
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
    execution: ExecutionName
    _scaled: ScaledLaplacian = field(repr=False)

    def __init__(
        self,
        torus: Torus,
        *,
        inverse_metric: MetricLike | None = None,
        backend: BackendName = "spectral",
        stencil_order: int = 2,
        execution: ExecutionName = "auto",
    ) -> None:
        scaled = ScaledLaplacian.on(torus, inverse_metric, backend, stencil_order, execution)
        self._set(torus=torus, inverse_metric=scaled.metric, execution=execution, _scaled=scaled)

    def __repr__(self) -> str:
        discretization = f"backend={self.operator.backend!r}, execution={self.execution!r}"
        return f"Laplacian(torus={self.torus!r}, inverse_metric={self.inverse_metric!r}, {discretization})"

    @property
    def backend(self) -> BackendName:
        """Name of the backend."""
        return self.operator.backend.name

    @property
    def operator(self) -> ConstantCoefficientOperator:
        """Σ_ij g^ij ∂_i ∂_j as data."""
        return self._scaled.operator

    def __call__(self, T: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return ∇²_g T, written into ``out`` if it is given."""
        check_field("Laplacian(T)", T, self.torus.shape)
        return apply(self._scaled.bound, T, out, None, self._scaled.live_coefficients())

    def symbol(self, dtype: torch.dtype = torch.float64, device: Device = "cpu") -> torch.Tensor:
        """Return the symbol of ∇²_g over all modes in FFT order: real, ≤ 0, torus.shape.

        For "spectral" it is −Σ_ij g^ij k_i k_j; for "fd" the k are modified wavenumbers.
        """
        symbol = self._scaled.symbol
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
        return self._scaled.function(f)
