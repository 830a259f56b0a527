"""exponax (jax, compiled): real fields on square grids, so a complex field is its real and imaginary parts."""

import os
from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.harness import floors, reference
from benchmarks.harness.candidate import Candidate, relative_error
from benchmarks.harness.problem import Problem, channels_first
from benchmarks.harness.reference import HBAR, MASS, METRIC


def hamiltonian(problem: Problem) -> Iterator[Candidate]:
    """Yield H·T from its own real transforms and derivative operators; nothing where it cannot be."""
    square = problem.shape[0] == problem.shape[1]
    if not square or problem.real_dtype != "float32" or problem.device.type != "cpu":
        return
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    import exponax as ex
    import jax
    import numpy as np

    first, N = problem.channels_first, problem.shape[0]
    parts = torch.view_as_real(first).movedim(-1, 1).flatten(0, 1).contiguous() if first.is_complex() else first
    derivative = ex.spectral.build_derivative_operator(2, float(N), N)
    g = np.array(METRIC, dtype=np.float32)[:, None, None]
    symbol = -(HBAR**2) / (2 * MASS) * (g * derivative**2).sum(0)[None]
    V, u = jax.numpy.asarray(problem.V.numpy()), jax.numpy.asarray(parts.numpy())

    @jax.jit
    def apply(u: Any) -> Any:
        return ex.ifft(symbol * ex.fft(u, num_spatial_dims=2), num_spatial_dims=2, num_points=N) + V * u

    exact = relative_error(channels_first(problem.exact(reference.spectral)))

    def error(result: Any) -> float:
        back = torch.from_numpy(np.array(result))
        if first.is_complex():
            back = torch.view_as_complex(back.reshape(len(first), 2, N, N).movedim(1, -1).contiguous())
        return exact(back)

    yield Candidate(
        "H spectral",
        "exponax",
        problem,
        lambda: apply(u).block_until_ready(),
        error,
        floors.spectral(problem.T),
        note="resident as real and imaginary channels first; has no Schrödinger steps",
        counts_memory=False,
    )
