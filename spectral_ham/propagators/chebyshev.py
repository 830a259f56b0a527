"""Chebyshev expansion of e^{zH}: an error bound known before the first step."""

import cmath
import math
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch

from spectral_ham._internal.checks import as_number
from spectral_ham._internal.memo import Memo
from spectral_ham._internal.mode import carries_derivative, mode_of
from spectral_ham.execution import BoundOperator, Prepared
from spectral_ham.execution.numba import jit
from spectral_ham.propagators.base import OneStep
from spectral_ham.propagators.method import Facts


@final
@dataclass(frozen=True, eq=False)
class Chebyshev(OneStep):
    """T ↦ e^{zc} Σ_{k=0}^{m} (2 − δ_k0) C_k φ_k(H̃) T with H̃ = (H − c)/r in [−1, 1] and φ_k the Chebyshev polynomials.

    c and r are the middle and half the width of the spectral bounds; C_k = (−i)^k J_k(r·dt/ħ) in real time,
    (−1)^k I_k(r·dt/ħ) in imaginary time. m is the smallest number of terms whose neglected tail
    2 Σ_{k>m} |C_k| is at most ``tol`` (in imaginary time relative to the growth e^{r·dt/ħ} of the lowest state): the
    error of one step, in units of ‖T‖, for any field.

    Args:
        hamiltonian: Hermitian, independent of time.
        dt: the step; may be long: the cost is about r·|dt|/ħ applications of H.
        imaginary: imaginary time.
        tol: bound of the truncation error of one step, relative to ‖T‖.

    Reference:
        Tal-Ezer & Kosloff (1984), J. Chem. Phys. 81, 3967, doi:10.1063/1.448136.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.propagators import Chebyshev
        >>> H = sh.Hamiltonian(sh.Torus(16), backend="fd")
        >>> Chebyshev(H, 10.0, tol=1e-10).terms
        29
    """

    tol: float = 1e-12
    name: ClassVar[str] = "chebyshev"
    facts = Facts(order=None, is_error_controlled=True)
    _unphased: tuple[complex, ...] = field(init=False, repr=False)
    _phase: complex = field(init=False, repr=False)
    _center: float = field(init=False, repr=False)
    _radius: float = field(init=False, repr=False)
    _recurrences: Memo[Prepared] = field(default_factory=Memo, init=False, repr=False)

    def _prepare(self) -> None:
        as_number("Chebyshev(tol=...)", self.tol, positive=True)
        self._require_static()
        self._require_hermitian()
        self._require_plain_hbar()
        low, high = self.hamiltonian.spectral_bounds()
        center, radius = (high + low) / 2, (high - low) / 2
        alpha = radius * self.dt / float(self.hamiltonian.hbar)
        coefficients = chebyshev_coefficients(alpha, self.tol, imaginary=self.imaginary)
        # The scaled Bessel functions of imaginary time leave out e^α, the growth of the lowest state.
        phase = cmath.exp(complex(self.z) * (low if self.imaginary else center))
        if self.imaginary:
            phase = phase.real
        self._set(_unphased=tuple(coefficients), _phase=phase, _center=center, _radius=radius or 1.0)

    @property
    def coefficients(self) -> tuple[complex, ...]:
        """C_0, 2C_1, 2C_2, …, with e^{zc}."""
        return tuple(self._phase * C for C in self._unphased)

    @property
    def terms(self) -> int:
        """Number of terms: one more than the applications of H per step."""
        return len(self._unphased)

    def _step(self, T: torch.Tensor, t: float) -> torch.Tensor:
        H, V = self.hamiltonian, self.hamiltonian.potential_at(t)
        values = None if V is None else V.values
        plain = H.kinetic.is_static and (V is None or V.diagonal(T) is not None) and not torch.compiler.is_compiling()
        if plain and self.terms > 1 and mode_of(T, values) == "plain":
            return self._clenshaw(T, values)
        return self._forward(T)

    def _forward(self, T: torch.Tensor) -> torch.Tensor:
        """Return the sum by φ_{k+1} = 2H̃φ_k − φ_{k−1}, in operations that autograd can record."""
        previous, current = T, T
        first, *others = self.coefficients
        result = first * T
        for k, c in enumerate(others, start=1):
            shifted = self._shifted(current)
            following = shifted if k == 1 else shifted.mul_(2).sub_(previous)
            previous, current = current, following
            result = result.add_(current, alpha=c)
        return result

    def _shifted(self, T: torch.Tensor) -> torch.Tensor:
        """Return H̃T = (H − c)T/r."""
        HT = self._apply_hamiltonian(T)
        if carries_derivative(HT):  # autograd allows no change in place of what `apply` returned
            return (HT - self._center * T) / self._radius
        return HT.sub_(T, alpha=self._center).div_(self._radius)

    def _clenshaw(self, T: torch.Tensor, V: torch.Tensor | None) -> torch.Tensor:
        """Return the sum by b_k = C_k T + 2H̃ b_{k+1} − b_{k+2} and C_0 T + H̃ b_1 − b_2: one pass a term, two fields.

        In real time C_k T is a real multiple of T for even k and of iT for odd k, up to a common phase: all arithmetic
        is real.
        """
        twice_H = self._recurrence(T, V)
        even = T.resolve_conj().resolve_neg().contiguous()
        odd = even if self.imaginary else 1j * even
        numbers = [C.real if self.imaginary or k % 2 == 0 else C.imag for k, C in enumerate(self._unphased)]
        last = len(numbers) - 1
        newer, older = numbers[last] * (odd if last % 2 else even), torch.zeros_like(even)
        for k in range(last - 1, 0, -1):
            twice_H.recur(newer, older, odd if k % 2 else even, numbers[k])
            newer, older = older, newer
        # Twice the last term, so that one operator serves for all.
        twice_H.recur(newer, older.mul_(2), even, 2 * numbers[0])
        self._count_applications(T, last)
        return older.mul_(self._phase / 2)

    def _recurrence(self, T: torch.Tensor, V: torch.Tensor | None) -> Prepared:
        """Return 2H̃ = 2(H − c)/r ready for fields like T."""
        H, scale = self.hamiltonian, 2 / self._radius

        def build() -> Prepared:
            values = (
                torch.zeros(H.torus.shape, dtype=torch.float64, device="cpu")
                if V is None
                else V.detach().to(torch.float64)
            )
            shifted = ((values - self._center) * scale).to(T.device, T.dtype.to_real())
            kinetic = H.kinetic.with_coefficients([c * scale for c in H.kinetic.coefficients])
            return BoundOperator(kinetic, H.execution).prepared(T, shifted)

        key = (T.shape, T.dtype, T.device, torch.get_num_threads(), jit.serves(T))
        return self._recurrences.get(key, build, () if V is None else (V,))


