"""Eigenstates and ground states: against dense algebra, Bloch's and Mathieu's energies, oscillators, solitons."""

import math

import numpy as np
import pytest
import scipy.sparse.linalg
import torch

import spectral_ham as sh
from spectral_ham import eigenstates, ground_state
from spectral_ham.eigen import lobpcg as iteration
from spectral_ham.eigen.preconditioner import ROUNDING
from spectral_ham.propagators import SolverError
from spectral_ham.solvers import conjugate_gradients

LARGE = sh.Torus((48, 45), lengths=(2.1, 3.7), origin=(-0.4, 0.9))  # 2160 unknowns: the iteration
SMALL = sh.Torus((10, 9), lengths=(2.1, 3.7), origin=(-0.4, 0.9))  # 90: the dense way
PHYSICS = {"inverse_metric": (2.0, 0.5), "hbar": 1.3, "mass": 0.7}
GRIDS = pytest.mark.parametrize("torus", [SMALL, LARGE], ids=["dense", "iterative"])


def residuals(H, energies, states):
    return torch.stack([(H(T) - E * T).norm() / T.norm() for E, T in zip(energies, states, strict=True)])


def floor(H):
    low, high = H.spectral_bounds()
    return ROUNDING * (high - low)


def overlaps(torus, states):
    flat = states.reshape(len(states), -1)
    return flat.conj() @ flat.mT * torus.cell_volume


def assert_eigenstates(H, energies, states, tol=1e-10):
    low = H.spectral_bounds()[0]
    assert bool((residuals(H, energies, states) <= torch.clamp(tol * (energies - low), min=floor(H))).all())
    assert bool((energies[1:] >= energies[:-1]).all())
    identity = torch.eye(len(states), dtype=states.dtype)
    assert float((overlaps(H.torus, states) - identity).abs().max()) <= 1e-12


@GRIDS
@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_energies_are_those_of_the_dense_matrix(torus, backend):
    """With a metric that is not diagonal and a potential without symmetry."""
    x, y = torus.coordinates()
    V = 20 * torch.cos(2 * math.pi * (x + 0.4) / 2.1) + 9 * torch.sin(2 * math.pi * y / 3.7) * torch.cos(3 * x)
    H = sh.Hamiltonian(torus, inverse_metric=[[2.0, 0.6], [0.6, 0.7]], potential=V, hbar=1.3, mass=0.7, backend=backend)
    energies, states = eigenstates(H, 5)
    expected = np.linalg.eigvalsh(H.as_matrix().numpy())[:5]
    assert energies.shape == (5,)
    assert states.shape == (5, *torus.shape)
    assert states.dtype == energies.dtype == torch.float64
    assert np.abs(energies.numpy() - expected).max() <= 8 * floor(H)
    assert_eigenstates(H, energies, states)


@GRIDS
def test_lattice_matches_bloch(torus):
    """To 1e-10 in energy: V0 = 8, two and one periods, where ±k waves are nearly or exactly degenerate."""
    lattice = sh.exact.CosineLattice(torus, 8.0, (2, 1), **{**PHYSICS, "inverse_metric": sh.InverseMetric((2.0, 0.5))})
    assert all(n > 2 * P for n, P in zip(torus.shape, lattice.bandwidth(6), strict=True)) or torus is SMALL
    H = sh.Hamiltonian(torus, potential=lattice.potential(), **PHYSICS)
    count = 1 if torus is SMALL else 6
    expected = lattice.bloch_energies(count)
    energies, states = eigenstates(H, count)
    if torus is LARGE:
        assert float((energies - expected).abs().max()) <= 1e-10
        state, energy = ground_state(H)
        assert abs(float(energy - expected[0])) <= 1e-10
        overlap = (lattice.bloch_states(1)[1][0].conj() * state).sum().abs() * torus.cell_volume
        assert float(overlap) == pytest.approx(1, abs=1e-12)
    assert_eigenstates(H, energies, states)


def test_ground_state_of_a_lattice_in_one_dimension():
    torus = sh.Torus(64, lengths=2 * math.pi)
    lattice = sh.exact.CosineLattice(torus, 1.5, 2)
    state, energy = ground_state(sh.Hamiltonian(torus, potential=lattice.potential()))
    assert abs(float(energy - lattice.bloch_energies(1)[0])) <= 1e-10
    assert float(state.abs().square().sum()) * torus.cell_volume == pytest.approx(1, abs=1e-14)


