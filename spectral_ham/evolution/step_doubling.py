"""The step that meets a tolerance, found by doubling the number of steps until two runs agree."""

from collections.abc import Callable
from dataclasses import replace

import torch

from spectral_ham._internal.checks import invalid
from spectral_ham.evolution.method_choice import Choice, first_steps
from spectral_ham.evolution.problem import Problem
from spectral_ham.evolution.solution import Trajectory

MAX_STEPS = 2**24

ASYMPTOTIC = 0.1
"""Below such a relative difference two runs should follow the order of the method."""

MAX_STALLED = 2
"""Doublings in a row that hardly help, after which the search ends: rounding, or a V without derivatives."""


def step_doubling(
    problem: Problem,
    choice: Choice,
    trial: Callable[[int], Trajectory],
    final: Callable[[int, Trajectory], Trajectory],
) -> Trajectory:
    """Return the finer of two runs, n and 2n steps, whose difference says that the finer one meets the tolerance.

    For a method of order p the finer run is off by difference/(2^p − 1).

    Args:
        problem: what is solved.
        choice: method and tolerance.
        trial: number of steps ↦ run, without observers and recording no gradient.
        final: (number of steps, the trial run that was found) ↦ the run that is asked for.

    Raises:
        ValueError: the differences stop falling above the tolerance.
    """
    tol, order = choice.tol or 0.0, choice.method.order or 1
    n, stalled = first_steps(problem, choice.name), 0
    last: float | None = None
    with torch.no_grad():
        coarse, fine = trial(n), trial(2 * n)
        difference, agreement = _largest_difference(coarse, fine, problem.T), True
        while last is None or _error(difference, order) > tol:
            stalled = stalled + 1 if last is not None and last < ASYMPTOTIC and difference > last / 1.5 else 0
            if 4 * n > MAX_STEPS or stalled == MAX_STALLED:
                needs = f"reachable, but two runs still differ by {difference:.2g} at {2 * n} steps"
                remedy = "Raise tol, use a method of higher order, or complex128 if rounding is what is left."
                raise invalid("evolve(tol=...)", needs, tol, remedy)
            n, coarse, last = 2 * n, fine, difference
            fine = trial(2 * n)
            difference = _largest_difference(coarse, fine, problem.T)
            agreement = difference == 0 or 0.5 < last / difference / 2**order < 2.0
    finest = final(2 * n, fine)
    estimate = max(_error(difference, order), choice.rounding or 0.0)
    return replace(finest, stats=replace(finest.stats, error_estimate=estimate, agreement=agreement))


def _error(difference: float, order: int) -> float:
    return difference / (2.0**order - 1)


def _largest_difference(a: Trajectory, b: Trajectory, T: torch.Tensor) -> float:
    """Return max ‖a − b‖/‖T₀‖ over the saved times and the end."""
    scale = float(torch.linalg.vector_norm(T)) or 1.0
    pairs = zip((*a.fields, a.final), (*b.fields, b.final), strict=True)
    return max(float(torch.linalg.vector_norm(x - y)) for x, y in pairs) / scale
