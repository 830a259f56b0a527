"""Drop-in functions for a trainer's kernel module: fields (N_x, N_y, D, D), one call, no objects.

The flag is resolved as: argument, else innermost `GeometryContext`, else "fd" (these functions replace a
finite-difference kernel, and their callers' numbers must not move until the flag is turned). New code is better
off with `Hamiltonian`, whose default is "spectral".
"""

import torch

from spectral_ham._internal.checks import (
    as_complex,
    as_number,
    as_scalar,
    check_field_dtype,
    check_same_device,
    check_tensor,
    invalid,
)
from spectral_ham._internal.typing import Scalar
from spectral_ham.drop_in.context import current_frame
from spectral_ham.drop_in.metric_diagonal import MetricDiagonal, spatial_components
from spectral_ham.drop_in.square_field import check_square_field
from spectral_ham.execution import apply
from spectral_ham.execution.compile import traced_from_numbers
from spectral_ham.execution.from_numbers import operator_from_numbers
from spectral_ham.operators.scaled_laplacian import kinetic_factor

DEFAULT_BACKEND = "fd"
X, Y = (0, 0), (1, 1)


def hamiltonian_evolution(
    T: torch.Tensor,
    *,
    hbar_cog: Scalar = 0.1,
    m_cog: Scalar = 1.0,
    V: torch.Tensor | None = None,
    backend: str | None = None,
    dx: float = 1.0,
    dy: float = 1.0,
    stencil_order: int = 2,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """H[T] = −(ħ²/2m)(∂²/∂x² + ∂²/∂y²) T + V∘T on a flat torus. A context's metric is not read.

    Args:
        T: the field; axis 0 is x.
        hbar_cog: ħ > 0, a number or a 0-d tensor.
        m_cog: m > 0, a number or a 0-d tensor.
        V: None, (N_x, N_y) for all channels alike, or T's shape for an elementwise product.
        backend: "fd", "spectral", or None for the context's, else "fd".
        dx: grid spacing along axis 0.
        dy: grid spacing along axis 1.
        stencil_order: 2, 4, 6 or 8, for "fd".
        out: where to write; like the result, contiguous, overlapping no input.

    Shape:
        T and the result: (N_x, N_y, D, D), complex64, complex128, float32 or float64.

    Raises:
        ValueError: shapes, values or flags that do not fit.
        TypeError: half precision, integers, or no tensor.

    Example:
        >>> import torch, spectral_ham as sh
        >>> T = torch.ones(4, 6, 2, 2, dtype=torch.complex64)
        >>> V = torch.full((4, 6), 3.0)
        >>> torch.allclose(sh.hamiltonian_evolution(T, V=V), 3 * T)
        True
    """
    return _evolve(T, hbar_cog, m_cog, (1.0, 1.0), V, backend, (dx, dy), stencil_order, out)


def hamiltonian_evolution_with_metric(
    T: torch.Tensor,
    *,
    hbar_cog: Scalar,
    m_cog: Scalar,
    g_inv_diag: MetricDiagonal | None = None,
    V: torch.Tensor | None = None,
    backend: str | None = None,
    dx: float = 1.0,
    dy: float = 1.0,
    stencil_order: int = 2,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """H[T] = −(ħ²/2m)(g^xx ∂²/∂x² + g^yy ∂²/∂y²) T + V∘T: g^xx belongs to axis 0, g^yy to axis 1.

    Args:
        T: the field; axis 0 is x.
        hbar_cog: ħ > 0, a number or a 0-d tensor.
        m_cog: m > 0, a number or a 0-d tensor.
        g_inv_diag: diagonal of the inverse metric: the first two components are used, a single one is isotropic
            (with a warning). None is the innermost `GeometryContext`'s, else flat. May carry a gradient.
        V: None, (N_x, N_y) for all channels alike, or T's shape for an elementwise product.
        backend: "fd", "spectral", or None for the context's, else "fd".
        dx: grid spacing along axis 0.
        dy: grid spacing along axis 1.
        stencil_order: 2, 4, 6 or 8, for "fd".
        out: where to write; like the result, contiguous, overlapping no input.

    Shape:
        T and the result: (N_x, N_y, D, D), complex64, complex128, float32 or float64, whatever the metric's dtype.

    Raises:
        ValueError: shapes, values or flags that do not fit; a metric that is not positive definite or contains
            NaN or Inf (on an accelerator, and under torch.compile, this is checked by the device).
        TypeError: half precision, integers, or no tensor.
        RuntimeError: under torch.compile, without ``g_inv_diag`` or ``backend``, while a context is open.

    Example:
        >>> import torch, spectral_ham as sh
        >>> T = torch.zeros(4, 6, 1, 1, dtype=torch.float64)
        >>> T[0, 0] = 1.0
        >>> HT = sh.hamiltonian_evolution_with_metric(T, hbar_cog=1.0, m_cog=0.5, g_inv_diag=(2.0, 0.5))
        >>> HT[:, :, 0, 0]  # the point sees its neighbors across both seams, −2 along x and −0.5 along y
        tensor([[ 5.0000, -0.5000,  0.0000,  0.0000,  0.0000, -0.5000],
                [-2.0000,  0.0000,  0.0000,  0.0000,  0.0000,  0.0000],
                [ 0.0000,  0.0000,  0.0000,  0.0000,  0.0000,  0.0000],
                [-2.0000,  0.0000,  0.0000,  0.0000,  0.0000,  0.0000]], dtype=torch.float64)
    """
    if g_inv_diag is not None:
        metric = spatial_components(g_inv_diag)
    else:
        frame = current_frame()
        metric = (1.0, 1.0) if frame.g_inv is None else spatial_components(frame.g_inv, validate=frame.validate)
    return _evolve(T, hbar_cog, m_cog, metric, V, backend, (dx, dy), stencil_order, out)


def spatial_laplacian(
    T: torch.Tensor,
    dx: float = 1.0,
    *,
    dy: float | None = None,
    backend: str | None = None,
    stencil_order: int = 2,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """(∂²/∂x² + ∂²/∂y²) T on a flat torus; dy is dx unless it is given. Shapes, flags and errors as above.

    Example:
        >>> import torch, spectral_ham as sh
        >>> T = torch.zeros(4, 3, 1, 1)
        >>> T[0, 0] = 1.0
        >>> sh.spatial_laplacian(T)[:, :, 0, 0]
        tensor([[-4.,  1.,  1.],
                [ 1.,  0.,  0.],
                [ 0.,  0.,  0.],
                [ 1.,  0.,  0.]])
    """
    check_square_field("spatial_laplacian(T)", T)
    spacing = (dx, dx if dy is None else dy)
    return _apply(T, None, (X, Y), (1.0, 1.0), backend, spacing, stencil_order, out)


def spatial_laplacian_x(
    T: torch.Tensor,
    dx: float = 1.0,
    *,
    backend: str | None = None,
    stencil_order: int = 2,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """∂²T/∂x², along axis 0. Shapes, flags and errors as above.

    Example:
        >>> import torch, spectral_ham as sh
        >>> T = torch.zeros(4, 3, 1, 1)
        >>> T[0, 0] = 1.0
        >>> sh.spatial_laplacian_x(T)[:, 0, 0, 0]
        tensor([-2.,  1.,  0.,  1.])
    """
    check_square_field("spatial_laplacian_x(T)", T)
    return _apply(T, None, (X,), (1.0,), backend, (dx, 1.0), stencil_order, out)


def spatial_laplacian_y(
    T: torch.Tensor,
    dy: float = 1.0,
    *,
    backend: str | None = None,
    stencil_order: int = 2,
    out: torch.Tensor | None = None,
) -> torch.Tensor:
    """∂²T/∂y², along axis 1. Shapes, flags and errors as above.

    Example:
        >>> import torch, spectral_ham as sh
        >>> T = torch.zeros(3, 4, 1, 1)
        >>> T[0, 0] = 1.0
        >>> sh.spatial_laplacian_y(T)[0, :, 0, 0]
        tensor([-2.,  1.,  0.,  1.])
    """
    check_square_field("spatial_laplacian_y(T)", T)
    return _apply(T, None, (Y,), (1.0,), backend, (1.0, dy), stencil_order, out)


def _evolve(
    T: torch.Tensor,
    hbar: Scalar,
    mass: Scalar,
    metric: tuple[Scalar, Scalar],
    V: torch.Tensor | None,
    backend: str | None,
    spacing: tuple[float, float],
    stencil_order: int,
    out: torch.Tensor | None,
) -> torch.Tensor:
    check_square_field("hamiltonian_evolution(T)", T)
    hbar, mass = as_scalar("hbar_cog=...", hbar), as_scalar("m_cog=...", mass)
    factor = kinetic_factor(hbar, mass)
    g_xx, g_yy = metric
    if V is not None:
        _check_potential(V, T)
        if V.is_complex() and not T.is_complex():
            T = T.to(as_complex(T.dtype))
    return _apply(T, V, (X, Y), (factor * g_xx, factor * g_yy), backend, spacing, stencil_order, out)


def _check_potential(V: torch.Tensor, T: torch.Tensor) -> None:
    check_tensor("V=...", V)
    check_field_dtype("V=...", V.dtype)
    if V.shape not in (T.shape[:2], T.shape):
        needs = f"of the grid's shape {tuple(T.shape[:2])} or of the field's {tuple(T.shape)}"
        raise invalid("V=...", needs, V, "For one value per grid point pass V[..., 0, 0].")
    check_same_device("V=...", V, T)


def _apply(
    T: torch.Tensor,
    V: torch.Tensor | None,
    terms: tuple[tuple[int, int], ...],
    coefficients: tuple[Scalar, ...],
    backend: str | None,
    spacing: tuple[float, float],
    stencil_order: int,
    out: torch.Tensor | None,
) -> torch.Tensor:
    """Return Σ_t c_t ∂_i ∂_j T + V∘T with the flag resolved."""
    name = (current_frame().backend or DEFAULT_BACKEND) if backend is None else backend
    dx, dy = as_number("dx=...", spacing[0], positive=True), as_number("dy=...", spacing[1], positive=True)
    if torch.compiler.is_compiling():  # no table can be looked up in there
        result = traced_from_numbers(T, V, coefficients, terms, T.shape[:2], (dx, dy), name, stencil_order)
        return result if out is None else out.copy_(result)
    bound = operator_from_numbers(tuple(T.shape[:2]), (dx, dy), terms, coefficients, name, stencil_order)
    return apply(bound, T, out, V, None if bound.operator.is_static else coefficients)