@GRIDS
@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_degenerate_waves(torus, backend):
    """Free waves: 0, then ±k_y, ±k_x, …, each pair whole and orthonormal, wherever k cuts."""
    H = sh.Hamiltonian(torus, backend=backend, **PHYSICS)
    symbol = H.kinetic.symbol(torch.float64, torch.device("cpu")).flatten().sort().values
    for k in (2, 3, 6):
        energies, states = eigenstates(H, k)
        assert float((energies - symbol[:k]).abs().max()) <= 8 * floor(H)
        assert_eigenstates(H, energies, states)


def test_harmonic_trap():
    """ħω(n_x + ½ + n_y + ½) with ω = √(κ g/m), levels 1, 2, 3 fold degenerate, in a box where the trap is deep."""
    torus = sh.Torus((50, 48), lengths=16.0)
    V = sh.potentials.harmonic(torus, stiffness=0.7)
    H = sh.Hamiltonian(torus, potential=V, hbar=1.1, mass=0.7)  # ω = 1
    energies, states = eigenstates(H, 6)
    expected = 1.1 * torch.tensor([1, 2, 2, 3, 3, 3], dtype=torch.float64)
    assert float((energies - expected).abs().max()) <= 1e-8  # the kink at the seam, e^{−64/1.1·…}
    assert_eigenstates(H, energies, states)


@pytest.mark.parametrize("size", [3, 30])
@pytest.mark.parametrize("dtype", [torch.float64, torch.complex128])
def test_matrix_potential(size, dtype):
    """States have the channels of the matrix; one matrix for all points shifts the free levels by its eigenvalues."""
    torus = sh.Torus((size, size + 1), lengths=(2.1, 3.7))
    M = torch.tensor([[1.0, 0.3 - 0.2j], [0.3 + 0.2j, -1.0]], dtype=torch.complex128)
    M = M if dtype.is_complex else M.real
    H = sh.Hamiltonian(torus, potential=sh.MatrixPotential(M), hbar=0.3)
    energies, states = eigenstates(H, 4)
    kinetic = H.kinetic.symbol(torch.float64, torch.device("cpu"))
    expected = (kinetic.flatten()[:, None] + torch.linalg.eigvalsh(M)).flatten().sort().values[:4]
    assert states.shape == (4, *torus.shape, 2)
    assert states.dtype == dtype
    assert float((energies - expected).abs().max()) <= 8 * floor(H)
    assert_eigenstates(H, energies, states)


def test_norm_and_phase_of_a_start_are_kept():
    H = sh.Hamiltonian(LARGE, potential=sh.potentials.cosine_lattice(LARGE, 3.0), **PHYSICS)
    T0 = torch.randn(LARGE.shape, dtype=torch.complex64, generator=torch.Generator().manual_seed(1))
    state, energy = ground_state(H, T0)
    norm = float(T0.to(torch.complex128).abs().square().sum()) * LARGE.cell_volume
    assert state.dtype == torch.complex128
    assert float(state.abs().square().sum()) * LARGE.cell_volume == pytest.approx(norm, rel=1e-12)
    assert float(energy) == pytest.approx(norm * float(eigenstates(H)[0][0]), abs=1e-10 * norm)


def test_tolerance_is_met_and_not_overshot(monkeypatch):
    """A loose tolerance takes fewer rounds."""
    H = sh.Hamiltonian(LARGE, potential=sh.potentials.periodic_harmonic(LARGE, 900.0), **PHYSICS)
    rounds = []
    lobpcg = scipy.sparse.linalg.lobpcg
    monkeypatch.setattr(iteration, "ROUND", 5)
    monkeypatch.setattr(scipy.sparse.linalg, "lobpcg", lambda *args, **kw: rounds.append(1) or lobpcg(*args, **kw))
    for tol in (1e-2, 1e-11):
        energies, states = eigenstates(H, 3, tol=tol)
        assert_eigenstates(H, energies, states, tol)
        rounds.append(0)
    first = rounds.index(0)
    assert first < len(rounds) - first - 2


def test_preconditioned_iteration_is_enough(monkeypatch):
    """The last resort would hide an iteration that stagnates."""
    monkeypatch.setattr(iteration, "_lanczos", None)
    H = sh.Hamiltonian(LARGE, **PHYSICS)
    matrix = torch.tensor([[1.0, 0.3 - 0.2j], [0.3 + 0.2j, -1.0]], dtype=torch.complex128)
    for V in (None, sh.potentials.cosine_lattice(LARGE, 8.0, (2, 1)), sh.MatrixPotential(matrix)):
        energies, states = eigenstates(H if V is None else H.with_potential(V), 4)
        assert_eigenstates(H if V is None else H.with_potential(V), energies, states)


