"""The command ``spectral-ham``: verify the operator on your own grid, measure it, describe the installation."""

import argparse
import io
import sys
from collections.abc import Sequence

from spectral_ham.cli.about import about
from spectral_ham.cli.bench import bench
from spectral_ham.cli.converge import add_arguments, converge


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line ``argv`` (``sys.argv`` if None) and return its exit status.

    0: done, the theory is met. 1: it is not. 2: bad usage (wrong flags leave by ``SystemExit``, as argparse does).

    Example:
        >>> from spectral_ham.cli.main import main
        >>> main(["converge", "--backend", "fd", "--metric", "1", "--grids", "32", "64", "128"])
        H, fd of order 2, plane-wave of modes 1, complex128: PASS, converges
        ...
        0
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without Greek letters gets question marks, not a traceback.
            stream.reconfigure(errors="replace")
    given = list(sys.argv[1:] if argv is None else argv)
    try:
        if given[:1] == ["bench"]:  # it has a parser of its own
            return bench(given[1:])
        arguments = _parser().parse_args(given)
        return int(arguments.command(arguments))
    except (ValueError, TypeError, OSError, ImportError) as error:
        print(f"spectral-ham: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    from spectral_ham import __version__

    parser = argparse.ArgumentParser(prog="spectral-ham", description="Hamiltonian operators on a periodic torus.")
    parser.add_argument("--version", action="version", version=f"spectral-ham {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    describe = commands.add_parser("about", help="versions, devices and threads, for bug reports")
    describe.set_defaults(command=_about)
    commands.add_parser("bench", help="measure speed beside a copy, an FFT pair and other packages; see bench --help")
    verify = commands.add_parser("converge", help="verify the operator H against an exact answer, grid by grid")
    verify.set_defaults(command=converge)
    add_arguments(verify)
    return parser


def _about(_: argparse.Namespace) -> int:
    print(about())
    return 0
