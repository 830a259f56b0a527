"""The drop-in functions against a plain numpy loop, and the promises that their callers rely on."""

import inspect
import math
import threading
import warnings

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import spectral_ham as sh

HBAR, MASS = 0.7, 1.6
PARAMETERS = {"hbar_cog": HBAR, "m_cog": MASS}
DTYPES = [torch.complex64, torch.complex128, torch.float32, torch.float64]
EPS = {torch.complex64: 2.0**-23, torch.float32: 2.0**-23, torch.complex128: 2.0**-52, torch.float64: 2.0**-52}


def field(*shape, dtype=torch.complex128, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def five_points(T, hbar=HBAR, mass=MASS, g_xx=1.0, g_yy=1.0, dx=1.0, dy=1.0, V=0.0):
    """H[T] at every point by its neighbors, in float64: axis 0 is x."""
    T = T.to(torch.complex128).numpy()
    along_x = (np.roll(T, 1, axis=0) - 2 * T + np.roll(T, -1, axis=0)) / dx**2
    along_y = (np.roll(T, 1, axis=1) - 2 * T + np.roll(T, -1, axis=1)) / dy**2
    return -(hbar**2) / (2 * mass) * (g_xx * along_x + g_yy * along_y) + V * T


def by_fourier(T, hbar=HBAR, mass=MASS, g_xx=1.0, g_yy=1.0, dx=1.0, dy=1.0, V=0.0):
    """The same by k²."""
    T = T.to(torch.complex128).numpy()
    k_x = 2 * np.pi * np.fft.fftfreq(T.shape[0], dx)[:, None, None, None]
    k_y = 2 * np.pi * np.fft.fftfreq(T.shape[1], dy)[None, :, None, None]
    spectrum = (g_xx * k_x**2 + g_yy * k_y**2) * np.fft.fft2(T, axes=(0, 1))
    return hbar**2 / (2 * mass) * np.fft.ifft2(spectrum, axes=(0, 1)) + V * T


def close(result, expected, T, largest):
    """‖result − expected‖_max ≤ 16·eps·max|symbol|·‖T‖_max, the bound of the property tests."""
    error = float(np.abs(result.to(torch.complex128).numpy() - expected).max())
    assert error <= 16 * EPS[T.dtype] * largest * float(T.abs().max())


# Axes


@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_a_wave_along_x_sees_g_xx_only(backend):
    """A wave along axis 0 of a non-square grid has the energy of g^xx, whatever g^yy; the replaced kernel had 0."""
    n_x, n_y, mode, g_xx = 12, 7, 3, 2.5
    phase = (mode * np.arange(n_x) % n_x) / n_x
    wave = torch.from_numpy(np.exp(2j * np.pi * phase)).reshape(n_x, 1, 1, 1).expand(n_x, n_y, 2, 2)
    k = 2 * math.pi * mode / n_x
    k2 = k**2 if backend == "spectral" else 4 * math.sin(k / 2) ** 2
    energy = HBAR**2 / (2 * MASS) * g_xx * k2
    for g_yy in (0.3, 40.0):
        result = sh.hamiltonian_evolution_with_metric(wave, g_inv_diag=(g_xx, g_yy), backend=backend, **PARAMETERS)
        close(result, energy * wave.numpy(), wave, HBAR**2 / (2 * MASS) * math.pi**2 * (g_xx + g_yy))
    turned = wave.transpose(0, 1)
    result = sh.hamiltonian_evolution_with_metric(turned, g_inv_diag=(0.3, g_xx), backend=backend, **PARAMETERS)
    close(result, energy * turned.numpy(), turned, HBAR**2 / (2 * MASS) * math.pi**2 * (0.3 + g_xx))


@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_the_1d_laplacians_act_along_their_own_axis(backend):
    T = field(9, 6, 2, 2)
    along_x = field(9, 1, 2, 2).expand(9, 6, 2, 2)
    zero = 16 * EPS[T.dtype] * math.pi**2 * float(along_x.abs().max())
    assert float(sh.spatial_laplacian_y(along_x, backend=backend).abs().max()) <= zero
    assert float(sh.spatial_laplacian_x(along_x, backend=backend).abs().max()) > 0.1
    turned = along_x.transpose(0, 1)
    assert float(sh.spatial_laplacian_x(turned, backend=backend).abs().max()) <= zero
    formula = {"fd": five_points, "spectral": by_fourier}[backend]
    scale = {"hbar": 1.0, "mass": -0.5}  # −ħ²/2m = 1
    expected = formula(T, g_yy=0.0, dx=0.5, **scale)
    close(sh.spatial_laplacian_x(T, 0.5, backend=backend), expected, T, math.pi**2 / 0.25)
    expected = formula(T, g_xx=0.0, dy=0.25, **scale)
    close(sh.spatial_laplacian_y(T, 0.25, backend=backend), expected, T, math.pi**2 / 0.0625)
    expected = formula(T, dx=0.5, dy=0.25, **scale)
    close(sh.spatial_laplacian(T, 0.5, dy=0.25, backend=backend), expected, T, math.pi**2 * (4 + 16))
    expected = formula(T, dx=0.5, dy=0.5, **scale)
    close(sh.spatial_laplacian(T, 0.5, backend=backend), expected, T, math.pi**2 * (4 + 4))


# Numbers


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(7, 10, 2, 2), (3, 5, 1, 1), (28, 9, 4, 4)])
@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_the_drop_ins_are_the_plain_formula(backend, shape, dtype):
    T, V = field(*shape, dtype=dtype), field(*shape, dtype=torch.float64, seed=1)
    formula = {"fd": five_points, "spectral": by_fourier}[backend]
    spacing = {"dx": 0.5, "dy": 1.25}
    largest = HBAR**2 / (2 * MASS) * math.pi**2 * (2.5 / 0.5**2 + 0.4 / 1.25**2) + float(V.abs().max())
    flags = {"backend": backend, "V": V, **PARAMETERS, **spacing}
    result = sh.hamiltonian_evolution_with_metric(T, g_inv_diag=(2.5, 0.4), **flags)
    assert result.dtype == dtype
    assert result.shape == T.shape
    close(result, formula(T, g_xx=2.5, g_yy=0.4, V=V.numpy(), **spacing), T, largest)
    close(sh.hamiltonian_evolution(T, **flags), formula(T, V=V.numpy(), **spacing), T, largest)


