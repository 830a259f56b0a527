"""factor · ∇²_g: the part that the Laplacian and the Hamiltonian share, live where it is differentiated."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch

from spectral_ham._internal.memo import Memo
from spectral_ham._internal.typing import BackendName, ExecutionName, Scalar
from spectral_ham.backends import ConstantCoefficientOperator, get_backend
from spectral_ham.execution import BoundOperator
from spectral_ham.geometry.inverse_metric import InverseMetric, MetricLike, as_metric
from spectral_ham.geometry.torus import Torus
from spectral_ham.operators.multiplier import FourierMultiplier

CPU = torch.device("cpu")


def unit_factor() -> float:
    """Return 1: the factor of ∇²_g itself."""
    return 1.0


@final
@dataclass(frozen=True, eq=False)
class ScaledLaplacian:
    """factor · Σ_ij g^ij ∂_i ∂_j, and how it is executed.

    A graph serves one backward pass. So coefficients that carry a gradient are computed for each call, by
    `live_coefficients`, and ``bound`` holds their values at construction; all others stay in ``bound``.
    """

    metric: InverseMetric
    factor: Callable[[], Scalar]
    bound: BoundOperator
    _bounds: Memo[tuple[float, float]] = field(default_factory=Memo, init=False, repr=False)

    @staticmethod
    def on(
        torus: Torus,
        metric: MetricLike | None,
        backend: BackendName,
        stencil_order: int,
        execution: ExecutionName,
        factor: Callable[[], Scalar] = unit_factor,
    ) -> "ScaledLaplacian":
        """Return the operator on ``torus``, refusing flags and a metric that do not fit."""
        g = as_metric(metric, torus)
        values = tuple(c.detach() if isinstance(c, torch.Tensor) else c for c in g.coefficients(factor()))
        operator = ConstantCoefficientOperator(torus, get_backend(backend, stencil_order), g.terms, values)
        return ScaledLaplacian(g, factor, BoundOperator(operator, execution))

    def live_coefficients(self) -> tuple[Scalar, ...] | None:
        """Return the coefficients for this call, or None where they carry no gradient and stay."""
        return None if self.bound.operator.is_static else self.metric.coefficients(self.factor())

    @property
    def operator(self) -> ConstantCoefficientOperator:
        """The operator as data."""
        live, operator = self.live_coefficients(), self.bound.operator
        return operator if live is None else operator.with_coefficients(live)

    @property
    def symbol(self) -> torch.Tensor:
        """The symbol over all modes, float64 on the CPU."""
        return self.operator.symbol(torch.float64, CPU)

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest value of the symbol."""
        if self.bound.operator.is_static:
            return self._bounds.get("symbol", lambda: extremes(self.bound.operator))
        return extremes(self.operator.detached(CPU))

    def function(self, f: Callable[[torch.Tensor], torch.Tensor]) -> FourierMultiplier:
        """Return T ↦ F⁻¹ f(symbol) F T."""
        return FourierMultiplier(self.bound.operator.torus, lambda: f(self.symbol))


def extremes(operator: ConstantCoefficientOperator) -> tuple[float, float]:
    """Return the smallest and the largest value of a symbol; without cross terms they are sums of those of the axes."""
    if operator.has_cross_terms:
        low, high = torch.aminmax(operator.symbol(torch.float64, CPU))
        return float(low), float(high)
    terms = zip(operator.terms, map(float, operator.coefficients), strict=True)
    ranges = [sorted(c * S for S in operator.axis_range(i)) for (i, _), c in terms]
    return sum(low for low, _ in ranges), sum(high for _, high in ranges)


def kinetic_factor(hbar: Scalar, mass: Scalar) -> Scalar:
    """Return −ħ²/2m, in double precision."""
    hbar, mass = (x.double() if isinstance(x, torch.Tensor) else x for x in (hbar, mass))
    return -(hbar**2) / (2 * mass)
