"""Measure the package beside a copy, an FFT pair and everyone else: `spectral-ham bench` or `python -m benchmarks`."""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.harness.candidate import Row, measure, rounded
from benchmarks.harness.compare import FAILED, Change, changes, missing, report, uncomparable
from benchmarks.harness.machine import machine_line, numba_version
from benchmarks.harness.measure import one_thread
from benchmarks.harness.results import REFERENCE, Document, Results, as_document, read, stem, write
from benchmarks.harness.yardsticks import peak_flops
from benchmarks.report.figure import save_figures
from benchmarks.report.text import row_table
from benchmarks.suites import PARTS, QUICK, STUDIES, names
from benchmarks.targets import TARGETS, verdicts

ROUNDS, LONGER = 10, 3


def main(arguments: Sequence[str] | None = None) -> int:
    """Run; return 1 if ``--check`` finds a ratio that doubled, else 0."""
    options = _parse(arguments)
    _use_threads(options.threads)
    if options.read is not None:
        documents = dict(Results.load(options.read).documents)
    else:
        documents = {part: _measure(part, options) for part in options.part}
    results = Results(documents)
    if options.figures is not None:
        save_figures(results, options.figures)
    for document in documents.values():
        reference = _reference(options.compare, document["part"])
        if reference is not None:
            print(f"\n{report(document, reference)}")
    if options.check:
        return _check(documents[QUICK], options)
    judged = [target for target in TARGETS if target.measure(results) is not None]
    if judged:
        print(f"\n{verdicts(judged, results)}")
    return 0


def _measure(part: str, options: argparse.Namespace, *, longer: int = 1) -> Document:
    """Measure one part, printing as it goes, and write it."""
    start = time.perf_counter()
    with torch.no_grad():
        document = _study(part) if part in STUDIES else _race(part, options, longer)
    print(f"\n{part}: {time.perf_counter() - start:.0f} s", flush=True)
    if options.out is not None:
        write(document, options.out)
    return document


def _study(part: str) -> Document:
    with one_thread():
        document = as_document(part, [], {})
        print(f"\n# {part}: {machine_line(document)}", flush=True)
        document["rows"] += STUDIES[part]()
    return document


def _race(part: str, options: argparse.Namespace, longer: int) -> Document:
    flops = peak_flops(options.device)
    document = as_document(part, [], flops, options.device)
    print(f"\n# {part}: {machine_line(document)}", flush=True)
    for name in document["skipped"]:
        print(f"{name} is not installed: skipped")
    for group in PARTS[part]:
        if options.only in group.name:
            began = time.perf_counter()
            rows = measure(group.make(options.device), longer * options.rounds, longer * group.seconds, flops)
            _show(f"{group.name} ({time.perf_counter() - began:.0f} s)", rows)
            document["rows"] += [rounded(row) for row in rows]
    return document


def _show(name: str, rows: Sequence[Row]) -> None:
    cases = dict.fromkeys((row.case, row.dtype) for row in rows)
    for case, dtype in cases:
        same = [rounded(row) for row in rows if (row.case, row.dtype) == (case, dtype)]
        print(f"\n{name}: {case}, {dtype}\n\n{row_table(same)}", flush=True)


def _check(document: Document, options: argparse.Namespace) -> int:
    """Say what doubled; look again, longer, before failing."""
    reference = _reference(options.compare or REFERENCE, QUICK)
    if reference is None:
        name = f"{stem(QUICK, numba_version())}.json"
        raise FileNotFoundError(f"--check needs a reference: {options.compare or REFERENCE}/{name} is not there")
    if why := uncomparable(document, reference):
        print(f"\nThe reference was measured under other conditions ({why}).")
    failed = failures(document, reference)
    if failed:
        print("\n" + "\n".join(map(str, failed)) + "\n\nA second, longer look:")
        again = {change.key for change in failures(_measure(QUICK, options, longer=LONGER), reference)}
        failed = [change for change in failed if change.key in again]
    gone = missing(document, reference) if not options.only else []
    for key in gone:
        print(f"{key}: is in the reference, but was not measured")
    for change in failed:
        print(f"FAILED {change}")
    if not failed and not gone:
        print(f"\nNo ratio is more than {FAILED:g} times that of the reference.")
    return 1 if failed or gone else 0


def failures(document: Document, reference: Document) -> list[Change]:
    """Return what doubled."""
    return [change for change in changes(document, reference) if change.is_failure]


def _reference(path: Path | None, part: str) -> Document | None:
    """Return the reference of a part, from the one file of a part or, with numba or without, from a folder."""
    if path is None:
        return None
    file = path / f"{stem(part, numba_version())}.json" if path.is_dir() else path
    if not file.exists():
        return None
    document = read(file)
    return document if document["part"] == part else None


def _use_threads(threads: int | None) -> None:
    """Give torch, numba and, by the process's CPUs, jax the same number of threads."""
    if threads is None:
        return
    torch.set_num_threads(threads)
    if hasattr(os, "sched_setaffinity") and threads < len(os.sched_getaffinity(0)):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    if numba_version() is not None:
        import numba

        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="spectral-ham bench", description=__doc__)
    add = parser.add_argument
    add(
        "--part",
        action="append",
        choices=(*PARTS, *STUDIES),
        help="measure this part only (may be repeated; default: all)",
    )
    add("--only", default="", metavar="TEXT", help="only groups with this text in their name")
    add("--quick", action="store_true", help=f"the part {QUICK} only: the package, a copy and an FFT pair")
    add("--check", action="store_true", help=f"{QUICK}; exit 1 if a ratio is {FAILED:g} times the reference's")
    add(
        "--compare",
        type=Path,
        metavar="PATH",
        help="list ratios more than a tenth worse than in a folder or file",
    )
    add("--read", type=Path, metavar="FOLDER", help="measure nothing, take the results from a folder")
    add("--out", type=Path, metavar="FOLDER", help="write one JSON for each part")
    add("--figures", type=Path, metavar="FOLDER", help="draw the parts scaling and evolution")
    add("--rounds", type=int, default=ROUNDS, help="most visits to each candidate (default %(default)s)")
    add("--threads", type=int, help="threads (default: torch's own number)")
    add("--device", type=torch.device, default=torch.device("cpu"), help="cpu or cuda (default %(default)s)")
    options = parser.parse_args(arguments)
    if options.device.type == "cuda":
        if not torch.cuda.is_available():
            parser.error("--device cuda: torch sees no CUDA device")
        options.device = torch.device("cuda", options.device.index or 0)  # with its number, as its tensors have it
    if options.read is not None and (options.check or options.part or options.out):
        parser.error("--read measures nothing: it goes with --figures and --compare alone")
    if options.quick or options.check:
        options.part = [QUICK]
    options.part = options.part or [*PARTS, *STUDIES]
    if options.figures is not None and options.read is None and not {"scaling", "evolution"} & set(options.part):
        parser.error("--figures draws the parts scaling and evolution, neither of which is measured")
    if not any(options.only in name for part in options.part for name in names(part)):
        parser.error(f"--only {options.only}: no group has that in its name")
    return options


if __name__ == "__main__":
    sys.exit(main())
