"""Windows: many functions of one operator, applied to one field that is transformed once."""

import math
from collections.abc import Callable, Sequence
from typing import TypeAlias

import torch

from spectral_ham._internal.checks import check_field, check_tensor, invalid, is_finite
from spectral_ham._internal.mode import mode_of
from spectral_ham._internal.typing import Scalar
from spectral_ham.execution.fft import (
    folded,
    from_spectrum,
    inverse_transform,
    multiply_by_table,
    spectrum_of,
    transform,
)
from spectral_ham.execution.layout import channels_first, channels_last, uninitialized
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.operators.laplacian import Laplacian

Coefficients: TypeAlias = torch.Tensor | Sequence[complex | torch.Tensor]
Function: TypeAlias = Callable[[torch.Tensor], torch.Tensor]

CHUNK_BYTES = 2**20
"""Spectra are made and brought back in chunks of about this size, so that they stay in cache."""

LOG_SAFE = 700.0
"""Products whose logarithm stays below it need no care: float64 overflows beyond e^709."""


def window(operator: Laplacian | Hamiltonian, T: torch.Tensor, functions: Sequence[Function]) -> torch.Tensor:
    """Return f_1(A) T, f_2(A) T, … for A = ∇²_g, or A = H without a potential, stacked in front.

    One forward transform and one inverse transform for each function: half the transforms of a loop over
    ``lap.function(f)(T)``.

    Args:
        operator: a `Laplacian`, or a `Hamiltonian` whose potential is None.
        T: the field.
        functions: each from the symbol (float64, torus.shape: ≤ 0 for ∇²_g, the kinetic energies for H) to a tensor of
            the same shape, real or complex, pointwise.

    Shape:
        T: torus.shape + channels. The result: (n,) + T's shape; complex if T or one of the functions is. Besides it one
        chunk of T is held, or, while a gradient is recorded, one more array like the result.

    Raises:
        ValueError: no functions, one that returns another shape or NaN or Inf, or an H with a potential.
        TypeError: a function that returns no tensor.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.operators.window import window
        >>> lap = sh.Laplacian(sh.Torus(16), backend="fd")
        >>> T = torch.rand(16, 3, dtype=torch.float64)
        >>> heat = window(lap, T, [lambda s, t=t: torch.exp(t * s) for t in (0.0, 0.5, 1.0)])
        >>> heat.shape
        torch.Size([3, 16, 3])
        >>> torch.allclose(heat[2], lap.function(torch.exp)(T))
        True
    """
    check_field("window(T)", T, operator.torus.shape)
    symbol = operator.symbol() if isinstance(operator, Laplacian) else _kinetic_energies("window", operator)
    if not functions:
        raise invalid("window(functions=...)", "at least one function", functions)
    tables = [_checked("window(functions=...)", f(symbol), T, symbol.shape) for f in functions]
    if any(table.is_complex() for table in tables):
        tables = [table.to(torch.complex128) for table in tables]
    return _apply_each(torch.stack(tables), T)


def euler_window(
    H: Hamiltonian, T: torch.Tensor, coefficients: Coefficients, *, final_only: bool = False
) -> torch.Tensor:
    """Return the frames T_{n+1} = (1 + c_n H) T_n, n = 0, 1, …, of an H without a potential; T_0 = T is left out.

    All steps are diagonal in Fourier space: all frames cost one forward transform and one inverse transform
    each, the last frame alone one transform pair. Where H runs without transforms (see `Hamiltonian.execution_for`),
    a frame is cheaper made from the one before, by H itself, so all frames are made so while no gradient is recorded.
    Either way the result is that of the loop to rounding. The factors of the last frame are multiplied in float64,
    without overflow in between.

    c_n = −i·dt/ħ makes explicit Euler steps of iħ ∂T/∂t = H[T], which grow without bound whatever dt: E by
    |1 − i·dt·E/ħ| > 1. It is offered for loops that are made of them; `spectral_ham.evolve` does not grow.

    Args:
        H: a Hamiltonian whose potential is None.
        T: the field T_0.
        coefficients: c_0, c_1, …: numbers or 0-d tensors, or one tensor (n,), real or complex; may carry gradients.
        final_only: the last frame alone.

    Shape:
        T: torus.shape + channels. The result: (n,) + T's shape, or T's shape with ``final_only``; complex if T or a
        coefficient is.

    Raises:
        ValueError: no coefficients, NaN or Inf, an H with a potential, or a factor Π(1 + c_n E) that T's dtype cannot
            hold.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.operators.window import euler_window
        >>> H = sh.Hamiltonian(sh.Torus(8), hbar=0.1)
        >>> T = torch.randn(8, dtype=torch.complex128)
        >>> frames = euler_window(H, T, [-0.05j] * 64)
        >>> torch.allclose(frames[1], frames[0] - 0.05j * H(frames[0]))
        True
        >>> torch.allclose(euler_window(H, T, [-0.05j] * 64, final_only=True), frames[-1])
        True
    """
    check_field("euler_window(T)", T, H.torus.shape)
    E = _kinetic_energies("euler_window", H)
    c = _stacked(coefficients)
    tables = _products(c.reshape(-1, *(1,) * E.ndim) * E + 1, c, E, final_only=final_only)
    tables = _checked("euler_window(coefficients=...)", tables, T, tables.shape)
    if final_only:
        return _apply_each(tables.unsqueeze(0), T).squeeze(0)
    if H.execution_for(T) != "fft" and mode_of(T, tables) == "plain":
        return _step_by_step(H, T, c)
    return _apply_each(tables, T)