@pytest.mark.parametrize("dtype", [torch.complex64, torch.complex128])
def test_fd_of_order_2_is_the_five_point_formula_to_a_few_ulp(dtype):
    """The callers' numbers must not move: 5 products and sums, so 5 roundings of at most 8·c·‖T‖ each."""
    T = field(28, 28, 16, 16, dtype=dtype)
    c = 0.1**2 / 2
    error = np.abs(sh.hamiltonian_evolution(T).to(torch.complex128).numpy() - five_points(T, 0.1, 1.0)).max()
    assert error <= 5 * (EPS[dtype] / 2) * 8 * c * float(T.abs().max())
    lap = sh.spatial_laplacian(T)
    assert lap[0, 0, 0, 0].item() == pytest.approx(
        (T[1, 0] + T[-1, 0] + T[0, 1] + T[0, -1] - 4 * T[0, 0])[0, 0].item(), abs=40 * EPS[dtype]
    )


@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_the_trainers_default_field(backend):
    T = field(28, 28, 16, 16, dtype=torch.complex64)
    g = torch.tensor([1.7, 0.6, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    result = sh.hamiltonian_evolution_with_metric(T, hbar_cog=0.1, m_cog=1.0, g_inv_diag=g, backend=backend)
    assert result.dtype == torch.complex64
    assert result.shape == T.shape
    assert result.is_contiguous()
    formula = {"fd": five_points, "spectral": by_fourier}[backend]
    close(result, formula(T, 0.1, 1.0, 1.7, 0.6), T, 0.005 * math.pi**2 * 2.3)


def test_the_defaults_are_those_of_the_replaced_kernel():
    T = field(6, 5, 2, 2)
    close(sh.hamiltonian_evolution(T), five_points(T, 0.1, 1.0), T, 0.005 * 8)
    names = ["T", "hbar_cog", "m_cog", "V", "backend", "dx", "dy", "stencil_order", "out"]
    assert list(inspect.signature(sh.hamiltonian_evolution).parameters) == names
    with_metric = inspect.signature(sh.hamiltonian_evolution_with_metric).parameters
    assert list(with_metric) == [*names[:3], "g_inv_diag", *names[3:]]
    for parameters in (inspect.signature(sh.hamiltonian_evolution).parameters, with_metric):
        assert all(p.kind is p.KEYWORD_ONLY for p in list(parameters.values())[1:])


@pytest.mark.parametrize("order", [2, 4, 6, 8])
def test_stencil_order_is_passed_on(order):
    T = field(11, 10, 2, 2)
    torus = sh.Torus((11, 10), spacing=(0.5, 0.8))
    lap = sh.Laplacian(torus, backend="fd", stencil_order=order)
    assert torch.equal(sh.spatial_laplacian(T, 0.5, dy=0.8, stencil_order=order), lap(T))
    result = sh.hamiltonian_evolution(T, dx=0.5, dy=0.8, stencil_order=order, backend="fd")
    close(result, -0.005 * lap(T).numpy(), T, 0.005 * float(lap.symbol().abs().max()))


def test_spectral_takes_grids_that_no_stencil_fits():
    T = field(1, 2, 2, 2)
    close(sh.hamiltonian_evolution(T, backend="spectral"), by_fourier(T, 0.1, 1.0), T, 0.005 * math.pi**2)
    with pytest.raises(ValueError, match="at least 3 points per axis"):
        sh.hamiltonian_evolution(T)
    with pytest.raises(ValueError, match="at least 9 points per axis"):
        sh.spatial_laplacian(field(9, 8, 1, 1), stencil_order=8)
    assert sh.spatial_laplacian_x(field(9, 1, 1, 1)).shape == (9, 1, 1, 1)


# V


@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_the_potential_has_two_shapes_and_no_others(backend):
    T = field(6, 5, 2, 2)
    scalar, elementwise = field(6, 5, dtype=torch.float64), field(6, 5, 2, 2, dtype=torch.float64)
    kinetic = sh.hamiltonian_evolution(T, backend=backend)
    for V, product in ((scalar, scalar[..., None, None] * T), (elementwise, elementwise * T)):
        result = sh.hamiltonian_evolution(T, V=V, backend=backend)
        torch.testing.assert_close(result, kinetic + product, rtol=1e-14, atol=1e-14)
    for shape in [(6, 5, 1, 1), (6, 1), (5, 6), (1,), (), (6, 5, 2), (6, 5, 2, 1)]:
        with pytest.raises(ValueError, match=r"`V=...` must be of the grid's shape \(6, 5\)"):
            sh.hamiltonian_evolution(T, V=torch.zeros(shape), backend=backend)
    with pytest.raises(TypeError, match=r"torch\.Tensor"):
        sh.hamiltonian_evolution(T, V=1.0)
    with pytest.raises(sh.UnsupportedDTypeError, match="complex64"):
        sh.hamiltonian_evolution(T, V=torch.zeros(6, 5, dtype=torch.float16))


def test_a_created_potential_is_used_elementwise():
    """What the trainer does today: the off-diagonal channels feel no potential."""
    T = field(6, 5, 3, 3, dtype=torch.complex64)
    V = sh.create_potential((6, 5), 3, "harmonic", strength=0.7)
    felt = sh.hamiltonian_evolution(T, V=V) - sh.hamiltonian_evolution(T)
    x, y = np.meshgrid(np.arange(6) - 3.0, np.arange(5) - 2.5, indexing="ij")
    profile = torch.from_numpy(0.35 * (x**2 + y**2)).to(torch.complex64)
    torch.testing.assert_close(felt, V * T, rtol=0, atol=16 * 2.0**-23 * 6 * float(T.abs().max()))
    assert torch.equal(V[..., 1, 1], profile)
    assert float(felt[..., 0, 1].abs().max()) <= 16 * 2.0**-23 * 0.04 * float(T.abs().max())
    everywhere = sh.hamiltonian_evolution(T, V=V[..., 0, 0]) - sh.hamiltonian_evolution(T)
    assert float(everywhere[..., 0, 1].abs().max()) > 0.1


def test_a_complex_potential_makes_a_real_field_complex():
    T, V = field(6, 5, 2, 2, dtype=torch.float32), field(6, 5, dtype=torch.complex64)
    result = sh.hamiltonian_evolution(T, V=V)
    assert result.dtype == torch.complex64
    torch.testing.assert_close(result, sh.hamiltonian_evolution(T.to(torch.complex64), V=V))


# out


@pytest.mark.parametrize("backend", ["fd", "spectral"])
@pytest.mark.parametrize("with_V", [False, True])
def test_out_receives_the_result(backend, with_V):
    T = field(6, 5, 2, 2, dtype=torch.complex64)
    V = field(6, 5, dtype=torch.float32) if with_V else None
    for function, keywords in (
        (sh.hamiltonian_evolution, {"V": V}),
        (sh.hamiltonian_evolution_with_metric, {"V": V, "g_inv_diag": (2.0, 0.5), **PARAMETERS}),
        (sh.spatial_laplacian, {}),
        (sh.spatial_laplacian_x, {}),
        (sh.spatial_laplacian_y, {}),
    ):
        out = torch.full_like(T, math.nan)
        assert function(T, out=out, backend=backend, **keywords) is out
        assert torch.equal(out, function(T, backend=backend, **keywords))


def test_out_that_cannot_be_written_is_refused():
    T = field(6, 5, 2, 2, dtype=torch.complex64)
    for out, message in (
        (torch.empty(6, 5, 2, 3, dtype=torch.complex64), "like the result"),
        (torch.empty_like(T, dtype=torch.complex128), "like the result"),
        (torch.empty(5, 6, 2, 2, dtype=torch.complex64).transpose(0, 1), "contiguous"),
        (T, "memory of its own"),
    ):
        with pytest.raises(ValueError, match=message):
            sh.hamiltonian_evolution(T, out=out)
    for name in ("hbar_cog", "m_cog"):
        with pytest.raises(ValueError, match="gradient is recorded"):
            sh.hamiltonian_evolution(T, out=torch.empty_like(T), **{name: torch.tensor(0.1, requires_grad=True)})
    g = torch.tensor([2.0, 0.5], requires_grad=True)
    with pytest.raises(ValueError, match="gradient is recorded"):
        sh.hamiltonian_evolution_with_metric(T, out=torch.empty_like(T), g_inv_diag=g, **PARAMETERS)


# Arguments


def test_physics_parameters_are_keyword_only():
    T = field(6, 5, 2, 2)
    with pytest.raises(TypeError, match="positional"):
        sh.hamiltonian_evolution(T, 0.1)
    with pytest.raises(TypeError, match="positional"):
        sh.hamiltonian_evolution_with_metric(T, 0.1, 1.0)
    with pytest.raises(TypeError, match="positional"):
        sh.hamiltonian_evolution_with_metric(T, 0.1, 1.0, torch.ones(2))
    with pytest.raises(TypeError, match="positional"):
        sh.spatial_laplacian(T, 1.0, 1.0)
    with pytest.raises(TypeError, match="hbar_cog"):
        sh.hamiltonian_evolution_with_metric(T)


def test_the_flag_is_argument_then_context_then_fd():
    T = field(6, 5, 2, 2)
    by = {name: sh.spatial_laplacian(T, backend=name) for name in ("fd", "spectral")}
    assert not torch.equal(by["fd"], by["spectral"])
    assert torch.equal(sh.spatial_laplacian(T), by["fd"])
    with sh.GeometryContext(backend="spectral"):
        assert torch.equal(sh.spatial_laplacian(T), by["spectral"])
        assert torch.equal(sh.spatial_laplacian(T, backend="fd"), by["fd"])
        with sh.GeometryContext(backend=None):
            assert torch.equal(sh.spatial_laplacian(T), by["fd"])
        with sh.GeometryContext((2.0, 0.5)):
            assert torch.equal(sh.spatial_laplacian(T), by["spectral"])
            assert torch.equal(sh.hamiltonian_evolution(T), sh.hamiltonian_evolution(T, backend="spectral"))
    with pytest.raises(ValueError, match="'spectral', 'fd'"):
        sh.spatial_laplacian(T, backend="fft")


@pytest.mark.parametrize(
    "T",
    [
        torch.zeros(6, 5, 2),
        torch.zeros(6, 5, 2, 3),
        torch.zeros(1, 6, 5, 2, 2),
        torch.zeros(6, 5),
        torch.zeros(0, 5, 2, 2),
        torch.zeros(6, 5, 0, 0),
    ],
    ids=lambda T: str(tuple(T.shape)),
)
def test_other_shapes_are_refused(T):
    for call in (sh.spatial_laplacian, sh.spatial_laplacian_x, sh.spatial_laplacian_y, sh.hamiltonian_evolution):
        with pytest.raises(ValueError, match=r"\(N_x, N_y, D, D\)"):
            call(T)
    with pytest.raises(ValueError, match=r"\(N_x, N_y, D, D\)"):
        sh.hamiltonian_evolution_with_metric(T, **PARAMETERS)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64, torch.bool])