def chebyshev_coefficients(alpha: float, tol: float, *, imaginary: bool) -> list[complex]:
    """Return C_0, 2C_1, 2C_2, … of e^{−iαx}, or of e^{−αx}/e^α in imaginary time, with a tail of at most ``tol``.

    Example:
        >>> [round(c.real, 4) + 1j * round(c.imag, 4) for c in chebyshev_coefficients(0.5, 1e-2, imaginary=False)]
        [(0.9385+0j), -0.4845j, (-0.0612+0j)]
    """
    import numpy as np
    from scipy.special import ive, jv

    size = abs(alpha)
    k = np.arange(math.ceil(size + 12 * size ** (1 / 3)) + 40)  # beyond, all is below 1e-16
    values = (ive if imaginary else jv)(k, size)
    values[1:] *= 2
    tails = np.cumsum(np.abs(values)[::-1])[::-1]  # tails[m] = Σ_{k ≥ m}
    count = max(1, int(np.argmax(tails <= tol)) if bool((tails <= tol).any()) else len(k))
    unit = -1.0 if imaginary else -1j if alpha >= 0 else 1j
    return [
        complex(unit ** int(n) * v) if not imaginary else float((-1.0) ** int(n) * v)
        for n, v in zip(k[:count], values[:count], strict=True)
    ]
