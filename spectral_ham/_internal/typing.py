"""Type aliases that the package shares: numbers and devices, and the names that each flag takes."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch

Scalar: TypeAlias = float | torch.Tensor
"""A Python number or a 0-d tensor (which may need a gradient)."""

PerAxis: TypeAlias = float | Sequence[float]
"""One number for every axis, or one number per axis."""

Device: TypeAlias = torch.device | str

BackendName: TypeAlias = Literal["spectral", "fd"]
"""What ``backend=`` takes: the keys of `backends.BACKENDS`."""

ExecutionName: TypeAlias = Literal["auto", "measure", "fft", "dense", "stencil"]
"""What ``execution=`` takes."""

GradientMode: TypeAlias = Literal["auto", "autograd", "checkpoint", "reversible"]
"""What ``gradient=`` of `evolve` takes."""

MethodName: TypeAlias = Literal[
    "exact",
    "lie",
    "strang",
    "yoshida4",
    "yoshida6",
    "suzuki4",
    "blanes_moan4",
    "chebyshev",
    "lanczos",
    "crank_nicolson",
    "rk4",
    "etdrk4",
    "magnus4",
]
"""The propagators: the keys of `propagators.METHODS`."""

MethodChoice: TypeAlias = MethodName | Literal["auto"]
"""What ``method=`` of `evolve` takes."""
