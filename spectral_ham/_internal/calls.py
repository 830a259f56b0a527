"""Checks of what steers a call: functions of the user's, flags, and numbers of steps that can finish."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from spectral_ham._internal.checks import Words, as_count, invalid

MAX_STEPS = 10**11
"""More steps than that are refused: at 10 µs each, less than any step takes, they would take 12 days."""


def as_steps(where: str, value: object) -> int:
    """Return a number of time steps, at least 0, that a computer can take."""
    return as_count(where, value, 0, MAX_STEPS)


def as_flag(where: str, value: object) -> bool:
    """Return True or False; refuse what is only truthy."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise invalid(where, "True or False", value, error=TypeError)


def check_function(where: str, value: object, *arguments: str) -> Callable[..., Any]:
    """Return a function that takes these arguments by position; refuse anything else before it is called."""
    needs = f"a function of ({', '.join(arguments)})"
    if not callable(value):
        raise invalid(where, needs, value, error=TypeError)
    try:
        parameters = signature(value)
    except (TypeError, ValueError):  # written in C: it says nothing of its arguments
        return value
    try:
        parameters.bind(*arguments)
    except TypeError as error:
        raise invalid(where, needs, Words(f"one of {parameters}"), error=TypeError) from error
    return value
