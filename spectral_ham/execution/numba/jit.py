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

_TBB, _OMP = "numba.np.ufunc.tbbpool", "numba.np.ufunc.omppool"
SAFE_LAYERS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("default", "threadsafe"), (_TBB, _OMP)),
    **dict.fromkeys(("safe", "forksafe", "tbb"), (_TBB,)),
    "omp": (_OMP,),
}
"""NUMBA_THREADING_LAYER → layers that two Python threads may enter; workqueue, the third, aborts the process."""

LEAST_NUMBERS = 2**14
"""Fewer numbers than these are done before a second thread is awake."""

_forked = False


@lru_cache(maxsize=8)
def kernels(module: str) -> Any:
    """Return ``spectral_ham.execution.<module>``, whose functions numba compiles: only where fused kernels are on."""
    return import_module(f"spectral_ham.execution.numba.{module}")


def is_on() -> bool:
    """Tell whether fused kernels are used: numba is installed, and the switch is not "0"."""
    return os.environ.get(SWITCH) != "0" and _has_numba()


def serves(X: torch.Tensor) -> bool:
    """Tell whether kernels may run on X: plain memory of the CPU, looked at by nobody but autograd.

    A kernel works behind torch's back, so torch.func, make_fx, fake tensors and torch.jit.trace would miss it.
    """
    return (
        X.device.type == "cpu"
        and type(X) is torch.Tensor
        and torch._C._functorch.peek_interpreter_stack() is None
        and torch._C._get_tracing_state() is None
        and torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY) is None
        and os.environ.get(SWITCH) != "0"
        and _has_numba()
    )


def written(out: torch.Tensor) -> None:
    """Tell autograd that a kernel wrote into ``out``, as every operation of torch does."""
    if not out.is_inference():
        torch.autograd.graph.increment_version(out)


def describe() -> str:
    """Return one line on the state of the fused kernels, for bug reports.

    Example:
        >>> describe()
        'fused kernels: ...'
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
    package or in the user's cache; where neither can be written to, compiled again in each process.
    """
    import numba

    options: dict[str, Any] = {
        "error_model": "numpy",
        "fastmath": {"contract", "nsz"},
        "nogil": True,
        "parallel": parallel,
    }
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


def parts(numbers: int) -> int:
    """Return in how many parts to work on so many numbers of a field."""
    return tasks() if numbers >= LEAST_NUMBERS else 1


def run_parallel(kernel: Any, parts: int, *arguments: Any) -> None:
    """Run a kernel that was compiled with ``parallel=True`` on no more than ``parts`` threads."""
    get, set_to = _thread_count()
    before = get()
    if before <= parts:
        kernel(*arguments)
        return
    set_to(parts)
    try:
        kernel(*arguments)
    finally:
        set_to(before)


@lru_cache(maxsize=1)
def _thread_count() -> tuple[Callable[[], int], Callable[[int], None]]:
    import numba

    return numba.get_num_threads, numba.set_num_threads


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


@lru_cache(maxsize=1)
def _parallel_layer() -> bool:
    """Tell whether numba's threads may be entered by several Python threads at once."""
    import numba

    for layer in SAFE_LAYERS.get(vars(numba.config)["THREADING_LAYER"], ()):
        try:
            import_module(layer)
        except ImportError:  # its library is not on this machine
            continue
        return True
    return False


def _after_fork() -> None:
    # GNU OpenMP does not survive a fork: numba would end the child.
    global _forked
    _forked = True


if hasattr(os, "register_at_fork"):  # absent on Windows
    os.register_at_fork(after_in_child=_after_fork)
