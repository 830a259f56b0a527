"""Properties that hold for every problem, drawn at random: grid, metric, backend, execution, dtype, channels, V.

Bounds are backward bounds. One application of H costs at most C·eps·scale·‖T‖_max with scale = max|kinetic symbol| +
‖V‖_max and C = 16 (the largest over 8000 problems was 4.2), whatever the size of the result.
"""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import spectral_ham as sh
from oracles.problems import (
    ALL_DTYPES,
    COMPLEX,
    COMPLEX_POTENTIALS,
    HERMITIAN_POTENTIALS,
    NO_POTENTIAL,
    REAL,
    REAL_POTENTIALS,
    max_abs,
    permuted,
    problems,
)

C = 16
many = settings(max_examples=100, deadline=None)


def bound(problem, *fields, times=1.0):
    """C·eps·scale·‖T‖_max, summed over fields."""
    return times * C * problem.eps * problem.scale * sum(map(max_abs, fields))


def as_numpy(T):
    return T.to(torch.complex128).numpy()


def numbers(problem, count):
    return np.random.default_rng(problem.seed + 3).uniform(-1.0, 1.0, count).tolist()


# The operator itself


@many
@given(problems())
def test_H_is_what_its_formula_says(problem):
    T = problem.field()
    difference = as_numpy(problem.hamiltonian(T)) - problem.apply_by_formula(as_numpy(T))
    assert np.abs(difference).max() <= bound(problem, T)


@many
@given(problems())
def test_H_is_linear(problem):
    T, U, (a, b) = problem.field(0), problem.field(1), numbers(problem, 2)
    H = problem.hamiltonian
    assert max_abs(H(a * T + b * U) - (a * H(T) + b * H(U))) <= bound(problem, T, U, times=2)


@many
@given(problems(potentials=HERMITIAN_POTENTIALS))
def test_H_is_hermitian(problem):
    T, U, H = problem.field(0), problem.field(1), problem.hamiltonian
    assert H.is_hermitian
    HT, HU = H(T), H(U)
    left, right = torch.vdot(U.to(HT.dtype).flatten(), HT.flatten()), torch.vdot(HU.flatten(), T.to(HU.dtype).flatten())
    # Each entry of H[T] is within the bound; a sum of n products loses at most n of them.
    assert abs(complex(left) - complex(right)) <= 2 * T.numel() * bound(problem, T) * max_abs(U)


@many
@given(problems(potentials=("complex scalar", "complex elementwise"), dtypes=COMPLEX))
def test_the_adjoint_of_H_has_the_conjugate_potential(problem):
    T, U = problem.field(0), problem.field(1)
    H, adjoint = problem.hamiltonian, problem.hamiltonian_with(problem.values.conj())
    assert not H.is_hermitian
    left, right = torch.vdot(U.flatten(), H(T).flatten()), torch.vdot(adjoint(U).flatten(), T.flatten())
    assert abs(complex(left) - complex(right)) <= 2 * T.numel() * bound(problem, T) * max_abs(U)


@many
@given(problems(), st.data())
def test_H_commutes_with_translations_by_cells(problem, data):
    shifts = tuple(data.draw(st.integers(-n, n)) for n in problem.shape)
    axes = tuple(range(problem.ndim))
    T, V = problem.field(), problem.values
    moved = problem.hamiltonian_with(None if V is None else problem.potential_of(V.roll(shifts, axes)))
    difference = moved(T.roll(shifts, axes)) - problem.hamiltonian(T).roll(shifts, axes)
    assert max_abs(difference) <= bound(problem, T)


@many
@given(problems())
def test_H_commutes_with_the_reflection_of_all_axes(problem):
    axes = tuple(range(problem.ndim))

    def reflect(X):
        return X.flip(axes).roll((1,) * len(axes), axes)  # j ↦ −j mod N

    T, V = problem.field(), problem.values
    mirrored = problem.hamiltonian_with(None if V is None else problem.potential_of(reflect(V)))
    assert max_abs(mirrored(reflect(T)) - reflect(problem.hamiltonian(T))) <= bound(problem, T)


