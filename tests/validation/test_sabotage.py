"""The validation suite can fail: each way of breaking the operator is seen by the studies that are about it.

Only complex128 claims count: a relative error of 1e-9 is out of their reach by six orders of magnitude, and
within the rounding of complex64.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

import spectral_ham as sh
import spectral_ham.backends.finite_difference as fd_backend
import spectral_ham.backends.spectral as spectral_backend
from spectral_ham.execution import BoundOperator, bound
from spectral_ham.execution.numba import jit
from spectral_ham.execution.stencil import shifts
from spectral_ham.propagators import METHODS, Propagator
from validation.claim import Claim
from validation.studies import STUDIES
from validation.study import Mode

pytestmark = pytest.mark.usefixtures("empty_cache")

Patch = pytest.MonkeyPatch
EVOLUTION = ("temporal_orders", "exact_dynamics", "condensates", "tolerances", "stability_limits")
"""Studies of what runs in Fourier space, past `Prepared.apply`."""
STENCILS = ("fd_symbol", "fd_orders", "dispersion", "axes_and_seam")
"""Studies of finite differences above all."""
FFT, STENCIL = Mode(execution="fft"), Mode(execution="stencil")

genuine_prepared = BoundOperator.prepared
genuine_weights = fd_backend.second_derivative_weights
genuine_coefficients = sh.InverseMetric.coefficients
genuine_second_symbol = spectral_backend.Spectral.second_derivative_symbol


class Broken:
    """A prepared operator, its result or its field changed."""

    def __init__(self, ready: Any, change: Callable[[Callable[..., torch.Tensor], torch.Tensor], torch.Tensor]) -> None:
        self._ready, self._change = ready, change

    def apply(self, X: torch.Tensor, out: torch.Tensor | None = None) -> torch.Tensor:
        """Return what the change makes of A·X + V∘X."""
        result = self._change(self._ready.apply, X)
        return result if out is None else out.copy_(result)


def break_operators(patch: Patch, change: Callable[[Callable[..., torch.Tensor], torch.Tensor], torch.Tensor]) -> None:
    """Give every prepared operator the change."""
    patch.setattr(
        BoundOperator, "prepared", lambda self, *arguments: Broken(genuine_prepared(self, *arguments), change)
    )


def factor_1e_9(patch: Patch) -> None:
    """H (1 + 1e-9)."""
    break_operators(patch, lambda apply, X: apply(X).mul_(1 + 1e-9))


def axes_swapped(patch: Patch) -> None:
    """g^yy on axis 0 and g^xx on axis 1, as in the kernel that the package replaces."""

    def prepared(self: BoundOperator, *arguments: Any) -> Any:
        A = self.operator
        diagonal = [c for c, (i, j) in zip(A.coefficients, A.terms, strict=True) if i == j]
        swapped = A.with_coefficients((*reversed(diagonal), *A.coefficients[len(diagonal) :]))
        return genuine_prepared(BoundOperator(swapped, self.execution, self.potential), *arguments)

    patch.setattr(BoundOperator, "prepared", prepared)


def not_symmetric(patch: Patch) -> None:
    """A first derivative of relative size 1e-9 leaks in: Hermiticity and parity are lost, a real field stays real."""

    def change(apply: Callable[..., torch.Tensor], X: torch.Tensor) -> torch.Tensor:
        result = apply(X)
        return result + 1e-9 * result.abs().max() / X.abs().max() * (X.roll(1, 0) - X.roll(-1, 0))

    break_operators(patch, change)


def single_precision_inside(patch: Patch) -> None:
    """The field passes through complex64 (or float32)."""

    def change(apply: Callable[..., torch.Tensor], X: torch.Tensor) -> torch.Tensor:
        return apply(X.to(torch.complex64 if X.is_complex() else torch.float32).to(X.dtype))

    break_operators(patch, change)


def potential_subtracted(patch: Patch) -> None:
    """−V."""
    genuine = bound._like_field
    patch.setattr(bound, "_like_field", lambda values, T: -genuine(values, T))


def matrix_transposed(patch: Patch) -> None:
    """V_{ca} T_c instead of V_{ac} T_c."""
    genuine = sh.MatrixPotential.apply
    patch.setattr(sh.MatrixPotential, "apply", lambda V, T: genuine(sh.MatrixPotential(V.values.mT), T))


def zero_padded(patch: Patch) -> None:
    """Neighbors across the seam count as 0: what stays inside is added, what crosses is not."""

    def add_shifted(out: torch.Tensor, X: torch.Tensor, axis: int, shift: int, w: float) -> None:
        N = X.shape[axis]
        kept = (0, N - shift, shift) if 2 * shift < N else (N - shift, shift, 0)
        to, length, start = kept
        out.narrow(axis, to, length).add_(X.narrow(axis, start, length), alpha=w)

    patch.setenv(jit.SWITCH, "0")  # the slices, not the compiled kernels
    patch.setattr(shifts, "_add_shifted", add_shifted)


def wrong_weight(patch: Patch) -> None:
    """The outermost weight of each stencil is off by 1 in 1e6; the weights still sum to 0."""

    def weights(order: int) -> tuple[float, ...]:
        _, *outer = map(float, genuine_weights(order))
        outer[-1] *= 1 + 1e-6
        return (-2 * sum(outer), *outer)

    patch.setattr(fd_backend, "second_derivative_weights", weights)


def cross_term_halved(patch: Patch) -> None:
    """g^xy ∂_x ∂_y instead of g^xy ∂_x ∂_y + g^yx ∂_y ∂_x."""

    def coefficients(metric: sh.InverseMetric, factor: float = 1.0) -> tuple[float, ...]:
        found = zip(genuine_coefficients(metric, factor), metric.terms, strict=True)
        return tuple(c if i == j else c / 2 for c, (i, j) in found)

    patch.setattr(sh.InverseMetric, "coefficients", coefficients)


def nyquist_kept(patch: Patch) -> None:
    """The first derivative of the Nyquist mode is not 0."""
    patch.setattr(spectral_backend, "without_nyquist", lambda symbol: symbol)


def float32_wavenumbers(patch: Patch) -> None:
    """The table of k² was made in float32, as torch.fft.fftfreq makes it by default."""

    def symbol(self: object, n: int, spacing: float) -> torch.Tensor:
        return genuine_second_symbol(self, n, spacing).to(torch.float32).to(torch.float64)

    patch.setattr(spectral_backend.Spectral, "second_derivative_symbol", symbol)


def energy_without_volume(patch: Patch) -> None:
    """The sum over points is not made an integral."""
    patch.setattr(sh.Torus, "cell_volume", 1.0)


def clock_fast(patch: Patch) -> None:
    """A step of dt takes 1.001 dt."""
    genuine = Propagator.z.fget
    patch.setattr(Propagator, "z", property(lambda self: 1.001 * genuine(self)))


def strang_is_lie(patch: Patch) -> None:
    """The half steps of V are one whole step: order 1."""
    patch.setitem(METHODS, "strang", METHODS["lie"])


SABOTAGES: list[tuple[Callable[[Patch], None], str, Mode]] = [
    *((factor_1e_9, study, STENCIL if study in STENCILS else FFT) for study in STUDIES if study not in EVOLUTION),
    *((clock_fast, study, FFT) for study in EVOLUTION),
    (strang_is_lie, "temporal_orders", FFT),
    *((axes_swapped, study, FFT) for study in ("plane_waves", "every_wave", "agreement", "axes_and_seam", "drop_in")),
    *((axes_swapped, study, STENCIL) for study in ("plane_waves", "fd_symbol", "fd_orders", "axes_and_seam")),
    *((not_symmetric, study, FFT) for study in ("structure", "every_wave", "cosine_potential")),
    *((single_precision_inside, study, FFT) for study in ("plane_waves", "every_wave", "precision", "drop_in")),
    *((potential_subtracted, study, FFT) for study in ("plane_waves", "agreement", "cosine_potential", "potentials")),
    (matrix_transposed, "potentials", FFT),
    *((zero_padded, study, STENCIL) for study in ("plane_waves", "fd_symbol", "structure", "axes_and_seam", "drop_in")),
    *((wrong_weight, study, STENCIL) for study in ("plane_waves", "fd_symbol", "fd_orders", "dispersion")),
    *((cross_term_halved, study, FFT) for study in ("every_wave", "fd_symbol", "agreement")),
    (cross_term_halved, "fd_symbol", STENCIL),
    *((nyquist_kept, study, FFT) for study in ("every_wave", "structure")),
    *((float32_wavenumbers, study, FFT) for study in ("plane_waves", "every_wave", "precision", "cosine_potential")),
    (energy_without_volume, "structure", FFT),
]


def double_precision_claims(study: str, mode: Mode) -> Iterator[Claim]:
    """Yield the claims of a study that are about double precision."""
    for result in STUDIES[study].run(mode):
        if isinstance(result, Claim) and not any(single in result.name for single in ("complex64", "float32")):
            yield result


def first_failure(study: str, mode: Mode) -> Claim | None:
    """Return the first claim that fails; what comes after it is not computed."""
    return next((claim for claim in double_precision_claims(study, mode) if not claim.passed), None)


def claim_named(name: str, study: str, mode: Mode) -> Claim:
    """Return one claim of a study; what comes after it is not computed."""
    return next(claim for claim in double_precision_claims(study, mode) if claim.name == name)


@pytest.mark.parametrize(
    ("sabotage", "study", "mode"),
    SABOTAGES,
    ids=[f"{sabotage.__name__}-{study}-{mode.execution}" for sabotage, study, mode in SABOTAGES],
)
def test_a_broken_operator_is_seen(
    sabotage: Callable[[Patch], None], study: str, mode: Mode, monkeypatch: Patch
) -> None:
    with monkeypatch.context() as patch:
        sabotage(patch)
        failed = first_failure(study, mode)
    assert failed is not None
    sh.clear_cache()
    assert claim_named(failed.name, study, mode).passed  # so it is the sabotage that the claim noticed


def test_every_study_is_sabotaged() -> None:
    assert {study for _, study, _ in SABOTAGES} == set(STUDIES)
