"""expsolve: splitting steps in torch, its tables computed and kept beforehand, as its sources advise."""

from collections.abc import Iterator

import torch

from benchmarks.harness import floors, reference
from benchmarks.harness.candidate import Candidate, relative_error
from benchmarks.harness.problem import DT, Problem, channels_first
from benchmarks.harness.reference import HBAR, MASS, METRIC
from spectral_ham.propagators import SCHEMES

NOTE = "resident channels first; shifts the spectrum twice per pair"


def _kinetic(problem: Problem) -> torch.Tensor:
    """Return (ħ²/2m)(g^xx k_x² + g^yy k_y²) from the package's own symbols, in its own order."""
    import numpy as np
    from expsolve.discretize.tensorgrid import fouriersymbol, tensorizesymbol

    sizes = list(problem.shape[:2])
    ranges = np.array([[0.0, n] for n in sizes])
    grids = tensorizesymbol(fouriersymbol, sizes, ranges, dtype=torch.complex128, device=problem.device)
    laplacian = sum(g * torch.real(c**2) for g, c in zip(METRIC, grids, strict=True))
    return -(HBAR**2) / (2 * MASS) * laplacian


def hamiltonian(problem: Problem) -> Iterator[Candidate]:
    """Yield H·T: `laplacianop` with a table of the metric, plus V·T."""
    from expsolve.discretize.tensorgrid import laplacianop

    first, V = problem.channels_first, problem.V
    symbol = _kinetic(problem).to(problem.torch_dtype.to_real())
    exact = channels_first(problem.exact(reference.spectral))
    yield Candidate(
        "H spectral",
        "expsolve",
        problem,
        lambda: laplacianop(symbol, first) + V * first,
        relative_error(exact),
        floors.spectral(problem.T),
        note=NOTE,
    )


def splitting(problem: Problem, scheme: str, steps: int) -> Iterator[Candidate]:
    """Yield n steps of a symmetric scheme: `solvediffeq` over `classical.stepper`, one table per coefficient."""
    from expsolve import solvediffeq, timegrid
    from expsolve.discretize.tensorgrid import fourierproduct
    from expsolve.evolve.splittings.classical import stepper

    dtype, first = problem.torch_dtype, problem.channels_first
    coefficients = SCHEMES[scheme]
    # The stepper applies A and B in turn, A first: A is V, and the last B is skipped.
    alpha, beta = list(coefficients.potential), [*coefficients.kinetic, 0.0]
    E, V = _kinetic(problem), problem.wide_V
    phases = {b: torch.exp(-1j * DT / HBAR * b * V).to(dtype) for b in alpha}
    tables = {a: torch.exp(-1j * DT / HBAR * a * E).to(dtype) for a in beta}
    times = timegrid([0.0, steps * DT], steps)

    def step(t: torch.Tensor, h: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        return stepper(
            t,
            h,
            u,
            lambda _t, _h, a, u: phases[a] * u,
            lambda _t, _h, b, u: fourierproduct(tables[b], u),
            alpha,
            beta,
        )

    exact = relative_error(problem.exact_at(steps * DT, reference.spectral))
    yield Candidate(
        {"strang": "Strang step", "blanes_moan4": "4th-order step"}[scheme],
        "expsolve" if scheme == "strang" else f"expsolve, {scheme}",
        problem,
        lambda: solvediffeq(first, times, step)[0],
        lambda result: exact(result[0]),
        floors.strang(problem.T) * (len(coefficients.kinetic) * steps),
        parts=steps,
        note=NOTE,
    )