@many
@given(problems(dtypes=REAL, potentials=REAL_POTENTIALS))
def test_a_real_field_stays_real_and_equals_the_complex_run(problem):
    T, H = problem.field(), problem.hamiltonian
    HT, as_complex = H(T), H(T.to(T.dtype.to_complex()))
    assert HT.dtype == T.dtype
    assert as_complex.is_complex()
    assert max_abs(as_complex.imag) <= bound(problem, T)
    assert max_abs(as_complex.real - HT) <= bound(problem, T)


@many
@given(problems(dtypes=COMPLEX))
def test_time_reversal_conjugates_the_potential(problem):
    T, V = problem.field(), problem.values
    reversed_H = problem.hamiltonian_with(None if V is None else problem.potential_of(V.conj()))
    assert max_abs(reversed_H(T.conj()) - problem.hamiltonian(T).conj()) <= bound(problem, T)


@many
@given(problems(potentials=("none", "scalar", "complex scalar")))
def test_channels_do_not_see_each_other(problem):
    T, H = problem.field(), problem.hamiltonian
    flat = T.reshape(*problem.shape, -1)
    one_by_one = torch.stack([H(channel) for channel in flat.unbind(-1)], dim=-1)
    assert max_abs(H(T).reshape(flat.shape) - one_by_one) <= bound(problem, T)


@many
@given(problems())
def test_executions_agree(problem):
    T = problem.field()
    names = ["auto", "fft", "dense", *(["stencil"] if problem.backend == "fd" else [])]
    results = [replace(problem, execution=name).hamiltonian(T) for name in names]
    for result in results[1:]:
        assert max_abs(result - results[0]) <= bound(problem, T)


# What goes in, what comes out


def disguised(T, how):
    """The same values in other clothes: strides, offsets, lazy conjugation and negation."""
    if how == "permuted":
        return T.permute(tuple(reversed(range(T.ndim)))).contiguous().permute(tuple(reversed(range(T.ndim))))
    if how == "sliced":
        wide = torch.zeros(*T.shape[:-1], 2 * T.shape[-1] + 1, dtype=T.dtype)
        wide[..., 1::2] = T
        return wide[..., 1::2]
    if how == "offset":
        buffer = torch.zeros(T.numel() + 1, dtype=T.dtype)
        buffer[1:] = T.flatten()
        return buffer[1:].view(T.shape)
    if how == "lazily conjugated":
        return T.conj().resolve_conj().conj()
    if how == "lazily negated":
        return torch.complex(torch.zeros_like(T), -T).conj().imag
    return T


@many
@given(
    problems(),
    st.sampled_from(["permuted", "sliced", "offset", "lazily conjugated", "lazily negated"]),
    st.sampled_from([torch.float32, torch.float64]),
)
def test_the_result_has_the_dtype_of_T_and_plain_memory(problem, how, metric_dtype):
    assume(how != "lazily negated" or not problem.dtype.is_complex)
    T = problem.field()
    dressed = disguised(T, how)
    assert torch.equal(dressed, T)
    metric = torch.tensor(problem.given_metric, dtype=torch.float64).to(metric_dtype)
    keywords = {"backend": problem.backend, "stencil_order": problem.stencil_order, "execution": problem.execution}
    H = sh.Hamiltonian(problem.torus, inverse_metric=metric, potential=problem.V, **keywords)
    result = H(dressed)
    assert result.dtype == problem.output_dtype
    assert result.shape == T.shape
    assert result.device == T.device
    assert result.is_contiguous()
    assert not result.is_conj()
    assert not result.is_neg()
    assert result.data_ptr() != dressed.data_ptr()
    assert torch.equal(result, H(T))


