"""The command ``spectral-ham converge``: the operator H against an exact answer, grid by grid."""

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from spectral_ham._internal.checks import as_count, check_option, invalid
from spectral_ham.geometry.inverse_metric import InverseMetric
from spectral_ham.geometry.torus import Torus
from spectral_ham.operators.hamiltonian import Hamiltonian

if TYPE_CHECKING:
    from spectral_ham.convergence import ConvergenceStudy

DTYPES = ("complex64", "complex128")
FIELDS = ("plane-wave", "bump")
DIMENSIONS = {1: 1, 2: 2, 3: 3, 4: 2, 9: 3}  # of the torus, by how many numbers --metric has
KAPPA = 2.0

EPILOG = """\
fd passes when the fitted order is the stencil's within 0.05 and, for a plane wave, the constant of its error is the
one of theory within 2 percent. spectral passes when the error falls within the budget of round-off, and stays there.
Exit status: 0 the theory is met, 1 it is not, 2 bad usage.

example: spectral-ham converge --backend fd --stencil-order 4 --metric 2.0 0.5 --grids 16 32 64 128
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the parser of the command its description and its flags."""
    parser.description = "Apply the discrete H (ħ = m = 1) to a known field, compare with the exact answer, judge."
    parser.epilog = EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    add = parser.add_argument
    add("--backend", default="spectral", help="spectral or fd (default: %(default)s)")
    add("--stencil-order", type=int, default=2, metavar="P", help="order of fd: 2, 4, 6 or 8 (default: %(default)s)")
    add("--metric", type=float, nargs="+", metavar="G", help="g^ij: d numbers (diagonal) or d*d (default: flat)")
    add("--lengths", type=float, nargs="+", metavar="L", help="periods, one or one per axis (default: 2π)")
    add("--grids", type=int, nargs="+", default=[16, 32, 64, 128], metavar="N", help="points per axis, coarsest first")
    add("--modes", type=int, nargs="+", metavar="M", help="mode numbers of the field, one per axis (default: 1 2 3)")
    add("--field", help="plane-wave (default for fd) or bump: all modes at once (default for spectral)")
    add("--dtype", default="complex128", help="complex64 or complex128 (default: %(default)s)")
    add("--execution", default="auto", help="auto, fft, dense or stencil (default: %(default)s)")
    add("--out", type=Path, metavar="DIR", help="write study.json and convergence.png there")
    add("--json", action="store_true", help="print JSON instead of the report")


def converge(arguments: argparse.Namespace) -> int:
    """Run the study, print it, and return 0 where the theory is met, 1 where it is not."""
    study = _Case(arguments).study()
    if arguments.out is not None:
        from spectral_ham.plotting import new_figure, plot_convergence

        figure = new_figure()
        plot_convergence(study, ax=figure.add_subplot())
        arguments.out.mkdir(parents=True, exist_ok=True)
        study.save(arguments.out / "study.json")
        figure.savefig(arguments.out / "convergence.png")
    print(study.to_json() if arguments.json else study)
    return 0 if study.passed else 1


