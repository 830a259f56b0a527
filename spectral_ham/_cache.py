"""The cache of geometry tables: bounded in bytes, safe under threads, fork, inference mode and autograd."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

import torch

from spectral_ham._typing import Device


def normalized_device(device: Device) -> torch.device:
    """Give equal devices equal keys: ``cuda`` is ``cuda:<current>``, and ``cpu:0`` is ``cpu``."""
    device = torch.device(device)
    if device.type == "cpu":
        return torch.device("cpu")
    if device.index is None and device.type == "cuda":
        return torch.device("cuda", torch.cuda.current_device())
    return device


class GeometryCache:
    """Least-recently-used tables, keyed by plain numbers and names (N, spacing, dtype, device, order).

    A key must determine its table, so nothing that depends on a metric, a mass or any other tensor value
    belongs here. Tables are built outside inference mode: a table warmed in an inference-only
    window must still be usable where autograd saves it for backward.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._tables: OrderedDict[Hashable, torch.Tensor] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Bytes held at present."""
        with self._lock:
            return sum(_nbytes(table) for table in self._tables.values())

    def get(self, key: Hashable, build: Callable[[], torch.Tensor]) -> torch.Tensor:
        """Return the table under ``key``, building it on a miss. Callers must not write into it."""
        with self._lock:
            table = self._tables.get(key)
            if table is not None:
                self._tables.move_to_end(key)
                return table
        with torch.inference_mode(False), torch.no_grad():
            table = build()
        with self._lock:
            self._tables[key] = table
            self._tables.move_to_end(key)
            held = sum(_nbytes(entry) for entry in self._tables.values())
            while held > self.max_bytes and self._tables:
                held -= _nbytes(self._tables.popitem(last=False)[1])
        return table

    def clear(self) -> None:
        """Drop every table."""
        with self._lock:
            self._tables.clear()

    def _reset_after_fork(self) -> None:
        # Another thread of the parent may have held the lock at the fork: the child needs a lock of its own.
        self._lock = threading.Lock()
        self._tables.clear()


def _nbytes(table: torch.Tensor) -> int:
    return table.numel() * table.element_size()


geometry_cache = GeometryCache(max_bytes=256 * 2**20)

if hasattr(os, "register_at_fork"):  # absent on Windows
    os.register_at_fork(after_in_child=geometry_cache._reset_after_fork)


def clear_cache() -> None:
    """Drop all cached geometry tables (wavenumbers, symbols, matrices) on every device.

    Example:
        >>> import spectral_ham as sh
        >>> torus = sh.Torus(8)
        >>> _ = torus.wavenumber_grids()
        >>> sh.clear_cache()
    """
    geometry_cache.clear()
