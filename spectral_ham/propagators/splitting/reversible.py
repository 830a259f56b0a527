"""Gradients of a splitting at constant memory: a unitary step is undone, not remembered."""

from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from spectral_ham._internal.checks import invalid
from spectral_ham.execution.fft import folded
from spectral_ham.execution.precision import without_autocast
from spectral_ham.potentials import MatrixPotential
from spectral_ham.propagators.base import Propagator
from spectral_ham.propagators.splitting import alternating, resident
from spectral_ham.propagators.splitting.resident import Unitary
from spectral_ham.propagators.splitting.splitting import Splitting


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

    Backward undoes factor after factor (e^{−zK} and e^{−zV} are the conjugates of the factors), carries the cotangent
    over, and adds up what belongs to the factors, in the layout in which the run was made. Two fields are alive,
    however many steps; first order only.

    Args:
        step: accepted by `check_reversible`.
        T: the field, complex.
        steps: how many.

    Reference:
        Maclaurin, Duvenaud & Adams (2015), Gradient-based hyperparameter optimization through reversible learning,
        ICML, arXiv:1502.03492.
    """
    T = step._as_evolving(T)
    if steps == 0:
        return T
    if step.way(T) == "alternating":
        passes = list(dict.fromkeys(step.passes(steps)))
        X = T.reshape(*T.shape[:2], -1)
        tables = [step.matrices(one, X) for one in passes]
    else:
        tables = [K.table for K in step._kinetic.values()] + [V.values for V in step._phases.values()]
    made: type[torch.autograd.Function] = _Alternating if step.way(T) == "alternating" else _Resident
    result: torch.Tensor = made.apply(step, steps, T, *tables)  # type: ignore[no-untyped-call]
    return result


class _Resident(torch.autograd.Function):
    """Inputs: the field, and the tables e^{azK} and e^{wzV} in double precision."""

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
        step, (G,), (T, *tables) = ctx.step, cotangents, ctx.saved_tensors
        ndim, count = step.hamiltonian.torus.ndim, len(step._kinetic)
        needed = ctx.needs_input_grad[3:]
        Y, G = (Z.detach().resolve_conj().resolve_neg().reshape(*T.shape[:ndim], -1).contiguous() for Z in (T, G))
        ks = [_kinetic(table, Y, need) for table, need in zip(tables[:count], needed[:count], strict=True)]
        mixes = isinstance(step.hamiltonian.potential, MatrixPotential)
        ps = [_phase(values, Y, need, ndim, mixes) for values, need in zip(tables[count:], needed[count:], strict=True)]
        by_share, by_weight = dict(zip(step._kinetic, ks, strict=True)), dict(zip(step._phases, ps, strict=True))
        factors = [(by_share.get(a), by_weight.get(w)) for a, w, _ in step.factors(ctx.steps, 0.0)]
        with without_autocast(Y):
            back = resident.walk_back(Y, G, factors, ndim).view(T.shape)
        scales = [1 / step.hamiltonian.torus.size] * count + [1.0] * len(ps)
        grads = (
            _in_place_of(table, one.cotangent(_rows(table, one, ndim), scale)) if need else None
            for table, one, scale, need in zip(tables, [*ks, *ps], scales, needed, strict=True)
        )
        return None, None, back, *grads


class _Alternating(torch.autograd.Function):
    """Inputs: the field, and the matrices of the different passes; autograd goes on from these."""

    @staticmethod
    def forward(step: Splitting, steps: int, T: torch.Tensor, *matrices: torch.Tensor) -> torch.Tensor:
        X = T.resolve_conj().resolve_neg().reshape(*T.shape[:2], -1).contiguous()
        Y = torch.empty_like(X)
        alternating.run(X, _sequence(step, steps, matrices)[0], Y)
        return Y.view(T.shape)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.step, ctx.steps, _, *matrices = inputs
        ctx.save_for_backward(output, *matrices)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[Any, ...]:
        (G,), (T, *matrices) = cotangents, ctx.saved_tensors
        Y, G = (Z.detach().resolve_conj().resolve_neg().reshape(*T.shape[:2], -1).contiguous() for Z in (T, G))
        needed = ctx.needs_input_grad[3:]
        sums = [torch.zeros_like(M) if need else None for M, need in zip(matrices, needed, strict=True)]
        sequence, indices = _sequence(ctx.step, ctx.steps, [M.detach() for M in matrices])
        back = alternating.walk_back(Y, G, sequence, [sums[i] for i in indices])
        return None, None, back.view(T.shape), *sums


def _sequence(
    step: Splitting, steps: int, matrices: Sequence[torch.Tensor]
) -> tuple[list[tuple[int, torch.Tensor]], list[int]]:
    """Return the passes of a run with their matrices, and the place of each among the different ones."""
    passes = step.passes(steps)
    place = {one: number for number, one in enumerate(dict.fromkeys(passes))}
    return [(one[0], matrices[place[one]]) for one in passes], [place[one] for one in passes]


def _kinetic(table: torch.Tensor, Y: torch.Tensor, need: bool) -> Unitary:
    values = folded(table.detach(), Y)
    return Unitary(values, values.conj().resolve_conj(), _sum(table.shape, Y) if need else None)


def _phase(values: torch.Tensor, Y: torch.Tensor, need: bool, ndim: int, mixes: bool) -> Unitary:
    mine = values.detach() if mixes else resident.phases_first(values.detach(), ndim)
    mine = mine.to(Y.device, Y.dtype)
    return Unitary(mine, mine.conj().resolve_conj(), _sum(mine.shape, Y) if need else None, mixes)


def _sum(shape: torch.Size, Y: torch.Tensor) -> torch.Tensor:
    return torch.zeros(shape, dtype=Y.dtype, device=Y.device)


def _rows(table: torch.Tensor, one: Unitary, ndim: int) -> torch.Tensor:
    """Return the table in the layout of the sums."""
    return table if one.mixes else resident.phases_first(table, ndim)


def _in_place_of(table: torch.Tensor, cotangent: torch.Tensor) -> torch.Tensor:
    """Return the cotangent in the layout of the table."""
    return cotangent if cotangent.shape == table.shape else cotangent.movedim(0, -1).reshape(table.shape)
