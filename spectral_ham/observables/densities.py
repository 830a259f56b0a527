"""The density at every grid point and the current that carries it: ∂n/∂t = −Σ_i ∂_i J^i."""

import torch

from spectral_ham._internal.checks import check_field
from spectral_ham.execution.fft import inverse_transform, transform
from spectral_ham.geometry.torus import Torus, as_torus
from spectral_ham.observables._sums import squared_per_point
from spectral_ham.observables.momenta import modified_wavenumbers
from spectral_ham.operators.arguments import check_hamiltonian
from spectral_ham.operators.hamiltonian import Hamiltonian


def density(torus: Torus, T: torch.Tensor) -> torch.Tensor:
    """Return n = Σ_channels |T|² at every grid point: real, torus.shape. Σ n·ΔV = ‖T‖².

    Units:
        [T]².

    Example:
        >>> import torch, spectral_ham as sh
        >>> sh.observables.density(sh.Torus(2), torch.tensor([[1.0, 2.0j], [0.0, 3.0]], dtype=torch.complex128))
        tensor([5., 9.], dtype=torch.float64)
    """
    check_field("density(T)", T, as_torus("density(torus)", torus).shape)
    return squared_per_point(torus, T)


def current(H: Hamiltonian, T: torch.Tensor) -> torch.Tensor:
    """Return the probability current J^i = (ħ/m) Σ_j g^ij Im Σ_channels T* ∂_j T: real, (d,) + torus.shape.

    ∂_j is the backend's own first derivative, so that Σ J^i·ΔV = (‖T‖²/m) Σ_j g^ij ⟨p_j⟩ holds exactly. For a Hermitian
    V, ∂n/∂t = −Σ_i ∂_i J^i holds to rounding in the spectral backend where T has no modes beyond half of Nyquist (else
    T* ∂_j T aliases), and to the stencil's order in the finite-difference one.

    Units:
        [T]²·length/time (with ħ/m in length²/time).

    Example:
        >>> import math, torch, spectral_ham as sh
        >>> torus = sh.Torus((4, 3), lengths=2 * math.pi)
        >>> H = sh.Hamiltonian(torus, inverse_metric=(2.0, 0.5), hbar=0.5)
        >>> J = sh.observables.current(H, sh.exact.plane_wave(torus, (1, 0)))  # (ħ/m) g^xx k_x = 0.5 · 2 · 1
        >>> torch.allclose(J[0], torch.ones(4, 3, dtype=torch.float64)), bool((J[1].abs() < 1e-15).all())
        (True, True)
    """
    torus = check_hamiltonian("current(H)", H).torus
    check_field("current(T)", T, torus.shape)
    X = T.reshape(*torus.shape, -1).to(T.dtype.to_complex())
    axes = range(torus.ndim)
    X_hat = transform(X, axes)
    symbols = [1j * D.to(T.dtype.to_real()).unsqueeze(-1) for D in modified_wavenumbers(H, T)]
    flux = [torch.linalg.vecdot(X, inverse_transform(symbol * X_hat, axes)).imag for symbol in symbols]
    J = [torch.zeros_like(flow) for flow in flux]
    for (i, j), c in zip(H.kinetic.terms, H.kinetic.coefficients, strict=True):
        # c_ij = −(ħ²/2m) g^ij, twice that off the diagonal, where it stands for ij and ji.
        J[i] = J[i] - c / H.hbar * flux[j]
        J[j] = J[j] - c / H.hbar * flux[i]
    return torch.stack(J)