@many
@given(problems(potentials=("scalar", "elementwise", "matrix", *COMPLEX_POTENTIALS)), st.booleans())
def test_the_precision_of_V_does_not_leak_into_the_result(problem, single):
    T, V = problem.field(), problem.values
    if single:
        V = V.to(torch.complex64 if V.is_complex() else torch.float32)
    H = problem.hamiltonian_with(problem.potential_of(V))
    result = H(T)
    assert result.dtype == problem.output_dtype
    rounding = 2.0**-23 if single else 0.0
    assert max_abs(result - problem.hamiltonian(T)) <= bound(problem, T) + C * rounding * problem.scale * max_abs(T)


@many
@given(problems(), st.sampled_from(["plain", "permuted", "offset"]))
def test_nothing_is_written_into_the_arguments(problem, how):
    T = disguised(problem.field(), how)
    V = problem.values
    before, V_before = T.clone(), None if V is None else V.clone()
    H = problem.hamiltonian_with(None if V is None else problem.potential_of(V))
    first = H(T)
    kept = first.clone()
    second = H(T)
    first.fill_(math.nan)  # writing into a result must harm nobody either
    assert torch.equal(T, before)
    assert V is None or torch.equal(V, V_before)
    assert torch.equal(second, kept)
    assert torch.equal(H(T), kept)


@many
@given(problems())
def test_out_receives_what_is_returned(problem):
    T, H = problem.field(), problem.hamiltonian
    expected = H(T)
    out = torch.full_like(expected, math.nan)
    assert H(T, out=out) is out
    assert torch.equal(out, expected)
    lap = problem.laplacian
    out = torch.full_like(T, math.nan)
    assert lap(T, out=out) is out
    assert torch.equal(out, lap(T))


@many
@given(problems())
def test_caches_do_not_change_results(problem):
    sh.clear_cache()
    T = problem.field()
    cold = problem.hamiltonian(T)
    assert torch.equal(problem.hamiltonian(T), cold)
    sh.clear_cache()
    assert torch.equal(problem.hamiltonian(T), cold)


# Energy, norm, spectrum


@many
@given(problems(potentials=NO_POTENTIAL))
def test_energy_is_the_sum_of_mode_energies(problem):
    T = problem.field()
    axes = tuple(range(problem.ndim))
    points = math.prod(problem.shape)
    coefficients = np.fft.fftn(as_numpy(T), axes=axes) / points
    weights = (np.abs(coefficients) ** 2).reshape(*problem.shape, -1).sum(-1)
    volume = math.prod(problem.lengths)
    expected = float((weights * problem.kinetic_symbol).sum()) * volume
    energy = problem.hamiltonian.energy(T)
    assert energy.ndim == 0
    assert energy.dtype == T.dtype.to_real()
    assert abs(float(energy) - expected) <= bound(problem, T) * max_abs(T) * T.numel() * problem.torus.cell_volume


@many
@given(problems(potentials=("scalar", "elementwise", "matrix", "complex scalar", "hermitian matrix")))
def test_energy_is_kinetic_plus_potential(problem):
    T = problem.field()
    kinetic = problem.hamiltonian_with(None).energy(T)
    X = as_numpy(T)
    potential = float((np.conj(X) * problem.multiply(X)).real.sum()) * problem.torus.cell_volume
    energy = problem.hamiltonian.energy(T)
    error = abs(float(energy) - float(kinetic) - potential)
    assert error <= 2 * bound(problem, T) * max_abs(T) * T.numel() * problem.torus.cell_volume


@many
@given(problems(potentials=HERMITIAN_POTENTIALS))
def test_energy_is_real_and_within_the_spectral_bounds(problem):
    T, H = problem.field(), problem.hamiltonian
    lowest, highest = H.spectral_bounds()
    energy = H.energy(T)
    assert not energy.is_complex()
    norm = float(T.abs().double().square().sum()) * problem.torus.cell_volume
    slack = C * problem.eps * problem.scale * norm
    assert lowest * norm - slack <= float(energy) <= highest * norm + slack


