"""A look at what a run is given, so that a mistake in it does not cost the run."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from spectral_ham._internal.calls import as_flag, check_function
from spectral_ham._internal.checks import Words, as_number, check_field, invalid
from spectral_ham.evolution.problem import Problem
from spectral_ham.evolution.times import Schedule
from spectral_ham.operators.arguments import check_hamiltonian
from spectral_ham.operators.hamiltonian import Hamiltonian


def try_arguments(H: object, T: object, t0: float, observables: object, callback: object) -> None:
    """Check H, T and the callback's arguments, and evaluate each observable once, on a copy of T at t0.

    The callback is not called: what it does besides would be done twice.

    Raises:
        TypeError: no mapping, a function of other arguments, or a value that is neither a tensor nor a number; the
            message names the key.
    """
    field = check_field("evolve(T)", T, check_hamiltonian("evolve(H)", H).torus.shape)
    if callback is not None:
        check_function("evolve(callback=...)", callback, "T", "t")
    if observables is None:
        return
    if not isinstance(observables, Mapping):
        remedy = "Give each a name: observables={'E': lambda T, t: H.energy(T)}."
        raise invalid("evolve(observables=...)", "a mapping name → f(T, t)", observables, remedy, TypeError)
    for name, observe in observables.items():
        where = f"evolve(observables={{{name!r}: ...}})"
        check_function(where, observe, "T", "t")
        _check_value(where, _value(where, observe, field, t0))


def checked_problem(H: Hamiltonian, T: torch.Tensor, schedule: Schedule, *, imaginary: bool) -> Problem:
    """Return the problem of a run; a real T becomes complex, unless imaginary time leaves it real.

    Raises:
        ValueError: T is not finite: told before a step is blamed for it.
    """
    T = T if T.is_complex() or (imaginary and H.is_real) else T.to(T.dtype.to_complex())
    problem = Problem(H, T, schedule, as_flag("evolve(imaginary=...)", imaginary))
    if not math.isfinite(problem.norm):
        needs, found = "finite, with squares that do not overflow", Words("a field whose norm is NaN or Inf")
        raise invalid("evolve(T)", needs, found, "The fault is in T itself.")
    return problem


def _value(where: str, observe: Any, T: torch.Tensor, t0: float) -> object:
    with torch.no_grad():
        try:
            return observe(T.detach().clone(), as_number("evolve(t0=...)", t0))
        except Exception as error:
            error.add_note(f"Raised at t0 by the function of `{where}`.")
            raise


def _check_value(where: str, value: object) -> None:
    if isinstance(value, (torch.Tensor, int, float)):
        return
    kind = Words(f"an object of type {type(value).__name__}")
    raise invalid(where, "a function that returns a tensor or a real number", kind, "Return it.", TypeError)
