"""Precision is set by the field alone: no setting of the process reaches H[T]."""

import multiprocessing
import warnings
from contextlib import contextmanager

import pytest
import torch
from helpers import HANG, WAYS, hamiltonian
from torch.utils._python_dispatch import TorchDispatchMode

import spectral_ham as sh
from oracles.fields import TORUS, field, given_metric

WIDE = sh.Torus((32, 48), lengths=(2.1, 3.7))
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


@pytest.mark.parametrize(("precision", "kind"), [("high", "diagonal"), ("medium", "full")])
def test_matmul_precision_does_not_reach_H(precision, kind):
    """TF32 or bfloat16 passes would put an error of percents on H[T]; the user's setting is back afterwards."""
    T, H = field((*WIDE.shape, 16), torch.float32), hamiltonian("dense", "spectral", torus=WIDE, kind=kind)
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


NEWER_SETTINGS = [
    (torch.backends, "tf32"),
    (torch.backends.cuda.matmul, "tf32"),
    (torch.backends.mkldnn.matmul, "bf16"),
]


def compute_under_newer_settings(pipe, H):
    """What the spawned worker does: say that it stands, then send what it finds for each setting."""
    pipe.send("ready")
    warnings.simplefilter("error")
    T = field((*WIDE.shape, 16), torch.float32)
    results = [H(T)]
    for place, value in NEWER_SETTINGS:
        place.fp32_precision = value
        results.append(H(T) if place.fp32_precision == value else None)
    kept = [place.fp32_precision for place, _ in NEWER_SETTINGS] == [value for _, value in NEWER_SETTINGS]
    pipe.send((kept, [result.numpy() for result in results]))


def test_a_spawned_process_computes_and_the_newer_settings_do_not_reach_H():
    """In a process of its own, since torch does not let one that used them go back. Computing there may not hang."""
    H, T = hamiltonian("dense", "spectral", torus=WIDE), field((*WIDE.shape, 16), torch.float32)
    expected = H(T)  # the parent has used its threads and filled its cache before H is sent
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    worker = spawn.Process(target=compute_under_newer_settings, args=(there, H))
    worker.start()
    try:
        assert here.poll(120.0)
        assert here.recv() == "ready"
        assert here.poll(HANG)
        settings_are_kept, results = here.recv()
        worker.join(HANG)
        assert worker.exitcode == 0
    finally:
        if worker.is_alive():
            worker.kill()
        worker.join()
    assert settings_are_kept
    assert all(torch.equal(torch.from_numpy(result), expected) for result in results)


SINGLE = [torch.complex64, torch.float32]


@pytest.mark.parametrize(("way", "dtype"), [(way, SINGLE[i % 2]) for i, way in enumerate(WAYS)], ids=str)
def test_autocast_does_not_reach_H(dtype, way):
    """Inside an autocast region H, its energy and its gradients are the same, to the last bit."""
    backend, execution = way

    def everything():
        mass, g = torch.tensor(0.7, requires_grad=True), given_metric(2, "full").requires_grad_()
        T, V = (x.requires_grad_() for x in (field((*TORUS.shape, 2, 2), dtype), field(TORUS.shape, torch.float32)))
        HT = hamiltonian(execution, backend, V, inverse_metric=g, mass=mass)(T)
        gradients = torch.autograd.grad(HT.abs().square().sum(), (T, V, mass, g))
        mixed = hamiltonian(execution, backend, sh.MatrixPotential(field((2, 2), torch.float32)))
        smooth, U = sh.Laplacian(TORUS, backend=backend, execution=execution).function(torch.exp), T.detach()
        return HT, mixed(U), mixed.energy(U), smooth(U), hamiltonian(execution, backend)(U), *gradients

    expected = everything()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        results = everything()
    assert [result.dtype for result in results] == [wanted.dtype for wanted in expected]
    assert all(torch.equal(result, wanted) for result, wanted in zip(results, expected, strict=True))
