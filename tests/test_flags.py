"""The names that a flag takes are written once as a type and once as a registry: both say the same."""

from typing import get_args

from spectral_ham._internal import typing
from spectral_ham.backends import BACKENDS
from spectral_ham.execution import EXECUTIONS
from spectral_ham.propagators import METHODS


def test_backends():
    assert get_args(typing.BackendName) == tuple(BACKENDS)


def test_executions():
    assert set(get_args(typing.ExecutionName)) == {"auto", "measure", *EXECUTIONS}


def test_methods():
    assert set(get_args(typing.MethodName)) == set(METHODS)
