"""What the times depend on."""

import importlib.metadata
import importlib.util
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import spectral_ham as sh
from benchmarks.harness.measure import CPU, clock


def machine(device: torch.device = CPU) -> dict[str, Any]:
    """Return the machine and the versions."""
    return {
        "processor": _processor(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "logical_cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "clock": "events" if device.type == "cuda" else clock().__name__,
        "load_average": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "mkl": torch.backends.mkl.is_available(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": numba_version(),
        "spectral_ham": sh.__version__,
    }


def numba_version() -> str | None:
    """Return numba's version, or None: with it, stencils may run as fused kernels."""
    return importlib.metadata.version("numba") if importlib.util.find_spec("numba") else None


def machine_line(document: Mapping[str, Any]) -> str:
    """Return the machine of a results document in one line."""
    m = document["machine"]
    load = "" if m["load_average"] is None else f", load average {m['load_average'][0]:g} at the start"
    kinds = {"process_time": "CPU time", "perf_counter": "wall time", "events": f"events on {m.get('device')}"}
    numba = f", numba {m['numba']}" if m.get("numba") else ""
    return (
        f"{m['processor']} ({m['cpu_capability']}), {kinds[m['clock']]} on {m['threads']} of {m['logical_cpus']} "
        f"logical CPUs{load}; Python {m['python']}, torch {m['torch']}{numba}, spectral_ham {m['spectral_ham']}."
    )


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
