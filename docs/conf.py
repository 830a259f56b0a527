"""Sphinx configuration: ``sphinx-build -W -b html docs docs/_build/html``."""

import re
import sys
from pathlib import Path
from typing import Any

import spectral_ham

sys.path.insert(0, str(Path(__file__).parent))

from tables import with_tables

project = "spectral_ham"
author = "The spectral_ham developers"
copyright = f"2026, {author}"
release = version = spectral_ham.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"spectral_ham {release}"

default_role = "py:obj"  # `Torus` in a docstring is a link
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the sources are annotated; the prose says what arguments mean
napoleon_custom_sections = ["Shape", "Units", "Reference"]
myst_heading_anchors = 3


def setup(app: Any) -> None:
    """Put tables in place, and prepare docstrings before napoleon (priority 500) reads them."""
    app.connect("autodoc-process-docstring", _prepare, priority=400)
    app.connect("source-read", _put_tables_in)


def _put_tables_in(app: Any, docname: str, source: list[str]) -> None:  # noqa: ARG001
    """Make the tables of a page from the committed data."""
    source[0] = with_tables(source[0])


def _prepare(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:  # noqa: ARG001
    """Keep reStructuredText from finding more in plain sentences than they say."""
    in_doctest = False
    for i, line in enumerate(lines):
        in_doctest = bool(line.strip()) and (in_doctest or line.lstrip().startswith(">>>"))
        if not in_doctest:
            line = re.sub(r"(``.*?``)|\|", lambda match: match[1] or r"\|", line)  # |x|: no substitution
            line = re.sub(r"(?<=[ (])\*(?=T\.)", r"\*", line)  # (n, *T.shape): no emphasis
            lines[i] = re.sub(r"(^ *|: )([A-Za-z])\.(?= |$)", r"\1\2\\.", line)  # "B. Fornberg": no list
    if what in ("property", "attribute", "data"):
        lines[:0] = ["..", ""]  # "Number of axes: …" is no type; napoleon looks for one in the first line alone
