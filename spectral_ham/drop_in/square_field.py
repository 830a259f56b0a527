"""The check of a trainer's field."""

import torch

from spectral_ham._internal.checks import (
    FIELD_DTYPES,
    check_field_dtype,
    check_tensor,
    has_values,
    invalid,
    without_values,
)


def check_square_field(where: str, T: object) -> torch.Tensor:
    """Return a field (N_x, N_y, D, D), which is what the drop-in functions promise to take; refuse anything else."""
    if (
        isinstance(T, torch.Tensor)
        and T.ndim == 4
        and T.shape[2] == T.shape[3]
        and T.dtype in FIELD_DTYPES
        and T.numel() > 0
        and T.layout is torch.strided
        and not T.is_meta
    ):
        return T
    raise _no_square_field(where, T)


def _no_square_field(where: str, T: object) -> Exception:
    field = check_tensor(where, T)
    if field.ndim != 4 or field.shape[2] != field.shape[3]:
        remedy = "The class `Hamiltonian` takes any channels behind the grid axes."
        return invalid(where, "a 4-D tensor (N_x, N_y, D, D)", field, remedy)
    check_field_dtype(where, field.dtype)
    if not has_values(field):
        return without_values(where, field)
    return invalid(where, "a non-empty (N_x, N_y, D, D) tensor", field)
