"""How a time is taken: candidates interleaved, minima and medians, and the bytes that a call allocates."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

WARM_UPS = 3
CALLS_PER_VISIT = 8
SECONDS_PER_VISIT = 0.03

Call = Callable[[], torch.Tensor]


@dataclass(frozen=True)
class Times:
    """Seconds of one candidate over all samples."""

    minimum: float
    median: float
    samples: int


def interleaved(calls: Mapping[str, Call], rounds: int) -> dict[str, Times]:
    """Visit every candidate in turn, ``rounds`` times; a visit is one untimed call, then a few timed ones.

    Interleaving lets a disturbance of the machine fall on all candidates, and the untimed call brings the
    candidate's own data back into the cache. A visit ends early when its calls are slow. The clock is `clock()`.
    """
    now = clock()
    for call in calls.values():
        for _ in range(WARM_UPS):
            call()
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            samples[name] += _visit(call, now)
    return {name: Times(min(t), statistics.median(t), len(t)) for name, t in samples.items()}


def clock() -> Callable[[], float]:
    """Return CPU time if torch runs on one thread, which other load on the machine cannot inflate; else wall time."""
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def _visit(call: Call, now: Callable[[], float]) -> list[float]:
    call()
    times: list[float] = []
    while len(times) < CALLS_PER_VISIT and sum(times) < SECONDS_PER_VISIT:
        start = now()
        call()
        times.append(now() - start)
    return times


def peak_bytes(call: Call) -> int:
    """Return the most bytes that torch's allocator held at once for one call, the result included.

    What MKL and oneDNN allocate behind torch's back is not seen.
    """
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            call()
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    memory = [event["args"] for event in events if event.get("name") == "[memory]"]
    held = peak = 0
    for allocation in sorted(memory, key=lambda args: args["Ev Idx"]):
        held += allocation["Bytes"]
        peak = max(peak, held)
    return peak
