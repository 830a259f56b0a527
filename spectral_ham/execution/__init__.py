"""Executions run a description on a field: by FFT, by dense 1-D matrices, or by a stencil."""

from spectral_ham.execution.adjoint import EXECUTIONS, apply, check_execution

__all__ = ["EXECUTIONS", "apply", "check_execution"]
