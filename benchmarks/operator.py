"""H·T: the candidates, the cases, and one measured row per candidate."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

import spectral_ham as sh
from benchmarks import reference, replaced_kernel
from benchmarks.measure import Call, interleaved, peak_bytes
from benchmarks.reference import FLAT, HBAR, MASS, METRIC

METRIC_BASELINES = ("replaced conv2d, metric, zero padding", "replaced conv2d, metric, circular padding")
FLAT_BASELINES = ("replaced conv2d, flat, zero padding", "replaced conv2d, flat, circular padding")
PAIR = "FFT pair, channels first"
COPY = "copy_"

GATED_CASE = "28×28×16×16"
GATES = {"fd, order 2, auto": 15.0, "spectral, auto": 5.0}
"""Least speed-up over the replaced metric form on `GATED_CASE`, of minima."""

CASES: dict[str, tuple[int, ...]] = {
    GATED_CASE: (28, 28, 16, 16),
    "64×64×16×16": (64, 64, 16, 16),
    "256×256×4×4": (256, 256, 4, 4),
    "512×512×1×1": (512, 512, 1, 1),
}


@dataclass(frozen=True)
class Candidate:
    """One way to compute something about T, and what it should have computed (None: not a number to judge)."""

    name: str
    call: Call
    exact: torch.Tensor


@dataclass(frozen=True)
class Row:
    """What was measured of one candidate."""

    name: str
    minimum_ms: float
    median_ms: float
    samples: int
    copies: float
    """Minimum, in units of `copy_`."""
    pairs: float
    """Minimum, in units of the channels-first FFT pair."""
    speed_up: float
    """Over the replaced kernel's metric form, the faster of its paddings."""
    speed_up_flat: float
    """Over the replaced kernel's flat form, which is half the work; the faster of its paddings."""
    error: float
    """max |result − exact| / max |exact|, exact in float64."""
    peak_fields: float
    """Most memory held at once during a call, the result included, in units of T."""


def measure_case(shape: tuple[int, ...], rounds: int) -> list[Row]:
    """Measure every candidate on a random complex64 field of ``shape``."""
    T = reference.random_field(shape)
    listed = candidates(T)
    errors = {c.name: relative_error(c.call(), c.exact) for c in listed}
    calls = {c.name: c.call for c in listed}
    peaks = {name: peak_bytes(call) / T.nbytes for name, call in calls.items()}
    times = interleaved(calls, rounds)
    shortest = {name: t.minimum for name, t in times.items()}
    metric, flat = (min(shortest[name] for name in names) for names in (METRIC_BASELINES, FLAT_BASELINES))
    return [
        Row(
            name=name,
            minimum_ms=1e3 * t.minimum,
            median_ms=1e3 * t.median,
            samples=t.samples,
            copies=t.minimum / shortest[COPY],
            pairs=t.minimum / shortest[PAIR],
            speed_up=metric / t.minimum,
            speed_up_flat=flat / t.minimum,
            error=errors[name],
            peak_fields=peaks[name],
        )
        for name, t in times.items()
    ]


def relative_error(result: torch.Tensor, exact: torch.Tensor) -> float:
    """Return max |result − exact| / max |exact|."""
    return float((result.to(torch.complex128) - exact).abs().max() / exact.abs().max())


def candidates(T: torch.Tensor) -> list[Candidate]:
    """Return the yardsticks, the replaced kernel and the package, in the order of the table."""
    return [*_yardsticks(T), *_replaced(T), *_package(T), *_drop_ins(T)]


def _yardsticks(T: torch.Tensor) -> list[Candidate]:
    out = torch.empty_like(T)
    channels_first = T.flatten(2).movedim(-1, 0).contiguous()
    exact = T.to(torch.complex128)
    return [
        Candidate(COPY, lambda: out.copy_(T), exact),
        Candidate(PAIR, lambda: torch.fft.ifft2(torch.fft.fft2(channels_first)), exact.flatten(2).movedim(-1, 0)),
        Candidate("torch.roll, order 2", lambda: reference.fd(T), reference.fd(exact)),
    ]


def _replaced(T: torch.Tensor) -> list[Candidate]:
    """Judge each by the operator that it means: its own boundary, and g^xx along axis 1."""
    g, exchanged, wide = torch.tensor(METRIC), METRIC[::-1], T.to(torch.complex128)
    metric, flat = replaced_kernel.hamiltonian_evolution_with_metric, replaced_kernel.hamiltonian_evolution
    zeros, circular = METRIC_BASELINES
    flat_zeros, flat_circular = FLAT_BASELINES
    return [
        Candidate(zeros, lambda: metric(T, HBAR, MASS, g), reference.zero_padded_fd(wide, exchanged)),
        Candidate(circular, lambda: metric(T, HBAR, MASS, g, padding="circular"), reference.fd(wide, 2, exchanged)),
        Candidate(flat_zeros, lambda: flat(T, HBAR, MASS), reference.zero_padded_fd(wide, FLAT)),
        Candidate(flat_circular, lambda: flat(T, HBAR, MASS, padding="circular"), reference.fd(wide, 2, FLAT)),
    ]


def _package(T: torch.Tensor) -> list[Candidate]:
    wide = T.to(torch.complex128)
    rows: list[Candidate] = []
    for label, backend, order, executions, exact in (
        ("fd, order 2", "fd", 2, ("auto", "stencil", "dense", "fft"), reference.fd(wide, 2)),
        ("fd, order 8", "fd", 8, ("auto", "stencil", "dense", "fft"), reference.fd(wide, 8)),
        ("spectral", "spectral", 2, ("auto", "dense", "fft"), reference.spectral(wide)),
    ):
        rows += [Candidate(f"{label}, {e}", _hamiltonian(T, backend, order, e), exact) for e in executions]
    return rows


def _hamiltonian(T: torch.Tensor, backend: str, order: int, execution: str) -> Call:
    H = sh.Hamiltonian(
        sh.Torus(tuple(T.shape[:2])),
        inverse_metric=METRIC,
        hbar=HBAR,
        mass=MASS,
        backend=backend,
        stencil_order=order,
        execution=execution,
    )
    return lambda: H(T)


def _drop_ins(T: torch.Tensor) -> list[Candidate]:
    """What a caller of the replaced kernel gets by changing the import alone, and by turning the flag."""
    g, wide = torch.tensor(METRIC), T.to(torch.complex128)

    def drop_in(backend: str | None) -> Call:
        return lambda: sh.hamiltonian_evolution_with_metric(T, hbar_cog=HBAR, m_cog=MASS, g_inv_diag=g, backend=backend)

    return [
        Candidate("drop-in, default", drop_in(None), reference.fd(wide, 2)),
        Candidate("drop-in, spectral", drop_in("spectral"), reference.spectral(wide)),
    ]


def failed_gates(rows: Sequence[Row]) -> list[str]:
    """Return one sentence per gate that ``rows`` of `GATED_CASE` miss."""
    speed_ups = {row.name: row.speed_up for row in rows}
    return [
        f"{name}: {speed_ups[name]:.1f} times faster than the replaced kernel, at least {least:g} times is promised"
        for name, least in GATES.items()
        if speed_ups[name] < least
    ]
