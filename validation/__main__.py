"""``python -m validation``: measure every claim, print the tables, write validation.json and the plots."""

import argparse
import io
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from spectral_ham.plotting import new_figure
from validation.figures import draw_margins
from validation.record import as_record, changes, load, save
from validation.report import WIDTH, study_report, summary
from validation.studies import STUDIES
from validation.study import Mode, Outcome, Plot, execute

EPILOG = """\
Every claim says |measured − expected| ≤ bound; the bound comes from a formula, and the margin is bound/deviation.
Exit status: 0 all claims hold, 1 some do not, 2 bad usage.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite; return 0 if all claims hold, 1 if not, 2 for a file that cannot be read or written."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # question marks, not a traceback, where Greek letters are missing
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.threads < 1:
        parser.error(f"--threads must be at least 1, got {options.threads}")
    if options.list:
        print("\n".join(f"{study.name:18}{study.title}" for study in STUDIES.values()))
        return 0
    try:
        baseline = None if options.baseline is None else load(options.baseline)
        options.out.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        print(f"validation: {error}", file=sys.stderr)
        return 2
    torch.set_num_threads(options.threads)
    mode = Mode(full=not options.quick, execution=options.execution)
    start = time.perf_counter()
    outcomes = list(_run(options.case or list(STUDIES), mode))
    record = as_record(outcomes, mode, time.perf_counter() - start)
    written = [options.out / "validation.json"]
    save(record, written[0])
    if not options.no_plots:
        written += _save_plots(outcomes, options.out)
    if baseline is not None:
        print(f"Against {options.baseline} of {baseline['date']}:")
        print("\n".join(f"  {line[: WIDTH - 2]}" for line in changes(baseline, record)) or "  nothing changed", "\n")
    print(f"Written: {written[0]}" + (f" and {len(written) - 1} plots\n" if len(written) > 1 else "\n"))
    print(summary(outcomes))
    return 0 if all(outcome.passed for outcome in outcomes) else 1


def _run(names: Sequence[str], mode: Mode) -> Iterator[Outcome]:
    """Run the studies in their order, and print each as soon as it is done."""
    for name, study in STUDIES.items():
        if name in names:
            outcome = execute(study, mode)
            print(study_report(outcome), flush=True)
            yield outcome


def _save_plots(outcomes: Sequence[Outcome], folder: Path) -> list[Path]:
    """Draw and save every plot, the margins of all claims last; say so and save none where matplotlib is missing."""
    plots = [plot for outcome in outcomes for plot in outcome.plots]
    plots.append(Plot("margins", partial(draw_margins, outcomes)))
    paths = []
    for plot in plots:
        try:
            figure = new_figure()
        except ImportError as error:
            print(f"No plots: {error}", file=sys.stderr)
            return []
        plot.draw(figure)
        paths.append(folder / f"{plot.name}.png")
        figure.savefig(paths[-1])
    return paths


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m validation",
        description="Prove on this machine that spectral_ham is right.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--quick", action="store_true", help="smaller grids, fewer cases: within a minute")
    add("--case", action="append", choices=list(STUDIES), metavar="NAME", help="this study only; may be repeated")
    add("--list", action="store_true", help="list the studies and leave")
    add("--out", type=Path, default=Path("validation-results"), metavar="DIR", help="where to write (%(default)s)")
    add("--baseline", type=Path, metavar="FILE", help="an older validation.json: say what changed since")
    executions = ("auto", "fft", "dense", "stencil", "measure")
    add("--execution", choices=executions, help="this execution only; spectral, which has no stencil, by auto then")
    add("--threads", type=int, default=1, help="torch's threads; small grids gain nothing by more (%(default)s)")
    add("--no-plots", action="store_true", help="write validation.json only")
    return parser


if __name__ == "__main__":
    sys.exit(main())
