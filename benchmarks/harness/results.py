"""Results as data: one JSON per part, one line per measurement, with the machine that they were measured on."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import rivals
from benchmarks.harness.candidate import OURS
from benchmarks.harness.machine import machine
from benchmarks.harness.measure import CPU

FORMAT = "spectral_ham benchmark 3"
REFERENCE = Path(__file__).parents[1] / "results" / "cpu"
"""The committed results of the CPU."""

Document = dict[str, Any]


def as_document(
    part: str, rows: Iterable[Mapping[str, Any]], peak_flops: Mapping[str, float], device: torch.device = CPU
) -> Document:
    """Return everything that is written of one part."""
    return {
        "format": FORMAT,
        "part": part,
        "machine": machine(device),
        "peak_gflops": {dtype: round(flops / 1e9, 1) for dtype, flops in peak_flops.items()},
        "packages": rivals.versions(),
        "skipped": rivals.skipped(),
        "rows": list(rows),
    }


def stem(part: str, numba: str | None) -> str:
    """Return the name of a part's file: without numba no kernel is fused, which has a reference of its own."""
    return part if numba else f"{part}-without-numba"


def write(document: Document, folder: Path) -> None:
    """Write one JSON, named by `stem`."""
    folder.mkdir(parents=True, exist_ok=True)
    name = stem(document["part"], document["machine"]["numba"])
    head = {key: value for key, value in document.items() if key != "rows"}
    fields = [f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in head.items()]
    rows = ",\n".join(f"  {json.dumps(row, ensure_ascii=False)}" for row in document["rows"])
    text = "{\n" + ",\n".join([*fields, f' "rows": [\n{rows}\n ]']) + "\n}\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")


def read(path: Path) -> Document:
    """Read one part.

    Raises:
        ValueError: another format.
    """
    document: Document = json.loads(path.read_text(encoding="utf-8"))
    if document.get("format") != FORMAT:
        raise ValueError(f"{path} must have the format {FORMAT!r}, got {document.get('format')!r}.")
    return document


def key_of(row: Mapping[str, Any]) -> str:
    """Return what names a row of a document: `Row.key`."""
    return f"{row['case']} {row['dtype']} | {row['operation']} | {row['name']}"


def is_ours(row: Mapping[str, Any]) -> bool:
    """Tell whether a row is the package's own."""
    return str(row.get("name")).startswith(OURS)


@dataclass(frozen=True)
class Results:
    """The documents of some parts."""

    documents: Mapping[str, Document]

    @classmethod
    def load(cls, folder: Path = REFERENCE) -> "Results":
        """Read every part in a folder; where one was measured with numba and without, with it."""
        documents = [read(path) for path in folder.glob("*.json")]
        documents.sort(key=lambda document: (document["machine"]["numba"] is not None, document["part"]))
        return cls({document["part"]: document for document in documents})

    def rows(self, part: str) -> list[dict[str, Any]]:
        """Return the rows of a part; none if it was not measured."""
        return list(self.documents[part]["rows"]) if part in self.documents else []

    def find(
        self, part: str, case: str, operation: str, name: str = f"{OURS}, auto", dtype: str = "complex64"
    ) -> dict[str, Any] | None:
        """Return one row, or None if it was not measured."""
        wanted = f"{case} {dtype} | {operation} | {name}"
        return next((row for row in self.rows(part) if key_of(row) == wanted), None)

    def cases(self, part: str) -> Iterator[tuple[str, str]]:
        """Yield the shapes and dtypes of a part, in order."""
        yield from dict.fromkeys((row["case"], row["dtype"]) for row in self.rows(part))
