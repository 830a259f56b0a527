"""What tests share: the ugly H, comparisons, counts of torch's operations and of bytes."""

import json
import os
import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

import spectral_ham as sh
from oracles.dense import backward_bound, dense_laplacian, dense_symbol
from oracles.fields import GRIDS, HBAR, MASS, TORUS, field, given_metric, largest, metric


@contextmanager
def count_ops() -> Iterator[Counter[str]]:
    """Count torch's own operations by name."""
    seen: Counter[str] = Counter()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen[func.overloadpacket.__name__] += 1
            return func(*args, **(kwargs or {}))

    with Watch():
        yield seen


def transforms(call: Callable[[], object]) -> int:
    """Count the Fourier transforms of a call."""
    with count_ops() as seen:
        call()
    return sum(count for name, count in seen.items() if "_fft" in name)


def peak_bytes(call: Callable[[], object], path: Path) -> int:
    """Return the most bytes that torch's allocator has handed out at one time during ``call``, result included.

    The allocator's own events are counted, so a temporary inside an operation counts too; what MKL allocates for
    itself does not. ``path``: where the profiler may write.
    """
    call()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        result = call()
    record.export_chrome_trace(str(path))
    events = [event for event in json.loads(path.read_text())["traceEvents"] if event["name"] == "[memory]"]
    events.sort(key=lambda event: (event["ts"], event["args"]["Ev Idx"]))
    held = np.cumsum([event["args"]["Bytes"] for event in events] or [0])
    del result
    return int(held.max())


WAYS = [("spectral", "fft"), ("spectral", "dense"), ("fd", "fft"), ("fd", "dense"), ("fd", "stencil")]
"""Every backend with every execution that can run it."""


def hamiltonian(execution="auto", backend="fd", potential=None, torus=TORUS, kind="full", **more) -> sh.Hamiltonian:
    """Return the ugly H."""
    flags = {"inverse_metric": given_metric(torus.ndim, kind), "hbar": HBAR, "mass": MASS, **more}
    return sh.Hamiltonian(torus, potential=potential, backend=backend, execution=execution, **flags)


def rounding(H: sh.Hamiltonian, T: torch.Tensor) -> float:
    """Return what two ways of computing H[T] may differ by: the backward bound of each."""
    flags = {"inverse_metric": H.inverse_metric, "hbar": H.hbar, "mass": H.mass}
    free = sh.Hamiltonian(H.torus, **flags).spectral_bounds()[1]
    V = None if H.potential is None else H.potential.at(0.0).values.detach().resolve_conj().resolve_neg()
    T = T.detach().resolve_conj().resolve_neg()
    return 2 * backward_bound(T.dtype, free, T, 0.0 if V is None else largest(V))


def named_potential(name: str, shape: tuple[int, ...] = TORUS.shape, channels: tuple[int, ...] = (2, 2)):
    """Return V by name, "complex elementwise" and the like, as a user gives it and as what multiplies T."""
    if name == "none":
        return None, torch.zeros(())
    V = field((*shape, *channels) if name.endswith("elementwise") else shape, torch.float64, seed=3)
    if name.startswith("complex"):
        V = torch.complex(V, field(V.shape, torch.float64, seed=4))
    return V, V.reshape(*V.shape, *(1,) * (len(shape) + len(channels) - V.ndim))


@cache
def dense_oracle(ndim: int, backend: str, order: int, kind: str) -> tuple[np.ndarray, float]:
    """Return the dense Laplacian on the ugly torus, and the largest absolute value of its symbol."""
    torus = GRIDS[ndim]
    matrix = dense_laplacian(torus, metric(ndim, kind), backend, order)
    return matrix, largest(dense_symbol(matrix, torus.shape))


def assert_same(result: torch.Tensor, expected: torch.Tensor, bound: float) -> None:
    """Compare two results: kind and layout, and values up to ``bound``."""
    assert (result.shape, result.dtype) == (expected.shape, expected.dtype)
    assert result.is_contiguous()
    assert not result.is_conj()
    assert not result.is_neg()
    assert largest(result.detach() - expected.detach()) <= bound


HANG = 10.0
"""Seconds after which a process that should answer at once counts as hung."""


def exit_status_of_a_fork(succeeds: Callable[[], bool]) -> int | str:
    """Run a call in a forked child; return 0 if it was true there, another status, or "hung"."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of a fork while threads run
        child = os.fork()
    if child == 0:
        status = 1
        try:
            status = 0 if succeeds() else 2
        finally:
            os._exit(status)
    until = time.monotonic() + HANG
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"
