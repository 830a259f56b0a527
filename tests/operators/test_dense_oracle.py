"""H against dense Kronecker products of typed weights and closed formulas: all backends, dtypes, dimensions."""

import math
from functools import cache

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.sparse.linalg import eigsh

import spectral_ham as sh
from oracles.dense import act, backward_bound, dense_laplacian, dense_symbol, spectral_matrix
from oracles.fields import (
    BACKEND_IDS,
    BACKENDS,
    DTYPES,
    GRIDS,
    HBAR,
    KINETIC,
    MASS,
    TORUS,
    eps,
    executions,
    field,
    given_metric,
    largest,
    metric,
)

EVERY_BACKEND = pytest.mark.parametrize(("backend", "order"), BACKENDS, ids=BACKEND_IDS)
EVERY_METRIC = pytest.mark.parametrize("kind", ["diagonal", "full"])
EVERY_RUN = [
    pytest.param(backend, order, execution, id=f"{name}-{execution}")
    for (backend, order), name in zip(BACKENDS, BACKEND_IDS, strict=True)
    for execution in executions(backend)
]


@cache
def oracle(ndim, backend, order, kind):
    """The dense Laplacian and the largest absolute value of its symbol."""
    torus = GRIDS[ndim]
    matrix = dense_laplacian(torus, metric(ndim, kind), backend, order)
    return matrix, largest(dense_symbol(matrix, torus.shape))


def potential(name, torus=TORUS, channels=(2, 2)):
    """A potential by name as (what a user gives, what multiplies T)."""
    shape = torus.shape if name.endswith("scalar") else (*torus.shape, *channels)
    V = field(shape, torch.float64, seed=3)
    if name.startswith("complex"):
        V = torch.complex(V, field(shape, torch.float64, seed=4))
    behind = (1,) * len(channels) if name.endswith("scalar") else ()
    return V, V.reshape(*V.shape, *behind)


POTENTIALS = ["real scalar", "complex scalar", "real elementwise", "complex elementwise"]


