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
    COMPLEX_POTENTIALS,
    EPS,
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


# The operator itself


@many
@given(problems())
def test_H_is_what_its_formula_says(problem):
    T = problem.field()
    difference = as_numpy(problem.hamiltonian(T)) - problem.apply_by_formula(as_numpy(T))
    assert np.abs(difference).max() <= bound(problem, T)


@many
@given(problems(dtypes=REAL, potentials=REAL_POTENTIALS))
def test_a_real_field_stays_real_and_equals_the_complex_run(problem):
    T, H = problem.field(), problem.hamiltonian
    HT, as_complex = H(T), H(T.to(T.dtype.to_complex()))
    assert HT.dtype == T.dtype
    assert as_complex.is_complex()
    assert max_abs(as_complex.imag) <= bound(problem, T)
    assert max_abs(as_complex.real - HT) <= bound(problem, T)


@given(problems())
def test_the_adjoint_of_H_has_the_adjoint_potential(problem):
    T, U, V = problem.field(0), problem.field(1), problem.values
    dagger = None if V is None else (V.mH if problem.potential.endswith("matrix") else V.conj()).contiguous()
    H, adjoint = problem.hamiltonian, problem.hamiltonian_with(problem.potential_of(dagger) if V is not None else None)
    assert H.is_hermitian == (V is None or torch.equal(dagger, V))
    HT, HU = H(T), adjoint(U)
    left, right = torch.vdot(U.to(HT.dtype).flatten(), HT.flatten()), torch.vdot(HU.flatten(), T.to(HU.dtype).flatten())
    # Each entry of H[T] is within the bound; a sum of n products loses at most n of them.
    assert abs(complex(left) - complex(right)) <= 2 * T.numel() * bound(problem, T) * max_abs(U)


def translation(problem, data):
    shifts = tuple(data.draw(st.integers(-n, n)) for n in problem.shape)
    return problem, lambda X: X.roll(shifts, tuple(range(problem.ndim)))


def reflection(problem, data):
    axes = tuple(range(problem.ndim))
    return problem, lambda X: X.flip(axes).roll((1,) * len(axes), axes)  # j ↦ −j mod N


def time_reversal(problem, data):
    return problem, torch.conj


def permutation_of_axes(problem, data):
    order = tuple(data.draw(st.permutations(range(problem.ndim))))
    return permuted(problem, order), lambda X: X.permute(order + tuple(range(problem.ndim, X.ndim)))


@pytest.mark.parametrize("symmetry", [translation, reflection, time_reversal, permutation_of_axes])
@given(problem=problems(), data=st.data())
def test_H_commutes_with_its_symmetries(symmetry, problem, data):
    """Where V is turned along with T."""
    other, turn = symmetry(problem, data)
    T, V = problem.field(), problem.values
    H = other.hamiltonian_with(None if V is None else problem.potential_of(turn(V).contiguous()))
    assert max_abs(H(turn(T)) - turn(problem.hamiltonian(T))) <= bound(problem, T)


def scaled_metric(problem, c):
    return tuple(tuple(c * g for g in row) for row in problem.metric)


REWRITINGS = {
    "metric and mass": lambda p, c: replace(p, metric=scaled_metric(p, c), mass=c * p.mass),
    "lengths and metric": lambda p, c: replace(
        p, lengths=tuple(c * L for L in p.lengths), metric=scaled_metric(p, c**2)
    ),
    "hbar and mass": lambda p, c: replace(p, hbar=c * p.hbar, mass=c**2 * p.mass),
}


@pytest.mark.parametrize("name", REWRITINGS)
@given(problem=problems(potentials=REAL_POTENTIALS), c=st.floats(0.1, 10.0))
def test_parameters_that_mean_the_same_give_the_same(name, problem, c):
    T = problem.field()
    assert max_abs(REWRITINGS[name](problem, c).hamiltonian(T) - problem.hamiltonian(T)) <= bound(problem, T)


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


# Energy and spectrum


@given(problems())
def test_energy_is_the_real_part_of_the_mean_within_the_spectral_bounds(problem):
    T, H = problem.field(), problem.hamiltonian
    X, volume = as_numpy(T), problem.torus.cell_volume
    expected = float(np.vdot(X, problem.apply_by_formula(X)).real) * volume
    energy = H.energy(T)
    assert (energy.ndim, energy.dtype) == (0, T.dtype.to_real())
    assert abs(float(energy) - expected) <= 2 * bound(problem, T) * max_abs(T) * T.numel() * volume
    if H.is_hermitian:
        lowest, highest = H.spectral_bounds()
        norm = float(T.abs().double().square().sum()) * volume
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


# Functions of the Laplacian, and what does not matter

FUNCTIONS = {
    "the Laplacian itself": lambda s: s,
    "resolvent": lambda s: 1 / (1 - s),
    "heat kernel": torch.exp,
    "phases": lambda s: torch.exp(1j * s),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@given(problem=problems(potentials=NO_POTENTIAL), a=st.sampled_from([0.1, 1.0, 10.0, 50.0]))
def test_a_function_of_the_laplacian_is_its_formula(name, problem, a):
    f, T = FUNCTIONS[name], problem.field()
    t, axes = a * problem.unit, tuple(range(problem.ndim))
    values = f(t * torch.from_numpy(problem.symbol)).numpy()
    weights = values.reshape(problem.shape + (1,) * len(problem.channels))
    expected = np.fft.ifftn(weights * np.fft.fftn(as_numpy(T), axes=axes), axes=axes)
    result = problem.laplacian.function(lambda s: f(t * s))(T)
    assert result.dtype == (T.dtype.to_complex() if name == "phases" else T.dtype)
    # The symbol is good to eps relative to its largest value, so f(t·symbol) to a·eps, since |f′| ≤ 1.
    allowed = C * (problem.eps * max(1.0, np.abs(values).max()) + a * EPS[torch.float64]) * max_abs(T)
    assert np.abs(as_numpy(result) - expected).max() <= allowed


@many
@given(problems(potentials=REAL_POTENTIALS))
def test_the_origin_does_not_matter(problem):
    T = problem.field()
    elsewhere = replace(problem, origin=(0.0,) * problem.ndim)
    assert torch.equal(elsewhere.hamiltonian(T), problem.hamiltonian(T))


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
