"""Memos: bounds, keys, sources that are written into, inference mode, copies, threads, fork and spawn."""

import copy
import multiprocessing
import os
import pickle
import signal
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import spectral_ham as sh
from oracles.fields import TORUS, field
from spectral_ham._internal.memo import Memo, geometry_memo, normalized_device

HANG = 10.0
"""Seconds after which a process that should answer at once counts as hung."""


def table(n=4):
    """A table of 8·n bytes."""
    return torch.zeros(n, dtype=torch.float64)


def counted(builds, key, n=4):
    def build():
        builds.append(key)
        return table(n)

    return build


def test_a_table_is_built_once():
    cache, builds = Memo(1000), []
    first = cache.get("a", counted(builds, "a"))
    assert cache.get("a", counted(builds, "a")) is first
    assert builds == ["a"]
    assert cache.nbytes == 32


def test_bytes_are_bounded_and_the_least_recently_used_goes_first():
    cache, builds = Memo(3 * 32), []
    for key in "abc":
        cache.get(key, counted(builds, key))
    assert cache.nbytes == 96
    cache.get("a", counted(builds, "a"))  # a hit: now b is the oldest
    cache.get("d", counted(builds, "d"))
    assert cache.nbytes == 96
    for key in "acd":
        cache.get(key, counted(builds, key))
    assert builds == list("abcd")
    cache.get("b", counted(builds, "b"))
    assert builds == list("abcdb")


def test_a_table_larger_than_the_cache_is_returned_and_not_kept():
    cache, builds = Memo(100), []
    assert cache.get("big", counted(builds, "big", 1000)).shape == (1000,)
    assert cache.nbytes == 0
    cache.get("big", counted(builds, "big", 1000))
    assert builds == ["big", "big"]


def test_entries_are_bounded_too():
    memo = Memo(max_entries=2)
    for key in "abc":
        memo.get(key, lambda key=key: key)
    assert memo.values() == ["b", "c"]
    assert 2**20 <= memo.max_bytes <= 2**30  # many grids pass through a process that lives long


WRITES = [
    (lambda: torch.zeros(3), lambda x: x.add_(1.0), "aab"),
    (lambda: torch.zeros(3), lambda _: None, "aaa"),
    (lambda: torch.from_numpy(np.zeros(3)), lambda x: x.numpy().fill(1.0), "abc"),
    (lambda: torch.zeros(3).requires_grad_(), lambda _: None, "abc"),
]


@pytest.mark.parametrize(("make", "write", "served"), WRITES, ids=["written", "untouched", "NumPy's", "a leaf"])
def test_an_entry_serves_as_long_as_its_source_stands(make, write, served):
    """And never where writes cannot be seen, or where a derivative flows."""
    memo, source, letters = Memo(), make(), iter("abc")
    first = [memo.get("key", lambda: next(letters), (source,)) for _ in range(2)]
    write(source)
    assert "".join([*first, memo.get("key", lambda: next(letters), (source,))]) == served


def test_nothing_is_kept_of_what_an_inference_window_made():
    with torch.inference_mode():
        source = torch.zeros(3)
    memo = Memo()
    memo.get("key", table, (source,))
    assert memo.values() == []


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda memo: pickle.loads(pickle.dumps(memo))])
def test_a_copy_starts_empty(duplicate):
    memo = Memo(max_bytes=100, max_entries=3)
    memo.get("key", table)
    other = duplicate(memo)
    assert (other.values(), other.max_bytes, other.max_entries) == ([], 100, 3)


def test_clear_cache_empties_every_memo():
    memos = [Memo(), geometry_memo]
    for memo in memos:
        memo.get("key", table)
    sh.clear_cache()
    assert [memo.nbytes for memo in memos] == [0, 0]


def test_a_failing_build_leaves_nothing_behind():
    cache = Memo(1000)
    with pytest.raises(ZeroDivisionError):
        cache.get("a", lambda: 1 / 0)
    assert cache.nbytes == 0
    assert cache.get("a", table).shape == (4,)  # and no lock is held


def test_a_build_may_ask_for_another_table():
    """A matrix is built from its symbol: no lock is held while building."""
    cache, made = Memo(1000), []

    def work():
        made.append(cache.get("matrix", lambda: cache.get("symbol", table) * 2))

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(HANG)
    assert len(made) == 1
    assert cache.nbytes == 64