class _Case:
    """One operator, one field: the error of H[T], its round-off budget and what theory says of both, grid by grid."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        check_option("--dtype", arguments.dtype, DTYPES)
        self.dtype: torch.dtype = getattr(torch, arguments.dtype)
        self.grids = [as_count("--grids", N) for N in arguments.grids]
        self.metric = InverseMetric(_metric(arguments))
        d = self.metric.ndim
        lengths = arguments.lengths or [2 * math.pi]
        self.lengths = lengths * d if len(lengths) == 1 else lengths
        self.modes = arguments.modes or [1, 2, 3][:d]
        self.options: dict[str, Any] = {
            "backend": arguments.backend,
            "stencil_order": arguments.stencil_order,
            "execution": arguments.execution,
        }
        self.order = None if arguments.backend == "spectral" else arguments.stencil_order
        self.field = arguments.field or ("bump" if self.order is None else "plane-wave")
        check_option("--field", self.field, FIELDS)
        if len(self.modes) != d or not any(self.modes):
            raise invalid("--modes", f"one number for each of the {d} axes, not all zero", self.modes)
        self.hamiltonian(self.grids[0])  # checks every other flag
        scheme = "spectral" if self.order is None else f"{arguments.backend} of order {self.order}"
        self.name = f"H, {scheme}, {self.field} of modes {', '.join(map(str, self.modes))}, {arguments.dtype}"

    def study(self) -> "ConvergenceStudy":
        """Study the error over the grids."""
        from spectral_ham.convergence import study_errors

        return study_errors(
            self.error,
            self.grids,
            h=lambda N: self.lengths[0] / N,
            floor=self.budget,
            expected_order="spectral" if self.order is None else self.order,
            expected_constant=self.constant(),
            name=self.name,
            h_label="Δx",
            error_label="relative error of H",
        )

    def hamiltonian(self, N: int) -> Hamiltonian:
        """Return H on N points per axis."""
        torus = Torus((N,) * self.metric.ndim, lengths=self.lengths)
        return Hamiltonian(torus, inverse_metric=self.metric, **self.options)

    def exact(self, torus: Torus) -> tuple[torch.Tensor, torch.Tensor]:
        """Return T and H[T] = −½∇²_g T on the grid."""
        from spectral_ham.exact import ManufacturedField, plane_wave, plane_wave_energy

        if self.field == "plane-wave":
            T = plane_wave(torus, self.modes)
            return T, plane_wave_energy(torus, self.modes, self.metric) * T
        bump = ManufacturedField(torus, kappa=KAPPA, modes=self.modes)
        return bump.values(), -0.5 * bump.laplacian(self.metric)

    def error(self, N: int) -> float:
        """Return ‖H[T] − exact‖₂/‖exact‖₂."""
        H = self.hamiltonian(N)
        T, HT = self.exact(H.torus)
        return float((H(T.to(self.dtype)) - HT).norm() / HT.norm())

    def budget(self, N: int) -> float:
        """Return C·eps·E_max·‖T‖₂/‖H[T]‖₂ with C = 2 + 2√log₂(points): two roundings and two transforms.

        Reference:
            √log is the rms growth of rounding in an FFT: Schatzman (1996), SIAM J. Sci. Comput. 17, 1150,
            doi:10.1137/S1064827593247023.
        """
        H = self.hamiltonian(N)
        T, HT = self.exact(H.torus)
        C = 2 + 2 * math.sqrt(math.log2(H.torus.size))
        return float(C * torch.finfo(self.dtype).eps * H.spectral_bounds()[1] * T.norm() / HT.norm())

    def constant(self) -> float | None:
        """Return C of error ≈ C·Δx^p for a plane wave, with t_i = (k_i Δ_i/Δx)^p and R = p/2.

        C = |Σ_i g^ii k_i² C₂ t_i + Σ_{i≠j} g^ij k_i k_j C₁ (t_i + t_j)| / Σ_ij g^ij k_i k_j, where to leading order the
        symbols of ∂² and ∂ are −k²(1 − C₂ (kΔ)^p) and ik(1 − C₁ (kΔ)^p), C₁ = (R!)²/(2R + 1)!.
        """
        from spectral_ham.exact import leading_error_constant

        if self.order is None or self.field != "plane-wave":
            return None
        p, R = self.order, self.order // 2
        C2, C1 = float(leading_error_constant(p)), math.factorial(R) ** 2 / math.factorial(2 * R + 1)
        k = [2 * math.pi * n / L for n, L in zip(self.modes, self.lengths, strict=True)]
        t = [(2 * math.pi * n / self.lengths[0]) ** p for n in self.modes]
        g = self.metric.tensor
        rows = (g.diag() if g.ndim == 1 else g).tolist()
        axes = range(len(k))
        terms = [(rows[i][j] * k[i] * k[j], C2 * t[i] if i == j else C1 * (t[i] + t[j])) for i in axes for j in axes]
        return abs(math.fsum(g_kk * c for g_kk, c in terms)) / math.fsum(g_kk for g_kk, _ in terms)


def _metric(arguments: argparse.Namespace) -> list[float] | list[list[float]]:
    """Return the numbers of --metric as a diagonal or as rows; without it, the flat metric that the other flags fit."""
    numbers: list[float] | None = arguments.metric
    if numbers is None:
        return [1.0] * (len(arguments.modes or []) or max(2, len(arguments.lengths or [])))
    if len(numbers) not in DIMENSIONS:
        raise invalid("--metric", "1, 2 or 3 numbers (the diagonal), or 4 or 9 (all rows)", numbers)
    d = DIMENSIONS[len(numbers)]
    return numbers if len(numbers) == d else [numbers[i : i + d] for i in range(0, d * d, d)]
