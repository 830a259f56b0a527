"""Gradients of a splitting at constant memory: a unitary step is undone, not remembered."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from spectral_ham._checks import invalid
from spectral_ham.laplacian import FourierMultiplier
from spectral_ham.potentials import MatrixPotential
from spectral_ham.propagators.base import Propagator
from spectral_ham.propagators.splitting import Splitting


def check_reversible(where: str, step: Propagator) -> None:
    """Refuse a propagator whose step cannot be undone by its own factors."""
    if (
        not isinstance(step, Splitting)
        or not step.is_symmetric
        or not step.is_unitary
        or not step.hamiltonian.is_static
    ):
        needs = "'autograd' or 'checkpoint' for this method and H"
        remedy = "'reversible' serves symmetric splittings of a static Hermitian H in real time."
        raise invalid(where, needs, "reversible", remedy)


def reversible_advance(step: Splitting, T: torch.Tensor, steps: int) -> torch.Tensor:
    """Return T after ``steps`` steps, with gradients for T and for all that the factors are made of.

    Backward walks the steps in reverse: it undoes one (e^{−zK} and e^{−zV} are the conjugates of the factors), repeats
    it with autograd, and carries the cotangent over. Two fields are alive, however many steps; first order only.

    Args:
        step: accepted by `check_reversible`.
        T: the field, complex.
        steps: how many.

    Reference:
        Maclaurin, Duvenaud & Adams (2015), Gradient-based hyperparameter optimization through reversible learning,
        ICML, arXiv:1502.03492.
    """
    result: torch.Tensor = _Reversible.apply(step, steps, T, *_tables(step))  # type: ignore[no-untyped-call]
    return result


class _Reversible(torch.autograd.Function):
    @staticmethod
    def forward(step: Splitting, steps: int, T: torch.Tensor, *tables: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        return step.advance(T, steps)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.step, ctx.steps, _, *tables = inputs
        ctx.save_for_backward(output, *tables)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[Any, ...]:
        (G,) = cotangents
        T, *tables = ctx.saved_tensors
        needed = ctx.needs_input_grad[3:]
        leaves = [table.detach().requires_grad_(need) for table, need in zip(tables, needed, strict=True)]
        forth, back = _with_tables(ctx.step, leaves), _with_tables(ctx.step, _inverses(ctx.step, tables))
        wanted = [leaf for leaf, need in zip(leaves, needed, strict=True) if need]
        sums = [torch.zeros_like(leaf) for leaf in wanted]
        T = T.detach()
        for _ in range(ctx.steps):
            T = back.advance(T, 1)
            with torch.enable_grad():
                before = T.detach().requires_grad_()
                gradients = torch.autograd.grad(forth.advance(before, 1), [before, *wanted], G, allow_unused=True)
            G = gradients[0]
            sums = [s if g is None else s + g for s, g in zip(sums, gradients[1:], strict=True)]
        collected = iter(sums)
        return None, None, G, *(next(collected) if need else None for need in needed)


def _tables(step: Splitting) -> list[torch.Tensor]:
    """Return all tensors that the factors are made of, kinetic first."""
    return [m.table for m in step._kinetic.values()] + [V.values for V in step._phases.values()]


def _inverses(step: Splitting, tables: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    count = len(step._kinetic)
    inverse_phases = [
        table.mH if isinstance(V, MatrixPotential) else table.conj()
        for V, table in zip(step._phases.values(), tables[count:], strict=True)
    ]
    return [table.conj().resolve_conj() for table in tables[:count]] + [x.resolve_conj() for x in inverse_phases]


def _with_tables(step: Splitting, tables: Sequence[torch.Tensor]) -> Splitting:
    """Return the same splitting with other tensors in its factors."""
    count, torus = len(step._kinetic), step.hamiltonian.torus
    kinetic = {a: _multiplier(torus, table) for a, table in zip(step._kinetic, tables[:count], strict=True)}
    phases = {w: type(V).unchecked(table) for (w, V), table in zip(step._phases.items(), tables[count:], strict=True)}
    return step.with_factors(kinetic, phases)


def _multiplier(torus: Any, table: torch.Tensor) -> FourierMultiplier:
    return FourierMultiplier(torus, lambda: table)
