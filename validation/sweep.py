"""The worst backward error of H over all plane waves, for every metric, execution and precision."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

import spectral_ham as sh
from validation.cases import DTYPES, Execution, budget, hamiltonian, metrics_of, shape_name, torus_of
from validation.claim import Claim
from validation.study import Mode
from validation.waves import Modes, all_modes, energies, relative_residuals, wave_chunks

FORMULA = "‖HT − E T‖_max/(max|kinetic symbol|·max|T|) ≤ 16 eps, worst of all waves and metrics"

Run = tuple[str, str]
"""An execution and a precision."""


@dataclass(frozen=True)
class Worst:
    """The largest backward error so far, and where it was."""

    error: float
    where: str

    def or_worse(self, other: "Worst") -> "Worst":
        """Return the worse of two; NaN is the worst of all."""
        return self if math.isnan(self.error) or other.error <= self.error else other


def sweep_claims(
    claim: Callable[..., Claim],
    label: str,
    shapes: Sequence[tuple[int, ...]],
    mode: Mode,
    backend: str,
    *,
    stencil_order: int = 2,
    wanted: Callable[[sh.Torus, Modes], bool] = lambda torus, modes: True,  # noqa: ARG005
) -> Iterator[Claim]:
    """Yield one claim per execution and precision: the backward error of H on every wanted wave, under every metric.

    Args:
        claim: makes a claim of the study, given all but study and source.
        label: begins the names of the claims.
        shapes: the grids.
        mode: which executions.
        backend: "spectral" or "fd".
        stencil_order: order of fd.
        wanted: which waves; all by default.
    """
    worst: dict[Run, Worst] = {}
    count = 0
    for shape in shapes:
        torus = torus_of(*shape)
        modes = all_modes(torus)
        chosen = [i for i, n in enumerate(modes) if wanted(torus, n)]
        waves = [modes[i] for i in chosen]
        count += len(waves)
        for metric_name, metric in metrics_of(len(shape)).items():
            E = energies(torus, modes, metric, backend, stencil_order)
            operators = {
                execution: hamiltonian(torus, metric, backend, execution, stencil_order=stencil_order)
                for execution in mode.executions(backend)
            }
            for key, error, n in _errors(operators, waves, E[chosen], float(E.max())):
                found = Worst(error, f"grid {shape_name(shape)}, {metric_name}, n = {n}")
                worst[key] = worst.get(key, found).or_worse(found)
    for (execution, dtype), found in worst.items():
        yield claim(
            name=f"{label}, {count} waves: {execution}, {dtype}",
            formula=FORMULA,
            expected=0.0,
            measured=found.error,
            bound=budget(DTYPES[dtype]),
            detail=found.where,
        )


def _errors(
    operators: Mapping[Execution, sh.Hamiltonian], waves: Sequence[Modes], E: torch.Tensor, scale: float
) -> Iterator[tuple[Run, float, Modes]]:
    """Yield (run, its worst error, the wave where it was), chunk by chunk of waves."""
    torus = next(iter(operators.values())).torus
    for index, fields in wave_chunks(torus, waves):
        for dtype, kind in DTYPES.items():
            T = fields.to(kind)
            for execution, H in operators.items():
                errors = relative_residuals(H, T, E[index], scale)
                i = int(errors.argmax())
                yield (execution, dtype), float(errors[i]), waves[index][i]
