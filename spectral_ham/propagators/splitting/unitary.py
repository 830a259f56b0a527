"""Undoing a unitary factor, beside its cotangent."""

from dataclasses import dataclass
from typing import final

import torch


@final
@dataclass(frozen=True)
class Unitary:
    """One factor of a unitary run, and where the correlations of its pullback are summed.

    With y = p∘x and the cotangent ȳ: x = p*∘y, x̄ = p*∘ȳ, and p̄ = x*∘ȳ = p∘(y*∘ȳ). The same holds between spectra
    for y = F⁻¹(k∘F x), and with matrices for a V that mixes channels. So a pullback has to add up y*∘ȳ.

    Args:
        values: k as `folded` makes it, or p in the field's precision: (N_x, …), (C, N_x, …), or matrices.
        conjugate: the complex conjugate of ``values``.
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

    @staticmethod
    def of(
        values: torch.Tensor, shape: tuple[int, ...], like: torch.Tensor, needed: bool, mixes: bool = False
    ) -> "Unitary":
        """Return the factor, with a sum of ``shape`` in the precision of ``like`` if a cotangent is ``needed``."""
        total = torch.zeros(shape, dtype=like.dtype, device=like.device) if needed else None
        return Unitary(values, values.conj().resolve_conj(), total, mixes)