@many
@given(problems(potentials=("none", "scalar"), dtypes=(torch.float64,), max_points=64))
def test_spectral_bounds_enclose_the_eigenvalues(problem):
    H = problem.hamiltonian
    lowest, highest = H.spectral_bounds()
    eigenvalues = torch.linalg.eigvalsh(H.as_matrix())
    slack = C * problem.eps * problem.scale * math.prod(problem.shape)
    assert lowest - slack <= float(eigenvalues[0])
    assert float(eigenvalues[-1]) <= highest + slack
    if problem.potential == "none":
        assert float(eigenvalues[-1]) == pytest.approx(highest, abs=slack)


@many
@given(problems(potentials=NO_POTENTIAL, dtypes=(torch.float64,)))
def test_the_symbol_is_what_its_formula_says_even_and_never_positive(problem):
    symbol = problem.laplacian.symbol()
    assert symbol.dtype == torch.float64
    assert symbol.shape == problem.shape
    assert np.abs(symbol.numpy() - problem.symbol).max() <= C * problem.eps * problem.largest
    assert float(symbol.max()) <= C * problem.eps * problem.largest
    assert float(symbol.flatten()[0]) == 0.0
    axes = tuple(range(problem.ndim))
    mirrored = symbol.flip(axes).roll((1,) * len(axes), axes)
    assert max_abs(mirrored - symbol) <= C * problem.eps * problem.largest
    if not problem.has_full_metric:
        assert float(symbol.max()) <= 0.0


@many
@given(problems(potentials=NO_POTENTIAL, dtypes=(torch.float64,), max_points=64))
def test_the_symbol_holds_the_eigenvalues_of_the_matrix(problem):
    matrix = problem.hamiltonian.as_matrix()
    assert max_abs(matrix - matrix.mT) <= C * problem.eps * problem.scale
    eigenvalues = torch.linalg.eigvalsh(matrix).numpy()
    # LAPACK's eigenvalues of an (n, n) matrix are good to n·eps·‖A‖.
    error = np.abs(eigenvalues - np.sort(problem.kinetic_symbol.ravel())).max()
    assert error <= C * problem.eps * problem.scale * math.prod(problem.shape)


@many
@given(problems(potentials=NO_POTENTIAL, dtypes=COMPLEX), st.data())
def test_plane_waves_are_eigenvectors(problem, data):
    mode = tuple(data.draw(st.integers(0, n - 1)) for n in problem.shape)
    # Phases from n·j mod N in integers: a float32 phase would cost 37 eps.
    phase = sum(
        (m * np.arange(n) % n / n).reshape([-1 if i == axis else 1 for i in range(problem.ndim)])
        for axis, (m, n) in enumerate(zip(mode, problem.shape, strict=True))
    )
    wave = torch.from_numpy(np.exp(2j * np.pi * phase)).to(problem.dtype)
    difference = problem.hamiltonian(wave) - float(problem.kinetic_symbol[mode]) * wave
    assert max_abs(difference) <= bound(problem, wave)


@many
@given(problems(potentials=NO_POTENTIAL))
def test_the_laplacian_kills_constants_and_sums_to_zero(problem):
    T, lap = problem.field(), problem.laplacian
    assert max_abs(lap(torch.ones_like(T))) <= C * problem.eps * problem.largest
    axes = tuple(range(problem.ndim))
    points = math.prod(problem.shape)
    assert max_abs(lap(T).sum(axes)) <= C * problem.eps * problem.largest * max_abs(T) * points


# Functions of the Laplacian


@many
@given(problems(potentials=NO_POTENTIAL))
def test_the_identity_function_is_the_laplacian(problem):
    T, lap = problem.field(), problem.laplacian
    difference = lap.function(lambda s: s)(T) - lap(T)
    assert max_abs(difference) <= 2 * C * problem.eps * problem.largest * max_abs(T)


