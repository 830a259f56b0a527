"""`evolve`: the only time loop and the only clock."""

import math
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch

from spectral_ham._internal.checks import check_field, check_option, invalid
from spectral_ham._internal.mode import carries_derivative
from spectral_ham.analysis.preflight import advise
from spectral_ham.analysis.stability import max_stable_dt
from spectral_ham.errors import EvolutionError
from spectral_ham.evolution.integrate import March
from spectral_ham.evolution.method_choice import Plan, choose_plan, first_guess, rounding
from spectral_ham.evolution.restart import RestartFile, fingerprint
from spectral_ham.evolution.solution import Stats, Trajectory
from spectral_ham.evolution.times import SAME, Schedule, schedule
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.propagators import Counters, check_reversible, propagator

GRADIENTS = ("auto", "autograd", "checkpoint", "reversible")
AUTOGRAD_STEPS = 32
MAX_STEPS = 2**24

Observable: TypeAlias = Callable[[torch.Tensor, float], torch.Tensor]
Observer: TypeAlias = Callable[[torch.Tensor, float], object]


def evolve(
    H: Hamiltonian,
    T: torch.Tensor,
    time: float,
    *,
    method: str = "auto",
    dt: float | None = None,
    tol: float | None = None,
    t0: float = 0.0,
    save_times: Iterable[float] | torch.Tensor | None = None,
    observables: Mapping[str, Observable] | None = None,
    imaginary: bool = False,
    progress: bool = False,
    restart: str | os.PathLike[str] | None = None,
    gradient: str = "auto",
    callback: Observer | None = None,
) -> Trajectory:
    """Solve iħ ∂T/∂t = H[T], or ħ ∂T/∂τ = −H[T] in imaginary time, from ``t0`` over ``time``.

    Args:
        H: the Hamiltonian.
        T: the field at t0. In real time a real field becomes complex; in imaginary time with a real V it stays real.
        time: duration; negative runs backwards (real time only).
        method: "auto", or one of "exact", "lie", "strang", "yoshida4", "yoshida6", "suzuki4", "blanes_moan4",
            "chebyshev", "lanczos", "crank_nicolson", "rk4", "etdrk4", "magnus4".
        dt: step > 0, for those who want it: n = max(1, ⌈|time|/dt − 1e-9⌉) equal steps of |time|/n.
        tol: for those who want an answer: ‖T(t) − exact‖₂ ≤ tol·‖T₀‖₂ at every saved time, where exact means exact in
            time for this discretization. With neither dt nor tol: 1e-5 (complex64) or 1e-10 (complex128).
        t0: start time, for V(t).
        save_times: strictly monotone times within the run; None saves the end. A time between two steps is served by
            a side branch; the main run keeps its steps, and moves by rounding only.
        observables: name → f(T, t), evaluated at the saved times.
        imaginary: imaginary time τ: high energies decay, and the norm is not kept.
        progress: show a progress bar (tqdm) if stderr is a terminal.
        restart: a file that the run is written to every 20 seconds and at its end. If it exists, the run goes on from
            it, to the same bits; a file of another run is refused. Not together with a search for the step
            (``tol`` with a fixed-step method), nor with gradients.
        gradient: "autograd" records every step; "checkpoint" keeps √n fields and computes the rest again;
            "reversible" keeps one field and undoes the steps (a symmetric splitting of a static Hermitian H in real
            time; first derivatives only); "auto" takes "checkpoint" beyond 32 steps.
        callback: called as callback(T, t) at the saved times.

    Warns:
        Advice: a step at a splitting resonance or beyond the stability limit, a field that the grid or the stencil
            resolves badly, a precision too coarse for the tolerance; each names its remedy.

    Raises:
        ValueError: arguments that contradict each other or H; the message names them.
        EvolutionError: the field became NaN or Inf; it carries the run up to there.

    Example:
        >>> import torch, spectral_ham as sh
        >>> torus = sh.Torus((16, 15), lengths=(4.0, 3.0))
        >>> H = sh.Hamiltonian(torus, potential=sh.potentials.cosine_lattice(torus), hbar=0.5)
        >>> T0 = sh.exact.plane_wave(torus, (1, 2))
        >>> run = sh.evolve(H, T0, 2.0, save_times=[1.0, 2.0], observables={"E": lambda T, t: H.energy(T)})
        >>> torch.allclose(run.observables["E"], H.energy(T0))
        True
        >>> run.stats.method, run.stats.error_bound < 1e-10
        ('exact', True)
    """
    check_field("evolve(T)", T, H.torus.shape)
    check_option("evolve(gradient=...)", gradient, GRADIENTS)
    when = schedule(time, t0, save_times, imaginary=imaginary)
    T = T if T.is_complex() or (imaginary and H.is_real) else T.to(T.dtype.to_complex())
    plan = choose_plan(H, T, when, method, dt, tol, imaginary)
    for advice in advise(H, T, method=plan.method, dt=plan.dt, tol=plan.tol, time=time, t=t0, imaginary=imaginary):
        warnings.warn(advice, stacklevel=2)
    run = _Runner(H, T, plan, when, dict(observables or {}), imaginary, progress, gradient, callback)
    if plan.leaps or plan.method == "exact" or plan.dt is not None:
        steps = 1 if plan.dt is None else when.steps(plan.dt)
        return run.once(steps, None if restart is None else _restart_file(restart, H, T, plan, when, imaginary))
    if restart is not None:
        raise invalid("evolve(restart=...)", "used with dt=, not while the step is searched for", restart)
    return run.until_two_agree()


