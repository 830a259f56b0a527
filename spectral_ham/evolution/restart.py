"""Restart files: a long run that was killed goes on where it was last written, to the same bits."""

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from spectral_ham._internal.checks import invalid
from spectral_ham.analysis.stability import hbar_of
from spectral_ham.evolution.method_choice import Choice
from spectral_ham.evolution.problem import Problem
from spectral_ham.operators.hamiltonian import Hamiltonian

FORMAT = "spectral_ham restart 2"
SECONDS_BETWEEN_WRITES = 20.0


class RestartFile:
    """The state of one run on disk, replaced atomically: a kill at any moment leaves the old state or the new one.

    Args:
        path: the file; its directory must exist.
        fingerprint: identifies the run; a file of another run is refused, never overwritten.

    Raises:
        ValueError: the file belongs to another run, or is no restart file.
    """

    def __init__(self, path: str | os.PathLike[str], fingerprint: str) -> None:
        self.path = Path(path)
        self.fingerprint = fingerprint
        self._written = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """Return the state that was written last, or None if there is no file."""
        if not self.path.exists():
            return None
        where = "evolve(restart=...)"
        try:
            state: dict[str, Any] = torch.load(self.path, weights_only=True)
        except Exception as error:
            raise invalid(where, "a restart file", str(self.path), "Name another file, or remove it.") from error
        if state.get("format") != FORMAT or state.get("fingerprint") != self.fingerprint:
            remedy = "H, T, time, method, dt or save_times differ. Name another file, or remove it to start from t0."
            raise invalid(where, "the file of this very run", str(self.path), remedy)
        return state

    def offer(self, state: Mapping[str, Any], *, now: bool = False) -> None:
        """Write ``state`` if the last write is long enough ago, or ``now``."""
        if not now and time.monotonic() - self._written < SECONDS_BETWEEN_WRITES:
            return
        partial = self.path.with_name(self.path.name + ".partial")
        with partial.open("wb") as stream:
            torch.save({"format": FORMAT, "fingerprint": self.fingerprint, **state}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        partial.replace(self.path)
        self._written = time.monotonic()


def restart_file(path: str | os.PathLike[str], problem: Problem, choice: Choice) -> RestartFile:
    """Return the restart file of a run with a given step, or with leaps.

    Raises:
        ValueError: a gradient is recorded.
    """
    if torch.is_grad_enabled() and problem.T.requires_grad:
        raise invalid("evolve(restart=...)", "None while a gradient is recorded", path, "Call under torch.no_grad().")
    return RestartFile(path, fingerprint(problem.H, problem.T, choice, problem.schedule, problem.imaginary))


def fingerprint(H: Hamiltonian, T: torch.Tensor, *course: object) -> str:
    """Return a digest of what determines a run: H's symbol and static potential, T, times, and method.

    Example:
        >>> import torch, spectral_ham as sh
        >>> H, T = sh.Hamiltonian(sh.Torus(4)), torch.ones(4, dtype=torch.complex128)
        >>> fingerprint(H, T, "strang", 0.1) == fingerprint(H, T, "strang", 0.2)
        False
    """
    digest = hashlib.sha256(repr((FORMAT, H.torus, H.execution, hbar_of(H), T.dtype, *course)).encode())
    tensors = [H.kinetic.symbol(torch.float64, torch.device("cpu")), T]
    if H.potential is not None:
        digest.update(type(H.potential).__name__.encode())
        if H.is_static:
            tensors.append(H.potential.at(0.0).values)
    for tensor in tensors:
        plain = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
        digest.update(repr(tuple(plain.shape)).encode() + plain.view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
