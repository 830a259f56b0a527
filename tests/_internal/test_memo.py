"""Memos: bounds, keys, sources that are written into, inference mode, copies, threads, fork."""

import copy
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from helpers import HANG, exit_status_of_a_fork, hamiltonian

import spectral_ham as sh
from oracles.fields import TORUS, field
from spectral_ham._internal.memo import Memo, geometry_memo, normalized_device


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
    """Three metrics, three masses: the tables are those of the first."""
    T, held = field((*TORUS.shape, 2)), set()
    for c in (0.5, 1.1, 2.0):
        mass, g = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (c, (c, 2 * c)))
        hamiltonian(execution, inverse_metric=g, mass=mass)(T).abs().sum().backward()
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
    """All of them prepare at once what none has prepared."""
    T, V, start = field((*TORUS.shape, 2)), field(TORUS.shape, torch.float64), threading.Barrier(6)
    H, expected = hamiltonian("dense", potential=V), hamiltonian("dense", potential=V)(T)
    sh.clear_cache()

    def work(_):
        start.wait()
        return [H(T) for _ in range(5)]

    with ThreadPoolExecutor(6) as pool:
        results = [result for results in pool.map(work, range(6)) for result in results]
    assert all(torch.equal(result, expected) for result in results)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_a_lock_and_a_cache_of_its_own(empty_cache):
    """Even if another thread of the parent held the lock at the fork: its release never happens in the child."""
    geometry_memo.get("of the parent", table)
    held, done, builds = threading.Event(), threading.Event(), []

    def hold():
        with geometry_memo._lock:
            held.set()
            done.wait()

    def builds_its_own():
        geometry_memo.get("of the parent", counted(builds, "of the parent"))
        return bool(builds) and geometry_memo.nbytes == 32

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        status = exit_status_of_a_fork(builds_its_own)
    finally:
        done.set()
        holder.join()
    assert status == 0
    geometry_memo.get("of the parent", counted(builds, "of the parent"))
    assert not builds  # the parent's tables stay
