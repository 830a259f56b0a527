"""What `evolve` adds to its steps: Strang steps from nothing, beside the loop that a user writes by hand in torch."""

import math
from collections.abc import Iterator
from functools import partial

import torch

import spectral_ham as sh
from benchmarks.harness import reference
from benchmarks.harness.candidate import OURS, Candidate, relative_error
from benchmarks.harness.problem import DT, Problem, first_channel
from benchmarks.harness.reference import HBAR, MASS, METRIC, with_channels
from benchmarks.harness.yardsticks import copy_and_pair
from benchmarks.suites.operators import hamiltonian

STEPS = (1, 10, 100)
RUN = "evolve, {} Strang steps"
LOOP = "loop by hand"
SHAPES = ((28, 28, 256), (64, 64, 256), (512, 512))


def by_hand(T: torch.Tensor, V: torch.Tensor, dt: float, steps: int) -> torch.Tensor:
    """Return T after Strang steps, tables built here and neighboring half steps of V merged."""
    k_x, k_y = (2 * math.pi * torch.fft.fftfreq(N, dtype=torch.float64, device=T.device) for N in T.shape[:2])
    K = HBAR**2 / (2 * MASS) * (METRIC[0] * k_x[:, None] ** 2 + METRIC[1] * k_y[None, :] ** 2)
    kinetic = with_channels(torch.exp(-1j * dt / HBAR * K).to(T.dtype), T)
    half = with_channels(torch.exp(-0.5j * dt / HBAR * V).to(T.dtype), T)
    whole = half * half
    T = half * T
    for step in range(steps):
        T = torch.fft.ifft2(kinetic * torch.fft.fft2(T, dim=(0, 1)), dim=(0, 1))
        T = T * (whole if step < steps - 1 else half)
    return T


def ours(problem: Problem, steps: int) -> torch.Tensor:
    """Return the same by `evolve`, H built here."""
    H = hamiltonian(problem, "spectral")
    return sh.evolve(H, problem.T, steps * DT, method="strang", dt=DT).final


def candidates(problem: Problem) -> Iterator[Candidate]:
    """Yield both for each number of steps."""
    yield from copy_and_pair(problem)
    for steps in STEPS:
        exact = reference.strang(problem.first_channel.to(torch.complex128), problem.wide_V, DT, steps)
        for name, call in (
            (f"{OURS}, evolve", partial(ours, problem, steps)),
            (LOOP, partial(by_hand, problem.T, problem.wide_V, DT, steps)),
        ):
            yield Candidate(RUN.format(steps), name, problem, call, partial(_error, exact), parts=steps)


def _error(exact: torch.Tensor, result: torch.Tensor) -> float:
    return relative_error(exact)(first_channel(result))
