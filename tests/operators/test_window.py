"""Windows: equal to the loop that they replace, in as few transforms as were promised."""

import math

import pytest
import torch

import spectral_ham as sh
from oracles.fields import field
from spectral_ham.execution import fft as fourier
from spectral_ham.operators import window as windows
from spectral_ham.operators.window import euler_window, window

TORI = {
    1: sh.Torus(11, lengths=2.1),
    2: sh.Torus((6, 5), lengths=(2.1, 3.7), origin=(-0.4, 0.9)),
    3: sh.Torus((4, 5, 3), lengths=(2.1, 3.7, 2.9)),
}
METRICS = {1: (2.0,), 2: [[2.0, 0.6], [0.6, 0.7]], 3: (2.0, 0.7, 1.4)}
STEPS = [0.03 - 0.2j, -0.1j, 0.05, -0.2 + 0.1j, 0.15j, -0.02]


def hamiltonian(ndim=2, backend="spectral"):
    return sh.Hamiltonian(TORI[ndim], inverse_metric=METRICS[ndim], hbar=0.3, mass=0.7, backend=backend)


def loop(H, T, coefficients):
    frames = []
    for c in coefficients:
        T = T + c * H(T)
        frames.append(T)
    return torch.stack(frames)


def bound(H, T, coefficients):
    """Return C·eps·n·Π(1 + |c_n| E_max)·max|T|, C = 16: each step may amplify, and adds its own rounding."""
    E_max = H.spectral_bounds()[1]
    growth = math.prod(1 + abs(c) * E_max for c in coefficients)
    return 16 * torch.finfo(T.dtype.to_real()).eps * len(coefficients) * growth * float(T.abs().max())


@pytest.mark.parametrize(
    ("grid", "dtype", "backend"),
    [
        ((1, ()), torch.complex128, "fd"),
        ((2, ()), torch.float32, "spectral"),
        ((2, ()), torch.complex64, "fd"),
        ((2, (2, 3)), torch.complex64, "spectral"),
        ((2, (2, 3)), torch.float64, "fd"),
        ((3, (2,)), torch.complex128, "spectral"),
    ],
    ids=str,
)
def test_frames_are_those_of_the_loop(grid, dtype, backend):
    ndim, channels = grid
    H, T = hamiltonian(ndim, backend), field((*TORI[ndim].shape, *channels), dtype)
    wide = T if T.is_complex() else T.to(T.dtype.to_complex())
    expected, frames = loop(H, wide, STEPS), euler_window(H, T, STEPS)
    final = euler_window(H, T, STEPS, final_only=True)
    assert frames.shape == (len(STEPS), *T.shape)
    assert frames.dtype == final.dtype == wide.dtype
    assert frames.is_contiguous()
    assert final.is_contiguous()
    assert float((frames - expected).abs().max()) <= bound(H, T, STEPS)
    assert float((final - expected[-1]).abs().max()) <= bound(H, T, STEPS)
    assert float((expected[-1] - wide).abs().max()) > 0.1


def test_default_window_of_a_trainer():
    """64 steps c_n = −i·dt/ħ on 28×28 in complex64, D = 4: the loop to rounding."""
    H = sh.Hamiltonian(sh.Torus((28, 28)), hbar=0.1, backend="fd")
    T, steps = field((28, 28, 4, 4), torch.complex64), [-0.05j] * 64
    expected, frames = loop(H, T, steps), euler_window(H, T, steps)
    assert float((frames - expected).abs().max()) <= bound(H, T, steps)
    assert float((euler_window(H, T, steps, final_only=True) - expected[-1]).abs().max()) <= bound(H, T, steps)


@pytest.mark.parametrize(
    ("dtype", "coefficients"),
    [(torch.complex64, [0.1, -0.3, 0.2]), (torch.float64, torch.tensor([0.1, -0.3, 0.2], dtype=torch.float64))],
)
def test_real_coefficients_keep_a_real_field_real(dtype, coefficients):
    H, T = hamiltonian(), field((6, 5, 2), dtype)
    listed = [float(c) for c in coefficients]
    for result, expected in (
        (euler_window(H, T, coefficients), loop(H, T, listed)),
        (euler_window(H, T, coefficients, final_only=True), loop(H, T, listed)[-1]),
    ):
        assert result.dtype == dtype
        assert float((result - expected).abs().max()) <= bound(H, T, listed)


