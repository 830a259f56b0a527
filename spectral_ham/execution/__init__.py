"""Executions run a description on a field: by FFT, by dense 1-D matrices, or by a stencil."""

import torch

from spectral_ham._internal.checks import check_out
from spectral_ham._internal.mode import carries_derivative
from spectral_ham.backends import ConstantCoefficientOperator
from spectral_ham.execution.autograd import differentiable
from spectral_ham.execution.compile import compiled_apply
from spectral_ham.execution.runner import EXECUTIONS, check_execution, execution_name, recur, run


def apply(
    description: ConstantCoefficientOperator,
    T: torch.Tensor,
    diagonal: torch.Tensor | None = None,
    out: torch.Tensor | None = None,
    execution: str = "auto",
) -> torch.Tensor:
    """Return A·T + diagonal∘T.

    Args:
        description: A = Σ c_ij ∂_i ∂_j.
        T: a checked field, grid axes first; any strides, conjugated or not.
        diagonal: None, or values of the grid's shape or of T's shape, real or complex; complex only with a complex T.
        out: where to write; see `check_out`.
        execution: "auto", "fft", "dense" or "stencil".
    """
    if out is not None:
        recorded = [c for c in description.coefficients if isinstance(c, torch.Tensor)]
        check_out("H(T, out=...)", out, T, [diagonal, *recorded])
        if not torch.compiler.is_compiling():
            return run(description, T, diagonal, out, execution)
    if torch.compiler.is_compiling():
        torus, backend = description.torus, description.backend
        result = compiled_apply(
            T, diagonal, description.coefficients, description.terms,
            torus.shape, torus.spacing, backend.name, backend.stencil_order, execution,
        )  # fmt: skip
        return result if out is None else out.copy_(result)
    if is_differentiated(T, diagonal, *description.coefficients):
        return differentiable(T, diagonal, description, execution, description.coefficients)
    return run(description, T, diagonal, out, execution)


def is_differentiated(*inputs: torch.Tensor | float | None) -> bool:
    """Tell whether a derivative is recorded, or torch.func looks on: else the bookkeeping of both can be left out."""
    if torch._C._functorch.peek_interpreter_stack() is not None:  # inside torch.func: grad, jvp, vmap
        return True
    return any(isinstance(x, torch.Tensor) and carries_derivative(x) for x in inputs)


__all__ = ["EXECUTIONS", "apply", "check_execution", "compiled_apply", "execution_name", "is_differentiated", "recur"]
