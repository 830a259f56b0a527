"""What an execution is: a way of running a description on a field, A·T + diagonal∘T."""

import threading
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import Any, ClassVar

import torch

from spectral_ham._internal.checks import as_real
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.backends.operator import Tables


class Execution(ABC):
    """A way of running Σ c_ij ∂_i ∂_j. It holds no state: tables are prepared once and handed to `run`.

    Inside an execution a field is X of shape (N_x, …, C), contiguous, all channels flattened into one axis.
    """

    name: ClassVar[str]

    @abstractmethod
    def why_not(self, description: ConstantCoefficientOperator) -> str:
        """Return why this execution cannot run the description, or an empty string if it can."""

    @abstractmethod
    def prepare(self, description: ConstantCoefficientOperator, dtype: torch.dtype, device: torch.device) -> Tables:
        """Return the tables of all terms, in the real ``dtype``, with the coefficients folded in."""

    @abstractmethod
    def run(
        self,
        description: ConstantCoefficientOperator,
        tables: Tables,
        X: torch.Tensor,
        diagonal: torch.Tensor | None,
        out: torch.Tensor | None,
    ) -> torch.Tensor:
        """Return A·X + diagonal∘X, written into ``out`` if it is given. Records no gradient.

        Args:
            description: the operator that ``tables`` were prepared for.
            tables: from `prepare`.
            X: (N_x, …, C), contiguous.
            diagonal: None, (N_x, …) for all channels alike, or (N_x, …, C); never complex for a real X.
            out: like X, contiguous, overlapping nothing.
        """

    @abstractmethod
    def recur(
        self,
        description: ConstantCoefficientOperator,
        tables: Tables,
        X: torch.Tensor,
        diagonal: torch.Tensor | None,
        out: torch.Tensor,
        source: torch.Tensor,
        gamma: float,
    ) -> None:
        """Write A·X + diagonal∘X + γ·source − out into ``out``, a term of a three-term recurrence.

        Args:
            description: as in `run`.
            tables: as in `run`.
            X: as in `run`.
            diagonal: as in `run`.
            out: like X; overlaps neither X nor ``source``.
            source: like X.
            gamma: γ.
        """


def real_view(X: torch.Tensor) -> torch.Tensor:
    """View complex channels as twice as many real ones: A is real, so it acts on both parts alike.

    Real arithmetic halves the flops of a real-times-complex product, and needs no promoted copy of the tables.
    """
    if not X.is_complex():
        return X
    # A last axis of length 1 may have any stride, and then only the longer way is open.
    return X.view(as_real(X.dtype)) if X.stride(-1) == 1 else torch.view_as_real(X).flatten(-2)


def add_diagonal(out: torch.Tensor, diagonal: torch.Tensor, X: torch.Tensor) -> None:
    """Add diagonal∘X to ``out`` in place, without a temporary field."""
    per_point = diagonal.ndim == X.ndim - 1
    if diagonal.is_complex() or not X.is_complex():
        out.addcmul_(diagonal.unsqueeze(-1) if per_point else diagonal, X)
    elif per_point:
        real_view(out).addcmul_(diagonal.unsqueeze(-1), real_view(X))
    else:
        torch.view_as_real(out).addcmul_(diagonal.unsqueeze(-1), torch.view_as_real(X))


def without_autocast(X: torch.Tensor) -> AbstractContextManager[object]:
    """Return a context in which autocast does not lower products of X to half precision. Entering one costs 15 µs."""
    kind = X.device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return nullcontext()
    return torch.autocast(kind, enabled=False)


def inner(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return Σ a*·b over the last axis, in the precision of the operands even where autocast would lower it."""
    with without_autocast(a):
        product: torch.Tensor = torch.linalg.vecdot(a, b)
    return product


_FLOAT32_SETTINGS: tuple[Any, ...] = (
    torch.backends.cuda.matmul,
    getattr(torch.backends.mkldnn, "matmul"),  # noqa: B009 (its type stub lacks both)
    getattr(torch.backends.mkldnn, "conv"),  # noqa: B009
)


class _IeeeFloat32:
    """The settings are the process's, shared by its threads: the first one in pins them, the last one out restores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._changed: list[tuple[Any, str]] = []

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                found = [(setting, setting.fp32_precision) for setting in _FLOAT32_SETTINGS]
                self._changed = [(setting, value) for setting, value in found if value not in ("none", "ieee")]
                for setting, _ in self._changed:
                    setting.fp32_precision = "ieee"

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                for setting, value in self._changed:
                    setting.fp32_precision = value


_IEEE_FLOAT32 = _IeeeFloat32()


def ieee_float32() -> AbstractContextManager[None]:
    """Keep float32 products in float32: TF32 or bfloat16 passes would put an error of 5 % on H·T at N = 28."""
    return _IEEE_FLOAT32
