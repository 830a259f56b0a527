"""What the observables share: |T|² summed over channels, shares per axis."""

import torch

from spectral_ham.geometry.torus import Torus


def squared_per_point(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return Σ_channels |T|², torus.shape."""
    X = T.reshape(torus.size, -1)
    if X.shape[-1] == 1 and X.is_complex():
        return (X.real.square() + X.imag.square()).reshape(torus.shape)
    squared: torch.Tensor = torch.linalg.vecdot(X, X)
    return (squared.real if squared.is_complex() else squared).reshape(torus.shape)


def marginals(torus: Torus, values: torch.Tensor) -> list[torch.Tensor]:
    """Return per axis the shares Σ_others values / Σ values, (N,), float64."""
    total = values.sum(dtype=torch.float64)
    others = [tuple(i for i in range(torus.ndim) if i != axis) for axis in range(torus.ndim)]
    doubled = values.to(torch.float64)
    return [(doubled.sum(dim) if dim else doubled) / total for dim in others]
