"""The engines of a splitting: each forced in turn, all the same numbers; costs and memory counted."""

import itertools
import math

import numpy as np
import pytest
import torch
from helpers import count_ops, peak_bytes
from scipy.linalg import expm

import spectral_ham as sh
from spectral_ham.execution import fft as fourier
from spectral_ham.execution.numba import jit
from spectral_ham.propagators import SCHEMES, propagator
from spectral_ham.propagators.splitting import splitting
from spectral_ham.propagators.splitting.fft_engine import FFTEngine
from spectral_ham.propagators.splitting.line_engine import LineEngine

pytestmark = pytest.mark.filterwarnings("ignore::spectral_ham.analysis.preflight.Advice")
ENGINES = {"fft": FFTEngine, "dense": LineEngine}
"""execution= → engine."""
BACKENDS = pytest.mark.parametrize("backend", ["spectral", "fd"])
GRIDS = {1: (11,), 2: (6, 7), 3: (4, 5, 3)}
COMPLEX = [torch.complex128, torch.complex64]


def field(shape, dtype=torch.complex128, seed=5):
    return torch.randn(shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def lattice(torus, phase=0.0):
    """A smooth V that is not a sum of one function per axis."""
    V = 1.0
    for axis, x in enumerate(torus.coordinates()):
        V = V * torch.cos(2 * math.pi / torus.lengths[axis] * x - phase + 0.3 * axis)
    return V


def hamiltonian(shape, potential, execution="auto", backend="spectral", metric=None):
    torus = sh.Torus(shape, lengths=[3.1, 4.7, 2.9][: len(shape)])
    V = potential(torus) if callable(potential) else potential
    metric = metric or (1.3, 0.7, 0.9)[: len(shape)]
    flags = {"backend": backend, "stencil_order": 2, "execution": execution}
    return sh.Hamiltonian(torus, inverse_metric=metric, potential=V, hbar=0.9, mass=1.2, **flags)


def rounding(T, stages):
    """A few roundings of ‖T‖ for each factor."""
    return 16 * stages * torch.finfo(T.dtype.to_real()).eps * float(T.norm())


def stages(scheme, n):
    return 2 * n * len(SCHEMES[scheme].kinetic) + 1


# Both engines, and the dense exponential of every factor


@pytest.mark.pairwise
@BACKENDS
@pytest.mark.parametrize("dtype", [*COMPLEX, torch.float32], ids=str)
@pytest.mark.parametrize("shape", [(6, 7), (8, 4), (13, 13), (4, 17)], ids=str)
@pytest.mark.parametrize("channels", [(), (1,), (2, 3)], ids=str)
def test_alternate_directions_are_the_same_scheme(shape, channels, dtype, backend):
    T = field((*shape, *channels), dtype)
    for scheme, n in itertools.product(SCHEMES, (1, 2, 3)):
        found = {}
        for execution, engine in ENGINES.items():
            stepper = propagator(scheme, hamiltonian(shape, lattice, execution, backend), 0.07)
            assert stepper.engine_type(T) is engine
            found[execution] = stepper.advance(T, n, t=0.4)
            assert found[execution].dtype == dtype.to_complex()
            assert found[execution].shape == T.shape
            assert found[execution].is_contiguous()
            assert stepper.counters.transforms == (0 if engine is LineEngine else 2 * n * len(SCHEMES[scheme].kinetic))
        assert float((found["fft"] - found["dense"]).norm()) <= rounding(T, stages(scheme, n)), scheme


def exponentials(H, V, stepper, steps, channels=1):
    """Return the scheme as a product of dense exponentials."""
    free = sh.Hamiltonian(
        H.torus, inverse_metric=H.inverse_metric, hbar=H.hbar, mass=H.mass, backend=H.backend
    ).as_matrix()
    K, U = np.kron(free.numpy(), np.eye(channels)), np.eye(H.torus.size * channels)
    for _, (share, weight, _) in stepper.scheme.run(steps):
        U = U if share is None else expm(share * stepper.z * K) @ U
        U = expm(weight * stepper.z * V) @ U
    return U


@BACKENDS
@pytest.mark.parametrize("execution", ENGINES)
@pytest.mark.parametrize(
    ("scheme", "imaginary"),
    [("lie", False), ("strang", False), ("blanes_moan4", False), ("lie", True), ("strang", True)],
)
def test_against_dense_exponentials(scheme, imaginary, execution, backend):
    H = hamiltonian((6, 7), lattice, execution, backend)
    T = field((6, 7, 3), torch.float64 if imaginary else torch.complex128)
    stepper = propagator(scheme, H, 0.2, imaginary=imaginary)
    V = np.diag(H.potential.values.flatten().numpy())
    for n in (1, 4):
        found = stepper.advance(T, n)
        assert found.dtype == T.dtype
        expected = exponentials(H, V, stepper, n) @ T.reshape(42, 3).numpy()
        assert np.abs(found.reshape(42, 3).numpy() - expected).max() <= 1e-13 * 30


POTENTIALS = {
    "none": (lambda _: None, (2, 3)),
    "scalar": (lattice, (2, 3)),
    "complex": (lambda torus: lattice(torus) - 0.4j * lattice(torus, 1.0), (2, 3)),
    "elementwise": (lambda torus: field((*torus.shape, 2, 3), torch.float64), (2, 3)),
    "one matrix": (lambda _: sh.MatrixPotential(torch.tensor([[0.3, 0.2j], [-0.2j, -0.4]])), (2, 3)),
    "matrices": (lambda torus: sh.MatrixPotential(field((*torus.shape, 2, 2))), (2, 3)),
    "V(t)": (lambda torus: lambda t: lattice(torus, 3 * t), (2, 3)),
    "matrix V(t)": (
        lambda torus: lambda t: sh.MatrixPotential(field((*torus.shape, 2, 2)) * math.cos(t)).on(torus),
        (2, 3),
    ),
    "elementwise V(t)": (lambda torus: lambda t: t * field((*torus.shape, 2, 3), torch.float64), (2, 3)),
    "V[T]": (lambda torus: sh.GrossPitaevskii(0.3, lattice(torus)), (2, 3)),
    "elementwise V[T]": (lambda _: sh.NonlinearPotential(lambda T, t: (0.3 + t) * T.abs() ** 2), (2, 3)),
    "scalar, one channel": (lattice, ()),
    "V[T], one channel": (lambda torus: sh.GrossPitaevskii(0.3, lattice(torus)), ()),
}


@pytest.mark.pairwise
@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("dtype", COMPLEX, ids=str)
@pytest.mark.parametrize("name", POTENTIALS)
def test_every_potential_takes_the_steps_that_autograd_records(monkeypatch, name, dtype, ndim):
    """Unrecorded runs, in chunks of one channel and of all, against the differentiable path."""
    potential, channels = POTENTIALS[name]
    H = hamiltonian(GRIDS[ndim], potential, metric=[[1.3, 0.2], [0.2, 0.7]] if ndim == 2 else None)
    T = field((*GRIDS[ndim], *channels), dtype)
    before = T.clone()
    for scheme in ("lie", "yoshida4"):
        stepper = propagator(scheme, H, 0.05)
        expected = stepper.advance(T.clone().requires_grad_(), 4, t=0.3).detach()
        bound = 8 * rounding(expected, stages(scheme, 4))
        for chunk in (1, 2**21):
            monkeypatch.setattr(fourier, "CHUNK_BYTES", chunk)
            assert float((stepper.advance(T, 4, t=0.3) - expected).norm()) <= bound
            out = torch.full_like(T, math.nan)
            with torch.no_grad():
                assert stepper.advance(T, 4, t=0.3, out=out) is out
            assert float((out - expected).norm()) <= bound
    assert torch.equal(T, before)


@pytest.mark.parametrize("execution", ENGINES)
def test_layouts_and_lazy_bits(execution):
    stepper = propagator("strang", hamiltonian((6, 7), lattice, execution), 0.05)
    T = field((3, 2, 7, 6)).permute(3, 2, 1, 0).conj()
    expected = stepper.advance(T.resolve_conj().contiguous(), 3)
    assert torch.equal(stepper.advance(T, 3), expected)
    with torch.inference_mode():
        assert torch.equal(stepper.advance(T, 3), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(stepper.advance(T, 3), expected)
    assert torch.equal(stepper.advance(T, 0, out=torch.empty(6, 7, 2, 3, dtype=T.dtype)), T)


@pytest.mark.parametrize("execution", ENGINES)
def test_bad_out_is_refused(execution):
    stepper, T = propagator("strang", hamiltonian((6, 7), lattice, execution), 0.05), field((6, 7, 2))
    with pytest.raises(ValueError, match="memory of its own"):
        stepper.advance(T, 1, out=T)
    with pytest.raises(ValueError, match="like the result"):
        stepper.advance(T, 1, out=torch.empty(6, 7, 3, dtype=T.dtype))
    with pytest.raises(ValueError, match="None while a gradient is recorded"):
        stepper.advance(T.requires_grad_(), 1, out=torch.empty(6, 7, 2, dtype=T.dtype))


@pytest.mark.parametrize("name", ["V(t)", "V[T]"])
def test_a_gradient_hidden_in_a_changing_potential_is_recorded(name):
    """Nothing but the potential's own closure carries it, and only from some time on."""
    torus, T = sh.Torus((6, 7)), field((6, 7, 2))
    strength = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)

    def V(t, n=1.0):
        return lattice(torus) * n * (strength if t > 0.12 else 0.7)

    potential = V if name == "V(t)" else sh.NonlinearPotential(lambda T, t: V(t, T.abs().square().sum(-1)))
    stepper = propagator("strang", sh.Hamiltonian(torus, potential=potential), 0.05)
    result = stepper.advance(T, 5)
    assert result.requires_grad
    assert stepper.counters.transforms == 10
    with pytest.raises(ValueError, match="None while V carries a gradient"):
        stepper.advance(T, 5, out=torch.empty_like(T))
    (found,) = torch.autograd.grad(result.real.square().sum(), strength)
    with torch.no_grad():
        assert not stepper.advance(T, 5).requires_grad

        def loss(value):
            strength.fill_(value)
            return float(stepper.advance(T, 5).real.square().sum())

        expected = (loss(0.7 + 1e-5) - loss(0.7 - 1e-5)) / 2e-5
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_parameters_are_read_when_the_steps_are_taken():
    """An ħ that an optimizer moves: no table of the old one is left, with or without a gradient."""
    hbar = torch.tensor(0.9, dtype=torch.float64, requires_grad=True)
    T = field((6, 7, 2))
    H = sh.Hamiltonian(sh.Torus((6, 7)), hbar=hbar, potential=None)
    stepper = propagator("strang", H, 0.2)
    with torch.no_grad():
        before = stepper.advance(T, 2)
        hbar.fill_(1.4)
        after = stepper.advance(T, 2)
    assert float((after - before).norm()) > 0.1
    assert torch.allclose(after, stepper.advance(T, 2).detach())


@pytest.mark.parametrize("execution", ENGINES)
def test_without_fused_kernels_the_numbers_are_the_same(monkeypatch, execution):
    T = field((8, 9, 5), torch.complex64)
    H = hamiltonian((8, 9), lattice, execution)
    fused, applied = propagator("strang", H, 0.05).advance(T, 4), H(T)
    monkeypatch.setenv(jit.SWITCH, "0")
    assert float((propagator("strang", H, 0.05).advance(T, 4) - fused).norm()) <= rounding(T, 9)
    assert float((H(T) - applied).norm()) <= rounding(applied, 4)


# Which engine


def test_which_engine():
    """The rule where it was measured: short lines and several channels, or lengths that FFTs are slow at."""
    for shape, channels, dtype, engine in [
        ((28, 28), 256, torch.complex64, LineEngine),
        ((28, 28), 1, torch.complex64, FFTEngine),
        ((64, 64), 256, torch.complex64, FFTEngine),
        ((53, 53), 16, torch.complex64, LineEngine),
        ((48, 48), 64, torch.complex128, FFTEngine),
        ((512, 512), 1, torch.complex64, FFTEngine),
    ]:
        T = torch.empty((*shape, channels), dtype=dtype)
        assert propagator("strang", hamiltonian(shape, lattice), 0.1).engine_type(T) is engine, (shape, channels, dtype)


@pytest.mark.parametrize(
    ("shape", "potential", "metric"),
    [
        ((8,), lattice, None),
        ((4, 4, 4), lattice, None),
        ((8, 8), lattice, [[1.0, 0.2], [0.2, 1.0]]),
        ((8, 8), lambda _: None, None),
        ((8, 8), lambda _: field((8, 8, 16), torch.float64), None),
        ((8, 8), lambda torus: lambda t: lattice(torus, t), None),
        ((300, 8), lattice, None),
    ],
)
def test_what_cannot_run_along_lines_runs_by_fft(monkeypatch, shape, potential, metric):
    monkeypatch.setattr(splitting, "MAX_TABLE_BYTES", 2**22)
    stepper = propagator("strang", hamiltonian(shape, potential, "dense", metric=metric), 0.1)
    T = field((*shape, 16))
    assert stepper.engine_type(T) is FFTEngine
    assert stepper.advance(T, 2).shape == T.shape


# What a run costs


@pytest.mark.parametrize("execution", ENGINES)
@pytest.mark.parametrize("scheme", ["strang", "blanes_moan4"])
def test_operations_of_a_step(scheme, execution):
    """Two transforms and two multiplications for a substep, or one product; nothing else, and no look at the data."""
    T, s = field((8, 9, 5)), len(SCHEMES[scheme].kinetic)
    stepper = propagator(scheme, hamiltonian((8, 9), lattice, execution), 0.05)
    counts = {}
    for n in (2, 10, 12):
        stepper.advance(T, n)
        with count_ops() as seen:
            stepper.advance(T, n)
        counts[n] = seen
        assert not {"_local_scalar_dense", "item", "is_nonzero"} & set(seen)
    more = counts[12] - counts[10]
    views = {"view", "view_as_real", "transpose", "expand", "detach", "alias", "unsqueeze", "slice", "as_strided"}
    worked = {name: count for name, count in more.items() if name not in views}
    expected = {"_fft_c2c": 4 * s, "mul_": 4 * s} if execution == "fft" else {"bmm": 2 * s}
    assert worked == expected
    if execution == "dense":
        assert counts[10]["bmm"] == 10 * s + 1


@pytest.mark.parametrize("channels", [(), (16,)], ids=["one channel", "16 channels"])
@pytest.mark.parametrize("execution", ENGINES)
def test_memory_does_not_grow_with_the_number_of_steps(monkeypatch, tmp_path, execution, channels):
    """At most 4 fields, the result being one; with several channels in chunks, the result and three chunks."""
    torus = sh.Torus((30, 24))
    T = field((*torus.shape, *channels), torch.complex64)
    size = T.numel() * 8
    monkeypatch.setattr(fourier, "CHUNK_BYTES", size // 8)
    H = sh.Hamiltonian(torus, potential=lattice(torus), execution=execution)
    stepper = propagator("strang", H, 0.05)
    few, many = (peak_bytes(lambda n=n: stepper.advance(T, n), tmp_path / "trace.json") for n in (3, 200))
    # Python numbers that torch wraps as tensors for a moment.
    assert many <= few + 256
    fields = 2 if execution == "dense" else 4 if not channels else 1 + 3 / 8
    assert many <= fields * size + 4096


# Gradients


@pytest.mark.parametrize("execution", ENGINES)
@pytest.mark.parametrize("wanted", ["T", "V", "T V metric mass hbar"])
@pytest.mark.parametrize("scheme", ["strang", "blanes_moan4"])
def test_reversible_gradients_by_both_engines(scheme, wanted, execution):
    torus = sh.Torus((6, 7), lengths=(3.1, 4.7))
    values = {"T": field((6, 7, 3)), "V": lattice(torus)}
    values |= {
        k: torch.tensor(v, dtype=torch.float64) for k, v in (("metric", [1.3, 0.7]), ("mass", 1.2), ("hbar", 0.9))
    }

    def gradients(mode):
        leaves = {name: value.clone().requires_grad_(name in wanted.split()) for name, value in values.items()}
        H = sh.Hamiltonian(
            torus, inverse_metric=leaves["metric"], potential=leaves["V"], mass=leaves["mass"], hbar=leaves["hbar"],
            execution=execution,
        )  # fmt: skip
        assert propagator(scheme, H, 0.05).engine_type(leaves["T"]) is ENGINES[execution]
        run = sh.evolve(H, leaves["T"], 1.0, method=scheme, dt=0.05, gradient=mode, save_times=[0.4, 1.0])
        loss = (run.fields.real**2 * torch.linspace(0, 1, 6, dtype=torch.float64)[:, None, None]).sum()
        return torch.autograd.grad(loss, [leaves[name] for name in wanted.split()])

    for found, expected in zip(gradients("reversible"), gradients("autograd"), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-11 * float(expected.abs().max()))


@pytest.mark.parametrize("execution", ENGINES)
def test_reversible_gradients_meet_finite_differences(execution):
    torus = sh.Torus((3, 4), lengths=(2.0, 1.3))

    def run(T, V, g, mass, hbar):
        flags = {"inverse_metric": g, "potential": V, "mass": mass, "hbar": hbar, "execution": execution}
        return sh.evolve(sh.Hamiltonian(torus, **flags), T, 0.3, method="strang", dt=0.1, gradient="reversible").final

    numbers = [torch.tensor(v, dtype=torch.float64) for v in ([1.3, 0.7], 1.2, 0.9)]
    leaves = [leaf.requires_grad_() for leaf in (field((3, 4, 2)), lattice(torus), *numbers)]
    assert torch.autograd.gradcheck(run, leaves)


@pytest.mark.parametrize("execution", ENGINES)
@pytest.mark.parametrize("potential", ["elementwise", "matrices"])
def test_reversible_gradients_of_other_potentials(potential, execution):
    """Elementwise, and matrices at every point, in chunks of one channel where these do not mix."""
    torus = sh.Torus((6, 7))
    A = field((6, 7, 2, 2) if potential == "matrices" else (6, 7, 2, 3), seed=1)

    def gradient(mode):
        leaf, T = A.clone().requires_grad_(), field((6, 7, 2, 3)).requires_grad_()
        V = sh.MatrixPotential(leaf + leaf.mH) if potential == "matrices" else leaf.real
        H = sh.Hamiltonian(torus, potential=V, execution=execution)
        run = sh.evolve(H, T, 0.5, method="strang", dt=0.05, gradient=mode)
        return torch.autograd.grad((run.final.real**2).sum() + run.final[0].imag.sum(), [leaf, T])

    for found, expected in zip(gradient("reversible"), gradient("autograd"), strict=True):
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12 * float(expected.abs().max()))


@pytest.mark.parametrize("execution", ENGINES)
def test_memory_of_the_pullback_does_not_grow_with_the_number_of_steps(tmp_path, execution):
    torus = sh.Torus((30, 24))
    T, V = field((30, 24, 16), torch.complex64), lattice(torus).requires_grad_()
    H = sh.Hamiltonian(torus, potential=V, execution=execution)

    def backward(n):
        run = sh.evolve(H, T, 0.01 * n, method="strang", dt=0.01, gradient="reversible").final
        return torch.autograd.grad(run.real.square().sum(), V)

    few, many = (peak_bytes(lambda n=n: backward(n), tmp_path / "trace.json") for n in (4, 40))
    assert many <= few + 4096
