"""Splittings: e^{zH} as a product of kinetic and potential exponentials, each of them exact."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, final

import torch

from spectral_ham._internal.checks import check_field, check_out, invalid
from spectral_ham._internal.mode import carries_derivative
from spectral_ham.execution.precision import without_autocast
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.potentials import MatrixPotential, NonlinearPotential, ScalarPotential, StaticPotential
from spectral_ham.propagators.base import Propagator
from spectral_ham.propagators.splitting import alternating, resident
from spectral_ham.propagators.splitting.schemes import SCHEMES, Scheme


class _GradientMetError(Exception):
    """A V(t) or V[T] turned out to carry a gradient while none was recorded."""


def _exponential(z: complex | torch.Tensor, E: torch.Tensor) -> torch.Tensor:
    return torch.exp(z * E)


@final
@dataclass(frozen=True, eq=False)
class Splitting(Propagator):
    """T ↦ Π e^{b_i zV} e^{a_i zK} T with the coefficients of ``scheme``.

    The last potential factor of a step and the first of the next are one multiplication, so that n Strang steps cost
    n transform pairs, n kinetic and n + 1 potential multiplications. V(t) is taken at t + dt·Σa of the kinetic factors
    before it, V[T] at the field that it meets: both keep the order. Matrix potentials use exact local exponentials.

    The steps of one call run in the layout of the FFT, or as dense products along alternate directions (see `way`):
    the same numbers to rounding.

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
    _cast: dict[Any, torch.Tensor] = field(default_factory=dict, init=False, repr=False)
    """Phases and matrices as fields of one precision and device multiply by them; only what carries no gradient."""

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

    def advance(
        self, T: torch.Tensor, steps: int = 1, *, t: float = 0.0, out: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return T after ``steps`` steps, written into ``out`` (contiguous, like the result) if it is given."""
        check_field(f"{self.name}(T)", T, self.hamiltonian.torus.shape)
        T = self._as_evolving(T)
        if out is not None:
            check_out(f"{self.name}.advance(T, out=...)", out, T, [V.values for V in self._phases.values()])
        if steps == 0:
            return T if out is None else out.copy_(T)
        if out is None and self._records(T):
            return self._recorded(T, steps, t)
        try:
            return self._run(T, steps, t, out)
        except _GradientMetError:
            if out is not None:
                remedy = "Drop `out=`, or call under torch.no_grad()."
                raise invalid(
                    f"{self.name}.advance(T, out=...)", "None while V carries a gradient", out, remedy
                ) from None
            return self._recorded(T, steps, t)

    def factors(self, steps: int, t: float) -> Iterator[tuple[float | None, float, float]]:
        """Yield (a, w, s): e^{azK} (not at first), then e^{wzV} with V at time s; w = 0 means none."""
        a, b = self.scheme.kinetic, self.scheme.potential
        yield None, b[0], t
        for step in range(steps):
            start = t + step * self.dt
            for i, share in enumerate(a):
                last = i == len(a) - 1
                weight = b[i + 1] + (b[0] if last and step < steps - 1 else 0.0)
                yield share, weight, start + self.dt * (1.0 if last else math.fsum(a[: i + 1]))

    def _recorded(self, T: torch.Tensor, steps: int, t: float) -> torch.Tensor:
        """Take the steps one operation at a time, each of which autograd records."""
        for share, weight, time in self.factors(steps, t):
            if share is not None:
                T = self._multiply(self._kinetic[share], T)
            V = self._exponential_of_V(weight, time, T)
            T = T if V is None else V.apply(T)
        return T

    def _exponential_of_V(self, weight: float, t: float, T: torch.Tensor) -> StaticPotential | None:
        """Return e^{weight·zV} with V at time ``t`` in the state T; None for the identity."""
        if weight == 0.0 or self.hamiltonian.potential is None:
            return None
        if not self.hamiltonian.is_static:
            return self.hamiltonian.potential.at(t, T).exponential(weight * self.z)
        return self._phases[weight]

    def _records(self, T: torch.Tensor) -> bool:
        """Tell whether autograd, torch.func or the compiler watches."""
        if torch.compiler.is_compiling() or torch._C._functorch.peek_interpreter_stack() is not None:
            return True
        sources = [T, *(V.values for V in self._phases.values())]
        recording = torch.is_grad_enabled()
        if recording and not all(K.is_static for K in self._kinetic.values()):
            return True
        return any(carries_derivative(source) and (recording or not source.requires_grad) for source in sources)

    def _run(self, T: torch.Tensor, steps: int, t: float, out: torch.Tensor | None) -> torch.Tensor:
        """Take the steps without recording them, by the way that `way` names."""
        ndim = self.hamiltonian.torus.ndim
        T = T.resolve_conj().resolve_neg()
        with torch.no_grad():
            X = T.reshape(*T.shape[:ndim], -1).contiguous()
            Y = torch.empty_like(X) if out is None else out.view(X.shape)
        if self.way(T) == "alternating":
            with torch.no_grad():
                passes = self.passes(steps)
                matrices = {one: self._matrices(one, X) for one in dict.fromkeys(passes)}
                alternating.run(X, [(one[0], matrices[one]) for one in passes], Y)
            return Y.view(T.shape) if out is None else out
        V = self.hamiltonian.potential
        if V is None or (V.is_static and not isinstance(V, MatrixPotential)):
            with torch.no_grad(), without_autocast(X):
                resident.run(X, self._tables(T, steps), ndim, Y)
        else:
            folded = {a: K.folded_for(X) for a, K in self._kinetic.items()}
            changes = (
                (None if a is None else folded[a], partial(self._without_gradient, weight, time))
                for a, weight, time in self.factors(steps, t)
            )
            resident.run_changing(X.view(T.shape), changes, ndim, Y)
        self.tally.transforms += 2 * steps * len(self.scheme.kinetic)
        return Y.view(T.shape) if out is None else out

    def _without_gradient(self, weight: float, t: float, T: torch.Tensor) -> StaticPotential | None:
        if isinstance(self.hamiltonian.potential, NonlinearPotential):
            T = T.clone(
                memory_format=torch.contiguous_format
            )  # a user's function may keep it, and expects plain memory
        V = self._exponential_of_V(weight, t, T)
        if V is not None and torch.is_grad_enabled() and carries_derivative(V.values):
            raise _GradientMetError
        return V

    def _tables(self, T: torch.Tensor, steps: int) -> list[resident.Factor]:
        """Return the factors as tensors in T's precision; T has its own shape, for an elementwise V."""
        kinetic = {a: K.folded_for(T) for a, K in self._kinetic.items()}
        phases = {weight: self._phase(weight, T) for weight in self._phases}
        return [(None if a is None else kinetic[a], phases.get(weight)) for a, weight, _ in self.factors(steps, 0.0)]

    def _phase(self, weight: float, T: torch.Tensor) -> torch.Tensor:
        V = self._phases[weight]
        V.diagonal(T)  # refuses what does not fit T
        values = V.values.detach()
        if values.ndim > self.hamiltonian.torus.ndim:
            return values.reshape(*self.hamiltonian.torus.shape, -1).contiguous()
        return self._kept(("phase", weight), T, lambda: values.to(T.dtype).contiguous(), static=True)

    def way(self, T: torch.Tensor) -> str:
        """Return how steps run on fields like T: "resident" or "alternating".

        Alternate directions serve 2-D grids, a metric without cross terms and a V that is the same for all channels.
        ``execution="fft"`` and ``"dense"`` of H ask for one of the two; else `pays` decides.
        """
        H = self.hamiltonian
        V = H.potential
        able = H.torus.ndim == 2 and isinstance(V, ScalarPotential) and not H.kinetic.has_cross_terms
        if not able or H.execution == "fft":
            return "resident"
        different = len(self.scheme.kinetic) + 2  # along each axis: within a step, and at both ends of a run
        if alternating.table_bytes(H.torus.shape, different, T.dtype) > alternating.MAX_TABLE_BYTES:
            return "resident"
        double = T.dtype in (torch.complex128, torch.float64)
        pays = alternating.pays(H.torus.shape, T.numel() // H.torus.size, double=double)
        return "alternating" if pays or H.execution == "dense" else "resident"

    def passes(self, steps: int) -> list[alternating.Pass]:
        """Return ``steps`` steps as passes along alternate directions."""
        shares, weights, _ = zip(*self.factors(steps, 0.0), strict=True)
        return alternating.passes(shares[1:], weights)

    def matrices(self, one: alternating.Pass, X: torch.Tensor) -> torch.Tensor:
        """Return the matrices of a pass in X's precision, differentiable by what they are made of."""
        ones = torch.ones(self.hamiltonian.torus.shape, dtype=torch.complex128)
        made = alternating.Lines(
            self.hamiltonian.kinetic, self.z, lambda w: self._phases[w].values if w in self._phases else ones
        )
        return made.matrices(one, X.dtype, X.device)

    def _matrices(self, one: alternating.Pass, X: torch.Tensor) -> torch.Tensor:
        # Phases were made with the propagator; a kinetic part with a gradient is read anew.
        static = self.hamiltonian.kinetic.is_static and not isinstance(self.z, torch.Tensor)
        return self._kept(("lines", *one), X, lambda: self.matrices(one, X), static=static)

    def _kept(self, key: tuple[Any, ...], T: torch.Tensor, build: Any, *, static: bool) -> torch.Tensor:
        """Return what ``build`` returns; built once for each precision and device if it is ``static``."""
        full = (*key, T.dtype, T.device)
        if static and full in self._cast:
            return self._cast[full]
        with torch.inference_mode(False), torch.no_grad():
            made: torch.Tensor = build()
        if static:
            self._cast[full] = made
        return made
