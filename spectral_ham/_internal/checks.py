"""Argument checks, which return the value that they have checked, and the one format of messages.

A message names the call, the requirement, the value and the remedy. Those checks that run in every call of an operator
decide in one frame, and compose a message only when there is something to refuse.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from numbers import Integral, Real
from typing import TypeVar

import numpy as np
import torch

from spectral_ham._internal.mode import carries_derivative
from spectral_ham._internal.typing import PerAxis, Scalar
from spectral_ham.errors import UnsupportedDTypeError

FIELD_DTYPES = frozenset((torch.complex64, torch.complex128, torch.float32, torch.float64))
_COMPLEX = {torch.float32: torch.complex64, torch.float64: torch.complex128}
_REAL = {complex_dtype: real_dtype for real_dtype, complex_dtype in _COMPLEX.items()}

Name = TypeVar("Name", bound=str)


class Words(str):
    """What a message says of a value in words, without the quotes that a string given by the user has."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


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


def check_option(where: str, value: object, options: Collection[Name], remedy: str = "") -> Name:
    """Return a flag that is one of ``options``; refuse another, listing them."""
    if isinstance(value, str):
        for option in options:
            if option == value:
                return option
    raise invalid(where, f"one of {', '.join(map(repr, options))}", value, remedy)


def check_tensor(where: str, value: object) -> torch.Tensor:
    """Return a tensor; refuse anything else."""
    if isinstance(value, torch.Tensor):
        return value
    raise _no_tensor(where, value)


def _no_tensor(where: str, value: object) -> Exception:
    kind = Words(f"an object of type {type(value).__name__}")
    return invalid(where, "a torch.Tensor", kind, "Convert it with torch.as_tensor.", TypeError)


def as_count(where: str, value: object, minimum: int = 1, maximum: int | None = None) -> int:
    """Return ``value`` as an int of at least ``minimum``, and of at most ``maximum`` where more could not finish."""
    if isinstance(value, bool) or not isinstance(value, Integral) or int(value) < minimum:
        raise invalid(where, f"an integer of at least {minimum}", value)
    count = int(value)
    if maximum is not None and count > maximum:
        shown = count if count < 10**30 else Words(f"an integer of {count.bit_length()} bits")
        raise invalid(where, f"at most {maximum}, for more would not finish", shown)
    return count


def as_number(where: str, value: object, *, positive: bool = False) -> float:
    """Return ``value`` as a finite float."""
    if type(value) is float and -math.inf < value < math.inf and (value > 0 or not positive):
        return value
    requirement = "a positive finite number" if positive else "a finite number"
    if isinstance(value, torch.Tensor) and value.ndim == 0 and not value.is_complex() and has_values(value):
        value = value.detach().tolist()
    elif isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.tolist()
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
    if isinstance(value, Sequence) or (isinstance(value, (torch.Tensor, np.ndarray)) and value.ndim == 1):
        if len(value) != ndim or isinstance(value, str):
            raise invalid(where, f"one number or one per axis ({ndim})", value)
        return tuple(as_number(where, number, positive=positive) for number in value)
    return (as_number(where, value, positive=positive),) * ndim


def as_scalar(where: str, value: Scalar) -> Scalar:
    """Return a positive finite number as a float; a 0-d tensor that carries a gradient stays a tensor.

    A tensor that needs no gradient becomes a float: its value is read here, once, at construction.
    """
    if not isinstance(value, torch.Tensor):
        return as_number(where, value, positive=True)
    if value.ndim != 0 or not value.dtype.is_floating_point:
        raise invalid(where, "a positive number or a real 0-d tensor", value, "Index or squeeze it.", TypeError)
    if not has_values(value):
        raise without_values(where, value)
    number = as_number(where, value, positive=True)
    return value if carries_derivative(value) else number


def check_field_dtype(where: str, dtype: torch.dtype) -> torch.dtype:
    """Return a dtype that fields may have; refuse half precision, integers and bool by name."""
    if dtype in FIELD_DTYPES:
        return dtype
    remedy = (
        "Convert it with .to(torch.complex64): H amplifies rounding by its largest eigenvalue, "
        "so lower precision is not offered."
    )
    if isinstance(dtype, torch.dtype) and not (dtype.is_floating_point or dtype.is_complex):  # integers and bool
        remedy = "Convert it with .to(torch.float64)."
    raise invalid(where, "complex64, complex128, float32 or float64", dtype, remedy, UnsupportedDTypeError)