def test_equal_devices_have_one_key():
    assert normalized_device("cpu") == normalized_device("cpu:0") == normalized_device(torch.device("cpu"))
    assert normalized_device("cuda:1") == torch.device("cuda:1")
    assert normalized_device("meta") == torch.device("meta")
    assert hash(normalized_device("cpu:0")) == hash(normalized_device("cpu"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_without_an_index_is_the_current_device():
    assert normalized_device("cuda") == torch.device("cuda", torch.cuda.current_device())


def test_one_table_for_equal_geometries(empty_cache):
    TORUS.wavenumbers(0)
    held = geometry_memo.nbytes
    assert held == 8 * TORUS.shape[0]
    TORUS.wavenumbers(-2)
    TORUS.wavenumbers(0, torch.float64, "cpu:0")
    sh.Torus(TORUS.shape[0], lengths=TORUS.lengths[0], origin=5.0).wavenumbers(0)
    assert geometry_memo.nbytes == held
    TORUS.wavenumbers(0, torch.float32)
    assert geometry_memo.nbytes == held + 4 * TORUS.shape[0]


@pytest.mark.parametrize("execution", ["fft", "dense", "stencil"])
def test_nothing_that_depends_on_a_value_is_cached(empty_cache, execution):
    """Ten metrics, ten masses: the tables are those of the first."""
    T, held = field((*TORUS.shape, 2)), set()
    for c in torch.linspace(0.5, 2.0, 10, dtype=torch.float64):
        mass = c.clone().requires_grad_()
        g = torch.stack([c, 2 * c]).requires_grad_()
        H = sh.Hamiltonian(TORUS, inverse_metric=g, mass=mass, backend="fd", execution=execution)
        H(T).abs().sum().backward()
        held.add(geometry_memo.nbytes)
    assert len(held) == 1
    assert not any(kept.requires_grad for kept in geometry_memo.values())


def test_tables_are_built_outside_inference_mode(empty_cache):
    with torch.inference_mode():
        kept = geometry_memo.get("built while inferring", table)
        TORUS.wavenumbers(0)
        sh.Laplacian(TORUS, execution="dense")(field(TORUS.shape))
    assert not any(entry.is_inference() for entry in geometry_memo.values())
    assert not kept.is_inference()
    (field((4,), torch.float64).requires_grad_() * kept).sum().backward()


def test_tables_record_no_graph(empty_cache):
    kept = geometry_memo.get("built while recording", lambda: table().requires_grad_() * 2)
    assert not kept.requires_grad


def test_threads_share_the_cache():
    """Many threads, few keys, constant eviction: every caller gets the table of its own key."""
    cache, errors = Memo(5 * 8 * 16), []

    def work(seed):
        for step in range(300):
            n = (seed * 7 + step * 3) % 16 + 1
            if cache.get(n, lambda n=n: torch.full((n,), float(n), dtype=torch.float64)).tolist() != [n] * n:
                errors.append(n)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert not errors
    assert cache.nbytes <= cache.max_bytes


def test_threads_compute_the_same(empty_cache):
    T = field((*TORUS.shape, 2))
    H = sh.Hamiltonian(TORUS, potential=field(TORUS.shape, torch.float64), backend="fd", execution="dense")
    expected = sh.Hamiltonian(TORUS, potential=H.potential, backend="fd", execution="dense")(T)
    sh.clear_cache()
    start = threading.Barrier(6)

    def work(_):
        start.wait()
        return [H(T) for _ in range(20)]

    with ThreadPoolExecutor(6) as pool:
        results = [result for results in pool.map(work, range(6)) for result in results]
    assert all(torch.equal(result, expected) for result in results)


# Processes


def compute(pipe):
    """What a spawned worker does: say that it stands, compute, send the numbers."""
    pipe.send("ready")
    T = torch.ones(16, 12, 4, dtype=torch.complex128)
    torus = sh.Torus((16, 12), lengths=(2.1, 3.7))
    H = sh.Hamiltonian(torus, potential=sh.potentials.cosine_lattice(torus), execution="fft")
    pipe.send(H(T).sum().item())


def test_a_spawned_process_computes(empty_cache):
    """Starting it may take long; computing may not hang."""
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    compute(there)  # in this process first: the parent has used its threads and filled its cache
    assert here.recv() == "ready"
    expected = here.recv()
    worker = spawn.Process(target=compute, args=(there,))
    worker.start()
    try:
        assert here.poll(120.0)
        assert here.recv() == "ready"
        assert here.poll(HANG)
        assert here.recv() == expected
        worker.join(HANG)
        assert worker.exitcode == 0
    finally:
        if worker.is_alive():
            worker.kill()
        worker.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_a_lock_and_a_cache_of_its_own(empty_cache):
    """Even if another thread of the parent held the lock at the fork: its release never happens in the child."""
    geometry_memo.get("of the parent", table)
    held, done = threading.Event(), threading.Event()

    def hold():
        with geometry_memo._lock:
            held.set()
            done.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of a fork while threads run
        child = os.fork()
    if child == 0:
        status = 1
        try:
            builds = []
            geometry_memo.get("of the parent", counted(builds, "of the parent"))
            status = 0 if builds and geometry_memo.nbytes == 32 else 2
        finally:
            os._exit(status)
    try:
        status = exit_status(child)
    finally:
        done.set()
        holder.join()
    assert status == 0
    builds = []
    geometry_memo.get("of the parent", counted(builds, "of the parent"))
    assert not builds  # the parent's tables stay


def exit_status(child):
    """Wait for a child, and end it if it hangs."""
    until = time.monotonic() + HANG
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "hung"
