"""Coefficients of splittings, and where they are from."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from spectral_ham.propagators.method import Facts


class Factor(NamedTuple):
    """e^{wzV} e^{azK}, the second first."""

    share: float | None
    """a, or None: no kinetic factor."""
    weight: float
    """w, or 0: no potential factor."""
    moment: float
    """Σa of the kinetic factors since the step began: where within the step V(t) is taken."""


@dataclass(frozen=True)
class Scheme:
    """e^{b_s zV} e^{a_s zK} ⋯ e^{a_1 zK} e^{b_0 zV}, read from the right: Σa = Σb = 1.

    Args:
        order: power of dt in the error over a fixed time.
        kinetic: a_1, …, a_s.
        potential: b_0, …, b_s.
        source: where the coefficients are from.
    """

    order: int
    kinetic: tuple[float, ...]
    potential: tuple[float, ...]
    source: str

    @cached_property
    def factors(self) -> tuple[Factor, ...]:
        """One step as pairs e^{b_i zV} e^{a_i zK}, without the leading e^{b_0 zV}."""
        moments = [math.fsum(self.kinetic[: i + 1]) for i in range(len(self.kinetic) - 1)] + [1.0]
        return tuple(Factor(*one) for one in zip(self.kinetic, self.potential[1:], moments, strict=True))

    def run(self, steps: int) -> Iterator[tuple[int, Factor]]:
        """Yield (step, factor) for a run: the last potential factor of a step and the first of the next are one."""
        one, first = self.factors, self.potential[0]
        yield 0, Factor(None, first, 0.0)
        for step in range(steps - 1):
            for factor in one[:-1]:
                yield step, factor
            yield step, one[-1]._replace(weight=one[-1].weight + first)
        for factor in one:
            yield steps - 1, factor

    @property
    def is_symmetric(self) -> bool:
        """Whether a step with −dt undoes one with dt, factor by factor."""
        return self.kinetic == self.kinetic[::-1] and self.potential == self.potential[::-1]

    @property
    def facts(self) -> Facts:
        """What holds of the splitting for every H and dt."""
        return Facts(self.order, is_symmetric=self.is_symmetric, is_unitary=True)

    @property
    def is_forward(self) -> bool:
        """Whether no substep runs backwards, as imaginary time demands."""
        return min(*self.kinetic, *self.potential) >= 0


def compose(order: int, weights: Sequence[float], source: str) -> Scheme:
    """Return the composition of Strang steps S(w_1 dt) S(w_2 dt) ⋯, neighboring half steps of V merged."""
    halves = [0.0, *weights, 0.0]
    potential = tuple((left + right) / 2 for left, right in pairwise(halves))
    return Scheme(order, tuple(weights), potential, source)


def _yoshida4() -> Scheme:
    w = 1 / (2 - 2 ** (1 / 3))
    return compose(
        4, (w, 1 - 2 * w, w), "Yoshida (1990) Phys. Lett. A 150, 262, eq. (2.11), doi:10.1016/0375-9601(90)90092-3"
    )


def _yoshida6() -> Scheme:
    w1, w2, w3 = -1.17767998417887, 0.235573213359357, 0.784513610477560
    w0 = 1 - 2 * (w1 + w2 + w3)
    source = "Yoshida (1990) Phys. Lett. A 150, 262, Table 1, solution A, doi:10.1016/0375-9601(90)90092-3"
    return compose(6, (w3, w2, w1, w0, w1, w2, w3), source)


def _suzuki4() -> Scheme:
    p = 1 / (4 - 4 ** (1 / 3))
    return compose(4, (p, p, 1 - 4 * p, p, p), "Suzuki (1990) Phys. Lett. A 146, 319, doi:10.1016/0375-9601(90)90962-N")


def _blanes_moan4() -> Scheme:
    b0, b1, b2 = 0.0792036964311957, 0.353172906049774, -0.0420650803577195
    a1, a2 = 0.209515106613362, -0.143851773179818
    b3, a3 = 1 - 2 * (b0 + b1 + b2), 0.5 - (a1 + a2)
    source = "Blanes & Moan (2002) J. Comput. Appl. Math. 142, 313, Table 2 (S6), doi:10.1016/S0377-0427(01)00492-7"
    return Scheme(4, (a1, a2, a3, a3, a2, a1), (b0, b1, b2, b3, b2, b1, b0), source)


SCHEMES: dict[str, Scheme] = {
    "lie": Scheme(
        1, (1.0,), (0.0, 1.0), "Trotter (1959) Proc. Amer. Math. Soc. 10, 545, doi:10.1090/S0002-9939-1959-0108732-6"
    ),
    "strang": compose(2, (1.0,), "Strang (1968) SIAM J. Numer. Anal. 5, 506, doi:10.1137/0705041"),
    "yoshida4": _yoshida4(),
    "yoshida6": _yoshida6(),
    "suzuki4": _suzuki4(),
    "blanes_moan4": _blanes_moan4(),
}