def has_values(tensor: torch.Tensor) -> bool:
    """Tell whether a tensor is dense and has memory: neither sparse nor on the meta device."""
    return tensor.layout is torch.strided and not tensor.is_meta


def without_values(where: str, tensor: torch.Tensor) -> Exception:
    """Return the error for a tensor that is sparse, or on the meta device."""
    kind = Words(f"a tensor of layout {tensor.layout} on device {tensor.device}")
    return invalid(where, "a dense tensor with values", kind, "Use .to_dense(), or a device with memory.", TypeError)


def check_field(where: str, T: object, shape: tuple[int, ...]) -> torch.Tensor:
    """Return a field on the grid ``shape`` with any channels behind it; refuse anything else."""
    if (
        isinstance(T, torch.Tensor)
        and T.dtype in FIELD_DTYPES
        and T.shape[: len(shape)] == shape
        and T.numel() > 0
        and T.layout is torch.strided
        and not T.is_meta
    ):
        return T
    raise _no_field(where, T, shape)


def _no_field(where: str, T: object, shape: tuple[int, ...]) -> Exception:
    field = check_tensor(where, T)
    check_field_dtype(where, field.dtype)
    if field.shape[: len(shape)] != shape:
        remedy = "Grid axes come first, channels after them."
        return invalid(where, f"a field whose first axes are the grid {shape}", field, remedy)
    if not has_values(field):
        return without_values(where, field)
    return invalid(where, "a field with at least one channel", field)


def check_out(where: str, out: object, T: torch.Tensor, others: Iterable[torch.Tensor | None] = ()) -> torch.Tensor:
    """Return an ``out`` that can take the result; refuse one that overlaps an input, or would break autograd."""
    if not isinstance(out, torch.Tensor):
        raise _no_tensor(where, out)
    if out.shape != T.shape or out.dtype != T.dtype or out.device != T.device:
        wanted = f"a tensor like the result: shape {tuple(T.shape)}, {T.dtype}, {T.device}"
        raise invalid(where, wanted, Words(f"shape {tuple(out.shape)}, {out.dtype}, {out.device}"))
    if out.layout is not torch.strided:
        raise without_values(where, out)
    compiling = torch.compiler.is_compiling()  # then memory and lazy bits cannot be looked at
    if not out.is_contiguous() or (not compiling and (out.is_conj() or out.is_neg())):
        raise invalid(where, "contiguous", Words(f"strides {out.stride()}"), "Allocate it with torch.empty_like.")
    inputs = (T, *others)
    if torch.is_grad_enabled():
        for tensor in (out, *inputs):
            if tensor is not None and tensor.requires_grad:
                remedy = "Drop `out=`, or call under torch.no_grad()."
                raise invalid(where, "None while a gradient is recorded", out, remedy)
    if compiling:
        return out
    first = out.data_ptr()
    last = first + out.nbytes
    for tensor in inputs:
        if tensor is not None and tensor.device == out.device:
            start = tensor.data_ptr()
            if start < last and first < start + _span(tensor):
                raise invalid(
                    where, "memory of its own", Words("a tensor that overlaps an input"), "Use a second buffer."
                )
    return out


def _span(tensor: torch.Tensor) -> int:
    """Return the bytes from the first number of ``tensor`` to the end of the last one, whatever the strides."""
    if tensor.is_contiguous():
        return tensor.nbytes
    steps = sum((n - 1) * stride for n, stride in zip(tensor.shape, tensor.stride(), strict=True))
    return (steps + 1) * tensor.element_size()


def check_same_device(where: str, value: torch.Tensor, T: torch.Tensor) -> torch.Tensor:
    """Return ``value`` on T's device; refuse another: a silent copy in a hot path is never what was meant."""
    if value.device != T.device:
        remedy = f"Use .to({str(T.device)!r})."
        raise invalid(where, f"on the field's device {T.device}", Words(value.device), remedy)
    return value


def is_finite(values: torch.Tensor) -> bool:
    """Tell whether no value is NaN or Inf. The sum tells in one pass; where it overflows, each value is asked."""
    plain = values.detach()
    return bool(torch.isfinite(plain.sum())) or bool(torch.isfinite(plain).all())
