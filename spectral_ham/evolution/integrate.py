"""The one loop over time: from target to target, in blocks of steps."""

from spectral_ham._internal.typing import GradientMode
from spectral_ham.errors import EvolutionError
from spectral_ham.evolution.method_choice import Choice
from spectral_ham.evolution.problem import Problem
from spectral_ham.evolution.recorder import Recorder, State
from spectral_ham.evolution.solution import Trajectory, solution
from spectral_ham.evolution.stepper import Stepper
from spectral_ham.evolution.times import EqualSteps, Leaps, Pace

BLOCK = 512
"""Steps between two looks at the field (and at the progress bar)."""


def integrate(problem: Problem, choice: Choice, steps: int, recorder: Recorder, gradient: GradientMode) -> Trajectory:
    """Return the run with a given number of equal steps, or with one leap from target to target.

    A time between two steps is served by a side branch: the main run never sees a shorter step.

    Raises:
        EvolutionError: the field became NaN or Inf; it carries the run up to there.
    """
    pace = Leaps(problem.schedule) if choice.leaps else EqualSteps(problem.schedule, steps)
    with recorder:
        return _integrated(problem, choice, pace, recorder, gradient)


def _integrated(problem: Problem, choice: Choice, pace: Pace, recorder: Recorder, gradient: GradientMode) -> Trajectory:
    schedule = problem.schedule
    state, kept = recorder.start()
    stepper = Stepper(problem, choice, gradient, pace.steps, kept.counters)

    def solved(state: State, steps: int) -> Trajectory:
        return solution(problem, choice, pace, state, kept, steps=steps)

    def checked(state: State, last: State) -> State:
        if state.is_finite:
            return state
        raise EvolutionError(
            f"`evolve(...)` must keep the field finite, but it became NaN or Inf between t = {last.t} and "
            f"t = {state.t}. Shorten dt (see max_stable_dt), or use a unitary method; the exception's `trajectory` "
            "holds the run until then.",
            solved(last, last.done),
            last.t,
        )

    saved = len(kept.times)
    for number, target in enumerate(schedule.targets[saved:], start=saved):
        whole, rest = pace.reached(number, target)
        while state.done < whole:
            # Blocks end at multiples of BLOCK and at targets, so that a resumed run cuts its steps alike.
            block = min(whole - state.done, BLOCK - state.done % BLOCK)
            T = stepper.advance(state.T, block, pace.length(state.done), state.t)
            done = state.done + block
            last, state = state, checked(State.at(pace.time(done), T, done), state)
            recorder.passed(last, state, kept)
        branch = state if rest == 0 else State.at(target, stepper.partial_step(state.T, rest, state.t), state.done)
        recorder.save(kept, target, checked(branch, state).T)
    return recorder.finish(solved(state, pace.steps))
