"""Reading the diagonal (g^xx, g^yy) that is given to a drop-in function: once per call, at the least cost."""

import warnings
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch

from spectral_ham._internal.checks import invalid
from spectral_ham._internal.mode import carries_derivative
from spectral_ham._internal.typing import Scalar
from spectral_ham.geometry.metric_values import LARGE_METRIC, check_metric_diagonal, warn_large_metric

MetricDiagonal: TypeAlias = torch.Tensor | Sequence[float]


def spatial_components(
    g_inv_diag: MetricDiagonal, *, validate: bool = True, where: str = "g_inv_diag=..."
) -> tuple[Scalar, Scalar]:
    """Return (g^xx, g^yy) from a diagonal of any length: one component is isotropic, of more the first two count.

    On the CPU, values that carry no gradient become floats. On an accelerator and under torch.compile no value is
    read: the check is left to the device, and 0-d tensors are returned.

    Raises:
        ValueError: not 1-D, empty, NaN or Inf, or not positive definite.
    """
    if not torch.compiler.is_compiling():
        listed = _plain_numbers(g_inv_diag)
        if len(listed) > 1:
            for g in listed:
                if type(g) is not float or not 0.0 < g <= LARGE_METRIC:
                    break
            else:
                return listed[0], listed[1]
    return _checked_components(g_inv_diag, validate, where)


def _plain_numbers(g_inv_diag: MetricDiagonal) -> Sequence[float]:
    """Return the numbers of a tuple, a list or a plain 1-D tensor on the CPU, unchecked; of anything else, none."""
    if isinstance(g_inv_diag, (tuple, list)):
        return g_inv_diag
    if not isinstance(g_inv_diag, torch.Tensor) or g_inv_diag.ndim != 1 or not g_inv_diag.is_cpu:
        return ()
    if carries_derivative(g_inv_diag):
        return ()
    listed: list[float] = g_inv_diag.tolist()
    return listed


def _checked_components(g_inv_diag: MetricDiagonal, validate: bool, where: str) -> tuple[Scalar, Scalar]:
    """Read any diagonal: one that does not pass at a glance, or whose values may not be read."""
    g = _as_diagonal(where, g_inv_diag)
    if g.shape[0] == 1:
        _warn_isotropic(where)
    last = min(1, g.shape[0] - 1)
    if g.device.type != "cpu" or torch.compiler.is_compiling():
        if validate:
            torch._assert_async(
                torch.isfinite(g).all() & (g > 0).all(),
                f"`{where}` must be positive definite, without NaN or Inf",
            )
        g = g.to(torch.float64)
        return g[0], g[last]
    listed = g.detach().tolist()
    if validate:
        check_metric_diagonal(where, listed)
    warn_large_metric(max(listed[0], listed[last]), stacklevel=4)
    if carries_derivative(g):
        g = g.to(torch.float64)
        return g[0], g[last]
    return listed[0], listed[last]


def _as_diagonal(where: str, g_inv_diag: MetricDiagonal) -> torch.Tensor:
    needs = "the diagonal of the inverse metric, 1-D, (g^xx, g^yy, …)"
    if not isinstance(g_inv_diag, torch.Tensor):
        try:
            dtype = None if isinstance(g_inv_diag, np.ndarray) else torch.float64
            g_inv_diag = torch.as_tensor(g_inv_diag, dtype=dtype)
        except (TypeError, ValueError, RuntimeError) as error:
            raise invalid(where, needs, g_inv_diag, error=TypeError) from error
    if g_inv_diag.is_complex() or g_inv_diag.dtype == torch.bool:
        raise invalid(where, "real", g_inv_diag.dtype, error=TypeError)
    if g_inv_diag.ndim != 1 or g_inv_diag.shape[0] == 0:
        remedy = "Take torch.diagonal(g) of a matrix; the class `Hamiltonian` takes a full metric."
        raise invalid(where, needs, g_inv_diag, remedy)
    return g_inv_diag


def _warn_isotropic(where: str) -> None:
    warnings.warn(
        f"`{where}` has one component: it is taken for both x and y. Give (g^xx, g^yy) to say so.",
        UserWarning,
        stacklevel=5,
    )
