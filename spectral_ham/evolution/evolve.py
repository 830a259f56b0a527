"""`evolve`: the solution of the Schrödinger equation, from the choice of a method to statistics."""

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import get_args

import torch

from spectral_ham._internal.calls import as_flag
from spectral_ham._internal.checks import check_option, invalid
from spectral_ham._internal.typing import GradientMode, MethodChoice
from spectral_ham.analysis.preflight import new_advice
from spectral_ham.evolution.integrate import integrate
from spectral_ham.evolution.method_choice import choose_method
from spectral_ham.evolution.recorder import Observable, Observer, Recorder
from spectral_ham.evolution.restart import RestartFile, restart_file
from spectral_ham.evolution.solution import Trajectory, observed
from spectral_ham.evolution.step_doubling import step_doubling
from spectral_ham.evolution.times import schedule
from spectral_ham.evolution.trial import checked_problem, try_observers
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.propagators import check_reversible

GRADIENTS: tuple[GradientMode, ...] = get_args(GradientMode)


def evolve(
    H: Hamiltonian,
    T: torch.Tensor,
    time: float,
    *,
    method: MethodChoice = "auto",
    dt: float | None = None,
    tol: float | None = None,
    t0: float = 0.0,
    save_times: Iterable[float] | torch.Tensor | None = None,
    observables: Mapping[str, Observable] | None = None,
    imaginary: bool = False,
    progress: bool = False,
    restart: str | os.PathLike[str] | None = None,
    restart_every: float = 20.0,
    gradient: GradientMode = "auto",
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
        observables: name → f(T, t), evaluated at the saved times; each is tried once at t0 before the run begins.
        imaginary: imaginary time τ: high energies decay, and the norm is not kept.
        progress: show a progress bar (tqdm) if stderr is a terminal.
        restart: a file that the run is written to between blocks of steps, and at its end. If it exists, the run goes
            on from it, to the same bits; a file of another run is refused, with what differs. Not together with a
            search for the step (``tol`` with a fixed-step method), nor with gradients.
        restart_every: seconds between two writes.
        gradient: "autograd" records every step; "checkpoint" keeps √n fields and computes the rest again;
            "reversible" keeps one field and undoes the steps (a symmetric splitting of a static Hermitian H in real
            time; first derivatives only); "auto" takes "checkpoint" beyond 32 steps. Where nothing carries a
            derivative all are the same.
        callback: called as callback(T, t) at the saved times.

    Warns:
        Advice: a step at a splitting resonance or beyond the stability limit, a field that the grid or the stencil
            resolves badly, a precision too coarse for the tolerance; each names its remedy, and is given once for
            one H and one cause.

    Raises:
        ValueError: arguments that contradict each other or H; the message names them.
        RestartError: a restart file that cannot be used, or, with the finished run, not be written.
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
    check_option("evolve(gradient=...)", gradient, GRADIENTS)
    times = schedule(time, t0, save_times, imaginary=as_flag("evolve(imaginary=...)", imaginary))
    problem = checked_problem(H, T, times, imaginary=imaginary)
    try_observers(observables, callback, problem)
    choice = choose_method(problem, method, dt, tol)
    if gradient == "reversible" and torch.is_grad_enabled():
        check_reversible("evolve(gradient=...)", choice.method, H, imaginary=imaginary)
    for advice in new_advice(
        H, problem.T, method=choice.name, dt=choice.dt, tol=choice.tol, time=time, t=t0, imaginary=imaginary
    ):
        warnings.warn(advice, stacklevel=2)
    title = choice.name if progress else None

    def recorder(file: RestartFile | None = None) -> Recorder:
        return Recorder(problem, observables, callback, title, file)

    def trial(steps: int) -> Trajectory:
        return integrate(problem, choice, steps, Recorder(problem, progress=title), "autograd")

    def final(steps: int, found: Trajectory) -> Trajectory:
        if problem.is_recorded:
            return integrate(problem, choice, steps, recorder(), gradient)
        return observed(found, recorder())

    if choice.searches:
        if restart is not None:
            needs = "used with dt=, not while the step is searched for"
            raise invalid("evolve(restart=...)", needs, restart)
        return step_doubling(problem, choice, trial, final)
    steps = 1 if choice.dt is None else times.steps(choice.dt)
    file = None if restart is None else restart_file(restart, restart_every, problem, choice, observables or ())
    return integrate(problem, choice, steps, recorder(file), gradient)
