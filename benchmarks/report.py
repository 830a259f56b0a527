"""The results as data and as a table, with the machine that they were measured on."""

import dataclasses
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tabulate import tabulate

import spectral_ham as sh
from benchmarks.measure import clock
from benchmarks.operator import GATED_CASE, GATES, Row

FORMAT = "spectral_ham operator benchmark 1"
HEADERS = ("candidate", "min ms", "median ms", "× copy", "speed-up", "speed-up, flat", "error", "peak, fields")


def as_document(results: Mapping[str, Sequence[Row]]) -> dict[str, Any]:
    """Return everything that is written to JSON."""
    return {
        "format": FORMAT,
        "machine": machine(),
        "gates": {"case": GATED_CASE, "least_speed_up": GATES},
        "cases": [
            {"case": case, "dtype": "complex64", "rows": [_rounded(row) for row in rows]}
            for case, rows in results.items()
        ],
    }


def machine() -> dict[str, Any]:
    """Return what the times depend on."""
    return {
        "processor": _processor(),
        "logical_cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "clock": clock().__name__,
        "load_average": [round(x, 2) for x in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "mkl": torch.backends.mkl.is_available(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "spectral_ham": sh.__version__,
    }


def machine_line(document: Mapping[str, Any]) -> str:
    """Return the machine in one line."""
    m = document["machine"]
    load = "" if m["load_average"] is None else f", load average {m['load_average'][0]:g} at the start"
    kind = "CPU time" if m["clock"] == "process_time" else "wall time"
    return (
        f"{m['processor']} ({m['cpu_capability']}), {kind} on {m['threads']} of {m['logical_cpus']} logical CPUs"
        f"{load}; Python {m['python']}, torch {m['torch']}, spectral_ham {m['spectral_ham']}."
    )


def table(rows: Sequence[Mapping[str, Any]], bold: Sequence[str] = ()) -> str:
    """Return the rows of one case as a Markdown table."""
    cells = [
        (
            f"**{row['name']}**" if row["name"] in bold else row["name"],
            f"{row['minimum_ms']:.3f}",
            f"{row['median_ms']:.3f}",
            f"{row['copies']:.3g}",
            f"{row['speed_up']:.3g}",
            f"{row['speed_up_flat']:.3g}",
            f"{row['error']:.1e}",
            f"{row['peak_fields']:.1f}",
        )
        for row in rows
    ]
    aligned = ("left", *("right",) * (len(HEADERS) - 1))
    return tabulate(cells, headers=HEADERS, tablefmt="pipe", colalign=aligned, disable_numparse=True)


def _rounded(row: Row) -> dict[str, Any]:
    """Four digits: more would only be noise in a diff."""
    return {
        name: float(f"{value:.4g}") if isinstance(value, float) else value
        for name, value in dataclasses.asdict(row).items()
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"
