"""What a propagator is: built for one (H, dt), then pure T → T."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, final

import torch

from spectral_ham._internal.calls import as_flag, as_steps
from spectral_ham._internal.checks import Words, as_number, check_field, check_out, invalid
from spectral_ham._internal.clock import time_of_step
from spectral_ham._internal.frozen import Frozen
from spectral_ham._internal.mode import carries_derivative
from spectral_ham.errors import NotHermitianError
from spectral_ham.operators.arguments import check_hamiltonian
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.operators.multiplier import FourierMultiplier
from spectral_ham.propagators.method import Facts


@dataclass
class Counters:
    """What a propagator has spent so far."""

    hamiltonian_applications: int = 0
    transforms: int = 0
    """Fourier transforms of the whole field, forward and inverse counted one each."""


@dataclass(frozen=True, eq=False)
class Propagator(Frozen, ABC):
    """e^{zH} with z = −i·dt/ħ, one time step of iħ ∂T/∂t = H[T], or z = −dt/ħ, one of ħ ∂T/∂τ = −H[T].

    Args:
        hamiltonian: H.
        dt: the step; negative runs backwards (in real time).
        imaginary: imaginary time instead of real time.

    Shape:
        T and the result: torus.shape + channels. In real time a real T becomes complex; in imaginary time it stays
        real with a real V.
    """

    hamiltonian: Hamiltonian
    dt: float
    imaginary: bool = False
    counters: Counters = field(default_factory=Counters, init=False, repr=False)

    name: ClassVar[str]

    @property
    @abstractmethod
    def facts(self) -> Facts:
        """What holds of the method for every H and dt."""

    @property
    @final
    def order(self) -> int | None:
        """The power p of the error dt^p over a fixed time; None where the error is a tolerance."""
        return self.facts.order

    @property
    @final
    def is_symmetric(self) -> bool:
        """Whether a step with −dt undoes one with dt, to rounding."""
        return self.facts.is_symmetric

    @property
    @final
    def is_unitary(self) -> bool:
        """Whether ‖T‖ is kept to rounding: for a Hermitian H in real time, by a unitary method."""
        return self.facts.is_unitary and not self.imaginary and self.hamiltonian.is_hermitian

    def __post_init__(self) -> None:
        check_hamiltonian(f"{type(self).__name__}(hamiltonian=...)", self.hamiltonian)
        as_flag(f"{type(self).__name__}(imaginary=...)", self.imaginary)
        self._set(dt=as_number(f"{type(self).__name__}(dt=...)", self.dt))
        if self.imaginary and self.dt <= 0:
            remedy = "Imaginary time runs one way: high energies decay forward and explode backward."
            raise invalid(f"{type(self).__name__}(dt=...)", "positive in imaginary time", self.dt, remedy)
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Refuse an H that the method cannot serve, and precompute what does not depend on T."""

    @final
    def advance(
        self, T: torch.Tensor, steps: int = 1, *, t: float = 0.0, out: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return T after ``steps`` steps of dt, the first of which begins at time ``t``.

        Args:
            T: the field.
            steps: how many, at least 0.
            t: when the first begins, for a potential V(t).
            out: where to write: like the result, contiguous, overlapping no input; not while a gradient is recorded.
        """
        T = self.as_evolving(check_field(f"{self.name}(T)", T, self.hamiltonian.torus.shape))
        steps, t = as_steps(f"{self.name}.advance(steps=...)", steps), as_number(f"{self.name}.advance(t=...)", t)
        if out is not None:
            check_out(f"{self.name}.advance(T, out=...)", out, T, self._inputs())
        result = T if steps == 0 else self._advance(T, steps, t, out)
        return result if out is None or result is out else out.copy_(result)

    @abstractmethod
    def _advance(self, T: torch.Tensor, steps: int, t: float, out: torch.Tensor | None) -> torch.Tensor:
        """Return T after ``steps`` ≥ 1 steps, in ``out`` if the method can write there."""

    def _inputs(self) -> Sequence[torch.Tensor | None]:
        """Return the tensors beside T that the result depends on, as far as they are known beforehand."""
        return ()

    @final
    def __call__(self, T: torch.Tensor, *, t: float = 0.0) -> torch.Tensor:
        """Return T after one step."""
        return self.advance(T, 1, t=t)

    @final
    def time_of(self, step: int, t: float) -> float:
        """Return when a step begins in a run that begins at time ``t``."""
        return time_of_step(t, self.dt, step)

    @property
    def z(self) -> complex | torch.Tensor:
        """The factor in e^{zH}: −i·dt/ħ, or −dt/ħ in imaginary time (then real). A tensor where ħ is one."""
        hbar = self.hamiltonian.hbar
        unit = -1.0 if self.imaginary else -1j
        return unit * self.dt / (hbar.double() if isinstance(hbar, torch.Tensor) else hbar)

    def as_evolving(self, T: torch.Tensor) -> torch.Tensor:
        """Promote a real field where the evolution makes it complex."""
        stays_real = self.imaginary and self.hamiltonian.is_real
        return T if T.is_complex() or stays_real else T.to(T.dtype.to_complex())

    def _require_static(self) -> None:
        if not self.hamiltonian.is_static:
            raise self._refused("given a potential that depends on neither time nor field", "strang", "yoshida4", "rk4")

    def share(self, counters: Counters) -> None:
        """Count into ``counters`` from now on."""
        self._set(counters=counters)

    def _apply_hamiltonian(self, T: torch.Tensor, t: float = 0.0) -> torch.Tensor:
        """Return H[T], counted."""
        self._count_applications(T, 1)
        return self.hamiltonian(T, t=t)

    def _count_applications(self, T: torch.Tensor, count: int) -> None:
        self.counters.hamiltonian_applications += count
        if torch.compiler.is_compiling():  # the planner looks at threads and caches, which no graph can hold
            return
        if self.hamiltonian.execution_for(T) == "fft":
            self.counters.transforms += 2 * count

    def _multiply(self, multiplier: FourierMultiplier, T: torch.Tensor) -> torch.Tensor:
        """Return F⁻¹(table · F T), counted."""
        self.counters.transforms += 2
        return multiplier(T)

    def _refused(self, requirement: str, *instead: str) -> Exception:
        others = ", ".join(map(repr, instead))
        V = self.hamiltonian.potential
        return invalid(
            f"method={self.name!r}",
            requirement,
            Words(f"a {type(V).__name__}" if V is not None else "no potential"),
            f"Use {others}.",
        )

    def _require_no_gradient(self, T: torch.Tensor) -> None:
        """Refuse to be differentiated: numbers that the method reads off the field would silently be missing."""
        if not torch.is_grad_enabled():
            return
        H = self.hamiltonian
        V = H.potential_at(0.0)
        sources = [
            T,
            *([] if V is None else [V.values]),
            *(c for c in H.kinetic.coefficients if not isinstance(c, float)),
        ]
        if any(carries_derivative(source) for source in sources):
            remedy = 'Use "exact", a splitting ("strang", …), "chebyshev" or "rk4", or call under torch.no_grad().'
            raise invalid(
                f"method={self.name!r}", "used without gradients", Words("a field or H that carries one"), remedy
            )

    def _require_plain_hbar(self) -> None:
        if isinstance(self.hamiltonian.hbar, torch.Tensor):
            remedy = 'Use "exact" or a splitting ("strang", …), or scale the mass and dt instead.'
            raise invalid(
                f"method={self.name!r}", "given an hbar that needs no gradient", self.hamiltonian.hbar, remedy
            )

    def _require_hermitian(self) -> None:
        if not self.hamiltonian.is_hermitian:
            raise NotHermitianError(
                f"`method={self.name!r}` must be given a Hermitian H, but the potential is not Hermitian. "
                'Use a splitting ("strang", …) or "rk4".'
            )


class OneStep(Propagator):
    """A method that takes its steps one by one."""

    @final
    def _advance(self, T: torch.Tensor, steps: int, t: float, out: torch.Tensor | None) -> torch.Tensor:  # noqa: ARG002
        for step in range(steps):
            T = self._step(T, self.time_of(step, t))
        return T

    @abstractmethod
    def _step(self, T: torch.Tensor, t: float) -> torch.Tensor:
        """Return T after one step that begins at time ``t``."""