def _step_by_step(H: Hamiltonian, T: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
    """Return all frames, each written once by H and once more by T + c·H[T]."""
    with torch.no_grad():
        frame = T.to(T.dtype.to_complex()) if c.is_complex() else T
        frames = uninitialized((len(c), *T.shape), frame.dtype, T.device)
        for out, c_n in zip(frames, c.tolist(), strict=True):
            H(frame, out)
            frame = torch.add(frame, out, alpha=c_n, out=out)
    return frames


def _kinetic_energies(where: str, H: Hamiltonian) -> torch.Tensor:
    if H.potential is not None:
        remedy = "H with V is not diagonal in Fourier space: apply H in a loop, or use evolve()."
        raise invalid(f"{where}(H)", "a Hamiltonian without a potential", H.potential, remedy)
    return H.kinetic.symbol(torch.float64, torch.device("cpu"))


def _checked(where: str, table: torch.Tensor, T: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """Return ``table``, refused if it is not of ``shape`` or not finite in T's precision."""
    check_tensor(where, table)
    if table.shape != shape:
        raise invalid(where, f"functions that keep the symbol's shape {tuple(shape)}", table)
    dtype = T.dtype.to_complex() if table.is_complex() else T.dtype.to_real()
    if not is_finite(table.to(dtype)):
        raise ValueError(
            f"`{where}` must give factors that are finite in {dtype}, but one is NaN or Inf. "
            "Shorten the window or the steps, or use complex128."
        )
    return table


def _stacked(coefficients: Coefficients) -> torch.Tensor:
    """Return (c_0, c_1, …) in double precision on the CPU, where the symbol is."""
    where, needs = "euler_window(coefficients=...)", "at least one number, in a sequence or a tensor (n,)"
    if not isinstance(coefficients, torch.Tensor):
        numbers = [c if isinstance(c, torch.Tensor) else torch.tensor(c, dtype=_double(c)) for c in coefficients]
        if not numbers or any(c.ndim for c in numbers):
            raise invalid(where, needs, coefficients)
        is_complex = any(c.is_complex() for c in numbers)
        coefficients = torch.stack([c.to("cpu", torch.complex128 if is_complex else torch.float64) for c in numbers])
    if coefficients.ndim != 1 or coefficients.numel() == 0:
        raise invalid(where, needs, coefficients)
    return coefficients.to("cpu", torch.complex128 if coefficients.is_complex() else torch.float64)


def _double(number: Scalar | complex) -> torch.dtype:
    return torch.complex128 if isinstance(number, complex) else torch.float64


def _products(factors: torch.Tensor, c: torch.Tensor, E: torch.Tensor, *, final_only: bool) -> torch.Tensor:
    """Return Π_{m ≤ n} factor_m for every n, or for the last, (1 + |c_m| E_max) bounding |factor_m|."""
    log_bound = float(torch.log1p(c.detach().abs() * float(E.detach().max())).sum())
    if log_bound < LOG_SAFE:
        return factors.prod(0) if final_only else factors.cumprod(0)
    # The product may leave float64's range and come back: multiply numbers near 1, count powers of 2.
    exponents = torch.frexp(factors.detach().abs() * math.sqrt(2)).exponent.to(torch.float64) - 1
    near_one = factors * torch.pow(2.0, -exponents)
    if final_only:
        return near_one.prod(0) * torch.pow(2.0, exponents.sum(0))
    return near_one.cumprod(0) * torch.pow(2.0, exponents.cumsum(0))


def _apply_each(tables: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Return F⁻¹ (table_n · F T) for each table, stacked in front: one transform there, n back."""
    ndim, real = tables.ndim - 1, not (T.is_complex() or tables.is_complex())
    shape = (len(tables), *T.shape)
    if mode_of(T, tables) != "plain":
        tables = tables.to(T.device, T.dtype.to_complex() if tables.is_complex() else T.dtype.to_real())
        broadcast = tables.reshape(tables.shape + (1,) * (T.ndim - ndim))
        frames = inverse_transform(broadcast * transform(T, range(ndim)), range(1, ndim + 1))
        return (frames.real if real else frames).contiguous()
    with torch.no_grad():
        wide = T if real else T.to(T.dtype.to_complex())
        X = wide.resolve_conj().resolve_neg().reshape(*T.shape[:ndim], -1).contiguous()
        out = uninitialized((len(tables), *X.shape), X.dtype, X.device)
        _fill(out, X, [folded(table, X) for table in tables], ndim)
    return out.view(shape)


def _fill(out: torch.Tensor, X: torch.Tensor, tables: list[torch.Tensor], ndim: int) -> None:
    """Write F⁻¹ (table_n · F X) to out[n]: a chunk of channels at a time, its spectrum staying in cache for all n."""
    channels, grid, real = X.shape[-1], X.shape[:-1], not X.is_complex()
    step = max(1, CHUNK_BYTES // (grid.numel() * X.element_size()))
    for first in range(0, channels, step):
        X_hat = spectrum_of(channels_first(X, first, min(step, channels - first)), ndim)
        scaled = torch.empty_like(X_hat)
        for n, table in enumerate(tables):
            multiply_by_table(X_hat, table, scaled)
            channels_last(from_spectrum(scaled, grid, real=real), out[n], first)
