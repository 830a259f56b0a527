"""Gradients of a splitting at constant memory: a unitary step is undone, not remembered."""

from typing import Any

import torch
from torch.autograd.function import once_differentiable

from spectral_ham._internal.checks import invalid
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.propagators.method import Method
from spectral_ham.propagators.splitting.engine import Engine
from spectral_ham.propagators.splitting.splitting import Splitting


def check_reversible(where: str, method: Method, H: Hamiltonian, *, imaginary: bool = False) -> None:
    """Refuse a method whose step cannot be undone by its own factors."""
    undoes = method.is_splitting and method.is_symmetric and method.is_unitary
    if not undoes or imaginary or not H.is_static or not H.is_hermitian:
        needs = "'autograd' or 'checkpoint' for this method and H"
        remedy = "'reversible' serves symmetric splittings of a static Hermitian H in real time."
        raise invalid(where, needs, "reversible", remedy)


def reversible_advance(splitting: Splitting, T: torch.Tensor, steps: int) -> torch.Tensor:
    """Return T after ``steps`` steps, with gradients for T and for all that the factors are computed from.

    Backward undoes factor after factor (e^{−zK} and e^{−zV} are the conjugates of the factors), carries the cotangent
    over, and adds up the cotangents of the factors, by the engine that made the run. Two fields are alive, however many
    steps; first order only.

    Args:
        splitting: of a method accepted by `check_reversible`.
        T: the field, complex.
        steps: how many.

    Reference:
        Maclaurin, Duvenaud & Adams (2015), Gradient-based hyperparameter optimization through reversible learning,
        ICML, arXiv:1502.03492.
    """
    T = splitting.as_evolving(T)
    if steps == 0:
        return T
    kind = splitting.engine_type(T)
    tables = kind.tables_of(splitting, T, steps)
    engine = kind.of(splitting, T, tables)
    result: torch.Tensor = _Reversible.apply(engine, steps, T, *tables.values())  # type: ignore[no-untyped-call]
    return result


class _Reversible(torch.autograd.Function):
    """Inputs: the field, and the tables of the engine; autograd goes on from these."""

    @staticmethod
    def forward(engine: Engine, steps: int, T: torch.Tensor, *tables: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        return engine.advance(T, steps, None)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.engine, ctx.steps, _, *tables = inputs
        ctx.save_for_backward(output, *tables)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[Any, ...]:
        T, *tables = ctx.saved_tensors
        back, grads = ctx.engine.pullback(T, cotangents[0], ctx.steps, tables, ctx.needs_input_grad[3:])
        return None, None, back, *grads
