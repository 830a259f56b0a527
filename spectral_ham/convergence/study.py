"""The record of a convergence study: its rows, its verdict, its table, its JSON."""

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeAlias

from spectral_ham._internal.checks import invalid
from spectral_ham.convergence.base import CONSTANT_TOLERANCE, FLOOR_SHARE, ORDER_TOLERANCE, Resolution
from spectral_ham.convergence.richardson import GridConvergence

FORMAT = "spectral_ham convergence study 1"

ExpectedOrder: TypeAlias = float | Literal["spectral"] | None


class Verdict(StrEnum):
    """What a convergence study found.

    Example:
        >>> import spectral_ham as sh
        >>> print(sh.convergence.Verdict.NOT_ASYMPTOTIC)
        not yet asymptotic
    """

    CONVERGES = "converges"
    SPECTRAL = "spectral"
    ROUND_OFF = "at the round-off floor"
    OSCILLATES = "oscillatory convergence"
    NOT_ASYMPTOTIC = "not yet asymptotic"
    DIVERGES = "does not converge"


@dataclass(frozen=True)
class Expectation:
    """What the theory says: error = constant·h^order, or ``order="spectral"``: down to the round-off floor.

    Args:
        order: a number, "spectral", or None where nothing is claimed.
        constant: C, in units of error / h^order; None where nothing is claimed.
        order_tolerance: how far the fitted order may be off, absolute.
        constant_tolerance: how far the constant may be off, relative.

    Example:
        >>> import spectral_ham as sh
        >>> print(sh.convergence.Expectation(order=2, constant=0.25))
        order 2 ± 0.05, constant 0.25 ± 2%
    """

    order: ExpectedOrder = None
    constant: float | None = None
    order_tolerance: float = ORDER_TOLERANCE
    constant_tolerance: float = CONSTANT_TOLERANCE

    @property
    def power(self) -> float | None:
        """The expected order where it is a number, else None."""
        return None if isinstance(self.order, str) else self.order

    def __str__(self) -> str:
        if self.power is None:
            return "convergence" if self.order is None else "an error within the round-off budget"
        constant = "" if self.constant is None else f", constant {self.constant:.4g} ± {self.constant_tolerance:.0%}"
        return f"order {self.power:g} ± {self.order_tolerance:g}{constant}"


@dataclass(frozen=True)
class StudyRow:
    """One resolution of a study.

    Args:
        resolution: what was passed to the run.
        h: the small parameter.
        error: |computed − exact|; None where no exact value is known.
        value: the computed value; None where the run returned its error.
        order: observed against the row before (errors) or the two rows before (values); None where there is none, and
            where round-off would show in it.
        floor: the round-off budget of this row, in units of the error.
        used: whether the row entered the fit.

    Example:
        >>> import spectral_ham as sh
        >>> sh.convergence.study_errors(lambda n: 1 / n**2, [10, 20, 40]).rows[1].order
        2.0
    """

    resolution: Resolution
    h: float
    error: float | None
    value: float | None
    order: float | None
    floor: float
    used: bool


