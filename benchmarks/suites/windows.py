"""A trainer's window: 64 explicit steps T ← (1 + c_n H)T without V, all frames kept or the last alone."""

from collections.abc import Callable, Iterator
from functools import partial

import torch

import spectral_ham as sh
from benchmarks.harness import floors, reference
from benchmarks.harness.candidate import OURS, Candidate, relative_error
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import FLAT, HBAR, MASS, METRIC
from benchmarks.harness.yardsticks import copy_and_pair
from benchmarks.rivals import replaced_kernel
from benchmarks.suites.operators import hamiltonian

STEPS = 64
EULER_DT = 0.005
FRAMES, FINAL = "window of 64, all frames", "window of 64, final frame"

Apply = Callable[[torch.Tensor], torch.Tensor]


def loop(H: Apply, T: torch.Tensor, c: complex, steps: int = STEPS) -> torch.Tensor:
    """Return all frames, one call after the other."""
    frames = T.new_empty(steps, *T.shape)
    for frame in frames:
        T = torch.add(T, H(T), alpha=c, out=frame)
    return frames


def final(H: Apply, T: torch.Tensor, c: complex, steps: int = STEPS) -> torch.Tensor:
    """Return the last frame, one call after the other."""
    for _ in range(steps):
        T = torch.add(T, H(T), alpha=c)
    return T


def candidates(problem: Problem) -> Iterator[Candidate]:
    """Yield windows of fd2 by one transform, by a loop over H, and by 64 calls of the replaced kernel."""
    yield from copy_and_pair(problem)
    T, c = problem.T, -1j * EULER_DT / HBAR
    H = hamiltonian(problem, "fd", potential=False)
    exact = relative_error(final(reference.fd, T.to(torch.complex128), c))
    frames = partial(_last, exact)
    all_floor, final_floor = floors.window(T, STEPS), floors.window(T, 1)
    coefficients = [c] * STEPS
    yield Candidate(
        FRAMES, f"{OURS}, euler_window", problem, partial(sh.euler_window, H, T, coefficients), frames, all_floor
    )
    yield Candidate(FRAMES, f"{OURS}, loop over H", problem, partial(loop, H, T, c), frames, all_floor)
    yield from _replaced(problem, c)
    one = partial(sh.euler_window, H, T, coefficients, final_only=True)
    yield Candidate(FINAL, f"{OURS}, euler_window", problem, one, exact, final_floor)
    yield Candidate(FINAL, f"{OURS}, loop over H", problem, partial(final, H, T, c), exact, final_floor)


def _replaced(problem: Problem, c: complex) -> Iterator[Candidate]:
    """Yield both forms with the periodic boundary that the window has; g^xx along axis 1 in the metric form."""
    T, g = problem.T, torch.tensor(METRIC, device=problem.T.device)
    metric = partial(
        replaced_kernel.hamiltonian_evolution_with_metric, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g, padding="circular"
    )
    flat = partial(replaced_kernel.hamiltonian_evolution, hbar_cog=HBAR, m_cog=MASS, padding="circular")
    for form, call, weights in (("metric", metric, METRIC[::-1]), ("flat", flat, FLAT)):
        exact = relative_error(final(partial(reference.fd, g=weights), T.to(torch.complex128), c))
        name = f"replaced conv2d, {form}, circular"
        note = "the metric: half the work" if form == "flat" else ""
        yield Candidate(FRAMES, name, problem, partial(loop, call, T, c), partial(_last, exact), note=note)


def _last(error: Callable[[torch.Tensor], float], frames: torch.Tensor) -> float:
    """Judge all frames by the last, which every error has reached."""
    return error(frames[-1])