@many
@given(problems(potentials=NO_POTENTIAL))
def test_functions_compose(problem):
    T, lap = problem.field(), problem.laplacian
    t = problem.unit

    def f(s):
        return 1 / (1 - 3 * t * s)

    def g(s):
        return torch.exp(2j * t * s)

    both = lap.function(lambda s: f(s) * g(s))(T)
    assert both.dtype == T.dtype.to_complex()
    assert max_abs(lap.function(f)(lap.function(g)(T)) - both) <= C * problem.eps * max_abs(T)
    assert max_abs(lap.function(g)(lap.function(f)(T)) - both) <= C * problem.eps * max_abs(T)


@many
@given(problems(potentials=NO_POTENTIAL), st.sampled_from([0.1, 1.0, 10.0, 100.0]))
def test_the_resolvent_solves(problem, a):
    T, lap = problem.field(), problem.laplacian
    t = a * problem.unit
    solve = lap.function(lambda s: 1 / (1 - t * s))
    # T − t∇²T is good to C·eps·(1 + a)·‖T‖, and the resolvent is a contraction.
    slack = C * problem.eps * (1 + a) * max_abs(T)
    assert max_abs(solve(T - t * lap(T)) - T) <= slack
    solution = solve(T)
    assert max_abs(solution - t * lap(solution) - T) <= slack


@many
@given(problems(potentials=NO_POTENTIAL), st.floats(0.0, 5.0), st.floats(0.0, 5.0))
def test_the_heat_kernel_is_a_semigroup(problem, a, b):
    T, lap = problem.field(), problem.laplacian
    unit = problem.unit

    def heat(time):
        return lap.function(lambda s: torch.exp(time * unit * s))

    assert max_abs(heat(a)(heat(b)(T)) - heat(a + b)(T)) <= C * problem.eps * max_abs(T)
    assert max_abs(heat(0.0)(T) - T) <= C * problem.eps * max_abs(T)


@many
@given(problems(potentials=NO_POTENTIAL), st.floats(-50.0, 50.0))
def test_phases_keep_the_norm(problem, a):
    T = problem.field()
    t = a * problem.unit
    rotated = problem.laplacian.function(lambda s: torch.exp(1j * t * s))(T)
    before, after = (float(torch.linalg.vector_norm(X.to(torch.complex128))) for X in (T, rotated))
    assert abs(after - before) <= C * problem.eps * before


# Scaling laws and symmetries of the parameters


@many
@given(problems(potentials=NO_POTENTIAL), st.floats(0.1, 10.0))
def test_scaling_the_metric_scales_the_kinetic_term(problem, c):
    T = problem.field()
    scaled = replace(problem, metric=tuple(tuple(c * g for g in row) for row in problem.metric))
    assert max_abs(scaled.hamiltonian(T) - c * problem.hamiltonian(T)) <= bound(scaled, T)


@many
@given(problems(potentials=REAL_POTENTIALS), st.floats(0.1, 10.0))
def test_scaling_lengths_is_scaling_the_metric(problem, c):
    T = problem.field()
    longer = replace(problem, lengths=tuple(c * length for length in problem.lengths))
    metric = replace(problem, metric=tuple(tuple(g / c**2 for g in row) for row in problem.metric))
    assert max_abs(longer.hamiltonian(T) - metric.hamiltonian(T)) <= bound(longer, T)


@many
@given(problems(potentials=REAL_POTENTIALS), st.floats(0.1, 10.0))
def test_only_hbar_squared_over_mass_counts(problem, c):
    T = problem.field()
    other = replace(problem, hbar=c * problem.hbar, mass=c**2 * problem.mass)
    assert max_abs(other.hamiltonian(T) - problem.hamiltonian(T)) <= bound(problem, T)
    doubled = replace(problem, hbar=2 * problem.hbar).hamiltonian_with(None)(T)
    assert max_abs(doubled - 4 * problem.hamiltonian_with(None)(T)) <= bound(problem, T, times=4)


@many
@given(problems(potentials=REAL_POTENTIALS))
def test_the_origin_does_not_matter(problem):
    T = problem.field()
    elsewhere = replace(problem, origin=(0.0,) * problem.ndim)
    assert torch.equal(elsewhere.hamiltonian(T), problem.hamiltonian(T))


