"""Pre-flight checks: what is likely to go wrong in a run, told before it starts, each time with the remedy.

`advise` is pure: it returns warnings, and `evolve` issues the new ones. Each check is a function of its own.
"""

import math
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

import torch

from spectral_ham._internal.checks import check_field
from spectral_ham.analysis.resolution import mixes_modes, underresolved
from spectral_ham.analysis.rounding import imprecise
from spectral_ham.analysis.stability import energy_width, hbar_of, is_hermitian_at, max_stable_dt
from spectral_ham.errors import Advice, SplittingResonanceWarning, UnderresolvedWarning, UnstableStepWarning
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.propagators import SCHEMES

MAX_RUNS = 1024
"""Kinds of runs that are remembered for one H."""


@dataclass(frozen=True)
class _Told:
    """What was looked at and said of one H."""

    runs: set[tuple[object, ...]] = field(default_factory=set)
    causes: set[tuple[object, ...]] = field(default_factory=set)


_told: "WeakKeyDictionary[Hamiltonian, _Told]" = WeakKeyDictionary()


def advise(
    H: Hamiltonian,
    T: torch.Tensor,
    *,
    method: str,
    dt: float | None = None,
    tol: float | None = None,
    time: float | None = None,
    t: float = 0.0,
    imaginary: bool = False,
) -> tuple[Advice, ...]:
    """Return what there is to warn of before T runs under H: nothing, or warnings ready for `warnings.warn`.

    Args:
        H: the Hamiltonian. Step sizes are judged for a Hermitian one only.
        T: the field at the start.
        method: a name of `propagators.METHODS`.
        dt: the step; None if it is not fixed.
        tol: the asked tolerance relative to ‖T‖; None if there is none.
        time: the length of the run; None counts one step.
        t: when the run starts, for a potential V(t).
        imaginary: imaginary time.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.analysis.preflight import advise
        >>> x, = (torus := sh.Torus(32)).coordinates()
        >>> H = sh.Hamiltonian(torus, potential=sh.potentials.cosine_lattice(torus))
        >>> T = torch.ones(32, dtype=torch.complex128)
        >>> advise(H, T, method="strang", dt=0.1)
        ()
        >>> [type(advice).__name__ for advice in advise(H, T, method="rk4", dt=1.0)]
        ['UnstableStepWarning']
    """
    check_field("advise(T)", T, H.torus.shape)
    found = (
        unstable_step(H, method, dt, T=T, t=t, imaginary=imaginary),
        splitting_resonance(H, method, dt, T=T, t=t, imaginary=imaginary),
        underresolved(H, T, t=t),
        imprecise(H, T, method, dt=dt, tol=tol, time=time, t=t),
    )
    return tuple(advice for advice in found if advice is not None)


def new_advice(
    H: Hamiltonian,
    T: torch.Tensor,
    *,
    method: str,
    dt: float | None,
    tol: float | None,
    time: float,
    t: float,
    imaginary: bool,
) -> tuple[Advice, ...]:
    """Return what `advise` finds and nobody was told of this H before: a cause is told once, not once per call.

    A cause is the kind of the warning with method and step, or the resolution alone. A run that differs from an earlier
    one by the values of T, by t or time alone is not looked at again.
    """
    told = _told.setdefault(H, _Told())
    run = (method, dt, tol, imaginary, T.dtype, T.shape)
    if run in told.runs:
        return ()
    if len(told.runs) >= MAX_RUNS:
        told.runs.clear()
    told.runs.add(run)
    found = advise(H, T, method=method, dt=dt, tol=tol, time=time, t=t, imaginary=imaginary)
    by_cause = {
        (type(advice), *(() if isinstance(advice, UnderresolvedWarning) else (method, dt))): advice for advice in found
    }
    new = tuple(advice for cause, advice in by_cause.items() if cause not in told.causes)
    told.causes.update(by_cause)
    return new


def unstable_step(
    H: Hamiltonian, method: str, dt: float | None, *, T: torch.Tensor, t: float = 0.0, imaginary: bool = False
) -> UnstableStepWarning | None:
    """Return a warning if |dt| is beyond `max_stable_dt` of a method that is not a splitting.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.analysis.preflight import unstable_step
        >>> print(unstable_step(sh.Hamiltonian(sh.Torus(8)), "rk4", 0.7, T=torch.ones(8, dtype=torch.complex128)))
        dt = 0.7 is beyond the stability limit 0.573 of method='rk4': ... Use dt < 0.573, or method='strang', ...
    """
    if dt is None or method in SCHEMES or not is_hermitian_at(H, t):
        return None
    limit = max_stable_dt(H, method, T=T, t=t, imaginary=imaginary)
    if abs(dt) <= limit:
        return None
    return UnstableStepWarning(
        f"dt = {abs(dt):.3g} is beyond the stability limit {limit:.3g} of method={method!r}: the modes of highest "
        f"energy grow from rounding errors until they drown the field. Use dt < {limit:.3g}, or method='strang', "
        "which has no such limit for a linear H."
    )


def splitting_resonance(
    H: Hamiltonian, method: str, dt: float | None, *, T: torch.Tensor, t: float = 0.0, imaginary: bool = False
) -> SplittingResonanceWarning | None:
    """Return a warning if |dt|·(E_max − E_min)/ħ ≥ 2π for a linear H, or |dt| ≥ `max_stable_dt` for a nonlinear one.

    A splitting sees energies modulo 2πħ/dt: states that far apart become degenerate, and V mixes them. A V that is
    constant in space commutes with K and mixes nothing.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.analysis.preflight import splitting_resonance
        >>> H = sh.Hamiltonian(torus := sh.Torus(16), potential=sh.potentials.cosine_lattice(torus))
        >>> T = torch.ones(16, dtype=torch.complex128)
        >>> splitting_resonance(H, "strang", 0.5, T=T) is None, splitting_resonance(H, "strang", 1.5, T=T) is None
        (True, False)
    """
    if dt is None or imaginary or method not in SCHEMES or not is_hermitian_at(H, t):
        return None
    if H.is_linear:
        energies = energy_width(H, T, t)
        limit = 2 * math.pi * hbar_of(H) / energies if energies > 0 else math.inf
        why = (
            f"the phase dt·(E_max − E_min)/ħ reaches {abs(dt) * energies / hbar_of(H):.3g}, at least 2π, so that "
            "states 2πħ/dt apart in energy count as degenerate, and V exchanges them while the norm stays constant"
        )
        other = "method='chebyshev' or 'lanczos'" if H.is_static else "method='magnus4'"
    else:
        limit = max_stable_dt(H, method, T=T, t=t)
        why = "a mode gains a phase of about π, so that pairs of modes resonate with the field and grow from noise"
        other = "a coarser grid"
    if abs(dt) < limit or not mixes_modes(H, t):
        return None
    return SplittingResonanceWarning(
        f"dt = {abs(dt):.3g} is at a resonance of method={method!r}: per step {why}. Use dt < {limit:.3g}, or {other}."
    )
