"""What the numbers of an inverse metric must satisfy: finite, symmetric, positive definite, and of a sane size."""

import math
import warnings
from collections.abc import Sequence

import torch

from spectral_ham._internal.checks import invalid
from spectral_ham.errors import LargeMetricWarning

LARGE_METRIC = 1e6
"""A component above it gets a warning: the stable step shrinks by that factor."""


def check_metric_values(where: str, values: torch.Tensor) -> torch.Tensor:
    """Return a detached g^ij, (d,) or (d, d), that is finite, symmetric and positive definite; refuse another."""
    listed = values.tolist()
    if values.ndim == 1:
        check_metric_diagonal(where, listed)
        return values
    _check_finite(where, [entry for row in listed for entry in row])
    scale = float(values.abs().max())
    if float((values - values.mT).abs().max()) > 1e-12 * scale:
        raise invalid(where, "symmetric", listed, "Pass (g + g.mT) / 2 if the difference is rounding.")
    smallest = float(torch.linalg.eigvalsh(values)[0])
    if smallest <= 0:
        remedy = f"Its smallest eigenvalue is {smallest:.3g}."
        raise invalid(where, "positive definite", listed, remedy)
    return values


def check_metric_diagonal(where: str, listed: Sequence[float]) -> Sequence[float]:
    """Return a diagonal that is finite and positive; refuse another."""
    _check_finite(where, listed)
    if min(listed) <= 0:
        remedy = "Every diagonal component must be above zero."
        raise invalid(where, "positive definite", listed, remedy)
    return listed


def _check_finite(where: str, listed: Sequence[float]) -> None:
    if not all(map(math.isfinite, listed)):
        raise ValueError(f"`{where}` must be finite, but contains NaN or Inf: {listed}.")


def warn_large_metric(largest: float, stacklevel: int) -> None:
    """Warn if ``largest``, a component of the inverse metric, is so large that it rules the stable step."""
    if largest > LARGE_METRIC:
        warnings.warn(
            f"The inverse metric has a component {largest:.3g}, above {LARGE_METRIC:.0e}: the largest eigenvalue of H, "
            "and with it rounding errors, grow by that factor, and the stable time step of an explicit method shrinks "
            "by it. Rescale lengths or time if this is not intended.",
            LargeMetricWarning,
            stacklevel=stacklevel + 1,
        )
