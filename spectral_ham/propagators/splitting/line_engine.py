"""Splittings by alternate directions: one product with small dense matrices per step, for small 2-D grids."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, final

import torch

from spectral_ham._internal.memo import Memo
from spectral_ham.execution.bound import plain
from spectral_ham.execution.precision import ieee_float32, without_autocast
from spectral_ham.propagators.splitting.engine import Engine, Tables
from spectral_ham.propagators.splitting.lines import LineMatrices, Pass, passes
from spectral_ham.propagators.splitting.schemes import Scheme

if TYPE_CHECKING:
    from spectral_ham.propagators.splitting.splitting import Splitting


@final
class LineEngine(Engine):
    """e^{bK_i} e^{wzV} e^{aK_i} along one axis after the other: n Strang steps are n + 1 batched products.

    Args:
        scheme: the coefficients.
        build: pass ↦ its matrices, one for each line, in the field's precision; called once for each pass.
    """

    def __init__(self, scheme: Scheme, build: Callable[[Pass], torch.Tensor]) -> None:
        self._scheme, self._build = scheme, build
        self._matrices: Memo[torch.Tensor] = Memo()

    @property
    def nbytes(self) -> int:
        """What the matrices hold."""
        return self._matrices.nbytes

    @staticmethod
    def tables_of(splitting: "Splitting", T: torch.Tensor, steps: int) -> Tables:
        """Return the matrices of the different passes of a run, in T's precision."""
        made = LineMatrices(splitting.hamiltonian.kinetic, splitting.z, splitting.phase_values)
        return {one: made.of(one, T.dtype, T.device) for one in _passes(splitting.scheme, steps)}

    @classmethod
    def of(cls, splitting: "Splitting", T: torch.Tensor, tables: Tables | None = None) -> "LineEngine":
        """Return the engine; matrices that are not in ``tables`` are made when a run first needs them."""
        if tables is not None:
            return cls(splitting.scheme, lambda one: tables[one].detach())
        made = LineMatrices(splitting.hamiltonian.kinetic, splitting.z, splitting.phase_values)
        return cls(splitting.scheme, partial(made.of, dtype=T.dtype, device=T.device))

    def advance(self, T: torch.Tensor, steps: int, out: torch.Tensor | None) -> torch.Tensor:
        """Return T after ``steps`` steps.

        A product writes the lines one after the other, so a pass along x leaves the field as (N_y, N_x, C), the next
        one along y brings it back: no pass moves numbers for the sake of the layout.
        """
        T = plain(T)
        X = T.view(*T.shape[:2], -1)
        Y = torch.empty_like(X) if out is None else out.view(X.shape)
        scratch, sequence = torch.empty_like(X), _passes(self._scheme, steps)
        with ieee_float32(), without_autocast(X):
            for number, one in enumerate(sequence):
                M = self._matrices.get(one, partial(self._build, one))
                target = (Y if (len(sequence) - number) % 2 else scratch).view(len(M), M.shape[-1], -1)
                torch.bmm(M, _lines(X, one[0], number), out=target)
                X = target
        return Y.view(T.shape) if out is None else out

    def pullback(
        self, T: torch.Tensor, G: torch.Tensor, steps: int, tables: Sequence[torch.Tensor], needed: Sequence[bool]
    ) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
        """Return the cotangents of the field before the steps, and of the matrices.

        With y = M x on a line: x = M†y, x̄ = M†ȳ, M̄ = ȳ x†. The state is carried as its conjugate, x* = Mᵀ y*, so
        that M̄ is a plain product.
        """
        run = _passes(self._scheme, steps)
        place = {one: number for number, one in enumerate(dict.fromkeys(run))}
        sums = [torch.zeros_like(M) if need else None for M, need in zip(tables, needed, strict=True)]
        sequence = [place[one] for one in run]
        wanted = any(sums[i] is not None for i in sequence)
        axes, matrices = [one[0] for one in place], [M.detach() for M in tables]
        conjugates = [M.conj().resolve_conj() for M in matrices]
        y, g = (plain(Z).view(*T.shape[:2], -1) for Z in (T, G))
        y = y.conj().resolve_conj() if wanted else y
        with ieee_float32(), without_autocast(g):
            for number, i in reversed(list(enumerate(sequence))):
                x = torch.bmm(matrices[i].mT, y) if wanted else y
                if (total := sums[i]) is not None:
                    total.baddbmm_(g, x.mT)
                g = torch.bmm(conjugates[i].mT, g)
                y, g = (_lines(Z, axes[i], number) for Z in (x, g))  # the lines taken across are put back across
        return g.contiguous().view(T.shape), list(sums)


def _passes(scheme: Scheme, steps: int) -> list[Pass]:
    """Return ``steps`` steps as passes along alternate directions."""
    shares, weights, _ = zip(*(factor for _, factor in scheme.run(steps)), strict=True)
    return passes(shares[1:], weights)


def _lines(X: torch.Tensor, axis: int, number: int) -> torch.Tensor:
    """Return the field before a pass along ``axis`` as (lines, N_i, C): the first may find it lying right."""
    return X if number == 0 and axis == 1 else X.transpose(0, 1)
