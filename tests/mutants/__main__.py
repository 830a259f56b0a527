"""Break the package line by line and see the tests fail: ``python -m tests.mutants [NAME ...]``.

Each mutation of ``mutations.toml`` replaces one piece of one file in a copy of the repository, where the tests named
beside it then run until the first failure. A mutant that passes has survived: a test is missing. The latest outcome of
each goes to ``outcome.json``, which ``tests/test_mutants.py`` holds against the list. Ten minutes on two cores.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
COPIED = ("spectral_ham", "tests", "oracles", "validation", "pyproject.toml")
SECONDS_FOR_ONE = 300


@dataclass(frozen=True)
class Mutation:
    """One piece of one file, ``before``, replaced by ``after``; ``tests`` must fail."""

    name: str
    file: str
    before: str
    after: str
    tests: list[str]

    def apply(self, root: Path) -> None:
        """Write the mutant below ``root``.

        Raises:
            ValueError: ``before`` does not occur exactly once.
        """
        path = root / self.file
        text = path.read_text(encoding="utf-8")
        if text.count(self.before) != 1 or self.before == self.after:
            count = text.count(self.before)
            raise ValueError(f"`{self.name}` must name one place of {self.file}, got {count} of {self.before!r}.")
        path.write_text(text.replace(self.before, self.after), encoding="utf-8")


def mutations() -> list[Mutation]:
    """Return the list."""
    with (HERE / "mutations.toml").open("rb") as stream:
        return [Mutation(name, **entry) for name, entry in tomllib.load(stream).items()]


def survives(mutation: Mutation | None, tests: list[str]) -> bool:
    """Tell whether ``tests`` pass in a copy of the repository with the mutation applied."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in COPIED:
            source = REPOSITORY / name
            if source.is_dir():
                # Without Python's bytecode, but with what numba has compiled: that takes longer than most tests.
                shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("*.pyc"))
            else:
                shutil.copy(source, root / name)
        if mutation is not None:
            mutation.apply(root)
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--show-capture=no", *tests]
        try:
            run = subprocess.run(command, cwd=root, capture_output=True, timeout=SECONDS_FOR_ONE, check=False)
        except subprocess.TimeoutExpired:
            return False
        return run.returncode == 0


def main() -> int:
    """Run the mutants that are named, or all; 0 if all died."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="mutations to run (default: all)")
    parser.add_argument("--skip-baseline", action="store_true", help="do not check first that the tests pass unbroken")
    arguments = parser.parse_args()
    chosen = [m for m in mutations() if not arguments.names or m.name in arguments.names]
    if not arguments.skip_baseline:
        everything = sorted({test for mutation in chosen for test in mutation.tests})
        if not survives(None, everything):
            print("the tests fail without any mutation", file=sys.stderr)
            return 2
    outcome: dict[str, str] = {}
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        alive_or_not = workers.map(lambda mutation: survives(mutation, mutation.tests), chosen)
        for number, (mutation, alive) in enumerate(zip(chosen, alive_or_not, strict=True), start=1):
            outcome[mutation.name] = "survived" if alive else "died"
            print(f"{number:3d}/{len(chosen)} {outcome[mutation.name]:8s} {mutation.name}", flush=True)
    record = HERE / "outcome.json"
    known = json.loads(record.read_text(encoding="utf-8")) if record.exists() else {}
    latest = {mutation.name: outcome.get(mutation.name, known.get(mutation.name)) for mutation in mutations()}
    record.write_text(json.dumps(latest, indent=1) + "\n", encoding="utf-8")
    survivors = [name for name, what in outcome.items() if what != "died"]
    print(f"{len(outcome) - len(survivors)} of {len(outcome)} mutants died", *survivors, sep="\nalive: ")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
