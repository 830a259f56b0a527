"""Whether grid and stencil resolve a field."""

import math

import torch

from spectral_ham.backends import Backend, ConstantCoefficientOperator, get_backend
from spectral_ham.backends.finite_difference import ORDERS
from spectral_ham.errors import UnderresolvedWarning
from spectral_ham.observables import spectrum, spectrum_tail
from spectral_ham.operators.hamiltonian import Hamiltonian

RESOLUTION_LIMIT = 0.05
"""Relative error, in the 2-norm, from which a field counts as under-resolved."""

SAMPLED_CHANNELS = 8
"""At most so many channels are transformed, whatever their number: a check must cost little beside one step."""


def dispersion_error(H: Hamiltonian, T: torch.Tensor, stencil_order: int | None = None) -> float:
    """Return √(Σ_k S_k (K_k/K_k^∞ − 1)² / Σ_k S_k): how far off the kinetic energies of T's modes are, relative, rms.

    S_k is the spectrum of T (of at most 8 channels, evenly spread), K_k the energy of a mode in the backend,
    K_k^∞ the exact one (k = 0 has none). So much are phase velocities wrong; 0 for the spectral backend.

    Args:
        H: the Hamiltonian.
        T: the field.
        stencil_order: judge this finite-difference order instead of H's backend.

    Example:
        >>> import math, torch, spectral_ham as sh
        >>> from spectral_ham.analysis.resolution import dispersion_error
        >>> torus = sh.Torus(20, lengths=2 * math.pi)
        >>> H = sh.Hamiltonian(torus, backend="fd", stencil_order=2)
        >>> round(dispersion_error(H, sh.exact.plane_wave(torus, 2)), 4)  # about (kΔ)²/12
        0.0325
    """
    spectral = get_backend("spectral")
    backend = H.kinetic.backend if stencil_order is None else get_backend("fd", stencil_order)
    if backend == spectral:
        return 0.0
    exact, K = _symbol(H, spectral), _symbol(H, backend)
    S = spectrum(H.torus, _sample(H, T)).to("cpu", torch.float64)
    off = torch.where(exact > 0, K / exact.clamp(min=torch.finfo(torch.float64).tiny) - 1, 0.0)
    total = float(S.sum())
    return math.sqrt(float((S * off**2).sum()) / total) if total > 0 else 0.0


def underresolved(H: Hamiltonian, T: torch.Tensor, *, t: float = 0.0) -> UnderresolvedWarning | None:
    """Return a warning if the dispersion error, or the amplitude in the upper third of wavenumbers is above 5 %.

    The second counts where V varies in space, since V·T then aliases; without V the spectral backend is exact, and the
    field is not looked at. At most 8 channels are looked at, evenly spread.

    Example:
        >>> import math, spectral_ham as sh
        >>> from spectral_ham.analysis.resolution import underresolved
        >>> wave = sh.exact.plane_wave(torus := sh.Torus(20), 3)
        >>> underresolved(sh.Hamiltonian(torus), wave) is None
        True
        >>> print(underresolved(sh.Hamiltonian(torus, backend="fd"), wave))
        The kinetic energies of this field's modes are off by 7.2 %... Use stencil_order=4 (0.81 %), backend=...
    """
    error = dispersion_error(H, T)
    if error > RESOLUTION_LIMIT:
        orders = [p for p in ORDERS if p < min(H.torus.shape)]
        better = ((p, e) for p in orders if (e := dispersion_error(H, T, p)) <= RESOLUTION_LIMIT)
        order, left = next(better, (None, 0.0))
        option = "" if order is None else f"stencil_order={order} ({100 * left:.2g} %), "
        return UnderresolvedWarning(
            f"The kinetic energies of this field's modes are off by {100 * error:.2g} % (rms) in "
            f"backend={H.backend!r} of order {H.kinetic.backend.stencil_order}, and its phase velocities with them. "
            f"Use {option}backend='spectral', or a finer grid."
        )
    if not mixes_modes(H, t):
        return None
    tail = float(spectrum_tail(H.torus, _sample(H, T)))
    if math.sqrt(tail) > RESOLUTION_LIMIT:
        return UnderresolvedWarning(
            f"A share of {tail:.2g} of this field is in the upper third of the grid's wavenumbers, from where V·T "
            "folds back onto low ones. Use a finer grid, or a smoother field."
        )
    return None


def mixes_modes(H: Hamiltonian, t: float) -> bool:
    """Tell whether V varies in space, so that it does not commute with K.

    Example:
        >>> import spectral_ham as sh
        >>> H = sh.Hamiltonian(torus := sh.Torus(8), potential=sh.potentials.constant(torus, 3.0))
        >>> mixes_modes(H, 0.0), mixes_modes(H.with_potential(sh.potentials.cosine_lattice(torus)), 0.0)
        (False, True)
    """
    if not H.is_linear:
        return True
    V = H.potential_at(t)
    return V is not None and not V.is_uniform


def _sample(H: Hamiltonian, T: torch.Tensor) -> torch.Tensor:
    """Return T, or a few of its channels where it has many and they are not all 0."""
    X = T.detach().reshape(*H.torus.shape, -1)
    if X.shape[-1] <= SAMPLED_CHANNELS:
        return X
    sample = X[..., :: -(-X.shape[-1] // SAMPLED_CHANNELS)]
    return sample if bool(sample.any()) else X


def _symbol(H: Hamiltonian, backend: Backend) -> torch.Tensor:
    """Return the kinetic energies of all modes in ``backend``."""
    return (
        ConstantCoefficientOperator(H.torus, backend, H.kinetic.terms, H.kinetic.coefficients)
        .symbol(torch.float64, torch.device("cpu"))
        .detach()
    )
