"""How a time is taken: candidates interleaved, minima and medians, and the bytes that a call allocates."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

WARM_UPS = 3
LEAST_ROUNDS = 3
CALLS_PER_VISIT = 8
SECONDS_PER_VISIT = 0.03
SLOW = 0.1
"""Seconds of a call that needs no untimed call before it: its data pass through the cache many times over."""


Call = Callable[[], Any]
CPU = torch.device("cpu")


@dataclass(frozen=True)
class Times:
    """Seconds of one candidate over all samples."""

    minimum: float
    median: float
    samples: int


def interleaved(
    calls: Mapping[str, Call],
    rounds: int,
    *,
    seconds: float = float("inf"),
    device: torch.device = CPU,
    warm_ups: int = WARM_UPS,
) -> dict[str, Times]:
    """Visit every candidate in turn, ``rounds`` times; a visit is one untimed call, then a few timed ones.

    Interleaving lets a disturbance of the machine fall on all candidates, and the untimed call brings the
    candidate's own data back into the cache. A visit ends early when its calls are slow, and the rounds when
    ``seconds`` are over, though not before `LEAST_ROUNDS`. Who has called the candidates before may ask for fewer
    ``warm_ups`` than `WARM_UPS`.
    """
    sample = stopwatch(device)
    for call in calls.values():
        for _ in range(warm_ups):
            call()
    samples: dict[str, list[float]] = {name: [] for name in calls}
    start = time.perf_counter()
    for number in range(rounds):
        if number >= LEAST_ROUNDS and time.perf_counter() - start > seconds:
            break
        for name, call in calls.items():
            samples[name] += _visit(call, sample, warm=bool(samples[name]) and min(samples[name]) > SLOW)
    return {name: Times(min(t), statistics.median(t), len(t)) for name, t in samples.items()}


def clock() -> Callable[[], float]:
    """Return CPU time if torch runs on one thread, which other load on the machine cannot inflate; else wall time."""
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch run on one thread, so that `clock` is CPU time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def stopwatch(device: torch.device) -> Callable[[Call], float]:
    """Return a function from a call to its seconds: by `clock` on the CPU, by events of the stream on CUDA."""
    if device.type == "cuda":
        return _cuda_seconds
    now = clock()

    def seconds(call: Call) -> float:
        start = now()
        call()
        return now() - start

    return seconds


def _cuda_seconds(call: Call) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(end)) / 1e3


def _visit(call: Call, sample: Callable[[Call], float], *, warm: bool = False) -> list[float]:
    if not warm:
        call()
    times: list[float] = []
    while len(times) < CALLS_PER_VISIT and sum(times) < SECONDS_PER_VISIT:
        times.append(sample(call))
    return times


def peak_bytes(call: Call, device: torch.device = CPU) -> int:
    """Return the most bytes that torch's allocator held at once for one call, the result included.

    What MKL and oneDNN allocate behind torch's back is not seen.
    """
    if device.type == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        kept = call()
        torch.cuda.synchronize()
        del kept
        return int(torch.cuda.max_memory_allocated()) - before
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            kept = call()
            del kept
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    memory = [event["args"] for event in events if event.get("name") == "[memory]"]
    held = peak = 0
    for allocation in sorted(memory, key=lambda args: args["Ev Idx"]):
        held += allocation["Bytes"]
        peak = max(peak, held)
    return peak