def _restart_file(
    path: str | os.PathLike[str], H: Hamiltonian, T: torch.Tensor, plan: Plan, when: Schedule, imaginary: bool
) -> RestartFile:
    if torch.is_grad_enabled() and T.requires_grad:
        raise invalid("evolve(restart=...)", "None while a gradient is recorded", path, "Call under torch.no_grad().")
    return RestartFile(path, fingerprint(H, T, plan, when, imaginary))


@dataclass(frozen=True)
class _Runner:
    H: Hamiltonian
    T: torch.Tensor
    plan: Plan
    when: Schedule
    observables: dict[str, Observable]
    imaginary: bool
    progress: bool
    gradient: str
    callback: Observer | None

    def once(self, steps: int, file: RestartFile | None = None) -> Trajectory:
        """Return the run with a given number of steps."""
        tally, watch = Counters(), _Watch(self, file)
        gradient = self.gradient if torch.is_grad_enabled() else "autograd"
        if gradient == "auto":
            gradient = "checkpoint" if steps > AUTOGRAD_STEPS else "autograd"
        if gradient == "reversible":
            step = propagator(self.plan.method, self.H, self.when.duration / steps, imaginary=self.imaginary)
            check_reversible("evolve(gradient=...)", step)
        march = March(self.H, self.plan, self.when, self.imaginary, watch, gradient, tally)
        start, done = watch.resumed()
        with watch:
            for t, T in march.states(start, steps, done, skip=len(watch.times)):
                watch.save(t, T)
        final = watch.good[1]
        return watch.trajectory(final, self._stats(steps, tally, final))

    def until_two_agree(self) -> Trajectory:
        """Return the finer of two runs, n and 2n steps, that differ by less than the tolerance allows."""
        tol = self.plan.tol or 0.0
        order = propagator(self.plan.method, self.H, self.when.duration, imaginary=self.imaginary).order or 1
        gain = 2**order - 1
        n, last, stalled = self._first_steps(), None, 0
        with torch.no_grad():
            coarse = self.once(n)
            while True:
                fine = self.once(2 * n)
                difference = _largest_difference(coarse, fine, self.T)
                agreement = last is None or 0.5 < last / difference / 2**order < 2.0 if difference > 0 else True
                if difference / gain <= tol and last is not None:
                    break
                stalled = stalled + 1 if last is not None and last < 0.1 and difference > last / 1.5 else 0
                if 4 * n > MAX_STEPS or stalled == 2:
                    needs = f"reachable, but two runs still differ by {difference:.2g} at {2 * n} steps"
                    remedy = "Raise tol, use a method of higher order, or complex128 if rounding is what is left."
                    raise invalid("evolve(tol=...)", needs, tol, remedy)
                coarse, n, last = fine, 2 * n, difference
        finest = self.once(2 * n) if self._records(2 * n) else fine
        estimate = max(difference / gain, self._rounding())
        return replace(finest, stats=replace(finest.stats, error_estimate=estimate, agreement=agreement))

    def _records(self, steps: int) -> bool:
        """Tell whether a step records a gradient: only then is the run that was found made once more, with it."""
        if not torch.is_grad_enabled():
            return False
        step = propagator(self.plan.method, self.H, self.when.duration / steps, imaginary=self.imaginary)
        return carries_derivative(step(self.T, t=self.when.start))

    def _first_steps(self) -> int:
        """Return a number of steps that resolves V and keeps an explicit method stable."""
        guess = first_guess(self.H, self.T, self.when)
        if not self.H.is_hermitian:
            return guess
        start = self.when.start
        limit = max_stable_dt(self.H, self.plan.method, T=self.T, t=start, imaginary=self.imaginary)
        return max(guess, math.ceil(abs(self.when.duration) / (0.9 * limit))) if 0 < limit < math.inf else guess

    def _rounding(self) -> float:
        exact = self.plan.method == "exact"
        return rounding(self.H, self.T, self.when, imaginary=self.imaginary, exact=exact)

    def _stats(self, steps: int, tally: Counters, T: torch.Tensor) -> Stats:
        plan, count = self.plan, len(self.when.halts())
        exact = plan.method == "exact"
        leaps = plan.leaps or exact
        bound = None
        if leaps and not (self.imaginary and plan.method == "lanczos"):
            bound = self._rounding() + (0.0 if exact else (plan.tol or 0.0) / 2)
        drift = None
        if not self.imaginary and self.H.is_hermitian:
            norms = [float(torch.linalg.vector_norm(x.detach())) for x in (T, self.T)]
            drift = norms[0] / norms[1] - 1 if norms[1] > 0 else 0.0
        return Stats(
            method=plan.method,
            reason=plan.reason,
            steps=count if leaps else steps,
            dt=None if leaps else self.when.duration / steps,
            hamiltonian_applications=tally.hamiltonian_applications,
            transforms=tally.transforms,
            error_bound=bound,
            norm_drift=drift,
        )


