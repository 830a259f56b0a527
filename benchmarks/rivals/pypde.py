"""py-pde: its compiled (numba) five-point Laplacian of one scalar field."""

from collections.abc import Iterator

import torch

from benchmarks.harness import floors, reference
from benchmarks.harness.candidate import Candidate, relative_error
from benchmarks.harness.problem import Problem
from benchmarks.harness.reference import HBAR, MASS, METRIC


def laplacian(problem: Problem) -> Iterator[Candidate]:
    """Yield ∇²_g T into a given result, the metric being lengths N/√g; single channels only."""
    if problem.channels != 1 or problem.device.type != "cpu":
        return
    import pde

    sizes = problem.shape[:2]
    grid = pde.CartesianGrid([[0, n / g**0.5] for n, g in zip(sizes, METRIC, strict=True)], sizes, periodic=True)
    T = problem.T.reshape(sizes).numpy()
    out = torch.empty(sizes, dtype=problem.torch_dtype).numpy()
    apply = grid.make_operator("laplace", bc="periodic", backend="numba", dtype=T.dtype)
    factor = -(HBAR**2) / (2 * MASS)
    exact = relative_error(problem.exact(reference.fd, potential=False).reshape(sizes))
    yield Candidate(
        "H fd2",
        "py-pde",
        problem,
        lambda: apply(T, out),
        lambda result: exact(factor * torch.from_numpy(result)),
        floors.stencil(problem.T, 2),
        note="the Laplacian alone: neither V nor ħ²/2m",
        counts_memory=False,
    )