@pytest.mark.parametrize("n", range(1, 14))
@pytest.mark.parametrize("derivative", [1, 2])
def test_closed_forms_are_the_sums_over_modes(n, derivative):
    """The oracle's own oracle: (1/N) Σ_k (ik)^d e^{ik(x_j − x_l)}, with the Nyquist mode left out of odd d."""
    length = 2.1
    total = np.zeros((n, n), dtype=complex)
    for mode in range(-(n // 2), (n + 1) // 2):
        if derivative == 1 and 2 * mode == -n:
            continue
        k = 2 * math.pi * mode / length
        for j in range(n):
            for l in range(n):  # noqa: E741
                turns = (mode * (j - l)) % n / n
                total[j, l] += (1j * k) ** derivative * np.exp(2j * math.pi * turns) / n
    bound = 16 * eps(torch.float64) * (math.pi * n / length) ** derivative
    assert_allclose(spectral_matrix(n, length, derivative), total, rtol=0, atol=bound)


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("ndim", [1, 2, 3])
@EVERY_METRIC
@pytest.mark.parametrize(("backend", "order", "execution"), EVERY_RUN)
def test_laplacian(backend, order, execution, kind, ndim, dtype):
    torus, (matrix, symbol_max) = GRIDS[ndim], oracle(ndim, backend, order, kind)
    lap = sh.Laplacian(
        torus,
        inverse_metric=given_metric(ndim, kind),
        backend=backend,
        stencil_order=order,
        execution=execution,
    )
    T = field((*torus.shape, 2, 2), dtype)
    result = lap(T)
    assert (result.shape, result.dtype) == (T.shape, dtype)
    assert_allclose(result, act(matrix, T), rtol=0, atol=backward_bound(dtype, symbol_max, T))


@pytest.mark.pairwise
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", POTENTIALS)
@EVERY_METRIC
@pytest.mark.parametrize(("backend", "order", "execution"), EVERY_RUN)
def test_hamiltonian(backend, order, execution, kind, name, dtype):
    matrix, symbol_max = oracle(2, backend, order, kind)
    V, factor = potential(name)
    H = sh.Hamiltonian(
        TORUS,
        inverse_metric=given_metric(2, kind),
        potential=V,
        hbar=HBAR,
        mass=MASS,
        backend=backend,
        stencil_order=order,
        execution=execution,
    )
    T = field((*TORUS.shape, 2, 2), dtype)
    result = H(T)
    assert result.dtype == (dtype.to_complex() if V.is_complex() else dtype)
    expected = act(KINETIC * matrix, T) + (factor.to(torch.complex128) * T.to(torch.complex128)).numpy()
    bound = backward_bound(dtype, abs(KINETIC) * symbol_max, T, largest(V))
    assert_allclose(result.to(torch.complex128), expected, rtol=0, atol=bound)


@pytest.mark.pairwise
@pytest.mark.parametrize("per_point", [False, True], ids=["one matrix", "one per point"])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@EVERY_BACKEND
def test_matrix_potential(backend, order, dtype, per_point):
    """(VT)_{xab} = Σ_c V_{xac} T_{xcb}, written out as loops."""
    matrix, symbol_max = oracle(2, backend, order, "diagonal")
    V = field((*TORUS.shape, 3, 3) if per_point else (3, 3), torch.float64, seed=5)
    H = sh.Hamiltonian(
        TORUS,
        inverse_metric=given_metric(2, "diagonal"),
        potential=sh.MatrixPotential(V),
        hbar=HBAR,
        mass=MASS,
        backend=backend,
        stencil_order=order,
    )
    T = field((*TORUS.shape, 3, 2), dtype)
    expected = act(KINETIC * matrix, T)
    wide = T.to(torch.complex128).numpy()
    for x, y, a, c in np.ndindex(*TORUS.shape, 3, 3):
        entry = float(V[x, y, a, c] if per_point else V[a, c])
        expected[x, y, a, :] += entry * (wide[x, y, c, :] if T.is_complex() else wide[x, y, c, :].real)
    bound = backward_bound(dtype, abs(KINETIC) * symbol_max, T, 3 * largest(V))
    assert_allclose(H(T), expected, rtol=0, atol=bound)


@pytest.mark.pairwise
@pytest.mark.parametrize("name", ["real scalar", "complex scalar"])
@pytest.mark.parametrize("ndim", [1, 2, 3])
@EVERY_METRIC
@EVERY_BACKEND
def test_as_matrix(backend, order, kind, ndim, name):
    torus, (matrix, symbol_max) = GRIDS[ndim], oracle(ndim, backend, order, kind)
    V, _ = potential(name, torus)
    H = sh.Hamiltonian(
        torus,
        inverse_metric=given_metric(ndim, kind),
        potential=V,
        hbar=HBAR,
        mass=MASS,
        backend=backend,
        stencil_order=order,
    )
    M = H.as_matrix()
    assert M.dtype == (torch.complex128 if V.is_complex() else torch.float64)
    expected = KINETIC * matrix + np.diag(V.numpy().reshape(-1))
    bound = 16 * eps(M.dtype) * (abs(KINETIC) * symbol_max + largest(V))
    assert_allclose(M, expected, rtol=0, atol=bound)


@pytest.mark.pairwise
@pytest.mark.parametrize("channels", [(), (2, 3)], ids=["one channel", "2×3 channels"])
@pytest.mark.parametrize("name", POTENTIALS)
@EVERY_BACKEND
def test_as_linear_operator(backend, order, name, channels):
    """Its matvec is H, its rmatvec H†: they differ where V is complex."""
    matrix, symbol_max = oracle(2, backend, order, "full")
    V, factor = potential(name, channels=channels)
    H = sh.Hamiltonian(
        TORUS,
        inverse_metric=given_metric(2, "full"),
        potential=V,
        hbar=HBAR,
        mass=MASS,
        backend=backend,
        stencil_order=order,
    )
    shape = (*TORUS.shape, *channels)
    diagonal = factor.expand(shape).reshape(-1).numpy()
    expected = np.kron(KINETIC * matrix, np.eye(math.prod(channels))) + np.diag(diagonal)
    operator = H.as_linear_operator(channels)
    assert operator.shape == expected.shape
    assert operator.dtype == (np.complex128 if V.is_complex() else np.float64)
    x = field(shape).reshape(-1).numpy()
    bound = 16 * eps(torch.float64) * (abs(KINETIC) * symbol_max + largest(V)) * largest(x)
    assert_allclose(operator.matvec(x), expected @ x, rtol=0, atol=bound)
    assert_allclose(operator.rmatvec(x), expected.conj().T @ x, rtol=0, atol=bound)


def test_linear_operator_of_a_matrix_potential():
    """A Hermitian matrix potential is its own adjoint; another one offers none."""
    A = field((2, 2), seed=5)
    shape = (*TORUS.shape, 2)
    x, y = (field(shape, seed=seed).reshape(-1).numpy() for seed in (1, 2))
    operator = sh.Hamiltonian(TORUS, potential=sh.MatrixPotential(A + A.mH)).as_linear_operator((2,))
    scale = largest(operator.matvec(x)) * np.abs(y).sum()
    bound = 16 * eps(torch.float64) * scale
    assert abs(np.vdot(y, operator.matvec(x)) - np.vdot(operator.rmatvec(y), x)) <= bound
    skew = sh.Hamiltonian(TORUS, potential=sh.MatrixPotential(A)).as_linear_operator((2,))
    with pytest.raises(NotImplementedError):
        skew.rmatvec(x)


@pytest.mark.parametrize("ndim", [1, 2])
@EVERY_METRIC
@EVERY_BACKEND
def test_eigenvalues_lie_in_the_spectral_bounds(backend, order, kind, ndim):
    """And the bounds are attained where V is constant: they are the range of the symbol, not an estimate."""
    torus, (matrix, symbol_max) = GRIDS[ndim], oracle(ndim, backend, order, kind)
    V, _ = potential("real scalar", torus)
    settings = {
        "inverse_metric": given_metric(ndim, kind),
        "hbar": HBAR,
        "mass": MASS,
        "backend": backend,
        "stencil_order": order,
    }
    rounding = 16 * eps(torch.float64) * torus.size * (abs(KINETIC) * symbol_max + largest(V))
    lowest, highest = sh.Hamiltonian(torus, potential=V, **settings).spectral_bounds()
    levels = np.linalg.eigvalsh(KINETIC * matrix + np.diag(V.numpy().reshape(-1)))
    assert lowest - rounding <= levels[0]
    assert levels[-1] <= highest + rounding
    flat = np.linalg.eigvalsh(KINETIC * matrix) + 1.5
    constant = sh.potentials.constant(torus, 1.5)
    assert_allclose(
        sh.Hamiltonian(torus, potential=constant, **settings).spectral_bounds(),
        (flat[0], flat[-1]),
        rtol=0,
        atol=rounding,
    )


def test_scipy_finds_the_lowest_level_through_the_operator():
    matrix, symbol_max = oracle(2, "spectral", 2, "full")
    V, _ = potential("real scalar")
    H = sh.Hamiltonian(TORUS, inverse_metric=given_metric(2, "full"), potential=V, hbar=HBAR, mass=MASS)
    level = eigsh(H.as_linear_operator(), k=1, which="SA", tol=1e-12, return_eigenvectors=False)[0]
    exact = np.linalg.eigvalsh(KINETIC * matrix + np.diag(V.numpy().reshape(-1)))[0]
    assert abs(level - exact) <= 1e-10 * abs(KINETIC) * symbol_max
