"""The spectrum in a cosine potential, where kinetic and potential energy do not commute: Mathieu's equation."""

import math
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import torch

import spectral_ham as sh
from spectral_ham.convergence import ConvergenceStudy, study_errors
from spectral_ham.exact import CosineLattice
from spectral_ham.plotting import COLORS
from validation.cases import KINETIC, ORDERS, UNITS, budget, hamiltonian, torus_of
from validation.claim import Claim
from validation.figures import draw_orders, dress
from validation.orders import order_claims
from validation.study import Mode, Plot, Result, Study
from validation.waves import largest_energy

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLOCH = "tridiagonal Bloch matrix of c(2πp/L)² and V0/2; NIST DLMF 28.29, https://dlmf.nist.gov/28.29"
MATHIEU = "Mathieu's a_r(q), b_r(q) by SciPy, q ≤ 20; NIST DLMF 28.2, https://dlmf.nist.gov/28.2"
EIGENVALUES = "max|E − E_exact| of the lowest states ≤ 16 eps·(max|kinetic symbol| + max|V|)"
COUNT = 12
METRIC_1D, METRIC_2D = sh.InverseMetric((0.37,)), sh.InverseMetric((2.0, 1.1))
PLANE = (28, 31)
"""More than twice the lattice's `bandwidth`, so that the grid holds the states to rounding."""
FD_POINTS = {2: (40, 60, 80, 120), 4: (40, 60, 80, 120), 6: (48, 56, 64, 72, 80), 8: (60, 64, 68)}


def run(mode: Mode) -> Iterator[Result]:
    """Yield the spectral spectrum against two references, in 1-D and 2-D, then the order of each fd."""
    claim = partial(Claim, "cosine_potential", source=BLOCH)
    for V0, periods in ((1.5, 1), (-3.0, 1), (3.0, 2), (2.0, 3)):
        lattice = _lattice((48,), V0, periods)
        for execution in mode.executions("spectral"):
            yield _spectrum(claim, f"V0 = {V0:g}, n = {periods}", lattice, execution)
        if periods <= 2:
            yield _mathieu(mode, V0, lattice)
    plane = _lattice(PLANE, (0.5, -1.0), (1, 1))
    yield _spectrum(claim, "2-D, sums of 1-D levels", plane, mode.default("spectral"))
    yield _states(claim, mode, plane)
    yield _matrix_free(claim, mode, _lattice((48,), 1.5, 1))
    studies = {f"fd, order {order}": _fd_study(mode, order) for order in ORDERS}
    for study in studies.values():
        yield from order_claims(claim, study)
    yield Plot("cosine_potential", partial(_draw, mode, studies))


def _lattice(shape: tuple[int, ...], V0: float | tuple[float, ...], periods: int | tuple[int, ...]) -> CosineLattice:
    metric = METRIC_1D if len(shape) == 1 else METRIC_2D
    return CosineLattice(torus_of(*shape), V0, periods, inverse_metric=metric, **UNITS)


def _hamiltonian(lattice: CosineLattice, backend: str, execution: str, stencil_order: int = 2) -> sh.Hamiltonian:
    metric, V = METRIC_1D if lattice.torus.ndim == 1 else METRIC_2D, lattice.potential()
    return hamiltonian(lattice.torus, metric, backend, execution, stencil_order=stencil_order, V=V)


def _budget(H: sh.Hamiltonian, lattice: CosineLattice) -> float:
    norm = largest_energy(H.torus, H.inverse_metric, "spectral") + sum(abs(V0) for V0 in lattice.V0)
    return budget(torch.float64) * norm


def _lowest(H: sh.Hamiltonian, count: int = COUNT) -> torch.Tensor:
    """Return the lowest eigenvalues as v·Hv: LAPACK's own carry its rounding, which grows with the matrix."""
    v = torch.linalg.eigh(H.as_matrix())[1][:, :count]
    Hv = H(v.reshape(*H.torus.shape, count)).reshape(v.shape)
    energies: torch.Tensor = torch.linalg.vecdot(v, Hv, dim=0)
    return energies.sort().values


def _spectrum(claim: "partial[Claim]", label: str, lattice: CosineLattice, execution: str) -> Claim:
    H = _hamiltonian(lattice, "spectral", execution)
    return claim(
        name=f"{label}: {COUNT} lowest levels, spectral by {execution}",
        formula=EIGENVALUES,
        expected=0.0,
        measured=float((_lowest(H) - lattice.bloch_energies(COUNT)).abs().max()),
        bound=_budget(H, lattice),
    )


