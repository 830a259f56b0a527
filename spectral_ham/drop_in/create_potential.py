"""The potentials of the replaced kernel, in index units, on the channel diagonal."""

from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

import torch

from spectral_ham._internal.checks import as_count, as_number, as_per_axis, check_field_dtype, check_option, invalid
from spectral_ham._internal.typing import Device

PotentialType: TypeAlias = Literal["harmonic", "gaussian_well", "gaussian_barrier", "constant", "zero"]
POTENTIAL_TYPES: tuple[PotentialType, ...] = get_args(PotentialType)


def create_potential(
    spatial_size: tuple[int, int],
    tensor_dim: int,
    potential_type: PotentialType = "harmonic",
    strength: float = 1.0,
    center: Sequence[float] | None = None,
    device: Device = "cpu",
    dtype: torch.dtype = torch.complex64,
) -> torch.Tensor:
    """V_{x y a b} = v(r²) δ_ab with r² = (x − c_x)² + (y − c_y)² in index units, kinked at the seam.

    v = ½·strength·r² (harmonic), ∓strength·exp(−r²/2σ²) with σ = min(N)/4 (gaussian_well, gaussian_barrier),
    strength (constant), 0 (zero).

    Only the channel diagonal a = b holds the profile: the elementwise V∘T of `hamiltonian_evolution` therefore gives
    the channels a ≠ b no potential. That is what the replaced kernel did, and is kept. For a potential that acts on
    every channel alike, pass ``V[..., 0, 0]``; the library in `spectral_ham.potentials` has smooth periodic ones.

    Args:
        spatial_size: (N_x, N_y).
        tensor_dim: D.
        potential_type: "harmonic", "gaussian_well", "gaussian_barrier", "constant" or "zero".
        strength: prefactor.
        center: (c_x, c_y) in index units; (N_x/2, N_y/2) by default.
        device: where to put the result.
        dtype: complex64 by default, although the values are real.

    Shape:
        (N_x, N_y, D, D).

    Raises:
        ValueError: an unknown kind (the message lists them), or a size below 1.
        TypeError: half precision or integers.

    Example:
        >>> import spectral_ham as sh
        >>> V = sh.create_potential((4, 4), 2, dtype=torch.float64)
        >>> V[0, 0]
        tensor([[4., 0.],
                [0., 4.]], dtype=torch.float64)
    """
    kind = check_option(
        "create_potential(potential_type=...)", potential_type, POTENTIAL_TYPES, "Unknown potential_type."
    )
    check_field_dtype("create_potential(dtype=...)", dtype)
    if not isinstance(spatial_size, Sequence) or len(spatial_size) != 2:
        raise invalid("create_potential(spatial_size=...)", "(N_x, N_y)", spatial_size)
    n_x, n_y = (as_count("create_potential(spatial_size=...)", n) for n in spatial_size)
    D = as_count("create_potential(tensor_dim=...)", tensor_dim)
    strength = as_number("create_potential(strength=...)", strength)
    c_x, c_y = as_per_axis("create_potential(center=...)", (n_x / 2, n_y / 2) if center is None else center, 2)
    x = torch.arange(n_x, dtype=torch.float64)[:, None] - c_x
    y = torch.arange(n_y, dtype=torch.float64)[None, :] - c_y
    profile = _profile(kind, strength, x**2 + y**2, sigma=min(n_x, n_y) / 4)
    V = torch.zeros(n_x, n_y, D, D, dtype=torch.float64)
    V.diagonal(dim1=-2, dim2=-1).copy_(profile.unsqueeze(-1))
    return V.to(device, dtype)


def _profile(kind: PotentialType, strength: float, r2: torch.Tensor, sigma: float) -> torch.Tensor:
    if kind == "harmonic":
        return 0.5 * strength * r2
    if kind == "constant":
        return torch.full_like(r2, strength)
    if kind == "zero":
        return torch.zeros_like(r2)
    sign = -1.0 if kind == "gaussian_well" else 1.0
    return sign * strength * torch.exp(-r2 / (2 * sigma**2))
