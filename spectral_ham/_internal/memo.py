"""The one memo: what is prepared stays with its owner, bounded in bytes, safe under threads, fork and inference."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar, final
from weakref import WeakSet

import torch

from spectral_ham._internal.mode import carries_derivative
from spectral_ham._internal.typing import Device

Value = TypeVar("Value")

_instances: "WeakSet[Memo[Any]]" = WeakSet()
_registry_lock = threading.Lock()


@final
class Memo(Generic[Value]):
    """Key → what was built for it, least recently used dropped first. It belongs to the object whose tables it holds.

    A key must determine its value, but for ``sources``: tensors of the owner that may be written into. An entry serves
    as long as their version counters stand where they stood; where writes cannot be seen, nothing is kept. Values are
    built outside inference mode and without recording, so that what was warmed in an inference-only window serves
    where autograd saves it for backward. A copy of the owner starts with an empty memo.

    Args:
        max_bytes: bound of what is held.
        max_entries: bound of their number.
    """

    def __init__(self, max_bytes: int = 256 * 2**20, max_entries: int = 1024) -> None:
        self.max_bytes, self.max_entries = max_bytes, max_entries
        self._entries: OrderedDict[Hashable, tuple[tuple[int, ...], Value, int]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()
        with _registry_lock:
            _instances.add(self)

    def get(self, key: Hashable, build: Callable[[], Value], sources: tuple[torch.Tensor, ...] = ()) -> Value:
        """Return the value under ``key``, building it if there is none. Callers must not write into it."""
        if torch.compiler.is_compiling():  # a compiled graph holds no lock
            return build()
        with self._lock:
            entry = self._entries.get(key)
            if entry is not None:
                for source, version in zip(sources, entry[0], strict=True):
                    if source._version != version:
                        break
                else:
                    self._entries.move_to_end(key)
                    return entry[1]
        versions = _versions(sources)
        with torch.inference_mode(False), torch.no_grad():
            value = build()
        if versions is not None and not _is_watched():
            self._keep(key, versions, value)
        return value

    @property
    def nbytes(self) -> int:
        """Bytes held at present."""
        return sum(_nbytes(value) for value in self.values())

    def values(self) -> list[Value]:
        """Return what is held, the least recently used first."""
        with self._lock:
            return [value for _, value, _ in self._entries.values()]

    def clear(self) -> None:
        """Drop every entry."""
        with self._lock:
            self._entries.clear()
            self._held = 0

    def _keep(self, key: Hashable, versions: tuple[int, ...], value: Value) -> None:
        size = _nbytes(value)
        with self._lock:
            if (old := self._entries.pop(key, None)) is not None:
                self._held -= old[2]
            self._entries[key] = versions, value, size
            self._held += size
            while self._held > self.max_bytes or len(self._entries) > self.max_entries:
                self._held -= self._entries.popitem(last=False)[1][2]

    def _reset_after_fork(self) -> None:
        # Another thread of the parent may have held the lock at the fork: the child needs a lock of its own.
        self._lock = threading.Lock()
        self.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle as an empty memo."""
        return Memo, (self.max_bytes, self.max_entries)


def version_of(values: torch.Tensor) -> int | None:
    """Return a number that grows when ``values`` is written into, or None where writes cannot be seen.

    They cannot in inference mode, and in memory that torch shares with others, as NumPy's.
    """
    if values.is_inference() or not values.untyped_storage().resizable():
        return None
    return values._version


def _versions(sources: Iterable[torch.Tensor]) -> tuple[int, ...] | None:
    """Return the versions, or None where nothing may be kept: writes cannot be seen, or a derivative flows."""
    found: list[int] = []
    for tensor in sources:
        version = version_of(tensor)
        if version is None or carries_derivative(tensor):
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
    return size


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
    global _registry_lock
    _registry_lock = threading.Lock()
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
    with _registry_lock:
        memos = list(_instances)
    for memo in memos:
        memo.clear()