@many
@given(problems(ndims=(2, 3)), st.data())
def test_axes_may_be_permuted(problem, data):
    order = tuple(data.draw(st.permutations(range(problem.ndim))))
    turned, T, V = permuted(problem, order), problem.field(), problem.values

    def turn(X):
        return X.permute(order + tuple(range(problem.ndim, X.ndim)))

    H = turned.hamiltonian_with(None if V is None else problem.potential_of(turn(V).contiguous()))
    assert max_abs(H(turn(T)) - turn(problem.hamiltonian(T))) <= bound(problem, T)


@many
@given(problems(potentials=NO_POTENTIAL, ndims=(2, 3), full=False))
def test_a_diagonal_metric_is_a_sum_over_axes(problem):
    factors = [problem.field(axis).movedim(axis, 0).reshape(n, -1)[:, 0] for axis, n in enumerate(problem.shape)]

    def product(vectors):
        opened = [v.reshape([-1 if i == axis else 1 for i in range(len(vectors))]) for axis, v in enumerate(vectors)]
        return math.prod(opened[1:], start=opened[0])

    expected = 0
    for axis in range(problem.ndim):
        line = sh.Torus(problem.shape[axis], lengths=problem.lengths[axis])
        keywords = {"backend": problem.backend, "stencil_order": problem.stencil_order}
        second = sh.Laplacian(line, inverse_metric=(problem.metric[axis][axis],), **keywords)
        expected = expected + product([second(v) if i == axis else v for i, v in enumerate(factors)])
    T = product(factors)
    size = math.prod(map(max_abs, factors))
    assert max_abs(problem.laplacian(T) - expected) <= C * problem.eps * problem.largest * size


# The drop-in functions say the same as the classes


@many
@given(problems(ndims=(2,), full=False, potentials=("none", "scalar", "elementwise", "complex scalar")))
def test_drop_ins_equal_the_classes(problem):
    square = replace(problem, channels=(2, 2))
    T, V = square.field(), square.values
    spacing = square.torus.spacing
    flags = {"backend": square.backend, "stencil_order": square.stencil_order}
    parameters = {"hbar_cog": square.hbar, "m_cog": square.mass, "V": V, "dx": spacing[0], "dy": spacing[1]}
    result = sh.hamiltonian_evolution_with_metric(T, g_inv_diag=square.given_metric, **parameters, **flags)
    assert result.dtype == square.output_dtype
    assert max_abs(result - square.hamiltonian(T)) <= bound(square, T)
    flat = replace(square, metric=((1.0, 0.0), (0.0, 1.0)))
    assert max_abs(sh.hamiltonian_evolution(T, **parameters, **flags) - flat.hamiltonian(T)) <= bound(flat, T)
    lap = sh.spatial_laplacian(T, spacing[0], dy=spacing[1], **flags)
    along_x = sh.spatial_laplacian_x(T, spacing[0], **flags)
    along_y = sh.spatial_laplacian_y(T, spacing[1], **flags)
    assert max_abs(lap - flat.laplacian(T)) <= C * square.eps * flat.largest * max_abs(T)
    assert max_abs(lap - along_x - along_y) <= C * square.eps * flat.largest * max_abs(T)


@many
@given(problems(ndims=(2,), potentials=NO_POTENTIAL, dtypes=ALL_DTYPES))
def test_the_linear_operator_and_the_matrix_say_the_same(problem):
    problem = replace(problem, shape=tuple(min(n, 11) for n in problem.shape), execution="auto", dtype=torch.float64)
    H, T = problem.hamiltonian, problem.field()[..., 0].reshape(*problem.shape, -1)[..., 0].contiguous()
    by_matrix = (H.as_matrix() @ T.flatten()).reshape(T.shape)
    by_operator = torch.from_numpy(H.as_linear_operator() @ T.numpy().ravel()).reshape(T.shape)
    assert max_abs(by_matrix - H(T)) <= bound(problem, T) * math.prod(problem.shape)
    assert max_abs(by_operator - H(T)) <= bound(problem, T)
