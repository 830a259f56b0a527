"""What V·T means: per point and channel, a matrix over channels, complex, in time. T is a plane wave in each."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch

import spectral_ham as sh
from spectral_ham.exact import CosineLattice
from spectral_ham.potentials import PotentialLike
from validation.cases import DIAGONAL, V0, budget, hamiltonian, random_field, ugly_torus
from validation.claim import Claim
from validation.study import Mode, Result, Study
from validation.waves import energies, largest_energy, wave_chunks

METRIC = sh.InverseMetric(DIAGONAL)
DELTA, OMEGA = 0.8, 0.5 - 0.7j
BUDGET = budget(torch.complex128)

_claim = partial(
    Claim,
    "potentials",
    formula="‖HT − exact‖_max/((max|symbol| + max|V|)·max|T|) ≤ 16 eps",
    source="definition",
    expected=0.0,
)


@dataclass(frozen=True)
class Case:
    """One way of running one backend, the wave n = (3, −2), and its kinetic energy E on that grid."""

    backend: str
    execution: str

    @property
    def wave(self) -> torch.Tensor:
        """Return the wave."""
        ((_, fields),) = wave_chunks(ugly_torus(), [(3, -2)])
        return fields[..., 0].contiguous()

    @property
    def E(self) -> float:
        """Return its exact kinetic energy."""
        return float(energies(ugly_torus(), [(3, -2)], METRIC, self.backend)[0])

    def error(self, V: PotentialLike, T: torch.Tensor, exact: torch.Tensor, largest_V: float, t: float = 0.0) -> float:
        """Return ‖HT − exact‖_max/((max|symbol| + max|V|)·max|T|)."""
        H = hamiltonian(ugly_torus(), METRIC, self.backend, self.execution, V=V)
        scale = largest_energy(H.torus, METRIC, self.backend) + largest_V
        return float((H(T, t=t) - exact).abs().max() / (scale * T.abs().max()))


def run(mode: Mode) -> Iterator[Result]:
    """Yield each kind of potential against its closed form, for each backend and execution."""
    for backend in ("spectral", "fd"):
        for execution in mode.executions(backend):
            case = Case(backend, execution)
            yield from _two_levels(case)
            yield _damping(case)
            yield _elementwise(case)
            yield _in_time(case)
    yield _library()


def _two_levels(case: Case) -> Iterator[Claim]:
    """V = [[Δ, Ω], [Ω*, −Δ]] commutes with the kinetic part: E_k ± √(Δ² + |Ω|²), Rabi's two levels."""
    V = sh.MatrixPotential(torch.tensor([[DELTA, OMEGA], [OMEGA.conjugate(), -DELTA]], dtype=torch.complex128))
    R = math.hypot(DELTA, abs(OMEGA))
    for sign in (1, -1):
        spinor = torch.tensor([OMEGA, sign * R - DELTA], dtype=torch.complex128)
        T = case.wave[..., None, None] * spinor[:, None] * torch.tensor([1.0, 2.0j, -0.5], dtype=torch.complex128)
        yield _claim(
            name=f"{case.backend} by {case.execution}: matrix V, state E_k {'+' if sign > 0 else '−'} √(Δ² + |Ω|²)",
            source="eigenvalues of [[Δ, Ω], [Ω*, −Δ]]; Rabi (1937), doi:10.1103/PhysRev.51.652",
            measured=case.error(V, T, (case.E + sign * R) * T, R),
            bound=BUDGET,
        )


def _damping(case: Case) -> Claim:
    value = V0 - 0.4j
    V, T = torch.full(ugly_torus().shape, value, dtype=torch.complex128), case.wave
    return _claim(
        name=f"{case.backend} by {case.execution}: complex constant V, energy E_k + V0 − iγ",
        measured=case.error(V, T, (case.E + value) * T, abs(value)),
        bound=BUDGET,
    )


def _elementwise(case: Case) -> Claim:
    T = case.wave[..., None, None] * random_field((2, 3), seed=31)
    V = random_field(tuple(T.shape), seed=32)
    return _claim(
        name=f"{case.backend} by {case.execution}: V per point and channel, E_k T + V∘T",
        measured=case.error(V, T, case.E * T + V * T, float(V.abs().max())),
        bound=BUDGET,
    )


def _in_time(case: Case) -> Claim:
    V, T, t = CosineLattice(ugly_torus(), V0).potential(), case.wave, 0.7
    exact = case.E * T + math.cos(2 * t) * V * T
    return _claim(
        name=f"{case.backend} by {case.execution}: V(t), E_k T + V(x, t) T at t = {t}",
        measured=case.error(lambda time: math.cos(2 * time) * V, T, exact, float(V.abs().max()), t),
        bound=BUDGET,
    )


def _library() -> Claim:
    """The cosine lattice of the library against that of the exact solutions, on a torus whose origin is not 0."""
    amplitudes, periods = (0.9, -0.4), (2, 1)
    V = sh.potentials.cosine_lattice(ugly_torus(), amplitude=amplitudes, periods=periods)
    exact = CosineLattice(ugly_torus(), amplitudes, periods).potential()
    return _claim(
        name="potentials.cosine_lattice, origin ≠ 0",
        formula="max|V − Σ_i V_i cos(2π n_i j/N)|/Σ|V_i| ≤ 16 eps",
        measured=float((V - exact).abs().max()) / sum(map(abs, amplitudes)),
        bound=BUDGET,
    )


STUDY = Study("potentials", "What V·T means: elementwise, matrix, complex, in time", run)
