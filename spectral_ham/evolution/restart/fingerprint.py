"""What identifies a run, part by part, so that a refusal can name the part that differs."""

import hashlib
import math
from collections.abc import Iterable

import torch

from spectral_ham.analysis.stability import hbar_of
from spectral_ham.evolution.method_choice import Choice
from spectral_ham.evolution.problem import Problem
from spectral_ham.execution.bound import plain

PROBES = (0.0, 1 / math.pi, (math.sqrt(5) - 1) / 2, 1.0)
"""Where in a run V(t) is looked at, in shares of its duration."""


def fingerprint(problem: Problem, choice: Choice, observables: Iterable[str] = ()) -> dict[str, str]:
    """Return name → text or digest of all that determines a run: H, T, the times, the method, and what is observed.

    A function V(t) or V[T] is identified by its values at four times of the run, in the field at the start. What an
    observable computes, and what a callback does, is not looked at.
    """
    H, T, schedule = problem.H, problem.T, problem.schedule
    times = [schedule.start + share * schedule.duration for share in PROBES]
    parts = {
        "torus": repr(H.torus),
        "backend": repr(H.kinetic.backend),
        "execution": H.execution,
        "hbar": repr(hbar_of(H)),
        "kinetic part (metric, mass)": digest(H.kinetic.symbol(torch.float64, torch.device("cpu"))),
        "potential": "None" if H.potential is None else type(H.potential).__name__,
        "T (dtype, shape)": repr((T.dtype, tuple(T.shape), str(T.device))),
        "T (values)": digest(T),
        "method": choice.name,
        "dt": repr(choice.dt),
        "tol": repr(choice.tol),
        "t0": repr(schedule.start),
        "time": repr(schedule.end),
        "save_times": repr(schedule.saved),
        "imaginary": repr(problem.imaginary),
        "observables": repr(sorted(observables)),
    }
    if H.potential is not None:
        for name, value in H.potential.identity(times, T):
            parts[f"potential ({name})"] = digest(value) if isinstance(value, torch.Tensor) else repr(value)
    return parts


def digest(tensor: torch.Tensor) -> str:
    """Return a digest of dtype, shape and every number.

    Example:
        >>> import torch
        >>> digest(torch.zeros(2)) == digest(torch.zeros(2)), digest(torch.zeros(2)) == digest(torch.zeros(1, 2))
        (True, False)
    """
    numbers = plain(tensor).cpu()
    found = hashlib.sha256(repr((numbers.dtype, tuple(numbers.shape))).encode())
    found.update(numbers.reshape(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()
