"""Executions run an operator on a field: by FFT, by dense 1-D matrices, or by a stencil."""

from spectral_ham.execution.apply import apply
from spectral_ham.execution.base import Kind, Prepared
from spectral_ham.execution.bound import EXECUTIONS, BoundOperator

__all__ = ["EXECUTIONS", "BoundOperator", "Kind", "Prepared", "apply"]
