"""The results as JSON, in the form that schema.json promises, and what changed against an older record."""

import json
import math
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

import spectral_ham as sh
from validation.claim import Claim
from validation.study import Mode, Outcome

FORMAT = "spectral_ham validation 1"
SCHEMA = Path(__file__).with_name("schema.json")
MOVED = 2.0
"""A margin that changed by more than this factor is reported."""

Record = dict[str, Any]


def as_record(outcomes: Sequence[Outcome], mode: Mode, seconds: float) -> Record:
    """Return everything that is written to validation.json; NaN and infinity become null."""
    claims = [claim for outcome in outcomes for claim in outcome.claims]
    return {
        "format": FORMAT,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "mode": "full" if mode.full else "quick",
        "execution": mode.execution or "all",
        "spectral_ham": sh.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": machine_line(),
        "threads": torch.get_num_threads(),
        "held": sum(claim.passed for claim in claims),
        "total": len(claims),
        "studies": [
            {
                "name": outcome.study.name,
                "title": outcome.study.title,
                "seconds": round(outcome.seconds, 2),
                "claims": [_claim(claim) for claim in outcome.claims],
            }
            for outcome in outcomes
        ],
    }


def _claim(claim: Claim) -> Record:
    return {
        "name": claim.name,
        "formula": claim.formula,
        "source": claim.source,
        "expected": claim.expected,
        "measured": _finite(claim.measured),
        "bound": claim.bound,
        "margin": _finite(claim.margin),
        "passed": claim.passed,
        "detail": claim.detail,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def save(record: Mapping[str, Any], path: Path) -> None:
    """Write the record as JSON."""
    path.write_text(json.dumps(record, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")


def load(path: Path) -> Record:
    """Read a record.

    Raises:
        ValueError: not JSON, or not a record of this format.
        OSError: no such file.
    """
    record = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        raise ValueError(f"`{path}` must be a record of the format {FORMAT!r}.")
    return record


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield what changed: claims that newly fail or pass, came or went, and margins that moved by more than 2."""
    before, after = _by_name(old), _by_name(new)
    for key, claim in after.items():
        name = ": ".join(key)
        if key not in before:
            yield f"new: {name}" + ("" if claim["passed"] else " (FAILS)")
        elif claim["passed"] != before[key]["passed"]:
            yield f"now {'PASSES' if claim['passed'] else 'FAILS'}: {name}"
        elif not 1 / MOVED <= _ratio(claim, before[key]) <= MOVED:
            yield f"margin {_shown(before[key])} → {_shown(claim)}: {name}"
    studies = {study["name"] for study in new["studies"]}
    yield from (f"gone: {': '.join(key)}" for key in before if key not in after and key[0] in studies)


def _by_name(record: Mapping[str, Any]) -> dict[tuple[str, str], Record]:
    return {(study["name"], claim["name"]): claim for study in record["studies"] for claim in study["claims"]}


def _ratio(claim: Record, other: Record) -> float:
    """How many times the margin is what it was; a margin of null is that of an exact result."""
    margin, former = (math.inf if c["margin"] is None else c["margin"] for c in (claim, other))
    if margin == former:
        return 1.0
    return math.inf if former == 0 or math.isinf(margin) else margin / former


def _shown(claim: Record) -> str:
    return "exact" if claim["margin"] is None else f"{claim['margin']:.2g}"


def machine_line() -> str:
    """Return the processor, its instruction set, the threads, and the system, in one line."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    processor = next(models, platform.processor() or platform.machine())
    used = f"{torch.get_num_threads()} of {os.cpu_count()} logical CPUs"
    return f"{processor} ({torch.backends.cpu.get_cpu_capability()}), {used}, {platform.system()} {platform.machine()}"
