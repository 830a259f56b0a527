"""What every Hamiltonian with a constant metric and a real potential is: symmetries that need no solution."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import torch

import spectral_ham as sh
from spectral_ham.exact import CosineLattice
from validation.cases import FULL, V0, Backend, budget, hamiltonian, random_field, ugly_torus
from validation.claim import Claim
from validation.study import Mode, Result, Study
from validation.waves import all_modes, energies, largest_energy, wave_chunks

METRIC = sh.InverseMetric(FULL)
BACKENDS: tuple[tuple[Backend, int], ...] = (("spectral", 2), ("fd", 2), ("fd", 8))
CHANNELS = (2, 2)
SHIFT = (5, -4)
BUDGET = budget(torch.complex128)

_claim = partial(Claim, "structure", source="definition", expected=0.0)


@dataclass(frozen=True)
class Case:
    """One way of running one backend, on the ugly torus with a full metric."""

    label: str
    backend: str
    stencil_order: int
    execution: str

    def hamiltonian(self, V: torch.Tensor | None = None) -> sh.Hamiltonian:
        """Return H, of the kinetic part alone by default."""
        order = self.stencil_order
        return hamiltonian(ugly_torus(), METRIC, self.backend, self.execution, stencil_order=order, V=V)

    @property
    def scale(self) -> float:
        """Return max|kinetic symbol|."""
        return largest_energy(ugly_torus(), METRIC, self.backend, self.stencil_order)


def run(mode: Mode) -> Iterator[Result]:
    """Yield each property for each backend and execution."""
    for backend, order in BACKENDS:
        for execution in mode.executions(backend):
            name = f"fd {order}" if backend == "fd" else backend
            case = Case(f"{name} by {execution}", backend, order, execution)
            for prove in PROPERTIES:
                yield prove(case)
        yield _symbol(backend, order)


def _hermitian(case: Case) -> Claim:
    H, (a, b) = case.hamiltonian(_potential()), _fields()
    left, right = torch.vdot(a.flatten(), H(b).flatten()), torch.vdot(H(a).flatten(), b.flatten())
    return _claim(
        name=f"{case.label}: Hermitian, with a real V",
        formula="|⟨a, Hb⟩ − ⟨Ha, b⟩|/(max|symbol|·‖a‖₂‖b‖₂) ≤ 16 eps",
        measured=float((left - right).abs() / (case.scale * a.norm() * b.norm())),
        bound=BUDGET,
    )


def _linear(case: Case) -> Claim:
    H, (a, b), alpha = case.hamiltonian(_potential()), _fields(), 0.3 - 1.7j
    defect = (H(alpha * a + b) - alpha * H(a) - H(b)).abs().max()
    return _claim(
        name=f"{case.label}: linear",
        formula="‖H(αa + b) − αHa − Hb‖_max/(max|symbol|·(|α| max|a| + max|b|)) ≤ 16 eps",
        measured=float(defect / (case.scale * (abs(alpha) * a.abs().max() + b.abs().max()))),
        bound=BUDGET,
    )


def _translation(case: Case) -> Claim:
    H, (a, _) = case.hamiltonian(), _fields()

    def shift(T: torch.Tensor) -> torch.Tensor:
        return T.roll(SHIFT, dims=(0, 1))

    exact = case.execution == "stencil"
    defect = float((H(shift(a)) - shift(H(a))).abs().max())
    return _claim(
        name=f"{case.label}: translation by {SHIFT} cells" + (", bit for bit" if exact else ""),
        formula="‖H S a − S H a‖_max" + (" = 0" if exact else "/(max|symbol|·max|a|) ≤ 16 eps"),
        measured=defect if exact else defect / (case.scale * float(a.abs().max())),
        bound=0.0 if exact else BUDGET,
    )


def _parity(case: Case) -> Claim:
    def mirror(T: torch.Tensor) -> torch.Tensor:
        return T.flip(0, 1).roll((1, 1), dims=(0, 1))  # j ↦ −j modulo N, on both axes: g^xy keeps its sign

    return _commutes(case, "parity j ↦ −j", mirror)


def _time_reversal(case: Case) -> Claim:
    return _commutes(case, "time reversal T ↦ T*, with a real V", torch.conj, _potential())


def _commutes(
    case: Case, name: str, symmetry: Callable[[torch.Tensor], torch.Tensor], V: torch.Tensor | None = None
) -> Claim:
    H, (a, _) = case.hamiltonian(V), _fields()
    return _claim(
        name=f"{case.label}: {name}",
        formula="‖H S a − S H a‖_max/(max|symbol|·max|a|) ≤ 16 eps",
        measured=float((H(symmetry(a)) - symmetry(H(a))).abs().max() / (case.scale * a.abs().max())),
        bound=BUDGET,
    )


def _reality(case: Case) -> Claim:
    """A complex field without imaginary part; here a Nyquist mode that is kept in ∂ or in g^xy shows."""
    H, (a, _) = case.hamiltonian(_potential()), _fields()
    T = a.real.to(torch.complex128)
    return _claim(
        name=f"{case.label}: a real field stays real",
        formula="max|Im HT|/(max|symbol|·max|T|) ≤ 16 eps for T real",
        measured=float(H(T).imag.abs().max() / (case.scale * T.abs().max())),
        bound=BUDGET,
    )


def _real_wave(case: Case) -> Claim:
    """Fields of a real dtype take paths of their own."""
    torus = ugly_torus()
    waves = [(0, 0), (3, -2), (-7, 5), (10, 7)]
    ((_, T),) = wave_chunks(torus, waves)
    E = energies(torus, waves, METRIC, case.backend, case.stencil_order)
    HT = case.hamiltonian()(T.real.contiguous())
    error = (HT - E * T.real).abs().max() if HT.dtype == torch.float64 else torch.tensor(torch.nan)
    return _claim(
        name=f"{case.label}: float64 fields, waves cos(k·x + φ)",
        formula="‖HT − E T‖_max/(max|symbol|·max|T|) ≤ 16 eps, HT of T's dtype",
        source="E = (ħ²/2m) Σ_ij g^ij k_i k_j, for fd by its symbol",
        measured=float(error / case.scale),
        bound=BUDGET,
    )


def _energy(case: Case) -> Claim:
    """T = Σ_n c_n e^{i k_n·x} over all modes: the waves are orthogonal, each with norm² = volume."""
    torus = ugly_torus()
    modes = all_modes(torus)
    c = random_field((len(modes), 2), seed=7)
    ((_, fields),) = wave_chunks(torus, modes)
    T = fields @ c
    E = energies(torus, modes, METRIC, case.backend, case.stencil_order)
    volume = torus.lengths[0] * torus.lengths[1]
    weights = volume * c.abs().square().sum(1)
    exact, norm = float(weights @ E), float(weights.sum())
    return _claim(
        name=f"{case.label}: energy of a superposition of all waves",
        formula="(E[T] − L_x L_y Σ_n |c_n|² E_n)/(max|symbol|·‖T‖²) ≤ 16 eps",
        source="Parseval's theorem",
        measured=(float(case.hamiltonian().energy(T)) - exact) / (case.scale * norm),
        bound=BUDGET,
    )


def _symbol(backend: Backend, order: int) -> Claim:
    lap = sh.Laplacian(ugly_torus(), inverse_metric=METRIC, backend=backend, stencil_order=order)
    return _claim(
        name=f"{backend} {order if backend == 'fd' else ''}".strip() + ": symbol of ∇²_g ≤ 0, and 0 at k = 0",
        formula="max symbol = 0, exactly",
        measured=float(lap.symbol().max()),
        bound=0.0,
    )


def _fields() -> tuple[torch.Tensor, torch.Tensor]:
    shape = ugly_torus().shape + CHANNELS
    return random_field(shape, seed=3), random_field(shape, seed=4)


def _potential() -> torch.Tensor:
    return CosineLattice(ugly_torus(), V0).potential()


PROPERTIES = (_hermitian, _linear, _translation, _parity, _time_reversal, _reality, _real_wave, _energy)

STUDY = Study("structure", "Symmetries: Hermiticity, translation, parity, reality, time reversal, energy", run)
