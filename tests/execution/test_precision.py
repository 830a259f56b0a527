"""Precision is set by the field alone: no setting of the process reaches H[T]."""

import subprocess
import sys
from contextlib import contextmanager

import pytest
import torch
from covers import pairwise
from helpers import WAYS, hamiltonian
from torch.utils._python_dispatch import TorchDispatchMode

import spectral_ham as sh
from oracles.fields import DTYPES, FULL_METRIC, MASS, TORUS, field

PLACES = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)


@contextmanager
def watch_precision():
    """Collect the precisions under which matrix products run: on many a CPU the results would not tell."""

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if "mm" in str(func):
                seen.update(place.fp32_precision for place in PLACES)
            return func(*args, **(kwargs or {}))

    seen = set()
    with Watch():
        yield seen


@pytest.mark.parametrize("precision", ["high", "medium"])
@pytest.mark.parametrize("kind", ["diagonal", "full"])
def test_matmul_precision_does_not_reach_H(precision, kind):
    """TF32 or bfloat16 passes would put an error of percents on H[T]; the user's setting is back afterwards."""
    torus = sh.Torus((32, 48), lengths=(2.1, 3.7))
    T, H = field((*torus.shape, 16), torch.float32), hamiltonian("dense", "spectral", torus=torus, kind=kind)
    expected = H(T)
    torch.set_float32_matmul_precision(precision)
    try:
        before = [place.fp32_precision for place in PLACES]
        with watch_precision() as seen:
            result = H(T)
        assert [place.fp32_precision for place in PLACES] == before
        assert torch.get_float32_matmul_precision() == precision
        assert seen == {"ieee"}
    finally:
        torch.set_float32_matmul_precision("highest")
    assert torch.equal(result, expected)


NEWER_SETTINGS = """
import torch, spectral_ham as sh
lap = sh.Laplacian(sh.Torus((32, 48), lengths=(2.1, 3.7)), execution="dense")
T = torch.randn(32, 48, 16, generator=torch.Generator().manual_seed(1))
expected = lap(T)
for place, value in (
    (torch.backends, "tf32"),
    (torch.backends.cuda.matmul, "tf32"),
    (torch.backends.mkldnn.matmul, "bf16"),
):
    place.fp32_precision = value
    assert torch.equal(lap(T), expected)
    assert place.fp32_precision == value
"""


def test_the_newer_precision_settings_do_not_reach_H():
    """In a process of its own: torch does not let one that used them go back to the older setting."""
    command = [sys.executable, "-W", "error", "-c", NEWER_SETTINGS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("dtype", "way"), pairwise(DTYPES, WAYS), ids=str)
def test_autocast_does_not_reach_H(dtype, way):
    """Inside an autocast region H, its energy and its gradients are the same, to the last bit."""

    def everything():
        mass = torch.tensor(MASS, requires_grad=True)
        g = torch.from_numpy(FULL_METRIC)[:2, :2].clone().requires_grad_()
        T, V = (x.requires_grad_() for x in (field((*TORUS.shape, 2, 2), dtype), field(TORUS.shape, torch.float32)))
        flags = {"backend": way[0], "execution": way[1]}
        HT = sh.Hamiltonian(TORUS, inverse_metric=g, mass=mass, potential=V, **flags)(T)
        gradients = torch.autograd.grad(HT.abs().square().sum(), (T, V, mass, g))
        mixed = sh.Hamiltonian(TORUS, potential=sh.MatrixPotential(field((2, 2), torch.float32)), **flags)
        smooth, U = sh.Laplacian(TORUS, **flags).function(torch.exp), T.detach()
        return HT, mixed(U), mixed.energy(U), smooth(U), sh.Hamiltonian(TORUS, **flags)(U), *gradients

    expected = everything()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = everything()
    assert [result.dtype for result in results] == [wanted.dtype for wanted in expected]
    assert all(torch.equal(result, wanted) for result, wanted in zip(results, expected, strict=True))
