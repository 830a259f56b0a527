"""Arguments of a run that are refused before its first step."""

import numpy as np
import pytest
import torch

import spectral_ham as sh
from spectral_ham.propagators import propagator

TORUS = sh.Torus((6, 5))
H = sh.Hamiltonian(TORUS)
T = torch.ones(6, 5, dtype=torch.complex128)
METHODS = ("exact", "strang", "chebyshev", "lanczos", "crank_nicolson", "rk4")


@pytest.mark.parametrize(
    ("given", "match"),
    [
        ({"observables": [lambda *_: 1.0]}, r"`evolve\(observables=...\)` must be a mapping name"),
        ({"observables": {"E": lambda _: 1.0}}, r"'E': ...}\)` must be a function of \(T, t\), got one of \(_\)"),
        ({"observables": {"E": lambda *_: None}}, r"'E': ...}\)` must be a function that returns .*NoneType"),
        ({"callback": lambda: None}, r"`evolve\(callback=...\)` must be a function of \(T, t\)"),
        ({"imaginary": "no"}, r"`evolve\(imaginary=...\)` must be True or False"),
    ],
)
def test_observers_and_flags(given, match):
    with pytest.raises(TypeError, match=match):
        sh.evolve(H, T, 1.0, **given)


def test_arguments_in_the_other_order():
    with pytest.raises(TypeError, match=r"`evolve\(H\)` .*Did you mean the other order"):
        sh.evolve(T, H, 1.0)
    with pytest.raises(TypeError, match=r"`norm\(torus\)` .*Did you mean its torus"):
        sh.observables.norm(H, T)


@pytest.mark.parametrize("steps", [-3, 2.5, True, 10**400])
@pytest.mark.parametrize("method", METHODS)
def test_steps(method, steps):
    with pytest.raises(ValueError, match=r"`\w+\.advance\(steps=...\)` must be"):
        propagator(method, H, 0.1).advance(T, steps)


@pytest.mark.parametrize("bad", [T.mT, T.real.to(torch.bfloat16), T.real.int(), T.to("meta"), T.to_sparse()])
@pytest.mark.parametrize("method", METHODS)
def test_fields(method, bad):
    with pytest.raises((TypeError, ValueError), match=r"`\w+\(T\)` must be"):
        propagator(method, H, 0.1)(bad)


def test_fidelity_does_not_broadcast():
    with pytest.raises(ValueError, match=r"`fidelity\(b\)` must be of the shape of a"):
        sh.observables.fidelity(T, T[..., None].expand(6, 5, 2))


def test_arrays_are_sequences():
    torus = sh.Torus(np.array([6, 5]), lengths=np.array([2.0, 3.0]))
    assert torus == sh.Torus((6, 5), lengths=(2.0, 3.0))


def test_a_default_device_does_not_reach_the_tables():
    V = sh.potentials.cosine_lattice(TORUS)
    expected = sh.evolve(H.with_potential(V), T, 1.0, method="strang", dt=0.1).final
    sh.clear_cache()
    torch.set_default_device("meta")
    try:
        again = sh.Hamiltonian(sh.Torus((6, 5)), potential=sh.potentials.cosine_lattice(TORUS))
        found = sh.evolve(again, T, 1.0, method="strang", dt=0.1).final
    finally:
        torch.set_default_device(None)
    assert torch.equal(found, expected)
