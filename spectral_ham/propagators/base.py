"""What a propagator is: built for one (H, dt), then pure T → T."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch

from spectral_ham._internal.checks import as_number, invalid
from spectral_ham._internal.mode import carries_derivative
from spectral_ham.errors import NotHermitianError
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.operators.multiplier import FourierMultiplier


@dataclass
class Counters:
    """What a propagator has spent so far."""

    hamiltonian_applications: int = 0
    transforms: int = 0
    """Fourier transforms of the whole field, forward and inverse counted one each."""


@dataclass(frozen=True, eq=False)
class Propagator(ABC):
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
    tally: Counters = field(default_factory=Counters, init=False, repr=False)

    name: ClassVar[str]

    @property
    @abstractmethod
    def order(self) -> int | None:
        """The power p of the error dt^p over a fixed time; None where the error is a tolerance."""

    @property
    @abstractmethod
    def is_unitary(self) -> bool:
        """Whether ‖T‖ is kept to rounding for a Hermitian H in real time."""

    def __post_init__(self) -> None:
        as_number(f"{type(self).__name__}(dt=...)", self.dt)
        if self.imaginary and self.dt <= 0:
            remedy = "Imaginary time runs one way: high energies decay forward and explode backward."
            raise invalid(f"{type(self).__name__}(dt=...)", "positive in imaginary time", self.dt, remedy)
        self._prepare()

    @abstractmethod
    def _prepare(self) -> None:
        """Refuse an H that the method cannot serve, and precompute what does not depend on T."""

    @abstractmethod
    def advance(self, T: torch.Tensor, steps: int = 1, *, t: float = 0.0) -> torch.Tensor:
        """Return T after ``steps`` steps of dt, the first of which begins at time ``t``."""

    def __call__(self, T: torch.Tensor, *, t: float = 0.0) -> torch.Tensor:
        """Return T after one step."""
        return self.advance(T, 1, t=t)

    @property
    def z(self) -> complex | torch.Tensor:
        """The factor in e^{zH}: −i·dt/ħ, or −dt/ħ in imaginary time (then real). A tensor where ħ is one."""
        hbar = self.hamiltonian.hbar
        unit = -1.0 if self.imaginary else -1j
        return unit * self.dt / (hbar.double() if isinstance(hbar, torch.Tensor) else hbar)

    def _as_evolving(self, T: torch.Tensor) -> torch.Tensor:
        """Promote a real field where the evolution makes it complex."""
        stays_real = self.imaginary and self.hamiltonian.is_real
        return T if T.is_complex() or stays_real else T.to(T.dtype.to_complex())

    def _require_static(self) -> None:
        if not self.hamiltonian.is_static:
            raise self._refused("given a potential that depends on neither time nor field", "strang", "yoshida4", "rk4")

    def share(self, tally: Counters) -> None:
        """Count into ``tally`` from now on."""
        self._set(tally=tally)

    def _apply_hamiltonian(self, T: torch.Tensor, t: float = 0.0) -> torch.Tensor:
        """Return H[T], counted."""
        self._count_applications(T, 1)
        return self.hamiltonian(T, t=t)

    def _count_applications(self, T: torch.Tensor, count: int) -> None:
        self.tally.hamiltonian_applications += count
        if torch.compiler.is_compiling():  # the planner looks at threads and caches, which no graph can hold
            return
        if self.hamiltonian.execution_for(T) == "fft":
            self.tally.transforms += 2 * count

    def _multiply(self, multiplier: FourierMultiplier, T: torch.Tensor) -> torch.Tensor:
        """Return F⁻¹(table · F T), counted."""
        self.tally.transforms += 2
        return multiplier(T)

    def _set(self, **values: object) -> None:
        """Store what `_prepare` computed: once, for the dataclass is frozen."""
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def _refused(self, requirement: str, *instead: str) -> Exception:
        others = ", ".join(map(repr, instead))
        V = self.hamiltonian.potential
        return invalid(f"method={self.name!r}", requirement, V and type(V).__name__, f"Use {others}.")

    def _require_no_gradient(self, T: torch.Tensor) -> None:
        """Refuse to be differentiated: what the method reads off the field on its way would silently be missing."""
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
            raise invalid(f"method={self.name!r}", "used without gradients", "a field or H that carries one", remedy)

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
