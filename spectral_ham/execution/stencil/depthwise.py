"""The 5-point stencil as one depthwise convolution: oneDNN's kernel reads and writes every number once."""

from typing import final

import torch
from torch.nn.functional import conv2d

from spectral_ham.execution.base import Kind
from spectral_ham.execution.precision import ieee_float32, without_autocast
from spectral_ham.execution.stencil.base import Neighbors, StencilOperator
from spectral_ham.execution.stencil.shifts import add_scaled
from spectral_ham.execution.stencil.slices import SlicedStencil

MIN_REALS = 16
"""Real numbers per grid point below which the kernel's vectors are not filled."""


def suits_depthwise(grid: tuple[int, ...], kind: Kind, neighbors: Neighbors) -> bool:
    """Tell whether the kernel is made for a stencil: float weights of order 2 along two axes, float32 on the CPU."""
    return (
        len(grid) == 2
        and kind.real == torch.float32
        and kind.device.type == "cpu"
        and kind.reals_per_point(grid) >= MIN_REALS
        and len(neighbors.weights) == 2
        and all(len(w) == 2 and isinstance(w[1], float) for w in neighbors.weights)
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and bool(torch.backends.mkldnn.enabled)
    )


@final
class DepthwiseStencil(StencilOperator):
    """Σ_i w_0^i X + w_1^i (X_{+1} + X_{−1}) along both axes.

    The field is seen as one image with channels last, the order in which it lies in memory. The convolution pads with
    zeros; what crosses the seam is added to the four edges afterwards.
    """

    def __init__(
        self,
        grid: tuple[int, ...],
        kind: Kind,
        neighbors: Neighbors,
        V: torch.Tensor | None = None,
        cross: torch.Tensor | None = None,
    ) -> None:
        super().__init__(grid, kind, neighbors, V)
        self.swept, self.added = None, self.V  # the convolution takes no V along
        self.is_whole = self.V is None and not neighbors.crossed
        self._cross = _cross(neighbors, kind.reals_per_point(grid)) if cross is None else cross
        self.nbytes = self._cross.nbytes

    def apply(self, X: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return A·X + V∘X."""
        reals = self._cross.shape[0]
        flat = (torch.view_as_real(X) if X.is_complex() else X).reshape(*self.grid, reals)
        image = flat.permute(2, 0, 1).unsqueeze(0)
        with ieee_float32(), without_autocast(X):
            swept = conv2d(image, self._cross, padding=1, groups=reals).squeeze(0).permute(1, 2, 0)
        for axis, (_, w) in enumerate(self.neighbors.weights):
            add_scaled(swept.select(axis, -1), flat.select(axis, 0), w)
            add_scaled(swept.select(axis, 0), flat.select(axis, -1), w)
        result = torch.view_as_complex(swept.view(*X.shape, 2)) if X.is_complex() else swept.view(X.shape)
        result = result if out is None else out.copy_(result)
        if not self.is_whole:
            self._add_the_rest(X, result)
        return result

    def recur(self, X: torch.Tensor, out: torch.Tensor, source: torch.Tensor, gamma: float) -> None:
        """Write A·X + V∘X + γ·source − out into ``out``: by slices, which work in place."""
        SlicedStencil(self.grid, self.kind, self.neighbors, self.V).recur(X, out, source, gamma)


def _cross(neighbors: Neighbors, reals: int) -> torch.Tensor:
    """Return the 3×3 kernel, once per real number of a grid point, in the layout that oneDNN's fast path wants."""
    (x_0, x_1), (y_0, y_1) = neighbors.weights
    rows = [[0.0, x_1, 0.0], [y_1, x_0 + y_0, y_1], [0.0, x_1, 0.0]]
    cross = torch.tensor(rows, dtype=torch.float64, device="cpu").to(torch.float32)
    # `.to`, not `.contiguous`: with one channel per group the latter sees nothing to do, and the path is slow.
    return cross.repeat(reals, 1, 1, 1).to(memory_format=torch.channels_last)
