"""Splittings in the layout of the FFT: channels come in front once, take all steps, and go back once."""

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, final

import torch

from spectral_ham.execution.bound import plain
from spectral_ham.execution.fft import chunk, convolve, folded, inverse_transform, transform
from spectral_ham.execution.layout import channels_first, channels_last
from spectral_ham.execution.precision import without_autocast
from spectral_ham.potentials import StaticPotential
from spectral_ham.propagators.splitting.changing import Change, run_changing
from spectral_ham.propagators.splitting.engine import Engine, Tables
from spectral_ham.propagators.splitting.schemes import Scheme
from spectral_ham.propagators.splitting.unitary import Unitary

if TYPE_CHECKING:
    from spectral_ham.propagators.splitting.splitting import Splitting


@final
class FFTEngine(Engine):
    """T ↦ p∘F⁻¹(k∘F T), factor by factor, chunk by chunk of channels: all steps of a chunk in cache.

    Args:
        scheme: the coefficients.
        grid: (N_x, …).
        kinetic: share a ↦ k = e^{azK}/N as `folded` makes it.
        phases: weight w ↦ p = e^{wzV}: of the grid's shape in the field's precision, or (N_x, …, C) in any.
        mixing: weight w ↦ e^{wzV} for a V that mixes channels; then ``phases`` holds its matrices.
    """

    def __init__(
        self,
        scheme: Scheme,
        grid: tuple[int, ...],
        kinetic: dict[float, torch.Tensor],
        phases: dict[float, torch.Tensor],
        mixing: dict[float, StaticPotential],
    ) -> None:
        self._scheme, self._grid, self._kinetic, self._phases, self._mixing = scheme, grid, kinetic, phases, mixing
        self._own = {} if mixing else {w: p for w, p in phases.items() if p.ndim > len(grid)}

    @property
    def nbytes(self) -> int:
        """What the tables hold."""
        return sum(table.nbytes for table in (*self._kinetic.values(), *self._phases.values()))

    @staticmethod
    def tables_of(splitting: "Splitting", T: torch.Tensor, steps: int) -> Tables:  # noqa: ARG004
        """Return e^{azK} for each share, and e^{wzV} for each weight, in double precision."""
        for V in splitting.phases.values():
            V.diagonal(T)  # refuses a V that does not fit T
        tables: dict[tuple[object, ...], torch.Tensor] = {}
        tables.update({("kinetic", share): K.table for share, K in splitting.kinetic.items()})
        tables.update({("phase", weight): V.values for weight, V in splitting.phases.items()})
        return tables

    @classmethod
    def of(cls, splitting: "Splitting", T: torch.Tensor, tables: Tables | None = None) -> "FFTEngine":
        """Return the engine for fields like T."""
        tables = cls.tables_of(splitting, T, 1) if tables is None else tables
        grid = splitting.hamiltonian.torus.shape
        mixing = {weight: V for weight, V in splitting.phases.items() if V.mixes_channels}
        phases = {}
        for weight in splitting.phases:
            p = tables["phase", weight].detach()
            has_channels = p.ndim > len(grid) and not mixing
            phases[weight] = p.reshape(*grid, -1).contiguous() if has_channels else p.to(T.dtype).contiguous()
        return cls(splitting.scheme, grid, {a: K.folded_for(T) for a, K in splitting.kinetic.items()}, phases, mixing)

    def advance(self, T: torch.Tensor, steps: int, out: torch.Tensor | None) -> torch.Tensor:
        """Return T after ``steps`` steps."""
        T = plain(T)
        if self._mixing:
            return run_changing(T, self._mixing_changes(steps), len(self._grid), out)
        X = T.view(*self._grid, -1)
        channels = X.shape[-1]
        if channels == 1 and out is None:
            return self._chunk(X, 0, 1, steps).view(T.shape)
        Y = torch.empty_like(X) if out is None else out.view(X.shape)
        step = max(1, chunk(X) // (1 + len(self._own)))
        for first in range(0, channels, step):
            channels_last(self._chunk(X, first, min(step, channels - first), steps), Y, first)
        return Y.view(T.shape) if out is None else out

    def _mixing_changes(self, steps: int) -> Iterator[Change]:
        for _, (share, weight, _) in self._scheme.run(steps):
            yield None if share is None else self._kinetic[share], partial(self._mixed, weight)

    def _mixed(self, weight: float, _: torch.Tensor) -> StaticPotential | None:
        return self._mixing.get(weight)

    def _chunk(self, X: torch.Tensor, first: int, count: int, steps: int) -> torch.Tensor:
        """Return the channels first, …, first + count − 1 in front, (count, N_x, …), after all steps."""
        ndim, kinetic, phases = len(self._grid), self._kinetic, self._phases
        if self._own:  # a channel's own phases come in front with their chunk: a copy of all would be one more field
            phases = {**phases, **{w: channels_first(p, first, count).to(X.dtype) for w, p in self._own.items()}}
        F, is_first = channels_first(X, first, count), True
        for _, (share, weight, _) in self._scheme.run(steps):
            if share is not None:
                F = convolve(F, kinetic[share], ndim)
            if (p := phases.get(weight)) is not None:
                F = F * p if is_first else F.mul_(p)  # at first F may be X itself
            is_first = False
        return F

    def pullback(
        self, T: torch.Tensor, G: torch.Tensor, steps: int, tables: Sequence[torch.Tensor], needed: Sequence[bool]
    ) -> tuple[torch.Tensor, list[torch.Tensor | None]]:
        """Return the cotangents of the field before the steps, and of the tables."""
        grid, count, shape = self._grid, len(self._kinetic), T.shape
        Y, G = (plain(Z).view(*grid, -1) for Z in (T, G))
        pairs = list(zip(tables, needed, strict=True))
        ks = [Unitary.of(folded(k.detach(), Y), k.shape, Y, need) for k, need in pairs[:count]]
        ps = [self._phase(p, Y, need) for p, need in pairs[count:]]
        by_share, by_weight = dict(zip(self._kinetic, ks, strict=True)), dict(zip(self._phases, ps, strict=True))
        run = [(None if a is None else by_share[a], by_weight.get(w)) for _, (a, w, _) in self._scheme.run(steps)]
        with without_autocast(Y):
            back = _undone(Y, G, run, len(grid)).view(shape)
        scales = [1 / math.prod(grid)] * count + [1.0] * len(ps)
        cotangents = (
            _in_place_of(table, one.cotangent(table if one.mixes else self._rows(table), scale)) if need else None
            for table, one, scale, need in zip(tables, [*ks, *ps], scales, needed, strict=True)
        )
        return back, list(cotangents)

    def _phase(self, values: torch.Tensor, Y: torch.Tensor, need: bool) -> Unitary:
        mine = (values if self._mixing else self._rows(values)).detach().to(Y.device, Y.dtype)
        return Unitary.of(mine, mine.shape, Y, need, bool(self._mixing))

    def _rows(self, table: torch.Tensor) -> torch.Tensor:
        """Return pointwise values (N_x, …) as they are, and (N_x, …) + channels as (C, N_x, …)."""
        ndim = len(self._grid)
        return table if table.ndim == ndim else table.reshape(*self._grid, -1).movedim(-1, 0).contiguous()


def _undone(
    Y: torch.Tensor, G: torch.Tensor, factors: Sequence[tuple[Unitary | None, Unitary | None]], ndim: int
) -> torch.Tensor:
    """Return the cotangent of the field before the factors (k, p), undone one by one from Y and its cotangent G.

    The state goes back beside its cotangent. It is carried as its conjugate, which `Unitary` asks for: F of it is
    (F⁻¹ y)*, so its transforms are those of ȳ, exchanged.
    """
    wanted = any(one is not None and one.sum is not None for pair in factors for one in pair)
    mixes = any(p is not None and p.mixes for _, p in factors)
    channels, axes, out = G.shape[-1], range(-ndim, 0), torch.empty_like(G)
    step = channels if mixes else chunk(G)
    for first in range(0, channels, step):
        count = min(step, channels - first)
        g = channels_first(G, first, count).clone()
        y = channels_first(Y, first, count).conj().resolve_conj() if wanted else None
        for k, p in reversed(factors):
            if p is not None:
                p.undo(y, g, first, ndim)
            if k is not None:
                g = transform(g, axes)
                y = None if y is None else inverse_transform(y, axes, norm="forward")
                k.undo(y, g, first, ndim)
                g = inverse_transform(g, axes, norm="forward")
                y = None if y is None else transform(y, axes)
        channels_last(g, out, first)
    return out


def _in_place_of(table: torch.Tensor, cotangent: torch.Tensor) -> torch.Tensor:
    """Return the cotangent in the layout of the table."""
    return cotangent if cotangent.shape == table.shape else cotangent.movedim(0, -1).reshape(table.shape)
