"""Argument checks. This is the only file that formats messages: call, requirement, value, remedy."""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import torch

from spectral_ham._internal.mode import carries_derivative
from spectral_ham._internal.typing import PerAxis, Scalar
from spectral_ham.errors import UnsupportedDTypeError

FIELD_DTYPES = (torch.complex64, torch.complex128, torch.float32, torch.float64)
_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
_REAL = {complex_dtype: real_dtype for real_dtype, complex_dtype in _COMPLEX.items()}
LARGE_METRIC = 1e6


def as_complex(dtype: torch.dtype) -> torch.dtype:
    """Return the complex dtype of the same precision (torch.compile cannot trace `dtype.to_complex`)."""
    return _COMPLEX.get(dtype, dtype)


def as_real(dtype: torch.dtype) -> torch.dtype:
    """Return the real dtype of the same precision (torch.compile cannot trace `dtype.to_real`)."""
    return _REAL.get(dtype, dtype)


def invalid(
    where: str, requirement: str, value: object, remedy: str = "", error: type[Exception] = ValueError
) -> Exception:
    """Return the exception ``error`` with the one message format of the package."""
    return error(f"`{where}` must be {requirement}, got {_shown(value)}.{' ' + remedy if remedy else ''}")


def _shown(value: object) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    text = repr(value)
    # Whole arrays would hide the message.
    return text if len(text) <= 120 and "\n" not in text else f"an object of type {type(value).__name__}"


def check_option(where: str, value: object, options: Iterable[str]) -> None:
    """Refuse a flag that is not one of ``options``, listing them."""
    options = tuple(options)
    if not isinstance(value, str) or value not in options:
        raise invalid(where, f"one of {', '.join(map(repr, options))}", value)


def check_tensor(where: str, value: object) -> None:
    """Refuse anything but a tensor."""
    if not isinstance(value, torch.Tensor):
        raise invalid(where, "a torch.Tensor", type(value).__name__, "Convert it with torch.as_tensor.", TypeError)


