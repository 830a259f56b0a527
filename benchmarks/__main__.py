"""``python -m benchmarks [--out FILE] [--check]``: measure H·T, print the tables, write the JSON."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.operator import CASES, GATED_CASE, GATES, failed_gates, measure_case
from benchmarks.report import as_document, machine_line, table


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if ``--check`` finds a broken promise, else 0."""
    options = _parse(arguments)
    torch.set_num_threads(options.threads)
    torch.set_grad_enabled(False)
    document = as_document({})
    print(machine_line(document), flush=True)
    failures: list[str] = []
    for case in options.case:
        rows = measure_case(CASES[case], options.rounds)
        one = as_document({case: rows})["cases"][0]
        document["cases"].append(one)
        print(f"\n{case}, complex64\n\n{table(one['rows'])}", flush=True)
        if case == GATED_CASE:
            failures = failed_gates(rows)
    if options.out is not None:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    if options.check:
        print("\n" + ("\n".join(failures) if failures else f"Every promise holds: {_promises()}."))
    return 1 if options.check and failures else 0


def _promises() -> str:
    return ", ".join(f"{name} at least {least:g} times faster" for name, least in GATES.items())


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the results as JSON")
    parser.add_argument("--check", action="store_true", help=f"exit 1 unless, at {GATED_CASE}, {_promises()}")
    parser.add_argument("--case", action="append", choices=CASES, help="measure this case only (may be repeated)")
    parser.add_argument("--rounds", type=int, default=15, help="visits to every candidate (default 15)")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default 1: steadiest)")
    options = parser.parse_args(arguments)
    options.case = options.case or list(CASES)
    if options.check and GATED_CASE not in options.case:
        parser.error(f"--check needs the case {GATED_CASE}")
    return options


if __name__ == "__main__":
    sys.exit(main())
