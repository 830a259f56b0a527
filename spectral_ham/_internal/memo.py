"""The one memo: what is prepared stays with its owner, bounded in bytes, safe under threads, fork and inference."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar, final
from weakref import WeakSet

import torch

from spectral_ham._internal.typing import Device

Value = TypeVar("Value")

LEAST_BYTES = 256
"""What an entry counts at least, so that small ones are bounded in number too."""

_instances: "WeakSet[Memo[Any]]" = WeakSet()


@final
class Memo(Generic[Value]):
    """Key → what was built for it, least recently used dropped first. It belongs to the object whose tables it holds.

    A key must determine its value, but for ``sources``: tensors of the owner that may be written into. An entry serves
    as long as their version counters stand where they stood; where writes cannot be seen, nothing is kept. Values are
    built outside inference mode and without recording, so that what was warmed in an inference-only window serves
    where autograd saves it for backward. A copy of the owner starts with an empty memo.

    Args:
        max_bytes: bound of what is held.
    """

    def __init__(self, max_bytes: int = 256 * 2**20) -> None:
        self.max_bytes = max_bytes
        self._entries: OrderedDict[Hashable, tuple[tuple[int, ...], Value]] = OrderedDict()
        self._lock = threading.Lock()
        _instances.add(self)

    def get(self, key: Hashable, build: Callable[[], Value], sources: tuple[torch.Tensor, ...] = ()) -> Value:
        """Return the value under ``key``, building it if there is none. Callers must not write into it."""
        versions = _versions(sources) if sources else ()
        if versions is not None:
            with self._lock:
                entry = self._entries.get(key)
                if entry is not None and entry[0] == versions:
                    self._entries.move_to_end(key)
                    return entry[1]
        with torch.inference_mode(False), torch.no_grad():
            value = build()
        if versions is not None and not _is_watched():
            self._keep(key, versions, value)
        return value

    @property
    def nbytes(self) -> int:
        """Bytes held at present."""
        with self._lock:
            return sum(_nbytes(value) for _, value in self._entries.values())

    def clear(self) -> None:
        """Drop every entry."""
        with self._lock:
            self._entries.clear()

    def _keep(self, key: Hashable, versions: tuple[int, ...], value: Value) -> None:
        with self._lock:
            self._entries[key] = versions, value
            self._entries.move_to_end(key)
            held = sum(_nbytes(entry) for _, entry in self._entries.values())
            while held > self.max_bytes and self._entries:
                held -= _nbytes(self._entries.popitem(last=False)[1][1])

    def _reset_after_fork(self) -> None:
        # Another thread of the parent may have held the lock at the fork: the child needs a lock of its own.
        self._lock = threading.Lock()
        self._entries.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as an empty memo."""
        return Memo, (self.max_bytes,)


def version_of(values: torch.Tensor) -> int | None:
    """Return a number that grows when values are written into, or None where writes cannot be seen.

    That is so in inference mode, and for memory that torch shares with others, as NumPy's.
    """
    if values.is_inference() or not values.untyped_storage().resizable():
        return None
    return values._version


def _versions(sources: Iterable[torch.Tensor]) -> tuple[int, ...] | None:
    found: list[int] = []
    for tensor in sources:
        version = version_of(tensor)
        if version is None:
            return None
        found.append(version)
    return tuple(found)


def _is_watched() -> bool:
    """Tell whether torch.func or a dispatch mode (fake tensors, a tracer) looks on: what is built then is not plain."""
    return torch._C._functorch.peek_interpreter_stack() is not None or torch._C._len_torch_dispatch_stack() > 0


def _nbytes(value: object) -> int:
    if isinstance(value, torch.Tensor):
        size = value.numel() * value.element_size()
    elif isinstance(value, (tuple, list)):
        size = sum(_nbytes(item) for item in value)
    else:
        size = int(getattr(value, "nbytes", 0))
    return max(size, LEAST_BYTES)


def normalized_device(device: Device) -> torch.device:
    """Give equal devices equal keys: ``cuda`` is ``cuda:<current>``, and ``cpu:0`` is ``cpu``."""
    device = torch.device(device)
    if device.type == "cpu":
        return torch.device("cpu")
    if device.index is None and device.type == "cuda":
        return torch.device("cuda", torch.cuda.current_device())
    return device


geometry_memo: Memo[torch.Tensor] = Memo()
"""Tables that follow from numbers alone (N, spacing, dtype, device, backend), shared by all operators."""


def _after_fork() -> None:
    for memo in list(_instances):
        memo._reset_after_fork()


if hasattr(os, "register_at_fork"):  # absent on Windows
    os.register_at_fork(after_in_child=_after_fork)


def clear_cache() -> None:
    """Drop all that is kept to be used again, on every device: geometry tables and what operators have prepared.

    Example:
        >>> import spectral_ham as sh
        >>> torus = sh.Torus(8)
        >>> _ = torus.wavenumber_grids()
        >>> sh.clear_cache()
    """
    for memo in list(_instances):
        memo.clear()
