"""Splittings: e^{zH} as a product of kinetic and potential exponentials, each of them exact."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, final

import torch

from spectral_ham._internal.checks import invalid
from spectral_ham._internal.exponential import exponential
from spectral_ham._internal.memo import Memo
from spectral_ham._internal.mode import carries_derivative, mode_of
from spectral_ham.execution.bound import plain
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.potentials import StaticPotential
from spectral_ham.propagators.base import Propagator
from spectral_ham.propagators.method import Facts
from spectral_ham.propagators.splitting.changing import Change, run_changing
from spectral_ham.propagators.splitting.engine import Engine
from spectral_ham.propagators.splitting.fft_engine import FFTEngine
from spectral_ham.propagators.splitting.line_engine import LineEngine
from spectral_ham.propagators.splitting.lines import MAX_TABLE_BYTES, pays, table_bytes
from spectral_ham.propagators.splitting.schemes import SCHEMES, Factor, Scheme


@final
@dataclass(frozen=True, eq=False)
class Splitting(Propagator):
    """T ↦ Π e^{b_i zV} e^{a_i zK} T with the coefficients of ``scheme``.

    The last potential factor of a step and the first of the next are one multiplication, so that n Strang steps cost
    n transform pairs, n kinetic and n + 1 potential multiplications. V(t) is taken at t + dt·Σa of the kinetic factors
    before it, V[T] at the field that it meets: both keep the order. Matrix potentials use exact local exponentials.

    An engine takes the steps of one call (see `engine_type`): in the layout of the FFT, or as dense products along
    alternate directions; the same numbers to rounding. Where a gradient is recorded, autograd sees every factor.

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
    kinetic: dict[float, FourierMultiplier] = field(default_factory=dict, init=False, repr=False)
    """Share a ↦ e^{azK}."""
    phases: dict[float, StaticPotential] = field(default_factory=dict, init=False, repr=False)
    """Weight w ↦ e^{wzV}, for a static V."""
    _engines: Memo[Engine] = field(default_factory=Memo, init=False, repr=False)

    @property
    def facts(self) -> Facts:
        """Those of the scheme."""
        return self.scheme.facts

    def _prepare(self) -> None:
        if self.imaginary and not self.scheme.is_forward:
            raise self._refused("a splitting whose substeps all run forward in imaginary time", "lie", "strang")
        if self.imaginary and not self.hamiltonian.is_linear and self.scheme.order > 1:
            # |T| is not constant along the flow of V[T] in imaginary time, so freezing it costs all orders but one.
            raise self._refused("given a linear V in imaginary time", "rk4", "lie", "ground_state(H)")
        b = self.scheme.potential
        for a in dict.fromkeys(self.scheme.kinetic):
            self.kinetic[a] = self.hamiltonian.kinetic_function(partial(exponential, a * self.z))
        if self.hamiltonian.is_static and (V := self.hamiltonian.potential_at(0.0)) is not None:
            # All of them now: a checkpoint that is run again must find the same phases.
            self.phases.update({weight: V.exponential(weight * self.z) for weight in dict.fromkeys(b) if weight})
            if (merged := b[-1] + b[0]) and merged not in self.phases:
                self.phases[merged] = self.phases[b[0]].squared() if b[0] == b[-1] else V.exponential(merged * self.z)

    def _inputs(self) -> Sequence[torch.Tensor | None]:
        return [V.values for V in self.phases.values()]

    def _advance(self, T: torch.Tensor, steps: int, t: float, out: torch.Tensor | None) -> torch.Tensor:
        live = [] if all(K.is_static for K in self.kinetic.values()) else [K.table for K in self.kinetic.values()]
        if mode_of(T, *self._inputs(), *live) != "plain":
            return self._recorded(T, steps, t)
        if not self.hamiltonian.is_static:
            return self._changing(T, steps, t, out)
        self.counters.transforms += 2 * steps * len(self.scheme.kinetic) * (self.engine_type(T) is FFTEngine)
        return self.engine(T).advance(T, steps, out)

    def engine(self, T: torch.Tensor) -> Engine:
        """Return what takes the steps of fields like T where nothing is recorded; V is static."""
        is_static = all(K.is_static for K in self.kinetic.values()) and not isinstance(self.z, torch.Tensor)
        if not is_static or any(carries_derivative(V.values) for V in self.phases.values()):
            with torch.no_grad():
                return self.engine_type(T).of(self, T)
        key = (T.shape, T.dtype, T.device, torch.get_num_threads())
        return self._engines.get(key, lambda: self.engine_type(T).of(self, T))

    def engine_type(self, T: torch.Tensor) -> type[LineEngine | FFTEngine]:
        """Return the kind of engine for fields like T.

        Alternate directions serve 2-D grids, a metric without cross terms and a V that is the same for all channels.
        ``execution="fft"`` and ``"dense"`` of H ask for one of the two; else `pays` decides.
        """
        H = self.hamiltonian
        acts_alike = bool(self.phases) and all(V.is_channel_independent for V in self.phases.values())
        if H.torus.ndim != 2 or not acts_alike or H.kinetic.has_cross_terms or H.execution == "fft":
            return FFTEngine
        different = len(self.scheme.kinetic) + 2  # along each axis: within a step, and at both ends of a run
        if table_bytes(H.torus.shape, different, T.dtype) > MAX_TABLE_BYTES:
            return FFTEngine
        double = T.dtype in (torch.complex128, torch.float64)
        small = pays(H.torus.shape, T.numel() // H.torus.size, double=double)
        return LineEngine if small or H.execution == "dense" else FFTEngine

    def phase_values(self, weight: float) -> torch.Tensor:
        """Return e^{wzV}, of the grid's shape."""
        if weight in self.phases:
            return self.phases[weight].values
        return torch.ones(self.hamiltonian.torus.shape, dtype=torch.complex128, device="cpu")

    def _recorded(self, T: torch.Tensor, steps: int, t: float) -> torch.Tensor:
        """Take the steps one operation at a time, each of which autograd records."""
        for step, factor in self.scheme.run(steps):
            if factor.share is not None:
                T = self._multiply(self.kinetic[factor.share], T)
            V = self._exponential_of_V(factor.weight, self._moment(step, factor, t), T)
            T = T if V is None else V.apply(T)
        return T

    def _changing(self, T: torch.Tensor, steps: int, t: float, out: torch.Tensor | None) -> torch.Tensor:
        """Take the steps of a V(t) or V[T]; again and recorded, if V turns out to carry a gradient."""
        tables = {share: K.folded_for(T) for share, K in self.kinetic.items()}
        met: list[StaticPotential] = []

        def exponential(step: int, factor: Factor, seen: torch.Tensor) -> StaticPotential | None:
            shown = self.hamiltonian.potential is not None and self.hamiltonian.potential.shows_field
            field = seen.clone(memory_format=torch.contiguous_format) if shown else seen  # it may be kept
            V = self._exponential_of_V(factor.weight, self._moment(step, factor, t), field)
            if V is not None and torch.is_grad_enabled() and carries_derivative(V.values):
                met.append(V)
            return V

        def changes() -> Iterator[Change]:
            for step, factor in self.scheme.run(steps):
                if met:
                    return
                yield None if factor.share is None else tables[factor.share], partial(exponential, step, factor)

        result = run_changing(plain(T), changes(), self.hamiltonian.torus.ndim, out)
        if not met:
            self.counters.transforms += 2 * steps * len(self.scheme.kinetic)
            return result
        if out is not None:
            remedy = "Drop `out=`, or call under torch.no_grad()."
            raise invalid(f"{self.name}.advance(T, out=...)", "None while V carries a gradient", out, remedy)
        return self._recorded(T, steps, t)

    def _moment(self, step: int, factor: Factor, t: float) -> float:
        return self.time_of(step, t) + self.dt * factor.moment

    def _exponential_of_V(self, weight: float, t: float, T: torch.Tensor) -> StaticPotential | None:
        """Return e^{weight·zV} with V at time ``t`` in the state T; None for the identity."""
        if weight == 0.0 or self.hamiltonian.potential is None:
            return None
        if not self.hamiltonian.is_static:
            return self.hamiltonian.potential.at(t, T).exponential(weight * self.z)
        return self.phases[weight]