def test_other_dtypes_are_refused_by_name(dtype):
    with pytest.raises(sh.UnsupportedDTypeError, match=str(dtype).replace("torch.", "")):
        sh.hamiltonian_evolution(torch.zeros(6, 5, 2, 2).to(dtype))
    with pytest.raises(TypeError, match=r"torch\.Tensor"):
        sh.hamiltonian_evolution(np.zeros((6, 5, 2, 2)))


@pytest.mark.parametrize("value", [0.0, -1.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["hbar_cog", "m_cog", "dx", "dy"])
def test_numbers_are_checked(name, value):
    with pytest.raises(ValueError, match=f"`{name}=...` must be a positive finite number"):
        sh.hamiltonian_evolution(field(6, 5, 2, 2), **{name: value})


# The metric


def evolve(T, g):
    return sh.hamiltonian_evolution_with_metric(T, g_inv_diag=g, **PARAMETERS)


@pytest.mark.parametrize("kind", [torch.tensor, tuple, list])
def test_a_metric_may_be_any_sequence_and_its_first_two_components_count(kind):
    T = field(6, 5, 2, 2)
    expected = evolve(T, (2.0, 0.5))
    for g in ([2.0, 0.5], [2.0, 0.5, 7.0], [2.0, 0.5, *range(1, 7)]):
        assert torch.equal(evolve(T, kind(g)), expected)


def test_a_single_component_is_isotropic_and_warns():
    T = field(6, 5, 2, 2)
    with pytest.warns(UserWarning, match="one component") as caught:
        result = evolve(T, torch.tensor([2.0]))
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert torch.equal(result, evolve(T, (2.0, 2.0)))


def test_no_metric_is_flat():
    T = field(6, 5, 2, 2)
    assert torch.equal(evolve(T, None), sh.hamiltonian_evolution(T, **PARAMETERS))
    assert torch.equal(evolve(T, (1.0, 1.0)), evolve(T, None))


@pytest.mark.parametrize(
    ("g", "message"),
    [
        ([0.0, 1.0], "positive definite"),
        ([1.0, -1.0], "positive definite"),
        ([1.0, 1.0, -1.0], "positive definite"),
        ([0.0] * 8, "positive definite"),
        ([math.nan, 1.0], "NaN or Inf"),
        ([1.0, math.inf], "NaN or Inf"),
        ([1.0, 1.0, math.nan], "NaN or Inf"),
        ([], "1-D"),
        (2.0, "1-D"),
        ([[1.0, 0.0], [0.0, 1.0]], "1-D"),
    ],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_wrong_metric_is_refused(g, message, dtype):
    with pytest.raises(ValueError, match=message) as caught:
        evolve(field(6, 5, 2, 2), torch.tensor(g, dtype=dtype))
    assert str(caught.value).startswith("`g_inv_diag=...` must be")
    with pytest.raises(ValueError, match=message):
        sh.GeometryContext(torch.tensor(g, dtype=dtype))


@pytest.mark.parametrize("g", [torch.ones(2, dtype=torch.complex64), torch.ones(2, dtype=torch.bool), "ab", object()])
def test_a_metric_of_another_kind_is_refused(g):
    with pytest.raises(TypeError, match="g_inv_diag"):
        evolve(field(6, 5, 2, 2), g)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_large_metric_is_finite_and_warns_once_where_it_is_used(dtype):
    T, g = field(6, 5, 2, 2, dtype=torch.complex64), torch.full((8,), 1e8, dtype=dtype)
    with pytest.warns(sh.LargeMetricWarning, match="stable time step") as caught:
        result = evolve_here(T, g)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert caught[0].lineno == inspect.getsourcelines(evolve_here)[1] + 1
    assert torch.isfinite(torch.view_as_real(result)).all()
    close(result, five_points(T, g_xx=1e8, g_yy=1e8), T, HBAR**2 / (2 * MASS) * 8e8)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        evolve(T, torch.full((8,), 1e6))


def evolve_here(T, g):
    return sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g)


@pytest.mark.parametrize("make", [sh.GeometryContext, sh.InverseMetric])
def test_a_large_metric_warns_where_an_object_is_made(make):
    with pytest.warns(sh.LargeMetricWarning) as caught:
        make((1e8, 1.0))
    assert [warning.filename for warning in caught] == [__file__]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("metric_dtype", [torch.float32, torch.float64, torch.int64])
def test_the_dtype_of_the_metric_does_not_reach_the_result(dtype, metric_dtype):
    T = field(6, 5, 2, 2, dtype=dtype)
    result = evolve(T, torch.tensor([2.0, 1.0]).to(metric_dtype))
    assert result.dtype == dtype
    assert torch.equal(result, evolve(T, (2.0, 1.0)))


@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_a_float32_metric_gets_its_gradient(backend):
    T = field(6, 5, 2, 2, dtype=torch.complex64)
    g = torch.tensor([2.0, 0.5, 1.0], requires_grad=True)
    for _ in range(2):
        g.grad = None
        result = sh.hamiltonian_evolution_with_metric(T, g_inv_diag=g, backend=backend, **PARAMETERS)
        assert result.dtype == torch.complex64
        (T.conj() * result).real.sum().backward()
    assert g.grad.dtype == torch.float32
    for component, lap in enumerate((sh.spatial_laplacian_x, sh.spatial_laplacian_y)):
        expected = -(HBAR**2) / (2 * MASS) * float((T.conj() * lap(T, backend=backend)).real.sum())
        assert float(g.grad[component]) == pytest.approx(expected, rel=1e-5)
    assert float(g.grad[2]) == 0.0


def test_hbar_and_mass_may_be_tensors_with_gradients():
    T = field(6, 5, 2, 2)
    hbar, mass = torch.tensor(0.7, requires_grad=True), torch.tensor(1.6, dtype=torch.float64, requires_grad=True)
    energy = (T.conj() * sh.hamiltonian_evolution(T, hbar_cog=hbar, m_cog=mass)).real.sum()
    energy.backward()
    assert hbar.grad.dtype == torch.float32
    assert float(hbar.grad) == pytest.approx(2 * energy.item() / 0.7, rel=1e-6)
    assert float(mass.grad) == pytest.approx(-energy.item() / 1.6, rel=1e-6)
    plain = sh.hamiltonian_evolution(T, hbar_cog=torch.tensor(0.7, dtype=torch.float64), m_cog=1.6)
    assert torch.equal(plain, sh.hamiltonian_evolution(T, hbar_cog=0.7, m_cog=1.6))


@pytest.mark.parametrize("how", ["permuted", "conjugated", "sliced"])
@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_strides_and_lazy_conjugation(how, backend):
    plain = field(6, 5, 2, 2, dtype=torch.complex64)
    if how == "permuted":
        T = plain.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)
    elif how == "conjugated":
        T = plain.conj().resolve_conj().conj()
    else:
        T = torch.cat([plain, plain], dim=1)[:, ::2]
        plain = T.clone(memory_format=torch.contiguous_format)
    result = sh.hamiltonian_evolution(T, backend=backend)
    assert result.is_contiguous()
    assert not result.is_conj()
    assert torch.equal(result, sh.hamiltonian_evolution(plain, backend=backend))


