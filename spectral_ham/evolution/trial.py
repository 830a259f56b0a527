"""A look at what a run is given, so that a mistake in it does not cost the run."""

import math
from collections.abc import Mapping
from typing import Any

import torch

from spectral_ham._internal.calls import check_function
from spectral_ham._internal.checks import Words, check_field, invalid
from spectral_ham.evolution.problem import Problem
from spectral_ham.evolution.times import Schedule
from spectral_ham.operators.arguments import check_hamiltonian


def checked_problem(H: object, T: object, schedule: Schedule, *, imaginary: bool) -> Problem:
    """Return the problem of a run; a real T becomes complex, unless imaginary time leaves it real.

    Raises:
        TypeError: no Hamiltonian, or no field.
        ValueError: T does not fit the grid, or is not finite: told before a step is blamed for it.
    """
    operator = check_hamiltonian("evolve(H)", H)
    field = check_field("evolve(T)", T, operator.torus.shape)
    stays_real = imaginary and operator.is_real
    field = field if field.is_complex() or stays_real else field.to(field.dtype.to_complex())
    problem = Problem(operator, field, schedule, imaginary)
    if not math.isfinite(problem.norm):
        needs, found = "finite, with squares that do not overflow", Words("a field whose norm is NaN or Inf")
        raise invalid("evolve(T)", needs, found, "The fault is in T itself.")
    return problem


def try_observers(observables: object, callback: object, problem: Problem) -> None:
    """Check the callback's arguments, and evaluate each observable once, on a copy of the field at the start.

    The callback is not called: what it does besides would be done twice.

    Raises:
        TypeError: no mapping, a function of other arguments, or a value that is neither a tensor nor a number; the
            message names the key.
    """
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
        _check_value(where, _value(where, observe, problem))


def _value(where: str, observe: Any, problem: Problem) -> object:
    with torch.no_grad():
        try:
            return observe(problem.T.detach().clone(), problem.schedule.start)
        except Exception as error:
            error.add_note(f"Raised at t0 by the function of `{where}`.")
            raise


def _check_value(where: str, value: object) -> None:
    if isinstance(value, (torch.Tensor, int, float)):
        return
    kind = Words(f"an object of type {type(value).__name__}")
    raise invalid(where, "a function that returns a tensor or a real number", kind, "Return it.", TypeError)