def _largest_difference(a: Trajectory, b: Trajectory, T: torch.Tensor) -> float:
    """Return max ‖a − b‖/‖T₀‖ over the saved times and the end."""
    scale = float(torch.linalg.vector_norm(T)) or 1.0
    pairs = zip((*a.fields, a.final), (*b.fields, b.final), strict=True)
    return max(float(torch.linalg.vector_norm(x - y)) for x, y in pairs) / scale


def _as_tensor(value: torch.Tensor | float) -> torch.Tensor:
    return value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=torch.float64)


class _Watch:
    """Looks at the field between blocks of steps: progress, NaN and Inf, and what to keep."""

    def __init__(self, run: _Runner, file: RestartFile | None) -> None:
        self.run = run
        self.file = file
        self.good = (run.when.start, run.T)
        self.times: list[float] = []
        self.fields: list[torch.Tensor] = []
        self.values: dict[str, list[torch.Tensor]] = {name: [] for name in run.observables}
        self.bar: Any = None

    def __enter__(self) -> "_Watch":
        if self.run.progress and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError as error:
                needs = 'tqdm installed: pip install "spectral-ham[validation]"'
                raise ImportError(f"`evolve(progress=True)` must have {needs}.") from error
            self.bar = tqdm(total=abs(self.run.when.duration), unit="t", desc=self.run.plan.method)
        return self

    def __exit__(self, *_: object) -> None:
        if self.bar is not None:
            self.bar.close()

    def resumed(self) -> tuple[torch.Tensor, int]:
        """Return the field to start from and the number of steps behind it: the restart file's, if there is one."""
        state = None if self.file is None else self.file.load()
        if state is None:
            return self.run.T, 0
        self.times, self.fields, self.values = state["times"], state["fields"], state["values"]
        self.good = (state["t"], state["T"])
        return state["T"], state["done"]

    def __call__(self, t: float, T: torch.Tensor, done: int) -> None:
        """Look at the field after a block of steps, and write the restart file."""
        self._check(t, T)
        if self.bar is not None:
            self.bar.update(abs(t - self.good[0]))
        self.good = (t, T)
        if self.file is not None:
            state = {"t": t, "T": T, "done": done, "times": self.times, "fields": self.fields, "values": self.values}
            self.file.offer(state, now=abs(t - self.run.when.end) <= SAME * abs(self.run.when.duration))

    def _check(self, t: float, T: torch.Tensor) -> None:
        """Refuse a field that is not finite, keeping the last one that was."""
        if bool(torch.isfinite(torch.linalg.vector_norm(T.detach()))):
            return
        then, last = self.good
        raise EvolutionError(
            f"`evolve(...)` must keep the field finite, but it became NaN or Inf between t = {then} and t = {t}. "
            "Shorten dt (see max_stable_dt), or use a unitary method; the exception's `trajectory` holds the run "
            "until then.",
            self.trajectory(last, self.run._stats(1, Counters(), last)),
            then,
        )

    def save(self, t: float, T: torch.Tensor) -> None:
        """Keep field and observables if ``t`` is a time to save."""
        self._check(t, T)
        if len(self.times) < len(self.run.when.stops):
            self.times.append(t)
            self.fields.append(T)
            for name, observe in self.run.observables.items():
                self.values[name].append(_as_tensor(observe(T, t)))
            if self.run.callback is not None:
                self.run.callback(T, t)

    def trajectory(self, final: torch.Tensor, stats: Stats) -> Trajectory:
        """Return what was kept."""
        fields = torch.stack(self.fields) if self.fields else final.new_empty((0, *final.shape))
        observables = {name: torch.stack(values) for name, values in self.values.items() if values}
        return Trajectory(torch.tensor(self.times, dtype=torch.float64), fields, final, stats, observables)
