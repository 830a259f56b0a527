"""Splittings: e^{zH} as a product of kinetic and potential exponentials, each of them exact."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from itertools import pairwise
from typing import ClassVar, final

import torch

from spectral_ham.laplacian import FourierMultiplier
from spectral_ham.potentials import StaticPotential
from spectral_ham.propagators.base import Propagator


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


def _exponential(z: complex | torch.Tensor, E: torch.Tensor) -> torch.Tensor:
    return torch.exp(z * E)


@final
@dataclass(frozen=True, eq=False)
class Splitting(Propagator):
    """T ↦ Π e^{b_i zV} e^{a_i zK} T with the coefficients of ``scheme``.

    The last potential factor of a step and the first of the next are one multiplication, so that n Strang steps cost
    n transform pairs, n kinetic and n + 1 potential multiplications. V(t) is taken at t + dt·Σa of the kinetic factors
    before it, V[T] at the field that it meets: both keep the order. Matrix potentials use exact local exponentials.

    Args:
        hamiltonian: any H; V may depend on time or on the field.
        dt: the step.
        imaginary: imaginary time; only "lie" and "strang", whose substeps all run forward.
        scheme: coefficients; see `SCHEMES`.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.propagators import SCHEMES, Splitting
        >>> H = sh.Hamiltonian(torus := sh.Torus(16), potential=sh.potentials.cosine_lattice(torus))
        >>> T = torch.ones(16, dtype=torch.complex128)
        >>> strang = Splitting(H, 0.1, scheme=SCHEMES["strang"])
        >>> torch.allclose(strang.advance(T, steps=10).norm(), T.norm())
        True
    """

    scheme: Scheme = SCHEMES["strang"]
    name: ClassVar[str] = "splitting"
    _kinetic: dict[float, FourierMultiplier] = field(default_factory=dict, init=False, repr=False)
    _phases: dict[float, StaticPotential] = field(default_factory=dict, init=False, repr=False)

    @property
    def order(self) -> int:
        """Order of the scheme."""
        return self.scheme.order

    @property
    def is_unitary(self) -> bool:
        """True for a Hermitian H in real time."""
        return not self.imaginary and self.hamiltonian.is_hermitian

    @property
    def is_symmetric(self) -> bool:
        """Whether a step with −dt undoes one with dt, factor by factor."""
        a, b = self.scheme.kinetic, self.scheme.potential
        return a == a[::-1] and b == b[::-1]

    def with_factors(
        self, kinetic: dict[float, FourierMultiplier], phases: dict[float, StaticPotential]
    ) -> "Splitting":
        """Return the same scheme with other exponentials: by share a of e^{azK}, and by weight b of e^{bzV}."""
        other = object.__new__(Splitting)
        for attribute in fields(self):
            object.__setattr__(other, attribute.name, getattr(self, attribute.name))
        other._set(_kinetic=kinetic, _phases=phases)
        return other

    def _prepare(self) -> None:
        if self.imaginary and not self.scheme.is_forward:
            raise self._refused("a splitting whose substeps all run forward in imaginary time", "lie", "strang")
        if self.imaginary and not self.hamiltonian.is_linear and self.order > 1:
            # |T| is not constant along the flow of V[T] in imaginary time, so freezing it costs all orders but one.
            raise self._refused("given a linear V in imaginary time", "rk4", "lie", "ground_state(H)")
        b = self.scheme.potential
        for a in dict.fromkeys(self.scheme.kinetic):
            self._kinetic[a] = self.hamiltonian.kinetic_function(partial(_exponential, a * self.z))
        if self.hamiltonian.is_static and (V := self.hamiltonian.potential_at(0.0)) is not None:
            # All of them now: a checkpoint that is run again must find what it found at first.
            self._phases.update({weight: V.exponential(weight * self.z) for weight in {*b, b[-1] + b[0]} - {0.0}})

    def advance(self, T: torch.Tensor, steps: int = 1, *, t: float = 0.0) -> torch.Tensor:
        """Return T after ``steps`` steps."""
        a, b = self.scheme.kinetic, self.scheme.potential
        T = self._as_evolving(T)
        if steps == 0:
            return T
        T = self._kick(T, b[0], t)
        for step in range(steps):
            start = t + step * self.dt
            for i, share in enumerate(a):
                T = self._multiply(self._kinetic[share], T)
                last = i == len(a) - 1
                weight = b[i + 1] + (b[0] if last and step < steps - 1 else 0.0)
                T = self._kick(T, weight, start + self.dt * (1.0 if last else math.fsum(a[: i + 1])))
        return T

    def _kick(self, T: torch.Tensor, weight: float, t: float) -> torch.Tensor:
        """Return e^{weight·zV} T with V at time ``t``."""
        if weight == 0.0 or self.hamiltonian.potential is None:
            return T
        if not self.hamiltonian.is_static:
            V = self.hamiltonian.potential.at(t, T)
            return V.exponential(weight * self.z).apply(T)
        return self._phases[weight].apply(T)
