"""A potential that mixes channels: a D×D matrix at every grid point."""

from dataclasses import dataclass
from typing import ClassVar, final

import torch
from torch.nn.functional import pad

from spectral_ham._internal.checks import check_same_device, invalid
from spectral_ham._internal.exponential import exponential
from spectral_ham._internal.mode import carries_derivative
from spectral_ham.geometry.torus import Torus
from spectral_ham.potentials.base import StaticPotential, checked_values, in_double

HERMITIAN_TOLERANCE = 1e-12


@final
@dataclass(frozen=True, init=False, eq=False)
class MatrixPotential(StaticPotential):
    """(V·T)_{x a b…} = Σ_c V_{x a c} T_{x c b…}: V multiplies the first channel axis from the left.

    Args:
        values: one matrix for all grid points, or one for each; real or complex.

    Shape:
        (D, D), or (N_x, N_y, …, D, D); fields have the channels (D, …).

    Raises:
        ValueError: NaN or Inf, not square, or not fitting the grid or the field's first channel axis.
        TypeError: no tensor, or half precision or integers.

    Example:
        >>> import torch, spectral_ham as sh
        >>> sigma_x = torch.tensor([[0.0, 1.0], [1.0, 0.0]], dtype=torch.float64)
        >>> H = sh.Hamiltonian(sh.Torus(3), potential=sh.MatrixPotential(sigma_x), backend="fd")
        >>> T = torch.tensor([[1.0, 2.0]] * 3, dtype=torch.float64)  # 3 points, 2 channels, constant
        >>> H(T)[0]
        tensor([2., 1.], dtype=torch.float64)
    """

    values: torch.Tensor
    mixes_channels: ClassVar[bool] = True

    def __init__(self, values: torch.Tensor) -> None:
        where = "MatrixPotential(values=...)"
        checked = checked_values(where, values)
        if checked.ndim < 2 or checked.shape[-1] != checked.shape[-2] or checked.numel() == 0:
            raise invalid(where, "square in its last two axes, (D, D) or grid + (D, D)", checked)
        self._set(values=checked)

    def on(self, torus: Torus) -> StaticPotential:
        """Return V with grid axes in front, of length 1 where one matrix serves all points."""
        V = self.values
        if V.shape[:-2] in (torus.shape, (1,) * torus.ndim):  # the second: bound before
            return self
        if V.ndim > 2:
            raise invalid("MatrixPotential(values=...)", f"of shape (D, D) or {torus.shape} + (D, D)", V)
        return MatrixPotential(V.reshape((1,) * torus.ndim + V.shape))

    @property
    def is_hermitian(self) -> bool:
        """Whether V† = V to 1e-12 of its largest entry."""
        V = self.values.detach()
        return self._answer(
            "Hermitian", lambda: float((V - V.mH).abs().max()) <= HERMITIAN_TOLERANCE * float(V.abs().max())
        )

    def _find_uniform(self) -> bool:
        points = self.values.detach().reshape(-1, *self.values.shape[-2:])
        return bool((points == points[:1]).all())

    def diagonal(self, T: torch.Tensor) -> None:  # noqa: ARG002
        """Return None: V is no pointwise product."""
        return

    def apply(self, T: torch.Tensor) -> torch.Tensor:
        """Return V·T."""
        check_same_device("potential=...", self.values, T)
        ndim, D = self.values.ndim - 2, self.values.shape[-1]
        if T.ndim == ndim or T.shape[ndim] != D:
            raise invalid("H(T)", f"a field whose first channel axis has the matrix potential's length {D}", T)
        # Autocast would run the product in half precision, which H never does.
        with torch.autocast(T.device.type, enabled=False):
            return (self.values.to(T.dtype) @ T.reshape(*T.shape[:ndim], D, -1)).reshape(T.shape)

    def exponential(self, z: complex | torch.Tensor) -> StaticPotential:
        """Return the matrix exponential e^{zV} at every grid point."""
        V = in_double(self.values)
        if carries_derivative(V) or isinstance(z, torch.Tensor) or not self.is_hermitian:
            return MatrixPotential.unchecked(matrix_exponential(z * V))
        # Unitary to rounding; but autograd must not enter eigh, whose eigenvectors may be degenerate.
        energies, states = torch.linalg.eigh(V)
        scaled = states * exponential(z, energies).unsqueeze(-2)
        return MatrixPotential.unchecked(scaled @ states.mH.to(scaled.dtype))

    def squared(self) -> StaticPotential:
        """Return the product V·V at every grid point."""
        return MatrixPotential.unchecked(self.values @ self.values)

    def mean(self) -> complex:
        """Return the mean of the diagonal entries."""
        return complex(self.values.detach().diagonal(dim1=-2, dim2=-1).mean())

    def bounds(self) -> tuple[float, float]:
        """Return the smallest and the largest eigenvalue over all grid points."""

        def extremes() -> tuple[float, float]:
            eigenvalues = torch.linalg.eigvalsh(self.values.detach())
            return float(eigenvalues.min()), float(eigenvalues.max())

        return self._answer("bounds", extremes)


def matrix_exponential(A: torch.Tensor) -> torch.Tensor:
    """Return e^A for (…, D, D), to rounding and differentiable.

    torch.linalg.matrix_exp alone loses up to six digits where the norm of A is about 0.01; a 1 beside A on the diagonal
    keeps it off that path.
    """
    D = A.shape[-1]
    corner = torch.zeros(D + 1, D + 1, dtype=A.dtype, device=A.device)
    corner[D, D] = 1
    exponential: torch.Tensor = torch.linalg.matrix_exp(pad(A, (0, 1, 0, 1)) + corner)
    return exponential[..., :D, :D]
