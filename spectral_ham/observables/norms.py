"""Inner products of fields: the norm and the fidelity."""

import math

import torch

from spectral_ham._internal.checks import check_field, invalid
from spectral_ham.geometry.torus import Torus, as_torus


def norm(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return ‖T‖ = √(Σ |T|²·ΔV) over all grid points and channels: 0-d, real.

    Units:
        [T]·length^{d/2}.

    Example:
        >>> import torch, spectral_ham as sh
        >>> T = torch.full((4, 2), 3.0, dtype=torch.float64)
        >>> sh.observables.norm(sh.Torus(4, lengths=8.0), T)  # √(8 values · 9 · 2)
        tensor(12., dtype=torch.float64)
    """
    check_field("norm(T)", T, as_torus("norm(torus)", torus).shape)
    per_point = torch.linalg.vector_norm(T.reshape(torus.size, -1), dim=-1)
    whole: torch.Tensor = torch.linalg.vector_norm(per_point, dtype=torch.float64)
    return (whole * math.sqrt(torus.cell_volume)).to(per_point.dtype)


def fidelity(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return |⟨a, b⟩|² / (⟨a, a⟩⟨b, b⟩) in [0, 1], blind to norms and global phases: 0-d, real.

    Args:
        a: a field.
        b: a field of the same shape.

    Raises:
        ValueError: different shapes.

    Example:
        >>> import torch, spectral_ham as sh
        >>> T = torch.tensor([1.0, 1.0], dtype=torch.complex128)
        >>> sh.observables.fidelity(T, 2j * T)
        tensor(1., dtype=torch.float64)
        >>> sh.observables.fidelity(T, torch.tensor([1.0, 0.0], dtype=torch.float64))
        tensor(0.5000, dtype=torch.float64)
    """
    check_field("fidelity(a)", a, ())
    check_field("fidelity(b)", b, ())
    if a.shape != b.shape:
        raise invalid("fidelity(b)", f"of the shape of a, {tuple(a.shape)}", b)
    dtype = torch.result_type(a, b)
    a, b = (field.to(dtype).reshape(*field.shape[:1], -1) for field in (a, b))  # one sum per row, added in double
    overlap, aa, bb = (torch.linalg.vecdot(*pair).to(torch.complex128).sum() for pair in ((a, b), (a, a), (b, b)))
    result: torch.Tensor = (overlap * overlap.conj()).real / (aa.real * bb.real)
    return result.to(dtype.to_real())
