"""The first user's world: inference windows beside autograd, threads, autocast, explicit steps, learned metrics."""

import inspect
import math
import threading
import time

import numpy as np
import pytest
import torch

import spectral_ham as sh
from spectral_ham._internal.memo import geometry_memo
from spectral_ham.execution.precision import ieee_float32

WAYS = [("spectral", "fft"), ("spectral", "dense"), ("fd", "fft"), ("fd", "dense"), ("fd", "stencil")]
HBAR, MASS, DT = 0.1, 1.0, 0.005
TORUS = sh.Torus((8, 9), lengths=(8.0, 4.5))
METRICS = {"diagonal": (2.0, 0.5), "full": ((2.0, 0.3), (0.3, 0.5))}


def field(*shape, dtype=torch.complex64, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def trainable(dtype=torch.complex64):
    return field(8, 9, 4, 4, dtype=dtype).requires_grad_()


@pytest.fixture(autouse=True)
def cold_cache():
    sh.clear_cache()


# Tables warmed in one world, used in the other


def in_inference_mode(f, dtype=torch.complex64):
    with torch.inference_mode():
        return f(field(8, 9, 4, 4, dtype=dtype))


def with_autograd(f, dtype=torch.complex64):
    T = trainable(dtype)
    f(T).abs().square().sum().backward()
    return T.grad


def uses_of(backend, execution, metric):
    """Each thing that holds or reaches tables, as a function of T; objects are made once, in the first world."""
    flags = {"inverse_metric": METRICS[metric], "backend": backend, "execution": execution}
    made = {}

    def once(name, make):
        if name not in made:
            made[name] = make()
        return made[name]

    def drop_in(T):
        return sh.hamiltonian_evolution_with_metric(
            T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=(2.0, 0.5), backend=backend
        )

    return {
        "kept Hamiltonian": lambda T: once("H", lambda: sh.Hamiltonian(TORUS, **flags))(T),
        "kept Laplacian": lambda T: once("lap", lambda: sh.Laplacian(TORUS, **flags))(T),
        "kept function": lambda T: once("heat", lambda: sh.Laplacian(TORUS, **flags).function(torch.exp))(T),
        "fresh Hamiltonian": lambda T: sh.Hamiltonian(TORUS, **flags)(T),
        "fresh function": lambda T: sh.Laplacian(TORUS, **flags).function(torch.exp)(T),
        "drop-in": drop_in,
    }


USES = ["kept Hamiltonian", "kept Laplacian", "kept function", "fresh Hamiltonian", "fresh function", "drop-in"]


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize(("backend", "execution"), WAYS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("use", USES)
def test_what_was_warmed_in_inference_mode_serves_autograd_and_back(use, metric, backend, execution, dtype):
    f = uses_of(backend, execution, metric)[use]
    first = in_inference_mode(f, dtype)
    gradient = with_autograd(f, dtype)
    assert torch.equal(in_inference_mode(f, dtype), first)
    sh.clear_cache()
    assert torch.equal(with_autograd(uses_of(backend, execution, metric)[use], dtype), gradient)


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
@pytest.mark.parametrize(("backend", "execution"), WAYS)
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("use", USES)
def test_what_was_warmed_under_autograd_serves_inference_mode_and_back(use, metric, backend, execution, dtype):
    f = uses_of(backend, execution, metric)[use]
    gradient = with_autograd(f, dtype)
    result = in_inference_mode(f, dtype)
    assert torch.equal(with_autograd(f, dtype), gradient)
    sh.clear_cache()
    assert torch.equal(in_inference_mode(uses_of(backend, execution, metric)[use], dtype), result)


@pytest.mark.parametrize(("backend", "execution"), WAYS)
def test_no_cached_table_belongs_to_inference_mode(backend, execution):
    """Such a table could be read, but never saved for backward: whoever comes first must not decide."""
    g = torch.tensor([[2.0, 0.3], [0.3, 0.5]], dtype=torch.float64, requires_grad=True)
    flags = {"backend": backend, "execution": execution}
    with torch.inference_mode():
        TORUS.wavenumber_grids()
        sh.Hamiltonian(TORUS, inverse_metric=g, **flags)(field(8, 9, 4, 4))
        sh.Laplacian(TORUS, inverse_metric=g, **flags).symbol()
    assert geometry_memo.nbytes > 0
    assert not any(table.is_inference() for table in geometry_memo.values())
    heat = sh.Laplacian(TORUS, inverse_metric=g, **flags).function(torch.exp)
    heat(trainable(torch.complex128)).abs().square().sum().backward()
    assert torch.isfinite(g.grad).all()


@pytest.mark.parametrize(("backend", "execution"), WAYS)
def test_a_learned_metric_crosses_the_worlds(backend, execution):
    g = torch.tensor([2.0, 0.5], requires_grad=True)
    with torch.inference_mode():
        H = sh.Hamiltonian(TORUS, inverse_metric=g, backend=backend, execution=execution)
        inside = H(field(8, 9, 4, 4))
    assert torch.equal(H(field(8, 9, 4, 4)), inside)
    H(trainable()).abs().square().sum().backward()
    other = torch.tensor([2.0, 0.5], requires_grad=True)
    fresh = sh.Hamiltonian(TORUS, inverse_metric=other, backend=backend, execution=execution)
    fresh(trainable()).abs().square().sum().backward()
    torch.testing.assert_close(g.grad, other.grad)


@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_autograd_switched_off_for_the_whole_process(backend):
    T = trainable()
    try:
        torch.set_grad_enabled(False)
        result = sh.hamiltonian_evolution(T, backend=backend)
        H = sh.Hamiltonian(TORUS, backend=backend)
        assert not result.requires_grad
        assert not H(T).requires_grad
        assert H(T, out=torch.empty_like(T)).shape == T.shape
    finally:
        torch.set_grad_enabled(True)
    recorded = sh.hamiltonian_evolution(T, backend=backend)
    assert torch.equal(recorded, result)
    recorded.abs().square().sum().backward()
    assert T.grad is not None
    assert H(T).requires_grad


@pytest.mark.parametrize(("backend", "execution"), WAYS)
def test_two_threads_one_inferring_one_training(backend, execution):
    """From a cold cache, at the same time, through one object."""
    H = sh.Hamiltonian(TORUS, inverse_metric=(2.0, 0.5), backend=backend, execution=execution)
    expected, expected_gradient = in_inference_mode(H), with_autograd(H)
    fresh = sh.Hamiltonian(TORUS, inverse_metric=(2.0, 0.5), backend=backend, execution=execution)
    barrier, results = threading.Barrier(2), {"infer": [], "train": []}

    def work(name, world):
        barrier.wait(timeout=30)
        for _ in range(10):
            sh.clear_cache()
            results[name].append(world(fresh))

    threads = [
        threading.Thread(target=work, args=("infer", in_inference_mode)),
        threading.Thread(target=work, args=("train", with_autograd)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [torch.equal(result, expected) for result in results["infer"]] == [True] * 10
    assert [torch.equal(gradient, expected_gradient) for gradient in results["train"]] == [True] * 10


def test_float32_stays_ieee_while_another_thread_leaves():
    """The setting is the process's: the first thread to finish must not hand the second one's products to bfloat16."""
    setting = getattr(torch.backends.mkldnn, "matmul")  # noqa: B009 (its type stub lacks it)
    first_is_in, both_are_in, first_is_out = (threading.Event() for _ in range(3))
    seen = []

    def first():
        with ieee_float32():
            first_is_in.set()
            both_are_in.wait(timeout=30)
        first_is_out.set()

    def second():
        first_is_in.wait(timeout=30)
        with ieee_float32():
            both_are_in.set()
            first_is_out.wait(timeout=30)
            seen.append(setting.fp32_precision)

    before, setting.fp32_precision = setting.fp32_precision, "bf16"
    try:
        threads = [threading.Thread(target=work) for work in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == ["ieee"]
        assert setting.fp32_precision == "bf16"
    finally:
        setting.fp32_precision = before


# Mixed precision


def autocast_cases():
    real, g = field(8, 9, 4, 4, dtype=torch.float32), torch.tensor([2.0, 0.5])
    V = sh.MatrixPotential(field(4, 4, dtype=torch.float32))
    cases = {}
    for backend, execution in WAYS:
        flags = {"inverse_metric": (2.0, 0.5), "backend": backend, "execution": execution}
        H, mixing = sh.Hamiltonian(TORUS, **flags), sh.Hamiltonian(TORUS, potential=V, **flags)
        name = f"{backend} {execution}"
        cases[f"{name} complex"] = lambda H=H: H(field(8, 9, 4, 4))
        cases[f"{name} real"] = lambda H=H: H(real)
        cases[f"{name} matrix V"] = lambda H=mixing: H(real)
        cases[f"{name} energy"] = lambda H=H: H.energy(real)
        cases[f"{name} function"] = lambda f=flags: sh.Laplacian(TORUS, **f).function(torch.exp)(real)
        cases[f"{name} gradients"] = lambda b=backend, e=execution: gradients(real, g, b, e)
        cases[f"{name} matrix"] = lambda H=H: H.as_matrix()
    cases["drop-in"] = lambda: sh.hamiltonian_evolution_with_metric(real, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g)
    cases["linear operator"] = lambda: torch.from_numpy(sh.Hamiltonian(TORUS).as_linear_operator() @ np.ones(72))
    return cases


def gradients(T, g, backend, execution):
    T, g = T.clone().requires_grad_(), g.clone().requires_grad_()
    H = sh.Hamiltonian(TORUS, inverse_metric=g, backend=backend, execution=execution)
    (H(T) ** 2).sum().backward()
    return torch.cat([T.grad.flatten(), g.grad])


@pytest.mark.pairwise
@pytest.mark.parametrize("case", autocast_cases())
def test_autocast_changes_nothing(case):
    compute = autocast_cases()[case]
    expected = compute()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16  # autocast is at work
        result = compute()
    assert result.dtype == expected.dtype
    assert torch.equal(result, expected)


@pytest.mark.parametrize("backend", ["fd", "spectral"])
@pytest.mark.parametrize("metric_dtype", [torch.float32, torch.float64])
def test_a_metric_of_any_precision_returns_complex64(metric_dtype, backend):
    g = torch.ones(8, dtype=metric_dtype)
    result = sh.hamiltonian_evolution_with_metric(
        field(8, 8, 16, 16), hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g, backend=backend
    )
    assert result.dtype == torch.complex64


# The trainer's own steps


class Field:
    """The trainer's field in miniature: explicit Euler on i∂T/∂t, and velocity Verlet on (T, P)."""

    def __init__(self, T, backend=None):
        self.T, self.P, self.backend = T, torch.zeros_like(T), backend

    def evolve_step(self, g_inv_diag=None):
        HT = sh.hamiltonian_evolution_with_metric(
            self.T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g_inv_diag, backend=self.backend
        )
        self.T = self.T - 1j * (DT / HBAR) * HT

    def energy(self):
        HT = sh.hamiltonian_evolution(self.T, hbar_cog=HBAR, m_cog=MASS, backend=self.backend)
        return torch.einsum("xyab,xyab->", self.T.conj(), HT).real

    def force(self, k, T_eq):
        return HBAR**2 / (2 * MASS) * sh.spatial_laplacian(self.T, backend=self.backend) - k * (self.T - T_eq)

    def verlet_step(self, dt, k, T_eq):
        self.P = self.P + 0.5 * dt * self.force(k, T_eq)
        self.T = self.T + dt * self.P / MASS
        self.P = self.P + 0.5 * dt * self.force(k, T_eq)


def symbol(shape, backend, g=(1.0, 1.0)):
    """E(k) = ħ²/2m·(g^xx k_x² + g^yy k_y²) at dx = 1, with the modified wavenumber for fd."""
    theta = [2 * np.pi * np.fft.fftfreq(n) for n in shape]
    k2 = [t**2 if backend == "spectral" else 4 * np.sin(t / 2) ** 2 for t in theta]
    return HBAR**2 / (2 * MASS) * (g[0] * k2[0][:, None] + g[1] * k2[1][None, :])


@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_a_window_of_64_euler_steps_is_one_multiplication(backend):
    """T ← (1 − i dt E/ħ)⁶⁴ T mode by mode; the norm grows, as explicit Euler's does at any dt."""
    start = field(8, 10, 2, 2)
    g = torch.tensor([1.7, 0.6, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    field_ = Field(start.clone(), backend)
    with torch.inference_mode():
        for _ in range(64):
            field_.evolve_step(g)
    factor = (1 - 1j * DT / HBAR * symbol((8, 10), backend, (1.7, 0.6))) ** 64
    expected = np.fft.ifft2(factor[..., None, None] * np.fft.fft2(start.numpy(), axes=(0, 1)), axes=(0, 1))
    # 64 steps, each with an error of a few eps·‖T‖: H·dt/ħ is below 1 here.
    assert np.abs(field_.T.numpy() - expected).max() <= 64 * 4 * 2.0**-23 * float(start.abs().max())
    assert (np.abs(factor) >= 1).all()
    # Random start, many modes: the norm can only grow. It still does in complex64 at the trainer's dt.
    assert float(torch.linalg.vector_norm(field_.T)) > float(torch.linalg.vector_norm(start))


@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_windows_between_training_steps(backend):
    """64 steps without autograd, then a recorded step, again and again: no table is from the wrong world."""
    field_ = Field(field(8, 9, 4, 4), backend)
    for _ in range(3):
        with torch.inference_mode():
            window = Field(field_.T.clone(), backend)
            for _ in range(64):
                window.evolve_step((1.7, 0.6))
        T = window.T.clone().requires_grad_()
        recorded = Field(T, backend)
        recorded.evolve_step((1.7, 0.6))
        recorded.energy().backward()
        assert torch.isfinite(torch.view_as_real(T.grad)).all()
        field_ = Field(recorded.T.detach(), backend)


@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_the_energy_is_the_sum_over_modes(backend):
    """The trainer's own trace lacks a transpose; Re Σ T*∘H[T] is what it means, and what H.energy returns."""
    field_ = Field(field(8, 10, 4, 4, dtype=torch.complex128), backend)
    coefficients = np.fft.fft2(field_.T.numpy(), axes=(0, 1), norm="ortho")
    expected = (symbol((8, 10), backend)[..., None, None] * np.abs(coefficients) ** 2).sum()
    assert float(field_.energy()) == pytest.approx(expected, rel=1e-12)
    H = sh.Hamiltonian(sh.Torus((8, 10)), hbar=HBAR, mass=MASS, backend=backend)
    assert float(H.energy(field_.T)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("backend", "limit"), [("fd", 8.94), ("spectral", 6.07)])
def test_verlet_is_stable_up_to_its_true_limit(backend, limit):
    """T_tt = (ħ²/2m²)∇²T − (k/m)(T − T_eq): dt < 2/ω_max, here 8.94 or 6.07, far above what ∇² alone is feared for."""
    k, T_eq, shape = 0.01, 0.25, (8, 10)
    omega = math.sqrt(float(symbol(shape, backend).max()) / MASS + k / MASS)
    assert 2 / omega == pytest.approx(limit, abs=0.005)
    sizes = {}
    for factor in (0.99, 1.01):
        field_ = Field(field(*shape, 2, 2, dtype=torch.complex128), backend)
        with torch.inference_mode():
            for _ in range(150):
                field_.verlet_step(factor * 2 / omega, k, T_eq)
        sizes[factor] = float(field_.T.abs().max())
    assert sizes[0.99] < 100
    assert sizes[1.01] > 1e6


@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_verlet_conserves_its_energy_and_runs_back(backend):
    k, T_eq, dt, steps = 0.01, 0.25, 0.5, 64
    start = field(8, 10, 2, 2, dtype=torch.complex128)

    def total(f):
        restoring = 0.5 * k * (f.T - T_eq).abs().square().sum()
        return float(f.P.abs().square().sum() / (2 * MASS) + 0.5 * f.energy() + restoring)

    field_ = Field(start.clone(), backend)
    before = total(field_)
    for _ in range(steps):
        field_.verlet_step(dt, k, T_eq)
    # The energy error of Verlet oscillates within (ω dt)²/4 of the energy.
    omega2 = float(symbol((8, 10), backend).max()) / MASS + k / MASS
    assert abs(total(field_) - before) <= omega2 * dt**2 / 4 * before
    field_.P = -field_.P
    for _ in range(steps):
        field_.verlet_step(dt, k, T_eq)
    assert float((field_.T - start).abs().max()) <= 1e-12 * float(start.abs().max())


def test_the_learned_geometry_trains_through_its_diagonal():
    """g0_inv is (8, 8), float32: its diagonal is a strided view, longer than the two components that count."""
    g0_inv = (torch.eye(8) + 0.1).requires_grad_()
    T = field(8, 8, 16, 16)
    for _ in range(2):
        field_ = Field(T)
        field_.evolve_step(torch.diagonal(g0_inv))
        field_.T.abs().square().sum().backward()
    assert g0_inv.grad.dtype == torch.float32
    assert int(torch.count_nonzero(g0_inv.grad)) == 2
    assert bool((torch.diagonal(g0_inv.grad)[:2] != 0).all())


def bind_as_the_trainer_does(function, available):
    """Present arguments by position, absent ones skipped: what follows a gap lands in the wrong slot."""
    return function(*(available[name] for name in inspect.signature(function).parameters if name in available))


@pytest.mark.parametrize("function", [sh.hamiltonian_evolution, sh.hamiltonian_evolution_with_metric])
def test_the_trainers_argument_binding_is_loud(function):
    available = {"T": field(8, 8, 2, 2), "hbar_cog": HBAR, "m_cog": MASS, "V": torch.zeros(8, 8)}
    with pytest.raises(TypeError, match="positional"):
        bind_as_the_trainer_does(function, available)
    with pytest.raises(TypeError, match="positional"):
        bind_as_the_trainer_does(function, {"T": available["T"], "V": available["V"]})


# The review's tests, as real ones


def test_edge_cases_of_the_metric():
    T = field(8, 8, 16, 16)
    for g in (torch.zeros(16), -torch.ones(16)):
        with pytest.raises(ValueError, match="positive definite"):
            sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g)
    with pytest.warns(sh.LargeMetricWarning):
        H = sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=torch.ones(16) * 1e8)
    assert torch.isfinite(torch.view_as_real(H)).all()


@pytest.mark.parametrize("backend", ["fd", "spectral"])
@pytest.mark.parametrize("axis", [0, 1])
def test_edges_couple_across_the_seam(axis, backend):
    T = torch.zeros(28, 28, 16, 16, dtype=torch.complex64)
    T.narrow(axis, 0, 1)[..., 0, 0] = 1.0
    lap = sh.spatial_laplacian(T, backend=backend)
    first, last, middle = lap.select(axis, 0), lap.select(axis, -1), lap.select(axis, 1)
    assert float(last[..., 0, 0].abs().min()) > 0.5  # 1 for the stencil, 2 for the spectral matrix
    torch.testing.assert_close(last, middle)
    assert float(first[..., 0, 0].real.max()) < -1.0
    assert float(lap[..., 1:, :].abs().max()) == 0.0
    T.narrow(axis, -1, 1)[..., 0, 0] = 1.0
    both = sh.spatial_laplacian(T, backend=backend)
    torch.testing.assert_close(both.select(axis, 0), both.select(axis, -1))
    assert float(both.select(axis, 0)[..., 0, 0].abs().min()) > 0


def test_periodic_at_the_corner():
    """The 5-point value at a corner: neighbors across both seams count."""
    T = torch.zeros(8, 8, 2, 2, dtype=torch.complex64)
    for neighbor, value in (((1, 0), 1.0), ((-1, 0), 2.0), ((0, 1), 4.0), ((0, -1), 8.0), ((0, 0), 0.5)):
        T[neighbor] = value
    assert sh.spatial_laplacian(T)[0, 0, 0, 0] == 15.0 - 4 * 0.5


@pytest.mark.parametrize("n", [3, 4, 5])
def test_the_smallest_grids(n):
    T = field(n, n, 2, 2)
    constant = torch.ones_like(T)
    assert float(sh.spatial_laplacian(constant).abs().max()) == 0.0
    assert sh.spatial_laplacian(T).shape == T.shape
    for small in (1, 2):
        with pytest.raises(ValueError, match="at least 3 points per axis"):
            sh.spatial_laplacian(field(small, n, 2, 2))


def test_a_hundred_calls_take_well_below_a_second():
    """The review's budget, on the trainer's small configuration; a call takes about 0.2 ms of processor time."""
    T, g = field(8, 8, 16, 16), torch.ones(8)
    for _ in range(10):
        sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g)
    start = time.process_time()
    for _ in range(100):
        sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g)
    assert time.process_time() - start < 1.0


def test_no_silent_fall_back_to_flat_space():
    """A metric whose length is not D is used, not dropped; one component warns; none at all is refused."""
    T = field(8, 8, 16, 16)
    flat = sh.hamiltonian_evolution(T)
    for length in (2, 8, 16, 20):
        g = torch.full((length,), 2.0)
        result = sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g)
        torch.testing.assert_close(result, 2 * flat)
    with pytest.warns(UserWarning, match="one component"):
        result = sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=torch.tensor([2.0]))
    torch.testing.assert_close(result, 2 * flat)
    with pytest.raises(ValueError, match="1-D"):
        sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=torch.empty(0))
