"""What `evolve` returns: times, fields, observables, and an account of how they came about."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch


@dataclass(frozen=True)
class Stats:
    """How a run was made and how far it can be trusted.

    Args:
        method: name of the method.
        reason: why this method and this step.
        steps: time steps of the main run (a tolerance method: intervals between stops).
        dt: their length, signed; None where intervals differ.
        hamiltonian_applications: calls of H.
        transforms: Fourier transforms of the whole field.
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
