"""The propagators of a run, and how gradients pass through its steps."""

import math
from typing import cast

import torch
from torch.utils.checkpoint import checkpoint

from spectral_ham._internal.clock import time_of_step
from spectral_ham._internal.typing import GradientMode
from spectral_ham.evolution.method_choice import Choice, growth
from spectral_ham.evolution.problem import Problem
from spectral_ham.propagators import METHODS, Counters, Exact, Propagator, Splitting, reversible_advance

AUTOGRAD_STEPS = 32
"""Beyond so many steps "auto" keeps checkpoints instead of every step."""

MAX_KEPT = 4
"""Propagators of different lengths that are kept: saved times often make intervals alike."""


class Stepper:
    """T ↦ e^{zH} T for the steps of one run, and for what is left between a step and a saved time.

    Args:
        problem: what is solved.
        choice: with which method and tolerance.
        gradient: "autograd", "checkpoint", "reversible" or "auto".
        steps: of the whole run.
        counters: where all propagators count what they spend.
    """

    def __init__(
        self, problem: Problem, choice: Choice, gradient: GradientMode, steps: int, counters: Counters
    ) -> None:
        self.problem = problem
        self.choice = choice
        self.counters = counters
        self._gradient = "autograd" if choice.leaps else _gradient(problem, gradient, steps)
        self._made: dict[float, Propagator] = {}

    def advance(self, T: torch.Tensor, steps: int, dt: float, t: float) -> torch.Tensor:
        """Return T after ``steps`` steps of dt, the first of which begins at time ``t``."""
        if dt == 0:
            return T
        if self.choice.name == "exact":  # one eigendecomposition serves intervals of any length
            return cast(Exact, self._propagator(1.0)).jump(T, dt)
        propagator = self._propagator(dt)
        if self._gradient == "reversible":
            return reversible_advance(cast(Splitting, propagator), T, steps)
        if self._gradient == "checkpoint":
            return _checkpointed(propagator, T, steps, t)
        return propagator.advance(T, steps, t=t)

    def partial_step(self, T: torch.Tensor, dt: float, t: float) -> torch.Tensor:
        """Return T after one step that is shorter than those of the run."""
        return self._make(dt)(T, t=t)

    def _propagator(self, dt: float) -> Propagator:
        made = self._made.pop(dt, None) or self._make(dt)
        while len(self._made) >= MAX_KEPT:
            self._made.pop(next(iter(self._made)))
        self._made[dt] = made  # the last one is the one used last
        return made

    def _make(self, dt: float) -> Propagator:
        choice, problem = self.choice, self.problem
        options = {"tol": self._share(dt)} if choice.tol is not None and choice.leaps and choice.name != "exact" else {}
        made = METHODS[choice.name](problem.H, dt, problem.imaginary, **options)
        made.share(self.counters)
        return made

    def _share(self, dt: float) -> float:
        """Return the part of half the tolerance that one interval may use up; rounding has the other half."""
        tol, duration = self.choice.tol or 0.0, self.problem.schedule.duration
        return tol / 2 * abs(dt / duration) / growth(self.problem)


def _gradient(problem: Problem, asked: GradientMode, steps: int) -> GradientMode:
    """Return how steps are recorded: nothing is kept where nothing carries a derivative."""
    if not torch.is_grad_enabled() or (asked == "auto" and steps <= AUTOGRAD_STEPS):
        return "autograd"
    if asked in ("auto", "checkpoint"):
        return "checkpoint" if problem.is_recorded else "autograd"
    return asked


def _checkpointed(propagator: Propagator, T: torch.Tensor, steps: int, t: float) -> torch.Tensor:
    """Take the steps in √n parts, each of which is computed again in the backward pass."""
    done = 0
    while done < steps:
        part = min(math.isqrt(steps) + 1, steps - done)
        start = time_of_step(t, propagator.dt, done)
        T = checkpoint(propagator.advance, T, part, t=start, use_reentrant=False, preserve_rng_state=False)
        done += part
    return T