def test_origin_of_the_energy_does_not_matter(monkeypatch):
    """V + 1e4 has the states of V, and as good a preconditioner."""
    monkeypatch.setattr(iteration, "_lanczos", None)
    monkeypatch.setattr(iteration, "MAX_ROUNDS", 3)
    V = sh.potentials.periodic_harmonic(LARGE, 900.0)
    H = sh.Hamiltonian(LARGE, potential=V, **PHYSICS)
    raised = eigenstates(H.with_potential(V + 1e4), 3)[0]
    assert float((raised - 1e4 - eigenstates(H, 3)[0]).abs().max()) <= 8 * floor(H)


def test_last_resort(monkeypatch):
    """When LOBPCG gets nowhere, Lanczos takes over."""
    monkeypatch.setattr(scipy.sparse.linalg, "lobpcg", lambda _, X, **__: (None, X))
    torus = sh.Torus(1100, lengths=40.0)
    H = sh.Hamiltonian(torus, potential=sh.potentials.cosine_lattice(torus, 3.0), backend="fd", hbar=0.1)
    energies, states = eigenstates(H, 2)
    assert_eigenstates(H, energies, states)
    assert np.abs(energies.numpy() - np.linalg.eigvalsh(H.as_matrix().numpy())[:2]).max() <= 8 * floor(H)


@pytest.mark.parametrize("gives_up", [False, True])
def test_non_convergence_has_a_name(monkeypatch, gives_up):
    def eigsh(operator, v0, **_):
        if gives_up:
            raise scipy.sparse.linalg.ArpackNoConvergence("no", np.zeros(0), np.zeros((len(v0), 0)))
        return None, np.random.default_rng(0).normal(size=(len(v0), 6))

    monkeypatch.setattr(scipy.sparse.linalg, "lobpcg", lambda _, X, **__: (None, X))
    monkeypatch.setattr(scipy.sparse.linalg, "eigsh", eigsh)
    H = sh.Hamiltonian(LARGE, potential=sh.potentials.cosine_lattice(LARGE, 3.0))
    with pytest.raises(SolverError, match="must reach a residual of"):
        eigenstates(H, 2)


def test_minimization_that_does_not_end_has_a_name(monkeypatch):
    monkeypatch.setattr(conjugate_gradients, "MAX_ITERATIONS", 3)
    H = sh.Hamiltonian(SMALL, potential=sh.GrossPitaevskii(5.0, sh.potentials.cosine_lattice(SMALL, 3.0)))
    with pytest.raises(SolverError, match="`ground_state` must reach a residual"):
        ground_state(H)


def chemical_potential(H, T):
    return float(torch.linalg.vecdot(T.flatten(), H(T).flatten()).real / T.abs().square().sum())


@pytest.mark.parametrize("backend", ["spectral", "fd"])
@pytest.mark.parametrize("g", [0.1, 10.0, 200.0, -2.0])
def test_condensate_is_the_ground_state_of_its_own_potential(backend, g):
    """Dense algebra in the frozen V_ext + g|T|²: same μ, same state. E = μ − (g/2)Σ|T|⁴ΔV."""
    torus = sh.Torus((24, 20), lengths=(9.0, 8.0), origin=(1.0, -2.0))
    trap = sh.potentials.periodic_harmonic(torus, (1.0, 2.0))
    H = sh.Hamiltonian(torus, inverse_metric=(1.2, 0.8), potential=sh.GrossPitaevskii(g, trap), backend=backend)
    state, E = ground_state(H)
    mu = chemical_potential(H, state)
    energies, states = np.linalg.eigh(H.with_potential(trap + g * state**2).as_matrix().numpy())
    assert mu == pytest.approx(energies[0], abs=1e-9)
    overlap = abs(np.vdot(states[:, 0], state.numpy().ravel())) * math.sqrt(torus.cell_volume)
    assert overlap == pytest.approx(1, abs=1e-10)
    assert float((H(state) - mu * state).norm() / state.norm()) <= 1e-10 * (mu - H.potential_at(0.0, state).bounds()[0])
    assert float(E) == pytest.approx(mu - g / 2 * float((state**4).sum()) * torus.cell_volume, abs=1e-11)
    assert float(state.square().sum()) * torus.cell_volume == pytest.approx(1, abs=1e-13)


def test_condensate_without_interaction_is_the_linear_ground_state():
    trap = sh.potentials.periodic_harmonic(SMALL, 30.0)
    linear = sh.Hamiltonian(SMALL, potential=trap, **PHYSICS)
    E = ground_state(linear.with_potential(sh.GrossPitaevskii(0.0, trap)))[1]
    assert float(E) == pytest.approx(float(eigenstates(linear)[0][0]), abs=1e-11)


