"""Fused kernels by numba, where it is installed: compiled at first use, kept on disk, run on torch's threads."""

import os
import warnings
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch

SWITCH = "SPECTRAL_HAM_FUSED"
"""Environment variable: "0" turns fused kernels off, and everything runs on torch's own operations."""

SAFE_LAYERS = {"omp": "numba.np.ufunc.omppool", "tbb": "numba.np.ufunc.tbbpool"}
"""Threading layers of numba that bear two Python threads; the third, workqueue, aborts the process."""

_forked = False


def kernels(module: str) -> Any | None:
    """Return ``spectral_ham.execution.<module>``, whose functions numba compiles; None where fused kernels are off."""
    return _load(module) if is_on() else None


def is_on() -> bool:
    """Tell whether fused kernels are used: numba is installed, and the switch is not "0"."""
    return os.environ.get(SWITCH) != "0" and _has_numba()


def describe() -> str:
    """Return one line on the state of the fused kernels, for bug reports.

    Example:
        >>> describe()
        'fused kernels ...'
    """
    if os.environ.get(SWITCH) == "0":
        return f"fused kernels: off, {SWITCH}=0"
    if not _has_numba():
        return 'fused kernels: off, numba is not installed (pip install "spectral-ham[fast]")'
    import numba

    return f"fused kernels: on, numba {numba.__version__}, {'threads' if _parallel_layer() else 'one thread'}"


def compiled(function: Callable[..., Any], *, parallel: bool = False, inline: bool = False) -> Any:
    """Return ``function`` compiled when it is first called with each kind of arguments.

    Contracted to fused multiply-adds, but without the assumption that NaN and Inf are absent. Kept on disk beside the
    package or in the user's cache; where neither can be written to, compiled anew in each process.
    """
    import numba

    options = {"error_model": "numpy", "fastmath": {"contract", "nsz"}, "nogil": True, "parallel": parallel}
    if inline:
        return numba.njit(forceinline=True, **options)(function)
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba: "no locator available"
        return numba.njit(**options)(function)


def tasks() -> int:
    """Return in how many parts a kernel should split its work: torch's threads, or 1 where threads are not safe."""
    threads = torch.get_num_threads()
    return threads if threads > 1 and not _forked and _parallel_layer() else 1


def run_parallel(kernel: Any, parts: int, *arguments: Any) -> None:
    """Run a kernel that was compiled with ``parallel=True`` on no more than ``parts`` threads."""
    import numba

    before = numba.get_num_threads()
    if before <= parts:
        kernel(*arguments)
        return
    numba.set_num_threads(parts)
    try:
        kernel(*arguments)
    finally:
        numba.set_num_threads(before)


@lru_cache(maxsize=1)
def _has_numba() -> bool:
    if find_spec("numba") is None:
        return False
    try:
        import_module("numba")
    except Exception as error:  # whatever a numba that does not fit this Python or numpy raises
        text = f"numba is installed but cannot be imported ({error}); fused kernels are off. Set {SWITCH}=0 to say so."
        warnings.warn(text, RuntimeWarning, stacklevel=2)
        return False
    return True


@lru_cache(maxsize=8)
def _load(module: str) -> Any:
    return import_module(f"spectral_ham.execution.{module}")


@lru_cache(maxsize=1)
def _parallel_layer() -> bool:
    """Tell whether numba's threads may be entered by several Python threads at once."""
    import numba

    wanted = numba.config.THREADING_LAYER
    layers = (
        SAFE_LAYERS if wanted in ("default", "safe", "threadsafe", "forksafe") else {wanted: SAFE_LAYERS.get(wanted)}
    )
    for name in layers.values():
        try:
            if name is not None:
                import_module(name)
                return True
        except ImportError:  # its library is not on this machine
            continue
    return False


def _after_fork() -> None:
    # GNU OpenMP does not survive a fork: numba would end the child.
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):  # absent on Windows
    os.register_at_fork(after_in_child=_after_fork)
