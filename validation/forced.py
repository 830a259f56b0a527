"""The suite with every choice of the package forced in turn: ``python -m validation.forced [--full] [--out FILE]``.

Which execution runs, whether kernels are fused, and on how many threads, may change results by rounding only: so all
claims must hold whatever is chosen. Each choice is a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SWITCH = "SPECTRAL_HAM_FUSED"

CHOICES: tuple[tuple[str, str, int], ...] = (
    ("auto", "1", 1),
    ("auto", "1", 2),
    ("auto", "0", 1),
    ("fft", "1", 1),
    ("fft", "0", 2),
    ("dense", "1", 1),
    ("stencil", "1", 2),
    ("stencil", "0", 1),
    ("measure", "1", 1),
)
"""(execution, fused kernels, threads)."""


def run(execution: str, fused: str, threads: int, *, full: bool) -> dict[str, Any]:
    """Run the suite in a process with this choice, and return how many of its claims hold."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "validation", "--execution", execution, "--threads", str(threads)]
        command += ["--no-plots", "--out", folder, *([] if full else ["--quick"])]
        environment = {**os.environ, SWITCH: fused}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        written = Path(folder) / "validation.json"
        crashed: dict[str, Any] = {"held": 0, "total": 0, "studies": []}
        record = json.loads(written.read_text(encoding="utf-8")) if written.exists() else crashed
    failed = [c["name"] for study in record["studies"] for c in study["claims"] if not c["passed"]]
    held, total = record["held"], record["total"]
    return {
        "execution": execution,
        "fused": fused == "1",
        "threads": threads,
        "held": held,
        "total": total,
        "exit": done.returncode,
        "failed": failed,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all choices; return 0 if every claim holds under each of them."""
    parser = argparse.ArgumentParser(prog="python -m validation.forced", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the full suite instead of the quick one")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the results as JSON")
    options = parser.parse_args(arguments)
    results = []
    for execution, fused, threads in CHOICES:
        result = run(execution, fused, threads, full=options.full)
        results.append(result)
        kernels = "fused kernels" if fused == "1" else "torch's operations"
        print(f"{execution:8} {kernels:20} {threads} thread(s): {result['held']} of {result['total']}", flush=True)
        print("".join(f"  FAILED {name}\n" for name in result["failed"]), end="")
    if options.out is not None:
        document = {"mode": "full" if options.full else "quick", "choices": results}
        options.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0 if all(result["exit"] == 0 for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