@pytest.mark.parametrize(
    ("operator", "dtype"),
    [
        (sh.Laplacian(TORI[2], inverse_metric=METRICS[2], backend="fd"), torch.float32),
        (sh.Laplacian(TORI[2], inverse_metric=METRICS[2]), torch.complex128),
        (hamiltonian(), torch.complex64),
        (hamiltonian(backend="fd"), torch.float64),
    ],
    ids=str,
)
def test_window_of_any_functions(operator, dtype):
    T = field((6, 5, 2), dtype)
    real = [lambda s: torch.exp(-0.1 * s.abs()), lambda s: 1 / (1 + s**2), torch.ones_like]
    mixed = [*real, lambda s: torch.exp(1j * s)]
    make = operator.function if isinstance(operator, sh.Laplacian) else operator.kinetic_function
    for functions in (real, mixed):
        frames = window(operator, T, functions)
        expected = torch.stack([make(f)(T).to(frames.dtype) for f in functions])
        assert frames.dtype == (dtype if functions is real else dtype.to_complex())
        assert float((frames - expected).abs().max()) <= 32 * torch.finfo(dtype.to_real()).eps * float(T.abs().max())


def test_symbols_are_what_the_functions_see():
    seen = []
    lap = sh.Laplacian(TORI[2], inverse_metric=METRICS[2])
    for operator in (lap, hamiltonian()):
        window(operator, field((6, 5)), [lambda s: seen.append(s) or s])
    assert torch.equal(seen[0], lap.symbol())
    assert torch.allclose(seen[1], -(0.3**2) / 1.4 * lap.symbol())


@pytest.mark.parametrize(
    ("chunk_bytes", "dtype"), [(1, torch.float32), (1000, torch.complex128), (3000, torch.complex128)], ids=str
)
def test_chunks_do_not_show(monkeypatch, chunk_bytes, dtype):
    """Of one field, of several channels, of one channel and several frames: the same numbers."""
    T = field((6, 5, 7), dtype)
    expected = euler_window(hamiltonian(), T, [0.1, -0.3, 0.2, 0.4, 0.5])
    monkeypatch.setattr(windows, "CHUNK_BYTES", chunk_bytes)
    tolerance = 4 * torch.finfo(dtype.to_real()).eps * float(expected.abs().max())
    assert float((euler_window(hamiltonian(), T, [0.1, -0.3, 0.2, 0.4, 0.5]) - expected).abs().max()) <= tolerance


def test_layouts_and_lazy_bits():
    T = field((6, 5, 2, 3))
    strided = T.permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    assert torch.allclose(euler_window(hamiltonian(), strided, STEPS), euler_window(hamiltonian(), T, STEPS))
    plain = euler_window(hamiltonian(), T.conj().resolve_conj(), STEPS)
    assert torch.allclose(euler_window(hamiltonian(), T.conj(), STEPS), plain)


def test_windows_can_be_batched_by_vmap():
    lap, T = sh.Laplacian(TORI[2]), field((4, 6, 5, 3))
    functions = [lambda s: torch.exp(0.1 * s), lambda s: 1 / (1 - s)]
    together = torch.func.vmap(lambda x: window(lap, x, functions))(T)
    torch.testing.assert_close(together, torch.stack([window(lap, x, functions) for x in T]), rtol=0, atol=1e-13)


@pytest.fixture
def transformed(monkeypatch):
    """Count Fourier transforms, in fields of one channel."""
    counts = {"there": 0, "back": 0}

    def count(name, transforms):
        def counted(x, dim, genuine=transforms[2], **norm):
            counts[name] += x.numel() // TORI[2].size
            return genuine(x, dim=dim, **norm)

        monkeypatch.setitem(transforms, 2, counted)

    count("there", fourier._FORWARD)
    count("back", fourier._INVERSE)
    return counts


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize(("final_only", "back"), [(False, len(STEPS)), (True, 1)], ids=["frames", "final frame"])
def test_one_transform_there_and_one_back_for_each_frame(transformed, grad, final_only, back):
    euler_window(hamiltonian(), field((6, 5, 3)).requires_grad_(grad), STEPS, final_only=final_only)
    assert transformed == {"there": 3, "back": 3 * back}


