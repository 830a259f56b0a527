"""What tests count: operations of torch, and bytes."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode


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
