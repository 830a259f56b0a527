"""What `evolve` returns: times, fields, observables, and an account of how they came about."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch

from spectral_ham.evolution.method_choice import Choice
from spectral_ham.evolution.problem import Problem
from spectral_ham.evolution.recorder import Kept, Recorder, State
from spectral_ham.evolution.times import Pace


@dataclass(frozen=True)
class Stats:
    """How a run was made and how far it can be trusted.

    Args:
        method: name of the method.
        reason: why this method and this step.
        steps: time steps of the main run (a tolerance method: intervals between targets); of a run that failed, those
            up to its last good field.
        dt: their length, signed; None where intervals differ.
        hamiltonian_applications: calls of H, those of a step that failed included.
        transforms: Fourier transforms of the whole field, counted alike.
        error_bound: a proven bound of ‖T − exact‖/‖T₀‖ at every saved time, with rounding, or None.
        error_estimate: the same, measured with two step sizes; None where it was not measured.
        agreement: whether the measured differences fell with the step as the order says; None without estimate.
        norm_drift: ‖T(end)‖/‖T₀‖ − 1 in real time with a Hermitian H, None otherwise. Nothing is ever renormalized.
    """

    method: str
    reason: str
    steps: int
    dt: float | None
    hamiltonian_applications: int
    transforms: int
    error_bound: float | None = None
    error_estimate: float | None = None
    agreement: bool | None = None
    norm_drift: float | None = None


@dataclass(frozen=True, eq=False)
class Trajectory:
    """A run of `evolve`.

    A single saved field that is the final one shares its memory: clone it before you write into either.

    Args:
        times: the saved times, in the order of the run.
        fields: T at these times, stacked in front.
        observables: name → value at each saved time, stacked in front.
        final: T at the end of the run.
        stats: how it was made.

    Shape:
        times (n,), fields (n, *T.shape), observables (n, …), final T.shape.

    Example:
        >>> import torch, spectral_ham as sh
        >>> H = sh.Hamiltonian(sh.Torus(8), backend="fd")
        >>> run = sh.evolve(H, torch.ones(8, dtype=torch.complex128), 1.0, save_times=[0.0, 0.5, 1.0])
        >>> run.fields.shape, run.stats.method
        (torch.Size([3, 8]), 'exact')
    """

    times: torch.Tensor
    fields: torch.Tensor = field(repr=False)
    final: torch.Tensor = field(repr=False)
    stats: Stats
    observables: Mapping[str, torch.Tensor] = field(default_factory=dict)


def solution(problem: Problem, choice: Choice, pace: Pace, state: State, kept: Kept, *, steps: int) -> Trajectory:
    """Return the run up to ``state``, complete or not."""
    bound = None
    if choice.leaps and not (problem.imaginary and choice.name == "lanczos"):
        bound = (choice.rounding or 0.0) + (0.0 if choice.name == "exact" else (choice.tol or 0.0) / 2)
    drift = None
    if not problem.imaginary and problem.is_hermitian:
        drift = state.norm / problem.norm - 1 if problem.norm > 0 else 0.0
    stats = Stats(
        method=choice.name,
        reason=choice.reason,
        steps=steps,
        dt=pace.dt,
        hamiltonian_applications=kept.counters.hamiltonian_applications,
        transforms=kept.counters.transforms,
        error_bound=bound,
        norm_drift=drift,
    )
    times = torch.tensor(kept.times, dtype=torch.float64, device="cpu")
    return Trajectory(times, _stacked(kept.fields, state.T), state.T, stats, _observables(kept))


def observed(trajectory: Trajectory, recorder: Recorder) -> Trajectory:
    """Return a run that was made without observers, its saved fields shown to them."""
    _, kept = recorder.start()
    for t, T in zip(trajectory.times.tolist(), trajectory.fields, strict=True):
        recorder.save(kept, t, T)
    return replace(trajectory, observables=_observables(kept))


def _observables(kept: Kept) -> dict[str, torch.Tensor]:
    return {name: torch.stack(values) for name, values in kept.values.items() if values}


def _stacked(fields: list[torch.Tensor], final: torch.Tensor) -> torch.Tensor:
    if not fields:
        return final.new_empty((0, *final.shape))
    return final.unsqueeze(0) if len(fields) == 1 and fields[0] is final else torch.stack(fields)