@pytest.mark.parametrize("final_only", [False, True])
def test_gradients(final_only):
    """Through T, the coefficients (one of them makes a factor 0), ħ and the metric, to second order."""
    torus = sh.Torus((2, 3), lengths=(2.0, 1.3))

    def run(T, c, hbar, g):
        return euler_window(sh.Hamiltonian(torus, hbar=hbar, inverse_metric=g), T, c, final_only=final_only)

    E = sh.Hamiltonian(torus, inverse_metric=(2.0, 0.5)).kinetic.symbol(torch.float64, torch.device("cpu"))
    T = field((2, 3)).requires_grad_()
    c = torch.tensor([0.1 - 0.2j, -1 / float(E[0, 1]), 0.3j], dtype=torch.complex128).requires_grad_()
    hbar = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    g = torch.tensor([2.0, 0.5], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(run, (T, c, hbar, g))
    assert torch.autograd.gradgradcheck(run, (T, c, hbar, g))


@pytest.mark.parametrize("final_only", [False, True])
def test_recording_a_gradient_changes_nothing(final_only):
    T = field((6, 5, 2))
    plain = euler_window(hamiltonian(), T, STEPS, final_only=final_only)
    recorded = euler_window(hamiltonian(), T.requires_grad_(), STEPS, final_only=final_only)
    assert recorded.requires_grad
    assert torch.allclose(recorded, plain, rtol=0, atol=1e-12)
    with torch.inference_mode():
        assert torch.equal(euler_window(hamiltonian(), field((6, 5, 2)), STEPS, final_only=final_only), plain)


def unit_mode():
    """Return an H with energies 0 and 1, and a field with 0.5 of the first and 1.0 of the second."""
    H = sh.Hamiltonian(sh.Torus(2, lengths=2.0), hbar=math.sqrt(2) / math.pi)
    return H, torch.tensor([1.5, -0.5], dtype=torch.float64)


def test_the_final_frame_survives_a_product_that_overflows_on_the_way():
    """200 factors 2^20 + 1 and 200 of 2^−20, each known to 2^20 eps as E is to eps: 2^4000 lies between."""
    H, T = unit_mode()
    coefficients = [2.0**20] * 200 + [2.0**-20 - 1] * 200
    assert not torch.isfinite(loop(H, T, coefficients)).all()
    final = euler_window(H, T, coefficients, final_only=True)
    expected = torch.tensor([0.5, 0.5], dtype=torch.float64)
    expected += torch.tensor([1.0, -1.0], dtype=torch.float64) * (1 + 2.0**-20) ** 200
    tolerance = 4 * 200 * 2.0**20 * torch.finfo(torch.float64).eps
    assert float((final - expected).abs().max()) <= tolerance < 1e-6


def test_frames_that_overflow_are_refused():
    H, T = unit_mode()
    with pytest.raises(ValueError, match=r"finite in torch\.float64"):
        euler_window(H, T, [2.0**20] * 200)


def test_underflow_is_zero():
    """A mode damped 1200 times by 1e−3 fades as it should, and is gone; nothing else is touched."""
    H, T = unit_mode()
    frames = euler_window(H, T, [1e-3 - 1] * 1200)
    n = torch.arange(1, 1201, dtype=torch.float64)
    mode = (frames[:, 0] - frames[:, 1]) / 2
    assert torch.allclose(mode[:4], 1e-3 ** n[:4], rtol=0, atol=1e-15)
    assert torch.allclose(frames[6:], torch.full((1194, 2), 0.5, dtype=torch.float64), rtol=1e-14)


WITH_V = hamiltonian().with_potential(torch.ones(6, 5))
T = field((6, 5))
BAD = [
    (lambda: window(hamiltonian(), T, []), ValueError, "at least one function"),
    (lambda: window(hamiltonian(), T.mT, [torch.exp]), ValueError, "first axes are the grid"),
    (lambda: window(hamiltonian(), T, [torch.sum]), ValueError, "keep the symbol's shape"),
    (lambda: window(hamiltonian(), T, [lambda s: 1 / s]), ValueError, "finite in torch.float64"),
    (lambda: window(hamiltonian(), T, [lambda _: 2.0]), TypeError, "torch.Tensor"),
    (lambda: window(WITH_V, T, [torch.exp]), ValueError, "without a potential"),
    (lambda: euler_window(WITH_V, T, [0.1]), ValueError, "without a potential"),
    (lambda: euler_window(hamiltonian(), T, []), ValueError, "at least one number"),
    (lambda: euler_window(hamiltonian(), T, torch.ones(2, 2)), ValueError, "at least one number"),
    (lambda: euler_window(hamiltonian(), T, [math.nan]), ValueError, "finite"),
    (
        lambda: euler_window(hamiltonian(), T.to(torch.complex64), [1e3] * 20, final_only=True),
        ValueError,
        "finite in torch.float32",
    ),
    (lambda: euler_window(hamiltonian(), torch.ones(6, 5, dtype=torch.int64), [0.1]), TypeError, "complex64"),
]


@pytest.mark.parametrize(("call", "error", "text"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input_is_named(call, error, text):
    with pytest.raises(error, match=text):
        call()
