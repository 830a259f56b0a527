"""Observables: what a field shows. Pure, differentiable functions that return tensors and never wait for a device.

The first argument is the torus, or H where the operator takes part; the second is the field T, grid axes first.
Nothing renormalizes T: ‖T‖² is what it is, and means are divided by it openly. The energy is `Hamiltonian.energy`.
"""

import math

import torch

from spectral_ham._internal.checks import as_number, check_field, check_tensor, invalid
from spectral_ham.execution.fft import inverse_transform, transform
from spectral_ham.geometry.torus import Torus
from spectral_ham.operators.hamiltonian import Hamiltonian


def norm(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return ‖T‖ = √(Σ |T|²·ΔV) over all grid points and channels: 0-d, real.

    Units:
        [T]·length^{d/2}.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.observables.fields import norm
        >>> norm(sh.Torus(4, lengths=8.0), torch.full((4, 2), 3.0, dtype=torch.float64))  # √(8 values · 9 · 2)
        tensor(12., dtype=torch.float64)
    """
    check_field("norm(T)", T, torus.shape)
    per_point = torch.linalg.vector_norm(T.reshape(torus.size, -1), dim=-1)
    whole: torch.Tensor = torch.linalg.vector_norm(per_point, dtype=torch.float64)
    return (whole * math.sqrt(torus.cell_volume)).to(per_point.dtype)


def density(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return n = Σ_channels |T|² at every grid point: real, torus.shape. Σ n·ΔV = ‖T‖².

    Units:
        [T]².

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.observables.fields import density
        >>> density(sh.Torus(2), torch.tensor([[1.0, 2.0j], [0.0, 3.0]], dtype=torch.complex128))
        tensor([5., 9.], dtype=torch.float64)
    """
    check_field("density(T)", T, torus.shape)
    return _squared(torus, T)


def current(H: Hamiltonian, T: torch.Tensor) -> torch.Tensor:
    """Return the probability current J^i = (ħ/m) Σ_j g^ij Im Σ_channels T* ∂_j T: real, (d,) + torus.shape.

    ∂_j is the backend's own first derivative, so that Σ J^i·ΔV = (‖T‖²/m) Σ_j g^ij ⟨p_j⟩ holds exactly. For a Hermitian
    V, ∂n/∂t = −Σ_i ∂_i J^i holds to rounding in the spectral backend where T has no modes beyond half of Nyquist (else
    T* ∂_j T aliases), and to the stencil's order in the finite-difference one.

    Units:
        [T]²·length/time (with ħ/m in length²/time).

    Example:
        >>> import math, torch, spectral_ham as sh
        >>> from spectral_ham.observables.fields import current
        >>> torus = sh.Torus((4, 3), lengths=2 * math.pi)
        >>> H = sh.Hamiltonian(torus, inverse_metric=(2.0, 0.5), hbar=0.5)
        >>> J = current(H, sh.exact.plane_wave(torus, (1, 0)))  # (ħ/m) g^xx k_x = 0.5 · 2 · 1
        >>> torch.allclose(J[0], torch.ones(4, 3, dtype=torch.float64)), bool((J[1].abs() < 1e-15).all())
        (True, True)
    """
    torus = H.torus
    check_field("current(T)", T, torus.shape)
    X = T.reshape(*torus.shape, -1).to(T.dtype.to_complex())
    axes = range(torus.ndim)
    X_hat = transform(X, axes)
    symbols = [1j * D.to(T.dtype.to_real()).unsqueeze(-1) for D in _modified_wavenumbers(H, T)]
    flux = [torch.linalg.vecdot(X, inverse_transform(symbol * X_hat, axes)).imag for symbol in symbols]
    J = [torch.zeros_like(flow) for flow in flux]
    for (i, j), c in zip(H.kinetic.terms, H.kinetic.coefficients, strict=True):
        # c_ij = −(ħ²/2m) g^ij, twice that off the diagonal, where it stands for ij and ji.
        J[i] = J[i] - c / H.hbar * flux[j]
        J[j] = J[j] - c / H.hbar * flux[i]
    return torch.stack(J)


def momentum(H: Hamiltonian, T: torch.Tensor) -> torch.Tensor:
    """Return ⟨p_j⟩ = ħ Σ_k D_j |T̂_k|² / Σ_k |T̂_k|² for every axis j: real, (d,).

    i·D_j is the backend's symbol of ∂_j: D_j = k_j for "spectral", a modified wavenumber for "fd", and 0 at the
    Nyquist mode of an even N. Undefined (NaN) for T = 0.

    Units:
        ħ/length.

    Example:
        >>> import math, spectral_ham as sh
        >>> from spectral_ham.observables.fields import momentum
        >>> torus = sh.Torus((8, 5), lengths=2 * math.pi)
        >>> momentum(sh.Hamiltonian(torus, hbar=0.5), sh.exact.plane_wave(torus, (3, -1)))
        tensor([ 1.5000, -0.5000], dtype=torch.float64)
    """
    check_field("momentum(T)", T, H.torus.shape)
    return torch.stack([mean for mean, _ in _momentum_moments(H, T)]).to(T.dtype.to_real())


def momentum_spread(H: Hamiltonian, T: torch.Tensor) -> torch.Tensor:
    """Return Δp_j = √⟨(p_j − ⟨p_j⟩)²⟩ for every axis j, p_j as in `momentum`: real, (d,).

    Units:
        ħ/length.

    Example:
        >>> import math, torch, spectral_ham as sh
        >>> from spectral_ham.observables.fields import momentum_spread
        >>> x, = (torus := sh.Torus(8, lengths=2 * math.pi)).coordinates()
        >>> momentum_spread(sh.Hamiltonian(torus), torch.cos(2 * x))  # k = 2 and −2, half and half
        tensor([2.], dtype=torch.float64)
    """
    check_field("momentum_spread(T)", T, H.torus.shape)
    return torch.stack([variance.sqrt() for _, variance in _momentum_moments(H, T)]).to(T.dtype.to_real())


def position(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return the circular mean x̄ = origin + (L/2π)·arg Σ n e^{2πi(x − origin)/L} for every axis: real, (d,).

    n = Σ_channels |T|²; the result lies within [origin, origin + L]. It follows a packet across the seam, where a plain
    mean jumps; for a uniform n it is arbitrary.

    Units:
        length.

    Reference:
        Mardia & Jupp, Directional Statistics (2000), section 2.2, doi:10.1002/9780470316979.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.observables.fields import position
        >>> torus = sh.Torus(8, origin=-4.0)  # x = −4, …, 3
        >>> position(torus, torch.tensor([1.0, 0, 0, 0, 0, 0, 1.0, 0], dtype=torch.float64))  # at −4 and 2
        tensor([3.], dtype=torch.float64)
    """
    check_field("position(T)", T, torus.shape)
    turns = [torch.remainder(m.angle() / (2 * math.pi), 1.0) for m in _circular_moments(torus, T)]
    mean = [start + L * turn for start, L, turn in zip(torus.origin, torus.lengths, turns, strict=True)]
    return torch.stack(mean).to(T.dtype.to_real())


def position_spread(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return the circular spread Δx = (L/2π)·√(−2 ln R), R = |Σ n e^{2πix/L}| / Σ n, for every axis: real, (d,).

    The standard deviation of a periodized Gaussian density; infinite for a uniform one.

    Units:
        length.

    Reference:
        Mardia & Jupp, Directional Statistics (2000), section 2.3, doi:10.1002/9780470316979.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.observables.fields import position_spread
        >>> x, = (torus := sh.Torus(64, lengths=20.0, origin=-10.0)).coordinates()
        >>> position_spread(torus, torch.exp(-x**2 / 4))  # |T|² is a Gaussian of standard deviation 1
        tensor([1.0000], dtype=torch.float64)
    """
    check_field("position_spread(T)", T, torus.shape)
    R = [m.abs().clamp(max=1.0) for m in _circular_moments(torus, T)]  # only rounding can pass 1
    spread = [L / (2 * math.pi) * (-2 * r.log()).sqrt() for L, r in zip(torus.lengths, R, strict=True)]
    return torch.stack(spread).to(T.dtype.to_real())


def fidelity(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return |⟨a, b⟩|² / (⟨a, a⟩⟨b, b⟩) in [0, 1], blind to norms and global phases: 0-d, real.

    Args:
        a: a field.
        b: a field of the same shape.

    Raises:
        ValueError: different shapes.

    Example:
        >>> import torch
        >>> from spectral_ham.observables.fields import fidelity
        >>> T = torch.tensor([1.0, 1.0], dtype=torch.complex128)
        >>> fidelity(T, 2j * T), fidelity(T, torch.tensor([1.0, 0.0], dtype=torch.float64))
        (tensor(1., dtype=torch.float64), tensor(0.5000, dtype=torch.float64))
    """
    check_tensor("fidelity(a)", a)
    check_field("fidelity(b)", b, tuple(a.shape))
    dtype = torch.result_type(a, b)
    a, b = (field.to(dtype).reshape(*field.shape[:1], -1) for field in (a, b))  # rows first: they sum in double
    overlap, aa, bb = (torch.linalg.vecdot(*pair).to(torch.complex128).sum() for pair in ((a, b), (a, a), (b, b)))
    result: torch.Tensor = (overlap * overlap.conj()).real / (aa.real * bb.real)
    return result.to(dtype.to_real())


def spectrum(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return S_k = (ΔV/N) Σ_channels |T̂_k|² for every mode, N grid points: real, torus.shape, in FFT order.

    Σ_k S_k = ‖T‖² (Parseval).

    Units:
        [T]²·length^d.

    Example:
        >>> import spectral_ham as sh
        >>> from spectral_ham.observables.fields import spectrum
        >>> S = spectrum(torus := sh.Torus(4, lengths=2.0), sh.exact.plane_wave(torus, 1))  # ‖T‖² = 2, in one mode
        >>> [round(share, 9) for share in S.tolist()]
        [0.0, 2.0, 0.0, 0.0]
    """
    check_field("spectrum(T)", T, torus.shape)
    return _squared(torus, transform(T, range(torus.ndim))) * (torus.cell_volume / torus.size)


def spectrum_tail(torus: Torus, T: torch.Tensor, fraction: float = 1 / 3) -> torch.Tensor:
    """Return the share of Σ|T̂_k|² with |k_i| > (1 − fraction)·π/Δ_i on any axis i: 0-d, real, in [0, 1].

    A field that the grid resolves has next to nothing there; 1/3 is what the product of two fields can alias into.

    Args:
        torus: the grid.
        T: a field.
        fraction: how much of each axis's wavenumbers is tail, in (0, 1].

    Raises:
        ValueError: a fraction outside (0, 1].

    Example:
        >>> import math, torch, spectral_ham as sh
        >>> from spectral_ham.observables.fields import spectrum_tail
        >>> x, = (torus := sh.Torus(12, lengths=2 * math.pi)).coordinates()
        >>> spectrum_tail(torus, torch.exp(1j * x) + 0.5 * torch.exp(5j * x))  # |n| > 4 holds 0.25 of 1.25
        tensor(0.2000, dtype=torch.float64)
    """
    where = "spectrum_tail(fraction=...)"
    if as_number(where, fraction, positive=True) > 1:
        raise invalid(where, "at most 1", fraction)
    check_field("spectrum_tail(T)", T, torus.shape)
    S = kept = spectrum(torus, T)
    for axis, n in enumerate(torus.shape):
        j = torch.arange(n, dtype=torch.int64, device=S.device)
        number = torch.minimum(j, n - j)  # |mode number|
        kept = kept * _along(axis, number <= (1 - fraction) * n / 2, torus.ndim)
    return ((S - kept).sum(dtype=torch.float64) / S.sum(dtype=torch.float64)).to(S.dtype)


def _squared(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return Σ_channels |T|², torus.shape."""
    X = T.reshape(torus.size, -1)
    squared: torch.Tensor = torch.linalg.vecdot(X, X)
    return (squared.real if squared.is_complex() else squared).reshape(torus.shape)


def _along(axis: int, values: torch.Tensor, ndim: int) -> torch.Tensor:
    return values.reshape([-1 if i == axis else 1 for i in range(ndim)])


def _modified_wavenumbers(H: Hamiltonian, T: torch.Tensor) -> list[torch.Tensor]:
    """Return D of the backend's ∂ ↔ i·D for every axis, as open grids on T's device."""
    axes = range(H.torus.ndim)
    return [_along(a, H.kinetic.axis_symbol(a, 1, torch.float64, T.device), H.torus.ndim) for a in axes]


def _marginals(torus: Torus, values: torch.Tensor) -> list[torch.Tensor]:
    """Return per axis the shares Σ_others values / Σ values, (N,), float64."""
    total = values.sum(dtype=torch.float64)
    others = [tuple(i for i in range(torus.ndim) if i != axis) for axis in range(torus.ndim)]
    doubled = values.to(torch.float64)
    return [(doubled.sum(dim) if dim else doubled) / total for dim in others]


def _momentum_moments(H: Hamiltonian, T: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Return mean and variance of ħD per axis, float64."""
    S = _squared(H.torus, transform(T, range(H.torus.ndim)))
    moments = []
    for D, share in zip(_modified_wavenumbers(H, T), _marginals(H.torus, S), strict=True):
        p = H.hbar * D.flatten()
        mean = (share * p).sum()
        moments.append((mean, (share * (p - mean) ** 2).sum()))
    return moments


def _circular_moments(torus: Torus, T: torch.Tensor) -> list[torch.Tensor]:
    """Return Σ n e^{2πi(x − origin)/L} / Σ n per axis, complex128."""
    moments = []
    for n, share in zip(torus.shape, _marginals(torus, _squared(torus, T)), strict=True):
        angle = torch.arange(n, dtype=torch.float64, device=T.device) * (2 * math.pi / n)
        moments.append((share * torch.polar(torch.ones_like(angle), angle)).sum())
    return moments
