"""The tables of the documentation, from committed data: docs/data and benchmarks/results.

A page holds ``<!-- table:NAME -->`` where a table belongs; Sphinx puts it there when the pages are built.
"""

import json
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tabulate import tabulate

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.harness.results import Results  # noqa: E402
from benchmarks.report.pages import RENDERERS  # noqa: E402

VALIDATION = ROOT / "docs/data/validation.json"
FORCED = ROOT / "docs/data/forced.json"


def claims_summary() -> str:
    """One row per study."""
    record = _load(VALIDATION)
    rows = [
        (_cell(study["title"]), f"{_held(study)} of {len(study['claims'])}", _least_margin(study))
        for study in record["studies"]
    ]
    headers = ("what is verified", "claims that hold", "least margin")
    listed = tabulate(
        rows, headers=headers, tablefmt="pipe", colalign=("left", "right", "right"), disable_numparse=True
    )
    return f"{_verdict(record)}\n\n{listed}"


def claims_in_full() -> str:
    """One table per study."""
    record = _load(VALIDATION)
    return "\n\n".join([_verdict(record), *map(_study, record["studies"])])


def _verdict(record: Mapping[str, Any]) -> str:
    return (
        f"{record['held']} of {record['total']} claims hold ({record['mode']} suite): spectral_ham "
        f"{record['spectral_ham']}, torch {record['torch']}, Python {record['python']}, {record['machine']}."
    )


def _study(study: Mapping[str, Any]) -> str:
    """What is measured and where the answers come from, then the claims."""
    statements = dict.fromkeys((claim["formula"], claim["source"]) for claim in study["claims"])
    explained = "\n".join(f"- {_code(formula)}; source: {_code(source)}" for formula, source in statements)
    return f"## {study['title']}\n\n{explained}\n\n{_claims(study)}"


def _claims(study: Mapping[str, Any]) -> str:
    rows = [
        (
            _cell(c["name"]),
            _number(c["expected"]),
            _number(c["measured"]),
            _number(c["bound"]),
            _margin(c),
            "yes" if c["passed"] else "NO",
        )
        for c in study["claims"]
    ]
    headers = ("claim", "expected", "measured", "± bound", "margin", "holds")
    aligned = ("left", *("right",) * 4, "left")
    return tabulate(rows, headers=headers, tablefmt="pipe", colalign=aligned, disable_numparse=True)


def forced() -> str:
    """The suite under every choice that can be forced."""
    record = _load(FORCED)
    rows = [
        (
            f"`{choice['execution']}`",
            "fused" if choice["fused"] else "torch's operations",
            str(choice["threads"]),
            f"{choice['held']} of {choice['total']}",
        )
        for choice in record["choices"]
    ]
    headers = ("execution", "kernels", "threads", f"claims that hold, {record['mode']} suite")
    return tabulate(
        rows, headers=headers, tablefmt="pipe", colalign=("left", "left", "right", "right"), disable_numparse=True
    )


def claims_of(name: str) -> str:
    """The claims of one study, without their formulas."""
    return _claims(next(study for study in _load(VALIDATION)["studies"] if study["name"] == name))


TABLES: dict[str, Callable[[], str]] = {
    "claims": claims_summary,
    "claims-in-full": claims_in_full,
    "forced": forced,
    "orders": partial(claims_of, "fd_orders"),
    "precision": partial(claims_of, "precision"),
    **{name: lambda render=render: render(Results.load()) for name, render in RENDERERS.items()},
}
"""Name → how to make it."""


def with_tables(text: str) -> str:
    """Return the page with every table in its place."""
    return re.sub(r"<!-- table:([a-z-]+) -->", lambda match: TABLES[match[1]](), text)


def _held(study: Mapping[str, Any]) -> int:
    return sum(claim["passed"] for claim in study["claims"])


def _least_margin(study: Mapping[str, Any]) -> str:
    finite = [claim for claim in study["claims"] if claim["margin"] is not None]
    return _margin(min(finite, key=lambda claim: claim["margin"])) if finite else "exact"


def _margin(claim: Mapping[str, Any]) -> str:
    """How many times smaller than its bound the deviation is; null in the data is an exact result."""
    return "exact" if claim["margin"] is None else f"{claim['margin']:.2g}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}"


def _cell(text: str) -> str:
    """Escape what a Markdown table would read as its own."""
    return re.sub(r"([|*_<`])", r"\\\1", text)


def _code(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _load(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
