"""H[T] against dense matrices, potentials of every kind, energy of known waves."""

import itertools
import math

import numpy as np
import pytest
import torch
from covers import pairwise
from helpers import WAYS, dense_oracle, hamiltonian, named_potential
from numpy.testing import assert_allclose

import spectral_ham as sh
from oracles.dense import act, backward_bound
from oracles.fields import BACKENDS, DTYPES, KINETIC, TORUS, field, largest

CELL = 2.1 / 10 * 3.7 / 9
POTENTIALS = ["real scalar", "complex scalar", "real elementwise", "complex elementwise"]


@pytest.mark.parametrize(
    ("way", "name", "dtype", "kind", "order"),
    pairwise(WAYS, POTENTIALS, DTYPES, ["diagonal", "full"], [2, 6]),
    ids=str,
)
def test_H_is_its_dense_matrix_and_V(way, name, dtype, kind, order):
    backend, execution = way
    matrix, symbol_max = dense_oracle(2, backend, order, kind)
    V, factor = named_potential(name)
    T = field((*TORUS.shape, 2, 2), dtype)
    result = hamiltonian(execution, backend, V, kind=kind, stencil_order=order)(T)
    assert result.dtype == (dtype.to_complex() if V.is_complex() else dtype)
    expected = act(KINETIC * matrix, T) + (factor.to(torch.complex128) * T.to(torch.complex128)).numpy()
    bound = backward_bound(dtype, abs(KINETIC) * symbol_max, T, largest(V))
    assert_allclose(result.to(torch.complex128), expected, rtol=0, atol=bound)


@pytest.mark.parametrize("per_point", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_matrix_potential_by_its_definition(dtype, per_point):
    """(VT)_{xab} = Σ_c V_{xac} T_{xcb}: the first channel axis is mixed, the second goes along."""
    matrix, symbol_max = dense_oracle(2, "fd", 2, "diagonal")
    V = field((*TORUS.shape, 3, 3) if per_point else (3, 3), torch.float64, seed=5)
    T = field((*TORUS.shape, 3, 2), dtype)
    VT = np.einsum("...ac,xycb->xyab" if V.ndim == 2 else "xyac,xycb->xyab", V.numpy(), T.numpy())
    result = hamiltonian(potential=sh.MatrixPotential(V), kind="diagonal")(T)
    bound = backward_bound(dtype, abs(KINETIC) * symbol_max, T, 3 * largest(V))
    assert_allclose(result, act(KINETIC * matrix, T) + VT, rtol=0, atol=bound)


def wave(torus, modes, dtype=torch.complex128):
    """A plane wave e^{ik·(x − origin)} from integer phases, so that rounding does not grow with k."""
    phase = torch.zeros(torus.shape, dtype=torch.float64)
    for axis, (n, mode) in enumerate(zip(torus.shape, modes, strict=True)):
        turns = (mode * torch.arange(n, dtype=torch.int64)) % n
        phase = phase + (2 * math.pi / n * turns).reshape([-1 if i == axis else 1 for i in range(torus.ndim)])
    return torch.polar(torch.ones_like(phase), phase).to(dtype)


# Energy


@pytest.mark.parametrize("modes", [(3, -2), (-4, 1)], ids=str)
def test_energy_of_a_plane_wave(modes):
    """E = (ħ²/2m · Σ_ij g^ij k_i k_j + V) · |A|² · area · channels: oblique, with the cross term."""
    k = [2 * math.pi * m / L for m, L in zip(modes, (2.1, 3.7), strict=True)]
    kinetic = -KINETIC * (2.0 * k[0] ** 2 + 2 * 0.6 * k[0] * k[1] + 0.7 * k[1] ** 2)
    H = hamiltonian(backend="spectral", potential=sh.potentials.constant(TORUS, 1.5))
    T = (0.3 - 0.4j) * wave(TORUS, modes)[:, :, None].expand(*TORUS.shape, 3)
    E = H.energy(T)
    assert (E.shape, E.dtype) == ((), torch.float64)
    assert float(E) == pytest.approx((kinetic + 1.5) * 0.25 * 2.1 * 3.7 * 3, rel=1e-13 * H.spectral_bounds()[1])


@pytest.mark.parametrize(("made", "dtype"), [(b, DTYPES[i % 4]) for i, b in enumerate(BACKENDS)], ids=str)
def test_energy_is_the_dense_quadratic_form(made, dtype):
    """Re T† H T · ΔV, a real 0-d tensor of T's precision; the imaginary part of V adds nothing to it."""
    backend, order = made
    matrix, symbol_max = dense_oracle(2, backend, order, "full")
    V, T = field(TORUS.shape), field((*TORUS.shape, 2, 2), dtype)
    H = hamiltonian("auto", backend, V, stencil_order=order)
    E = H.energy(T)
    assert (E.shape, E.dtype) == ((), dtype.to_real())
    wide = T.to(torch.complex128).numpy().reshape(TORUS.size, -1)
    expected = CELL * np.vdot(wide, (KINETIC * matrix + np.diag(V.real.numpy().reshape(-1))) @ wide).real
    bound = backward_bound(dtype, abs(KINETIC) * symbol_max, T, largest(V)) * largest(T)
    assert abs(float(E) - expected) <= bound * CELL * T.numel()


def test_energy_takes_any_layout_and_time():
    V = sh.potentials.cosine_lattice(TORUS)
    T = field((3, *TORUS.shape)).permute(1, 2, 0)
    H, static = hamiltonian(potential=lambda t: t * V), hamiltonian(potential=2.5 * V)
    bound = CELL * T.numel() * backward_bound(T.dtype, static.spectral_bounds()[1], T) * largest(T)
    expected = CELL * torch.sum(T.conj() * static(T)).real
    assert abs(H.energy(T, t=2.5) - expected) <= bound
    assert abs(H.energy(T.conj(), t=2.5) - expected) <= bound  # H is real: T and T* have one energy


def test_plane_waves_attain_the_bounds():
    """The wave of the largest symbol has the energy E_max, that of k = 0 has E_min: the bounds are tight."""
    H = hamiltonian(potential=sh.potentials.constant(TORUS, -0.7), stencil_order=4)
    low, high = H.spectral_bounds()
    energies = {
        modes: float(H.energy(wave(TORUS, modes))) / (2.1 * 3.7)
        for modes in itertools.product(range(-5, 5), range(-4, 5))
    }
    assert max(energies.values()) == pytest.approx(high, rel=1e-13)
    assert min(energies.values()) == pytest.approx(low, rel=0, abs=1e-13 * high) == -0.7
