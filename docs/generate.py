"""Write the tables of README.md: ``python docs/generate.py``; with ``--check``, exit 1 if they are stale.

README.md is read without being built, so its tables stand in the file, between ``<!-- begin:NAME -->`` and
``<!-- end:NAME -->``. Those of all other pages are put in place by Sphinx.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tables import ROOT, TABLES

README = ROOT / "README.md"


def filled(text: str) -> str:
    """Return the page with every region written from the data."""

    def region(match: re.Match[str]) -> str:
        return f"{match[1]}\n\n{TABLES[match[2]]()}\n\n{match[3]}"

    return re.sub(r"(<!-- begin:([a-z-]+) -->).*?(<!-- end:\2 -->)", region, text, flags=re.DOTALL)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write README.md, or with ``--check`` only compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if a table is stale")
    check, text = parser.parse_args(arguments).check, README.read_text(encoding="utf-8")
    if (current := filled(text)) == text:
        return 0
    if check:
        print("README.md is stale: run `python docs/generate.py`")
        return 1
    README.write_text(current, encoding="utf-8")
    print("README.md written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
