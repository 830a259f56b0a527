"""The inverse metric g^ij: constant over the torus, symmetric, positive definite."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch

from spectral_ham._internal.checks import invalid
from spectral_ham._internal.frozen import Frozen
from spectral_ham._internal.mode import carries_derivative
from spectral_ham._internal.typing import Scalar
from spectral_ham.geometry.metric_values import check_metric_values, warn_large_metric
from spectral_ham.geometry.torus import Torus, as_torus

Entry = tuple[int, int]


@dataclass(frozen=True, init=False, eq=False)
class InverseMetric(Frozen):
    """A constant inverse metric g^ij, as in ∇²_g = Σ_ij g^ij ∂_i ∂_j.

    Args:
        components: the diagonal (g^xx, g^yy, …) of shape (d,), or the whole symmetric positive definite
            matrix of shape (d, d). A sequence or a real tensor; kept in float64. A tensor that needs a gradient
            keeps it; its values are checked now, once.

    Shape:
        (d,) or (d, d) with d = 1, 2 or 3.

    Raises:
        ValueError: another shape, NaN or Inf, not symmetric, or not positive definite.
        TypeError: not real numbers.

    Warns:
        LargeMetricWarning: a component above 1e6 (what it does to the stable step is in the message).

    Example:
        >>> import spectral_ham as sh
        >>> sh.InverseMetric((2.0, 0.5))
        InverseMetric([2.0, 0.5])
        >>> sh.InverseMetric([[2.0, 0.3], [0.3, 1.0]]).is_diagonal
        False
    """

    _given: torch.Tensor
    terms: tuple[Entry, ...]
    """The pairs (i, j), i ≤ j, whose ∂_i ∂_j takes part: the diagonal first, then the cross terms."""

    def __init__(self, components: torch.Tensor | Sequence[float] | Sequence[Sequence[float]]) -> None:
        where = "InverseMetric(components=...)"
        try:
            given = _as_tensor(components)
        except (TypeError, ValueError, RuntimeError) as error:
            raise invalid(where, "real numbers, (d,) or (d, d)", components, error=TypeError) from error
        if given.is_complex() or given.dtype == torch.bool:
            raise invalid(where, "real numbers", given.dtype, error=TypeError)
        if not _is_metric_shape(given.shape):
            raise invalid(where, "the diagonal (d,) or the matrix (d, d), d = 1, 2 or 3", given)
        values = given.to(torch.float64) if carries_derivative(given) else given.detach().to(torch.float64, copy=True)
        plain = check_metric_values(where, values.detach())
        warn_large_metric(float(plain.abs().max()), stacklevel=2)
        differentiable = carries_derivative(given)
        self._set(_given=given if differentiable else values, terms=_terms(plain, keep_all=differentiable))

    @property
    def tensor(self) -> torch.Tensor:
        """g^ij in float64, (d,) or (d, d); with the gradient of the tensor that was given."""
        g = self._given.to(torch.float64)
        return g if g.ndim == 1 else (g + g.mT) / 2

    @property
    def ndim(self) -> int:
        """Number of axes d."""
        return self._given.shape[0]

    @property
    def is_diagonal(self) -> bool:
        """Whether ∇²_g is a sum of 1-D operators. A (d, d) tensor that needs a gradient counts as full."""
        return all(i == j for i, j in self.terms)

    def coefficients(self, factor: Scalar = 1.0) -> tuple[Scalar, ...]:
        """Return the coefficient of ∂_i ∂_j for each of ``terms``: factor·g^ii, and 2·factor·g^ij off the diagonal.

        Floats when nothing needs a gradient (no tensor is touched in a hot path then), else 0-d tensors.
        """
        g = self.tensor
        differentiable = carries_derivative(self._given) or isinstance(factor, torch.Tensor)
        entries = [g[i] if g.ndim == 1 else g[i, j] for i, j in self.terms]
        scaled = [factor * entry * (1 if i == j else 2) for entry, (i, j) in zip(entries, self.terms, strict=True)]
        return tuple(scaled) if differentiable else tuple(float(value) for value in scaled)

    def __repr__(self) -> str:
        return f"InverseMetric({self.tensor.detach().tolist()})"


MetricLike: TypeAlias = InverseMetric | torch.Tensor | Sequence[float] | Sequence[Sequence[float]]


def as_metric(metric: MetricLike | None, torus: Torus) -> InverseMetric:
    """Return the metric as an `InverseMetric` of the torus's dimension; None is flat."""
    ndim = as_torus("torus=...", torus).ndim
    if metric is None:
        return InverseMetric((1.0,) * ndim)
    made = metric if isinstance(metric, InverseMetric) else InverseMetric(metric)
    if made.ndim != ndim:
        needs = f"of the torus's dimension {ndim}"
        raise invalid("inverse_metric=...", needs, made, f"Give {ndim} components, x first.")
    return made


def _as_tensor(components: object) -> torch.Tensor:
    if isinstance(components, torch.Tensor):
        return components
    if isinstance(components, np.ndarray) and components.dtype.kind in "iufc":  # complex numbers are refused later
        return torch.from_numpy(np.array(components, dtype=np.result_type(components.dtype, np.float64)))
    if isinstance(components, Sequence) and any(isinstance(entry, torch.Tensor) for entry in components):
        entries = [entry if isinstance(entry, torch.Tensor) else _as_tensor(entry) for entry in components]
        return torch.stack(entries)
    # Python floats are read in float64: torch's default dtype must not round them first.
    return torch.as_tensor(components, dtype=torch.float64, device="cpu")


def _terms(values: torch.Tensor, *, keep_all: bool) -> tuple[Entry, ...]:
    """Read the values once, at construction: a call may not wait for an accelerator."""
    d = values.shape[0]
    diagonal = tuple((i, i) for i in range(d))
    if values.ndim == 1:
        return diagonal
    listed = values.tolist()
    pairs = [(i, j) for i in range(d) for j in range(i + 1, d)]
    return diagonal + tuple((i, j) for i, j in pairs if keep_all or listed[i][j] != 0)


def _is_metric_shape(shape: torch.Size) -> bool:
    return len(shape) in (1, 2) and 1 <= shape[0] <= 3 and shape[-1] == shape[0]
