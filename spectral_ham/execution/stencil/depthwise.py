"""The 5-point stencil as one depthwise convolution: oneDNN's kernel reads and writes every number once."""

from collections.abc import Sequence
from functools import lru_cache

import torch
from torch.nn.functional import conv2d

from spectral_ham._internal.typing import Scalar
from spectral_ham.execution.stencil.slices import add_scaled

MIN_REALS = 16
"""Real numbers per grid point below which the kernel's vectors are not filled."""


def suits_depthwise(X: torch.Tensor, weights: Sequence[tuple[Scalar, ...]]) -> bool:
    """Tell whether X (N_x, N_y, reals) and a stencil's weights are what the kernel is made for.

    A float32 field on the CPU, and float weights of order 2 along both axes.
    """
    return (
        X.ndim == 3
        and X.dtype == torch.float32
        and X.device.type == "cpu"
        and X.shape[-1] >= MIN_REALS
        and len(weights) == 2
        and all(len(w) == 2 and isinstance(w[1], float) for w in weights)
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and bool(torch.backends.mkldnn.enabled)
    )


def five_points(X: torch.Tensor, weights: Sequence[tuple[Scalar, ...]]) -> torch.Tensor:
    """Return Σ_i w_0^i X + w_1^i (X_{+1} + X_{−1}) along both axes, periodic: (N_x, N_y, reals), contiguous.

    The field is seen as one image with channels last, which is how it lies in memory. The convolution pads with
    zeros; what crosses the seam is added to the four edges afterwards.
    """
    kernel = _cross(weights[0], weights[1], X.shape[-1])
    image = X.permute(2, 0, 1).unsqueeze(0)
    result = conv2d(image, kernel, padding=1, groups=X.shape[-1]).squeeze(0).permute(1, 2, 0)
    for axis, (_, w) in enumerate(weights):
        add_scaled(result.select(axis, -1), X.select(axis, 0), w)
        add_scaled(result.select(axis, 0), X.select(axis, -1), w)
    return result


@lru_cache(maxsize=32)
def _cross(along_x: tuple[float, float], along_y: tuple[float, float], reals: int) -> torch.Tensor:
    """Return the 3×3 kernel, once per real number of a grid point, in the layout that oneDNN's fast path wants."""
    (x_0, x_1), (y_0, y_1) = along_x, along_y
    rows = [[0.0, x_1, 0.0], [y_1, x_0 + y_0, y_1], [0.0, x_1, 0.0]]
    with torch.inference_mode(False):
        cross = torch.tensor(rows, dtype=torch.float64).to(torch.float32)
        # `.to`, not `.contiguous`: with one channel per group the latter sees nothing to do, and the path is slow.
        return cross.repeat(reals, 1, 1, 1).to(memory_format=torch.channels_last)
