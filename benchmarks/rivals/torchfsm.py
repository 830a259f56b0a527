"""torchfsm: its operators act on spectra; its own return path keeps the real part, so spectra are asked for.

A complex field is legal there as a spectrum. The package has no splitting: in time it is given its own stable
second-order exponential Runge–Kutta steps, with V·T as the nonlinear term.
"""

from collections.abc import Iterator
from typing import Any

import torch

from benchmarks.harness import floors, reference
from benchmarks.harness.candidate import Candidate, relative_error
from benchmarks.harness.problem import DT, Problem, channels_first
from benchmarks.harness.reference import HBAR, MASS, METRIC


def _mesh(problem: Problem) -> Any:
    from torchfsm.mesh import FourierMesh

    extents = [(0.0, float(n), n) for n in problem.shape[:2]]
    return FourierMesh(extents, device=problem.device, dtype=problem.torch_dtype.to_real())


def _metric_laplacian(factor: complex) -> Any:
    """Return its linear coefficient factor·(g^xx ∂_x² + g^yy ∂_y²)."""
    from torchfsm.operator import LinearCoef

    class MetricLaplacian(LinearCoef):  # type: ignore[misc]
        def __call__(self, f_mesh: Any, n_channel: int) -> torch.Tensor:  # noqa: ARG002
            return factor * sum(g * f_mesh.grad(axis, 2) for axis, g in enumerate(METRIC))

    return MetricLaplacian()


def hamiltonian(problem: Problem) -> Iterator[Candidate]:
    """Yield H·T: a linear operator on the spectrum, its mesh's transforms, plus V·T."""
    from torchfsm.operator import LinearOperator

    mesh, u, V = _mesh(problem), problem.channels_first[None], problem.V
    operator = LinearOperator(_metric_laplacian(-(HBAR**2) / (2 * MASS)))
    operator.register_mesh(mesh, u.shape[1])
    exact = channels_first(problem.exact(reference.spectral)).reshape(u.shape)

    def call() -> torch.Tensor:
        result = mesh.ifft(operator(u_fft=mesh.fft(u), return_in_fourier=True))
        return (result if u.is_complex() else result.real) + V * u

    yield Candidate(
        "H spectral",
        "torchfsm",
        problem,
        call,
        relative_error(exact),
        floors.spectral(problem.T),
        note="resident channels first",
    )


def etdrk2(problem: Problem, steps: int) -> Iterator[Candidate]:
    """Yield n steps of its stable ETDRK2 by one call of `integrate`, spectra in and out."""
    from torchfsm.integrator import SETDRKIntegrator
    from torchfsm.operator import NonlinearFunc, Operator

    mesh, u = _mesh(problem), problem.channels_first[None]
    V = (-1j / HBAR * problem.wide_V).to(problem.torch_dtype)

    class PotentialTerm(NonlinearFunc):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(dealiasing_swtich=False)

        def __call__(self, u_fft: torch.Tensor, f_mesh: Any, u: Any = None) -> torch.Tensor:  # noqa: ARG002
            return f_mesh.fft(V * f_mesh.ifft(u_fft))  # the u that it is handed is a real part only

    operator = Operator([_metric_laplacian(1j * HBAR / (2 * MASS)), PotentialTerm()])
    operator.set_integrator(SETDRKIntegrator.SETDRK2)
    operator.register_mesh(mesh, u.shape[1])
    exact = relative_error(problem.exact_at(steps * DT, reference.spectral))

    def call() -> torch.Tensor:
        spectrum = operator.integrate(u_0_fft=mesh.fft(u), dt=DT, step=steps, return_in_fourier=True)
        result: torch.Tensor = mesh.ifft(spectrum)
        return result

    yield Candidate(
        "Strang step",
        "torchfsm, ETDRK2",
        problem,
        call,
        lambda result: exact(result[0, 0]),
        floors.strang(problem.T) * steps,
        parts=steps,
        note="resident channels first; has no splitting: exponential Runge–Kutta of the same order",
    )
