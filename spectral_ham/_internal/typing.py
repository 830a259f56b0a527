"""Type aliases that the package shares."""

from collections.abc import Sequence
from typing import TypeAlias

import torch

Scalar: TypeAlias = float | torch.Tensor
"""A Python number or a 0-d tensor (which may need a gradient)."""

PerAxis: TypeAlias = float | Sequence[float]
"""One number for every axis, or one number per axis."""

Device: TypeAlias = torch.device | str