def _mathieu(mode: Mode, V0: float, lattice: CosineLattice) -> Claim:
    H = _hamiltonian(lattice, "spectral", mode.default("spectral"))
    return Claim(
        "cosine_potential",
        name=f"V0 = {V0:g}, n = {lattice.periods[0]}: {COUNT} lowest levels, against Mathieu's values",
        formula=EIGENVALUES,
        source=MATHIEU,
        expected=0.0,
        measured=float((_lowest(H) - lattice.mathieu_energies(COUNT)).abs().max()),
        bound=_budget(H, lattice),
    )


def _matrix_free(claim: "partial[Claim]", mode: Mode, lattice: CosineLattice) -> Claim:
    """The same levels without a matrix: scipy's Lanczos solver on H.as_linear_operator()."""
    from scipy.sparse.linalg import eigsh

    H = _hamiltonian(lattice, "spectral", mode.default("spectral"))
    start = torch.ones(H.torus.size, dtype=torch.float64) + 0.1 * torch.linspace(
        0, 1, H.torus.size, dtype=torch.float64
    )
    found = eigsh(H.as_linear_operator(), k=4, which="SA", v0=start.numpy(), ncv=32, return_eigenvectors=False)
    return claim(
        name="V0 = 1.5, n = 1: 4 lowest levels by eigsh on H.as_linear_operator()",
        formula=EIGENVALUES,
        expected=0.0,
        measured=float((torch.from_numpy(found).sort().values - lattice.bloch_energies(4)).abs().max()),
        bound=_budget(H, lattice),
    )


def _states(claim: "partial[Claim]", mode: Mode, lattice: CosineLattice) -> Claim:
    H = _hamiltonian(lattice, "spectral", mode.default("spectral"))
    E, states = lattice.bloch_states(4)
    psi = states.movedim(0, -1)
    return claim(
        name="2-D: the 4 lowest Bloch states are eigenvectors",
        formula="‖Hψ − Eψ‖_max/max|ψ| ≤ 16 eps·(max|kinetic symbol| + max|V|)",
        expected=0.0,
        measured=float((H(psi) - E * psi).abs().max() / psi.abs().max()),
        bound=_budget(H, lattice),
    )


def _fd_study(mode: Mode, order: int) -> ConvergenceStudy:
    """|E_0 − exact| of the ground state: its error is that of the stencil."""
    V0 = 1.5
    exact = float(_lattice((48,), V0, 1).bloch_energies(1)[0])

    def error(N: int) -> float:
        H = _hamiltonian(_lattice((N,), V0, 1), "fd", mode.default("fd"), order)
        return abs(float(_lowest(H, 1)[0]) - exact)

    def floor(N: int) -> float:
        lattice = _lattice((N,), V0, 1)
        return _budget(_hamiltonian(lattice, "fd", mode.default("fd"), order), lattice)

    return study_errors(
        error,
        FD_POINTS[order],
        h=lambda N: torus_of(N).spacing[0],
        floor=floor,
        expected_order=order,
        name=f"ground state, fd of order {order}",
        h_label="Δ (length)",
        error_label="|E_0 − exact| (energy)",
    )


def _draw(mode: Mode, studies: dict[str, ConvergenceStudy], figure: "Figure") -> None:
    """Levels against the depth of the lattice, lines exact and points spectral; the errors of fd beside them."""
    figure.set_size_inches(12, 5.2)
    left, right = figure.subplots(1, 2)
    recoil = KINETIC * 0.37 * (2 * math.pi / 2.9) ** 2
    depths = torch.linspace(0, 12, 61, dtype=torch.float64)
    exact = torch.stack([_lattice((48,), float(V0), 2).bloch_energies(8) for V0 in depths])
    for level in range(8):
        left.plot(depths / recoil, exact[:, level] / recoil, color=COLORS[level // 2 % 2], linewidth=1.2)
    for V0 in depths[::6]:
        H = _hamiltonian(_lattice((48,), float(V0), 2), "spectral", mode.default("spectral"))
        left.plot([float(V0) / recoil] * 8, _lowest(H, 8) / recoil, "o", color="black", markersize=3)
    left.plot([], [], color=COLORS[0], label="exact (Bloch)")
    left.plot([], [], "o", color="black", markersize=3, label="spectral H, 48 points")
    left.legend(frameon=False)
    dress(left, "Lattice of two periods: 8 lowest levels", "V0 / E_R", "energy / E_R, E_R = (ħ²/2m) g (2π/L)²")
    draw_orders(right, "Ground state, V0 = 1.5, one period", studies)


STUDY = Study("cosine_potential", "The spectrum in a cosine potential against Bloch's and Mathieu's", run)