@dataclass(frozen=True)
class ConvergenceStudy:
    """The result of ``study_errors`` or ``study_values``; print it, tabulate it, save it, plot it.

    Args:
        name: what was studied.
        rows: one per resolution, coarsest first.
        verdict: what was found.
        explanation: the same in one sentence, with numbers, and what the theory says.
        passed: whether the theory is met; where nothing was expected, whether the study converges.
        order: p, fitted over the rows that are ``used``; None for spectral convergence and at the round-off floor.
        constant: C = error/h^p on the finest row that is used, with the expected p if it is met, else the fitted one.
        expected: what the theory says.
        gci: error bar of the finest value, where no exact value is known.
        exact: the exact value, where one was given.
        h_label: name of h for table and plot, with its unit.
        error_label: name of the error (or of the value) for table and plot, with its unit.

    Example:
        >>> import spectral_ham as sh
        >>> theory = {"expected_order": 2, "expected_constant": 3}
        >>> study = sh.convergence.study_errors(lambda n: 3 / n**2, [10, 20, 40], **theory, name="demo")
        >>> print(study)
        demo: PASS, converges
        |   resolution |     h |    error |   order | note   |
        |-------------:|------:|---------:|--------:|:-------|
        |           10 |   0.1 |     0.03 |         |        |
        |           20 |  0.05 |   0.0075 |   2.000 |        |
        |           40 | 0.025 | 0.001875 |   2.000 |        |
        The error falls as 3·h^2.000 over resolutions 10 to 40; expected order 2 ± 0.05, constant 3 ± 2%: met.
    """

    name: str
    rows: tuple[StudyRow, ...]
    verdict: Verdict
    explanation: str
    passed: bool
    order: float | None
    constant: float | None
    expected: Expectation
    gci: GridConvergence | None = None
    exact: float | None = None
    h_label: str = "h"
    error_label: str = "error"

    def table(self) -> str:
        """Return the rows as a Markdown table."""
        from tabulate import tabulate

        with_values, with_errors = self.rows[0].value is not None, self.rows[0].error is not None
        columns: dict[str, list[str]] = {
            "resolution": [
                "×".join(map(str, r)) if isinstance(r := row.resolution, tuple) else f"{r}" for row in self.rows
            ],
            self.h_label: [f"{row.h:.4g}" for row in self.rows],
        }
        if with_values:
            columns["value" if with_errors else self.error_label] = [f"{row.value:.10g}" for row in self.rows]
        if with_errors:
            columns[self.error_label] = [f"{row.error:.4g}" for row in self.rows]
        if any(row.floor for row in self.rows):
            columns["round-off budget"] = [f"{row.floor:.2g}" for row in self.rows]
        columns["order"] = ["" if row.order is None else f"{row.order:.3f}" for row in self.rows]
        columns["note"] = [self._note(row) for row in self.rows]
        aligned = ["right"] * (len(columns) - 1) + ["left"]
        return tabulate(columns, headers="keys", tablefmt="pipe", colalign=aligned, disable_numparse=True)

    def _note(self, row: StudyRow) -> str:
        if row.error is not None and row.error <= row.floor / FLOOR_SHARE:
            return "at round-off" if row.error <= row.floor else "near round-off"
        return "" if row.used or not any(other.used for other in self.rows) else "pre-asymptotic"

    def __str__(self) -> str:
        headline = f"{self.name}: {'PASS' if self.passed else 'FAIL'}, {self.verdict}"
        return f"{headline}\n{self.table()}\n{self.explanation}"

    def to_json(self) -> str:
        """Return the study as JSON text; ``from_json`` gives back an equal study."""
        return json.dumps({"format": FORMAT, **dataclasses.asdict(self)}, indent=2, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "ConvergenceStudy":
        """Return the study that ``to_json`` wrote.

        Raises:
            ValueError: not JSON, or not a study of this format.
        """
        fields: dict[str, Any] = json.loads(text)
        if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT:
            raise invalid("ConvergenceStudy.from_json(text=...)", f"JSON of the format {FORMAT!r}", text[:80])
        fields["rows"] = tuple(StudyRow(**_tuples(row)) for row in fields["rows"])
        fields["verdict"] = Verdict(fields["verdict"])
        fields["expected"] = Expectation(**fields["expected"])
        if fields["gci"] is not None:
            fields["gci"] = GridConvergence(**_tuples(fields["gci"]))
        return cls(**fields)

    def save(self, path: str | Path) -> None:
        """Write ``to_json()`` to the file ``path``."""
        Path(path).write_text(self.to_json() + "\n", encoding="utf-8")


def _tuples(fields: dict[str, Any]) -> dict[str, Any]:
    """Return ``fields`` with tuples where JSON has lists."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
