"""Splittings in the layout of the FFT: channels come in front once, take all steps, and go back once.

A run is a sequence of factors (k, p): T ↦ p∘F⁻¹(k∘F T), where k is a kinetic table and p the phases of V, or None.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch

from spectral_ham.execution.fft import chunk, convolve, inverse_transform, transform
from spectral_ham.execution.layout import channels_first, channels_last
from spectral_ham.potentials import MatrixPotential, StaticPotential

Factor: TypeAlias = tuple[torch.Tensor | None, torch.Tensor | None]
"""(k, p): k as `fourier.folded` makes it; p of the grid's shape in the field's precision, or (N_x, …, C) in any."""

Change: TypeAlias = tuple[torch.Tensor | None, Callable[[torch.Tensor], StaticPotential | None]]
"""(k, e): as above with e(T) = e^{wzV} of a V that may depend on time or field, or mix channels."""


def phases_first(values: torch.Tensor, ndim: int) -> torch.Tensor:
    """Return pointwise phases (N_x, …) as they are, and (N_x, …) + channels as (C, N_x, …)."""
    grid = values.shape[:ndim]
    return values if values.ndim == ndim else values.reshape(*grid, -1).movedim(-1, 0).contiguous()


def run(X: torch.Tensor, factors: Sequence[Factor], ndim: int, out: torch.Tensor) -> None:
    """Write to ``out`` what the factors make of X, (N_x, …, C): chunk by chunk, all steps of a chunk in cache."""
    own = {id(p): p for _, p in factors if p is not None and p.ndim > ndim}  # phases of a channel's own
    channels, step = X.shape[-1], max(1, chunk(X) // (1 + len(own)))
    for first in range(0, channels, step):
        count = min(step, channels - first)
        F = channels_first(X, first, count)
        # They are brought in front with their chunk: a copy of all of them would be one more field.
        beside = {key: channels_first(p, first, count).to(X.dtype) for key, p in own.items()}
        for number, (k, p) in enumerate(factors):
            F = F if k is None else convolve(F, k, ndim)
            if p is not None:
                mine = beside.get(id(p), p)
                F = F * mine if number == 0 else F.mul_(mine)  # at first F may be X itself
        channels_last(F, out, first)


def run_changing(T: torch.Tensor, changes: Iterable[Change], ndim: int, out: torch.Tensor) -> None:
    """Write to ``out`` what factors make of T that are known on their way only: all channels take a step together.

    Args:
        T: torus.shape + channels.
        changes: the factors; potentials see the field in T's shape, and may record a gradient: it is met by
            the caller.
        ndim: number of grid axes.
        out: (N_x, …, C), contiguous.
    """
    X = T.reshape(out.shape)
    step, grid, channels = chunk(X), T.shape[:ndim], T.shape[ndim:]
    with torch.no_grad():
        F = channels_first(X, 0, X.shape[-1]).clone() if X.shape[-1] == 1 else channels_first(X, 0, X.shape[-1])
    for k, exponential in changes:
        with torch.no_grad():
            if k is not None and len(F) <= step:
                F = convolve(F, k, ndim)
            elif k is not None:
                for part in torch.split(F, step):
                    part.copy_(convolve(part, k, ndim))
        seen = F.view(*channels, *grid).permute(*range(len(channels), T.ndim), *range(len(channels)))
        V = exponential(seen)
        with torch.no_grad():
            if isinstance(V, MatrixPotential):
                seen.copy_(V.apply(seen))
            elif V is not None:
                V.diagonal(seen)  # refuses what does not fit
                F.mul_(phases_first(V.values.detach(), ndim).to(F.dtype))
    with torch.no_grad():
        channels_last(F, out, 0)


@dataclass(frozen=True)
class Unitary:
    """One of the factors of a unitary run, and where the correlations of its walk back are summed.

    With y = p∘x and the cotangent ȳ: x = p*∘y, x̄ = p*∘ȳ, and p̄ = x*∘ȳ = p∘(y*∘ȳ). The same holds between spectra
    for y = F⁻¹(k∘F x), and with matrices for a V that mixes channels. So what a walk back has to add up is y*∘ȳ.

    Args:
        values: k as `folded` makes it, or p in the field's precision: (N_x, …), (C, N_x, …), or matrices.
        conjugate: their complex conjugates.
        sum: Σ y*∘ȳ over steps and channels, or None where no cotangent of this factor is wanted.
        mixes: whether the values are matrices (N_x, …, D, D) between the first channels.
    """

    values: torch.Tensor
    conjugate: torch.Tensor
    sum: torch.Tensor | None
    mixes: bool = False

    def undo(self, y_conj: torch.Tensor | None, G: torch.Tensor, first: int, ndim: int) -> None:
        """Turn y* and ȳ, (channels, N_x, …) from channel ``first`` on, into x* and x̄ in place; add y*∘ȳ up."""
        if self.mixes:
            self._undo_mixing(y_conj, G, ndim)
            return
        shared, mine = self.values.ndim == ndim, slice(first, first + len(G))
        if self.sum is not None and y_conj is not None:
            if shared and len(G) > 1:
                self.sum.add_((y_conj * G).sum(0))
            else:
                (self.sum if shared else self.sum[mine]).addcmul_(
                    y_conj[0] if shared else y_conj, G[0] if shared else G
                )
        if y_conj is not None:
            y_conj.mul_(self.values if shared else self.values[mine])
        G.mul_(self.conjugate if shared else self.conjugate[mine])

    def _undo_mixing(self, y_conj: torch.Tensor | None, G: torch.Tensor, ndim: int) -> None:
        D = self.values.shape[-1]
        y, g = (None if Z is None else Z.view(D, -1, *Z.shape[-ndim:]).movedim((0, 1), (-2, -1)) for Z in (y_conj, G))
        if self.sum is not None and y is not None and g is not None:
            self.sum.add_((g @ y.mT).sum_to_size(self.sum.shape))
        if y is not None:
            y.copy_(self.values.mT @ y)
        if g is not None:
            g.copy_(self.conjugate.mT @ g)

    def cotangent(self, table: torch.Tensor, scale: float) -> torch.Tensor:
        """Return the cotangent of the table that the values were cast from, scale·table∘Σ y*∘ȳ."""
        if self.sum is None:
            raise ValueError("`Unitary.cotangent()` must be asked of a factor whose correlations were summed.")
        total = self.sum.to(table.device, table.dtype)
        return total @ table if self.mixes else scale * table * total


def walk_back(
    Y: torch.Tensor, G: torch.Tensor, factors: Sequence[tuple[Unitary | None, Unitary | None]], ndim: int
) -> torch.Tensor:
    """Return the cotangent of T for Y = (factors) T, undoing the factors (k, p) one by one; see `Unitary`.

    The state goes back beside its cotangent, so nothing is kept of the way there. It is carried as its conjugate, which
    `Unitary` asks for: F of it is (F⁻¹ y)*, so its transforms are those of ȳ, exchanged.

    Args:
        Y: the final field (N_x, …, C), contiguous.
        G: its cotangent, like Y.
        factors: those of the run, in the order of the run.
        ndim: number of grid axes.
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