def test_bright_soliton():
    """Attraction g = −4 on a long torus: √(1/2·κ) sech(κx), κ = |g|/2 = 2, μ = −g²/8, E = −g²/24, up to e^{−κL}."""
    torus = sh.Torus(256, lengths=16.0)
    H = sh.Hamiltonian(torus, potential=sh.GrossPitaevskii(-4.0))
    state, E = ground_state(H)
    assert float(E) == pytest.approx(-16 / 24, abs=1e-9)
    assert chemical_potential(H, state) == pytest.approx(-16 / 8, abs=1e-9)


def test_norm_of_a_condensate_is_kept():
    """Uniform repulsion: n = N/V, E = g N²/2V; complex starts and several channels as well."""
    H = sh.Hamiltonian(SMALL, potential=sh.GrossPitaevskii(3.0), hbar=0.7)
    for channels, dtype in (((), torch.float32), ((), torch.complex64), ((2,), torch.complex128)):
        generator = torch.Generator().manual_seed(1)
        T0 = torch.ones((*SMALL.shape, *channels), dtype=dtype)
        T0 = T0 + 0.3 * torch.randn(T0.shape, dtype=dtype, generator=generator)
        state, E = ground_state(H, T0)
        N, volume = float(T0.to(torch.complex128).abs().square().sum()) * SMALL.cell_volume, 2.1 * 3.7
        assert state.dtype == (torch.complex128 if dtype.is_complex else torch.float64)
        assert float(state.abs().square().sum()) * SMALL.cell_volume == pytest.approx(N, rel=1e-12)
        assert float(E) == pytest.approx(3 / 2 * N**2 / volume, rel=1e-9)


def test_saturable_nonlinearity():
    """Any V[T] whose antiderivative is known: dense algebra in the frozen potential agrees."""
    V = sh.NonlinearPotential(lambda T, _: -4 / (1 + T.abs() ** 2), lambda T, _: -4 * torch.log1p(T.abs() ** 2))
    torus = sh.Torus(100, lengths=20.0)
    H = sh.Hamiltonian(torus, potential=V)
    state, _ = ground_state(H, torch.exp(-(((torus.coordinates()[0] - 9.0) / 3) ** 2)))
    frozen = H.with_potential(H.potential_at(0.0, state))
    assert chemical_potential(H, state) == pytest.approx(float(eigenstates(frozen)[0][0]), abs=1e-9)


def test_a_gradient_in_the_parameters_is_ignored():
    hbar = torch.tensor(1.3, dtype=torch.float64, requires_grad=True)
    for torus in (SMALL, LARGE):
        H = sh.Hamiltonian(torus, potential=sh.potentials.cosine_lattice(torus, 3.0), hbar=hbar)
        energies, states = eigenstates(H, 2)
        assert not energies.requires_grad
        assert not states.requires_grad
    assert not ground_state(H.with_potential(sh.GrossPitaevskii(1.0)))[0].requires_grad


V_COMPLEX = torch.full(SMALL.shape, 1j, dtype=torch.complex128)
BAD = [
    (lambda: eigenstates(sh.Hamiltonian(SMALL), 0), ValueError, "at least 1"),
    (lambda: eigenstates(sh.Hamiltonian(SMALL), 91), ValueError, "at most the number of unknowns, 90"),
    (lambda: eigenstates(sh.Hamiltonian(SMALL), 1, tol=0.0), ValueError, "positive"),
    (lambda: eigenstates(sh.Hamiltonian(SMALL, potential=V_COMPLEX)), sh.NotHermitianError, "Hermitian"),
    (lambda: eigenstates(sh.Hamiltonian(SMALL, potential=lambda t: t * torch.ones(10, 9))), ValueError, "of time"),
    (lambda: eigenstates(sh.Hamiltonian(SMALL, potential=sh.GrossPitaevskii(1.0))), ValueError, "linear"),
    (lambda: eigenstates(sh.Hamiltonian(SMALL, potential=torch.ones(10, 9, 2))), ValueError, "every channel"),
    (lambda: ground_state(sh.Hamiltonian(SMALL, potential=lambda t: t * torch.ones(10, 9))), ValueError, "of time"),
    (lambda: ground_state(sh.Hamiltonian(SMALL), torch.ones(9, 10)), ValueError, "first axes are the grid"),
    (lambda: ground_state(sh.Hamiltonian(SMALL), torch.ones(10, 9, 2)), ValueError, "of shape"),
    (lambda: ground_state(sh.Hamiltonian(SMALL), torch.zeros(10, 9)), ValueError, "positive finite norm"),
    (
        lambda: ground_state(sh.Hamiltonian(SMALL, potential=sh.NonlinearPotential(lambda T, _: T.abs()))),
        ValueError,
        "antiderivative",
    ),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()