def as_count(where: str, value: object, minimum: int = 1) -> int:
    """Return ``value`` as an int of at least ``minimum``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < minimum:
        raise invalid(where, f"an integer of at least {minimum}", value)
    return int(value)


def as_number(where: str, value: object, *, positive: bool = False) -> float:
    """Return ``value`` as a finite float."""
    requirement = "a positive finite number" if positive else "a finite number"
    if isinstance(value, torch.Tensor) and value.ndim == 0 and not value.is_complex():
        value = float(value.detach())
    if isinstance(value, bool) or not isinstance(value, Real):
        raise invalid(where, requirement, value, error=TypeError)
    try:
        number = float(value)
    except OverflowError:  # an int that no float holds
        number = math.inf
    if not math.isfinite(number) or (positive and number <= 0):
        raise invalid(where, requirement, number)
    return number


def as_per_axis(where: str, value: PerAxis, ndim: int, *, positive: bool = False) -> tuple[float, ...]:
    """Return one float per axis from one number or a sequence of ``ndim`` numbers."""
    if isinstance(value, Sequence) or (isinstance(value, torch.Tensor) and value.ndim == 1):
        if len(value) != ndim or isinstance(value, str):
            raise invalid(where, f"one number or one per axis ({ndim})", value)
        return tuple(as_number(where, number, positive=positive) for number in value)
    return (as_number(where, value, positive=positive),) * ndim


def as_scalar(where: str, value: Scalar) -> Scalar:
    """Return a positive finite number as a float, or as the 0-d tensor that it is if it carries a gradient.

    A tensor that needs no gradient becomes a float: this reads its value, once, at construction.
    """
    if not isinstance(value, torch.Tensor):
        return as_number(where, value, positive=True)
    if value.ndim != 0 or not value.dtype.is_floating_point:
        raise invalid(where, "a positive number or a real 0-d tensor", value, "Index or squeeze it.", TypeError)
    number = as_number(where, value, positive=True)
    return value if carries_derivative(value) else number


def check_field_dtype(where: str, dtype: torch.dtype) -> None:
    """Refuse half precision, integers and bool by name."""
    exact = isinstance(dtype, torch.dtype) and not (dtype.is_floating_point or dtype.is_complex)
    if exact:  # integers and bool
        remedy = "Convert it with .to(torch.float64)."
        raise invalid(where, "complex64, complex128, float32 or float64", dtype, remedy, UnsupportedDTypeError)
    if dtype not in FIELD_DTYPES:
        raise invalid(
            where,
            "complex64, complex128, float32 or float64",
            dtype,
            "Convert it with .to(torch.complex64): H amplifies rounding by its largest eigenvalue, "
            "so lower precision is not offered.",
            UnsupportedDTypeError,
        )


def check_field(where: str, T: object, shape: tuple[int, ...]) -> None:
    """Refuse a T that is not a field on the grid ``shape`` with any channels behind it."""
    check_tensor(where, T)
    field: Any = T
    check_field_dtype(where, field.dtype)
    if field.shape[: len(shape)] != shape:
        remedy = "Grid axes come first, channels after them."
        raise invalid(where, f"a field whose first axes are the grid {shape}", field, remedy)
    if field.numel() == 0:
        raise invalid(where, "a field with at least one channel", field)


def check_square_field(where: str, T: object) -> None:
    """Refuse a T that is not exactly (N_x, N_y, D, D): what the drop-in functions promise to take."""
    check_tensor(where, T)
    field: Any = T
    if field.ndim != 4 or field.shape[2] != field.shape[3]:
        remedy = "The class `Hamiltonian` takes any channels behind the grid axes."
        raise invalid(where, "a 4-D tensor (N_x, N_y, D, D)", field, remedy)
    check_field_dtype(where, field.dtype)
    if field.numel() == 0:
        raise invalid(where, "a non-empty (N_x, N_y, D, D) tensor", field)


def check_out(where: str, out: torch.Tensor, T: torch.Tensor, others: Iterable[torch.Tensor | None]) -> None:
    """Refuse an ``out`` that cannot take the result, overlaps an input, or would break autograd."""
    check_tensor(where, out)
    if out.shape != T.shape or out.dtype != T.dtype or out.device != T.device:
        wanted = f"a tensor like the result: shape {tuple(T.shape)}, {T.dtype}, {T.device}"
        raise invalid(where, wanted, f"shape {tuple(out.shape)}, {out.dtype}, {out.device}")
    compiling = torch.compiler.is_compiling()  # then memory and lazy bits cannot be looked at
    if not out.is_contiguous() or (not compiling and (out.is_conj() or out.is_neg())):
        raise invalid(where, "contiguous", f"strides {out.stride()}", "Allocate it with torch.empty_like.")
    inputs = [tensor for tensor in (T, *others) if tensor is not None]
    if torch.is_grad_enabled() and any(tensor.requires_grad for tensor in (out, *inputs)):
        remedy = "Drop `out=`, or call under torch.no_grad()."
        raise invalid(where, "None while a gradient is recorded", out, remedy)
    if not compiling and any(_overlap(out, tensor) for tensor in inputs):
        raise invalid(where, "memory of its own", "a tensor that overlaps an input", "Use a second buffer.")


def _overlap(a: torch.Tensor, b: torch.Tensor) -> bool:
    first, second = a.untyped_storage(), b.untyped_storage()
    start, other = first.data_ptr(), second.data_ptr()
    if start + first.nbytes() <= other or other + second.nbytes() <= start:
        return False
    (a_first, a_last), (b_first, b_last) = _extent(a), _extent(b)
    return a.device == b.device and a_first < b_last and b_first < a_last


def _extent(tensor: torch.Tensor) -> tuple[int, int]:
    first = tensor.data_ptr()
    steps = sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return first, first + (steps + 1) * tensor.element_size()


def check_same_device(where: str, value: torch.Tensor, T: torch.Tensor) -> None:
    """Refuse tensors on two devices: a silent copy in a hot path is never what was meant."""
    if value.device != T.device:
        raise invalid(where, f"on the field's device {T.device}", str(value.device), f"Use .to({str(T.device)!r}).")


def check_metric_values(where: str, values: torch.Tensor) -> None:
    """Refuse an inverse metric (detached, (d,) or (d, d)) that is not finite, symmetric and positive definite."""
    listed = values.tolist()
    check_metric_finite(where, listed if values.ndim == 1 else [entry for row in listed for entry in row])
    if values.ndim == 1:
        check_metric_positive(where, listed)
        return
    scale = float(values.abs().max())
    if float((values - values.mT).abs().max()) > 1e-12 * scale:
        raise invalid(where, "symmetric", listed, "Pass (g + g.mT) / 2 if the difference is rounding.")
    smallest = float(torch.linalg.eigvalsh(values)[0])
    if smallest <= 0:
        remedy = f"Its smallest eigenvalue is {smallest:.3g}."
        raise invalid(where, "positive definite", listed, remedy)


def check_metric_finite(where: str, listed: Sequence[float]) -> None:
    """Refuse NaN or Inf."""
    if not all(map(math.isfinite, listed)):
        raise ValueError(f"`{where}` must be finite, but contains NaN or Inf: {listed}.")


def check_metric_positive(where: str, listed: Sequence[float]) -> None:
    """Refuse a diagonal that is not positive."""
    if min(listed) <= 0:
        remedy = "Every diagonal component must be above zero."
        raise invalid(where, "positive definite", listed, remedy)
