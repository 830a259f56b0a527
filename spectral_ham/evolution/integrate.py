"""Running a plan: from stop to stop, forward or back, with gradients at the memory that was asked for."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch.utils.checkpoint import checkpoint

from spectral_ham.evolution.method_choice import Plan, growth
from spectral_ham.evolution.times import SAME, Schedule
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.propagators import METHODS, Exact, Propagator, Splitting, reversible_advance
from spectral_ham.propagators.base import Counters

BLOCK = 512
"""Steps between two looks at the field (and at the progress bar)."""

Watch = Callable[[float, torch.Tensor, int], None]
"""(t, T, done): called after every block of steps, or every leap; ``done`` counts them."""


@dataclass(frozen=True)
class March:
    """One run of a plan.

    Args:
        hamiltonian: H.
        plan: method, and step or tolerance.
        when: interval and stops.
        imaginary: imaginary time.
        watch: looks at the field between blocks.
        gradient: "autograd" keeps every step for the backward pass, "checkpoint" √n fields, "reversible" one.
        tally: where the costs of all propagators are added up.
    """

    hamiltonian: Hamiltonian
    plan: Plan
    when: Schedule
    imaginary: bool
    watch: Watch
    gradient: str
    tally: Counters

    def states(self, T: torch.Tensor, steps: int, done: int = 0, skip: int = 0) -> Iterator[tuple[float, torch.Tensor]]:
        """Yield (t, T) at every stop and at the end; a resumed run has ``done`` steps and ``skip`` stops behind it."""
        if self.when.duration == 0:
            yield from ((stop, T) for stop in self.when.halts())
        elif self.plan.leaps or self.plan.method == "exact":
            yield from self._leap(T, done)
        else:
            yield from self._step(T, steps, done, skip)

    def _leap(self, T: torch.Tensor, done: int) -> Iterator[tuple[float, torch.Tensor]]:
        halts = self.when.halts()
        now, made = (halts[done - 1] if done else self.when.start), dict[float, Propagator]()
        exact = self._make(1.0) if self.plan.method == "exact" else None
        for number, stop in enumerate(halts[done:], start=done + 1):
            interval = stop - now
            if isinstance(exact, Exact):
                T = exact.advance(T, interval)
            elif interval != 0:
                key = round(interval / self.when.duration, 12)
                if key not in made:
                    made[key] = self._make(interval)
                T = made[key](T, t=now)
            now = stop
            yield stop, T
            self.watch(now, T, number)

    def _step(self, T: torch.Tensor, steps: int, done: int, skip: int) -> Iterator[tuple[float, torch.Tensor]]:
        h = self.when.duration / steps
        main = self._make(h)
        for stop in self.when.halts()[skip:]:
            position = (stop - self.when.start) / h
            target = min(steps, math.floor(position + SAME))
            while done < target:
                # Blocks end at multiples of BLOCK and at stops, so that a resumed run cuts its steps alike.
                block = min(target - done, BLOCK - done % BLOCK)
                T = self._advance(main, T, block, self.when.start + done * h)
                done += block
                self.watch(self.when.start + done * h, T, done)
            rest = position - done
            # A time between two steps is served by a side branch: the main run never sees a shorter step.
            yield stop, T if rest <= SAME else self._make(rest * h)(T, t=self.when.start + done * h)

    def _make(self, dt: float) -> Propagator:
        method, options = self.plan.method, dict[str, float]()
        if self.plan.tol is not None and self.plan.leaps and method != "exact":
            options = {"tol": self._share(dt)}
        made = METHODS[method](self.hamiltonian, dt, self.imaginary, **options)
        made.share(self.tally)
        return made

    def _share(self, dt: float) -> float:
        """Return the part of half the tolerance that one interval may use up; rounding has the other half."""
        grown = growth(self.hamiltonian, self.when.duration) if self.imaginary else 1.0
        return (self.plan.tol or 0.0) / 2 * abs(dt / self.when.duration) / grown

    def _advance(self, main: Propagator, T: torch.Tensor, steps: int, t: float) -> torch.Tensor:
        if self.gradient == "reversible" and isinstance(main, Splitting):
            return reversible_advance(main, T, steps)
        if self.gradient != "checkpoint":
            return main.advance(T, steps, t=t)
        done = 0
        while done < steps:
            part = min(math.isqrt(steps) + 1, steps - done)
            T = checkpoint(main.advance, T, part, t=t + done * main.dt, use_reentrant=False, preserve_rng_state=False)
            done += part
        return T
