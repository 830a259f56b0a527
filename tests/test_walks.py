"""The two walks: how many frames of this package lie between a call and the kernel that does the work."""

import sys
import traceback

import pytest
import torch

import spectral_ham as sh
from spectral_ham.execution import fft

PACKAGE = sh.__file__.removesuffix("__init__.py")
KERNELS = ("_kernels.py",)


def frames_entered(call):
    """Return the functions of the package that a call enters, kernels left out, in order."""
    entered = []

    def watch(frame, event, argument):
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(PACKAGE) and not code.co_filename.endswith(KERNELS):
            entered.append(code.co_qualname)

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return entered


@pytest.mark.parametrize("potential", [None, torch.rand(6, 6)], ids=["free", "V"])
@pytest.mark.parametrize("backend", ["spectral", "fd"])
def test_from_H_to_the_kernel(backend, potential):
    """Eight frames; the spectral walk ends in the function that transforms."""
    H, T = (
        sh.Hamiltonian(sh.Torus((6, 6)), backend=backend, potential=potential),
        torch.randn(6, 6, dtype=torch.complex64),
    )
    H(T), H(T)
    walk = frames_entered(lambda: H(T))
    if backend == "spectral":
        walk = walk[: walk.index("FFTOperator.apply") + 1]
    assert len(walk) <= 8, walk


def test_from_evolve_to_the_kernel(monkeypatch):
    """Twelve frames on the stack when the first transform of the first step begins."""
    V, T = torch.rand(6, 6), torch.randn(6, 6, dtype=torch.complex64)
    H, depths, genuine = sh.Hamiltonian(sh.Torus((6, 6)), potential=V), [], fft._FORWARD[2]

    def probe(*arguments, **options):
        stack = [frame.name for frame in traceback.extract_stack() if frame.filename.startswith(PACKAGE)]
        depths.append(stack)
        return genuine(*arguments, **options)

    with pytest.warns(sh.UnderresolvedWarning):
        sh.evolve(H, T, 0.1, method="strang", dt=0.05)
    monkeypatch.setitem(fft._FORWARD, 2, probe)
    sh.evolve(H, T, 0.1, method="strang", dt=0.05)  # H was looked at: what is left is the run
    assert len(depths[0]) <= 12, depths[0]