# Host reads


class HostReads(TorchDispatchMode):
    """Count what copies a tensor's values to Python (item, bool, float, tolist): each is a wait on an accelerator."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))

    def __enter__(self):
        plain = torch.Tensor.tolist  # which no dispatch mode sees

        def counted(tensor):
            self.count += 1
            return plain(tensor)

        torch.Tensor.tolist = counted
        return super().__enter__()

    def __exit__(self, *exception):
        del torch.Tensor.tolist  # uncovers the inherited one
        return super().__exit__(*exception)


def host_reads(f):
    with HostReads() as reads:
        f()
    return reads.count


def test_host_reads_are_counted():
    assert host_reads(lambda: torch.ones(3).sum().item()) == 1
    assert host_reads(lambda: bool(torch.ones(3).any())) == 1
    assert host_reads(lambda: torch.ones(3).tolist()) == 1


@pytest.mark.parametrize("backend", ["fd", "spectral"])
@pytest.mark.parametrize("requires_grad", [False, True])
def test_calls_of_an_operator_read_nothing(backend, requires_grad):
    torus = sh.Torus((6, 5))
    T = field(6, 5, 2, 2, dtype=torch.complex64).requires_grad_(requires_grad)
    g = torch.tensor([[2.0, 0.3], [0.3, 0.5]], requires_grad=requires_grad)
    for V in (None, field(6, 5, dtype=torch.float32), sh.MatrixPotential(field(6, 5, 2, 2, dtype=torch.float32))):
        H = sh.Hamiltonian(torus, inverse_metric=g, potential=V, backend=backend)
        assert host_reads(lambda H=H: H(T)) == 0
        assert host_reads(lambda H=H: H.energy(T)) == 0
    lap = sh.Laplacian(torus, inverse_metric=g, backend=backend)
    heat = lap.function(torch.exp)
    assert host_reads(lambda: (lap(T), heat(T))) == 0
    learned = sh.Hamiltonian(torus, inverse_metric=g.detach(), hbar=torch.tensor(0.7, requires_grad=True))
    assert host_reads(lambda: learned(T)) == 0


@pytest.mark.parametrize("g", [None, (2.0, 0.5), torch.tensor([2.0, 0.5]), torch.ones(8, requires_grad=True)])
def test_a_drop_in_call_reads_at_most_once(g):
    T = field(6, 5, 2, 2, dtype=torch.complex64)
    assert host_reads(lambda: evolve(T, g)) <= 1
    assert host_reads(lambda: sh.hamiltonian_evolution(T, V=field(6, 5))) == 0


# Threads


def test_a_call_in_another_thread_is_the_same():
    T = field(6, 5, 2, 2)
    results = []
    threads = [threading.Thread(target=lambda: results.append(evolve(T, (2.0, 0.5)))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(result, evolve(T, (2.0, 0.5))) for result in results)
    assert len(results) == 4


# torch.compile

compiles = pytest.mark.skipif(not torch._dynamo.is_dynamo_supported(), reason="torch.compile does not exist here")


@pytest.fixture
def fresh_compiler():
    torch._dynamo.reset()
    sh.clear_cache()
    yield
    torch._dynamo.reset()


def compiled(f):
    """Trace f and its gradient as one graph, without generating code."""
    return torch.compile(f, backend="aot_eager", fullgraph=True)


@compiles
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("backend", ["fd", "spectral"])
@pytest.mark.parametrize("with_V", [False, True])
def test_drop_ins_compile_without_a_graph_break(backend, with_V):
    T = field(6, 5, 2, 2, dtype=torch.complex64)
    V = field(6, 5, dtype=torch.float32) if with_V else None

    def step(T, g):
        H = sh.hamiltonian_evolution_with_metric(T, g_inv_diag=g, V=V, backend=backend, **PARAMETERS)
        return H + sh.hamiltonian_evolution(T, V=V, backend=backend) + sh.spatial_laplacian(T, backend=backend)

    f = compiled(step)
    for g in (torch.tensor([2.0, 0.5]), torch.tensor([0.3, 0.9])):
        assert torch.equal(f(T, g), step(T, g))
    permuted = T.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)
    assert torch.equal(f(permuted, g), step(T, g))


@pytest.mark.pairwise
@compiles
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize(
    ("backend", "execution"),
    [("spectral", "fft"), ("spectral", "dense"), ("fd", "fft"), ("fd", "dense"), ("fd", "stencil"), ("fd", "auto")],
)
@pytest.mark.parametrize("kind", ["none", "scalar", "elementwise", "matrix"])
def test_operators_compile_without_a_graph_break(backend, execution, kind):
    V = {
        "none": None,
        "scalar": field(6, 5, dtype=torch.float64),
        "elementwise": field(6, 5, 2, 2, dtype=torch.float64),
        "matrix": sh.MatrixPotential(field(2, 2, dtype=torch.float64)),
    }[kind]
    flags = {"backend": backend, "execution": execution}
    H = sh.Hamiltonian(sh.Torus((6, 5)), inverse_metric=[[2.0, 0.3], [0.3, 0.5]], potential=V, **flags)
    T = field(6, 5, 2, 2, dtype=torch.complex64)
    assert torch.equal(compiled(H)(T), H(T))


@compiles
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_gradients_under_compile(backend):
    T = field(6, 5, 2, 2).requires_grad_()
    g = torch.tensor([2.0, 0.5], requires_grad=True)
    V = field(6, 5, dtype=torch.float64, seed=2).requires_grad_()

    def loss(T, g, V):
        result = sh.hamiltonian_evolution_with_metric(T, g_inv_diag=g, V=V, backend=backend, **PARAMETERS)
        return torch.view_as_real(result).square().sum()

    expected = torch.autograd.grad(loss(T, g, V), (T, g, V))
    result = torch.autograd.grad(compiled(loss)(T, g, V), (T, g, V))
    for one, other in zip(result, expected, strict=True):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other)


@compiles
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("compiler", ["eager", "aot_eager"])
@pytest.mark.parametrize("backend", ["fd", "spectral"])
def test_gradients_of_an_operator_under_compile(backend, compiler):
    T = field(6, 5, 2, 2).requires_grad_()
    g, V = torch.tensor([2.0, 0.5], requires_grad=True), field(6, 5, 2, 2, seed=2).requires_grad_()
    H = sh.Hamiltonian(sh.Torus((6, 5)), inverse_metric=g, potential=sh.MatrixPotential(V), backend=backend)
    expected = torch.autograd.grad(torch.view_as_real(H(T)).square().sum(), (T, g, V))
    result = torch.compile(H, backend=compiler, fullgraph=True)(T)
    for one, other in zip(
        torch.autograd.grad(torch.view_as_real(result).square().sum(), (T, g, V)), expected, strict=True
    ):
        torch.testing.assert_close(one, other)


@compiles
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("dtype", DTYPES)
def test_changes_of_dtype_compile(dtype):
    """A complex V promotes a real field, and a complex table does: neither may break the graph."""
    T, V = field(6, 5, 2, 2, dtype=dtype), field(6, 5, dtype=torch.complex128, seed=2)
    lap = sh.Laplacian(sh.Torus((6, 5)))
    heat, phase = lap.function(torch.exp), lap.function(lambda s: torch.exp(1j * s))

    def f(T):
        return sh.hamiltonian_evolution(T, V=V), heat(T), phase(T)

    for one, other in zip(compiled(f)(T), f(T), strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)


@compiles
@pytest.mark.usefixtures("fresh_compiler")
def test_a_compiled_function_takes_a_second_grid():
    """The second shape makes the compiler try symbolic shapes."""

    def f(T):
        return sh.spatial_laplacian(T)

    g = compiled(f)
    for shape in [(6, 5, 2, 2), (8, 5, 2, 2), (9, 11, 4, 4)]:
        T = field(*shape, dtype=torch.complex64)
        assert torch.equal(g(T), f(T))


@compiles
@pytest.mark.usefixtures("fresh_compiler")
def test_a_compiled_call_refuses_an_open_context_instead_of_going_flat():
    T = field(6, 5, 2, 2, dtype=torch.complex64)
    f = compiled(lambda T: sh.hamiltonian_evolution_with_metric(T, **PARAMETERS))
    flat = f(T)
    with sh.GeometryContext((2.0, 0.5)), pytest.raises(Exception, match="GeometryContext"):
        f(T)
    assert torch.equal(f(T), flat)
    g = compiled(lambda T: sh.hamiltonian_evolution_with_metric(T, g_inv_diag=(3.0, 1.0), backend="fd", **PARAMETERS))
    with sh.GeometryContext((2.0, 0.5)):
        assert torch.equal(g(T), evolve(T, (3.0, 1.0)))


@compiles
@pytest.mark.usefixtures("fresh_compiler")
@pytest.mark.parametrize("g", [[1.0, -1.0], [math.nan, 1.0], [0.0, 1.0]])
def test_a_compiled_call_checks_the_metric_on_the_device(g):
    T = field(6, 5, 2, 2, dtype=torch.complex64)
    f = compiled(evolve)
    f(T, torch.tensor([2.0, 0.5]))
    with pytest.raises(RuntimeError, match="positive definite"):
        f(T, torch.tensor(g))


@compiles
@pytest.mark.usefixtures("fresh_compiler")
def test_tables_made_while_compiling_serve_eager_calls():
    T = field(6, 5, 2, 2).requires_grad_()
    H = sh.Hamiltonian(sh.Torus((6, 5)), execution="dense")
    compiled(H)(T.detach())
    H.energy(T).backward()
    torch.testing.assert_close(T.grad, 2 * H(T.detach()))
