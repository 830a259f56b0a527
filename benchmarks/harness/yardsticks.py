"""What every time is compared with: a copy, FFT pairs, and the stencil by the plainest means."""

import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from benchmarks.harness import floors, reference
from benchmarks.harness.candidate import ADD, COPY, PAIR, YARDSTICK, Candidate, relative_error
from benchmarks.harness.measure import Call
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import HBAR, MASS, METRIC, with_channels

GEMM_SIZE = 2048


def copy_and_pair(problem: Problem, calls: int = 1) -> Iterator[Candidate]:
    """Yield the two units of account."""
    T, first = problem.T, problem.channels_first
    out = torch.empty_like(T)
    copy, pair = repeated(lambda: out.copy_(T), calls), repeated(partial(_pair, first), calls)
    yield Candidate(YARDSTICK, COPY, problem, copy, relative_error(T), floors.copy(T) * calls, calls)
    yield Candidate(YARDSTICK, PAIR, problem, pair, relative_error(first), parts=calls)


def addition(problem: Problem, calls: int) -> Candidate:
    """Return the unit in which a call that moves hardly any data is measured: what torch takes to do nothing."""
    a = torch.ones(6, 6, dtype=problem.torch_dtype, device=problem.device)
    return Candidate(YARDSTICK, ADD, problem, repeated(lambda: a + a, calls), relative_error(2 * a), parts=calls)


def repeated(call: Call, calls: int) -> Call:
    """Return a call of many calls, where one is too short for the clock."""
    if calls == 1:
        return call

    def many() -> Any:
        for _ in range(calls - 1):
            call()
        return call()

    return many


def _pair(first: torch.Tensor) -> torch.Tensor:
    if first.is_complex():
        return torch.fft.ifft2(torch.fft.fft2(first))
    return torch.fft.irfft2(torch.fft.rfft2(first), s=first.shape[-2:])


def other_yardsticks(problem: Problem) -> Iterator[Candidate]:
    """Yield a copy into new memory, and FFT pairs in the field's own layout and by scipy."""
    import scipy.fft

    T, first = problem.T, problem.channels_first
    yield Candidate(YARDSTICK, "clone", problem, T.clone, relative_error(T), floors.copy(T))
    yield Candidate(
        YARDSTICK,
        "FFT pair, native layout",
        problem,
        lambda: torch.fft.ifft2(torch.fft.fft2(T, dim=(0, 1)), dim=(0, 1)),
        relative_error(T.to(T.dtype.to_complex())),
    )
    if T.device.type == "cpu":
        array, workers = first.numpy(), torch.get_num_threads()
        yield Candidate(
            YARDSTICK,
            "scipy.fft pair, channels first",
            problem,
            lambda: scipy.fft.ifft2(scipy.fft.fft2(array, workers=workers), workers=workers),
            lambda result: relative_error(first.to(first.dtype.to_complex()))(torch.from_numpy(result)),
            counts_memory=False,
        )


def plain_stencils(problem: Problem) -> Iterator[Candidate]:
    """Yield H of fd2 by `torch.roll`, and by slices written in place into a given result."""
    T, V = problem.T, with_channels(problem.V, problem.T)
    exact = relative_error(problem.exact(reference.fd))
    floor = floors.stencil(T, 2)
    yield Candidate("H fd2", "torch.roll", problem, lambda: reference.fd(T) + V * T, exact, floor)
    slices = Slices(T, problem.V)
    yield Candidate("H fd2", "in-place slices", problem, slices, exact, floor)


class Slices:
    """H·T of fd2 by slices: one product, then eight additions in place, on the real view, into a kept result."""

    def __init__(self, T: torch.Tensor, V: torch.Tensor) -> None:
        self.T = (torch.view_as_real(T) if T.is_complex() else T).reshape(*T.shape[:2], -1)
        self.out = torch.empty_like(T)
        self.real_out = (torch.view_as_real(self.out) if T.is_complex() else self.out).reshape(self.T.shape)
        scale = -(HBAR**2) / (2 * MASS)
        self.diagonal = (V - 2 * scale * sum(METRIC))[..., None]
        self.weights = [scale * g for g in METRIC]

    def __call__(self) -> torch.Tensor:
        """Return H·T."""
        torch.mul(self.T, self.diagonal, out=self.real_out)
        for axis, w in enumerate(self.weights):
            T, out = self.T.transpose(0, axis), self.real_out.transpose(0, axis)
            out[1:].add_(T[:-1], alpha=w)
            out[:1].add_(T[-1:], alpha=w)
            out[:-1].add_(T[1:], alpha=w)
            out[-1:].add_(T[:1], alpha=w)
        return self.out


def peak_flops(
    device: torch.device, dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.float64)
) -> dict[str, float]:
    """Return the flops per second of a square matrix product, the best of a few, per dtype."""
    found = {}
    for dtype in dtypes:
        A = torch.rand(GEMM_SIZE, GEMM_SIZE, dtype=dtype, device=device)
        seconds = []
        for _ in range(6):
            _wait(device)
            start = time.perf_counter()
            torch.mm(A, A)
            _wait(device)
            seconds.append(time.perf_counter() - start)
        found[str(dtype).removeprefix("torch.")] = 2 * GEMM_SIZE**3 / min(seconds)
    return found


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()
