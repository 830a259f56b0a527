"""Propagators: e^{−iHt/ħ} and e^{−Hτ/ħ}, one file per family.

This is the one place where the string ``method=`` is read. A further method is one file with a final subclass of
`Propagator`, and one line in `METHODS`.
"""

from functools import partial

from spectral_ham._internal.checks import check_option
from spectral_ham._internal.typing import MethodName
from spectral_ham.errors import SolverError
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.propagators.base import Counters, Propagator
from spectral_ham.propagators.chebyshev import Chebyshev
from spectral_ham.propagators.crank_nicolson import CrankNicolson
from spectral_ham.propagators.etdrk4 import ETDRK4
from spectral_ham.propagators.exact import Exact, exact_kind
from spectral_ham.propagators.lanczos import Lanczos
from spectral_ham.propagators.magnus import Magnus4
from spectral_ham.propagators.method import Facts, Method
from spectral_ham.propagators.runge_kutta import RungeKutta4
from spectral_ham.propagators.splitting.reversible import check_reversible, reversible_advance
from spectral_ham.propagators.splitting.schemes import SCHEMES, Scheme
from spectral_ham.propagators.splitting.splitting import Splitting

METHODS: dict[str, Method] = {
    "exact": Method("exact", Exact, Exact.facts),
    **{
        name: Method(name, partial(Splitting, scheme=scheme), scheme.facts, is_splitting=True)
        for name, scheme in SCHEMES.items()
    },
    "chebyshev": Method("chebyshev", Chebyshev, Chebyshev.facts),
    "lanczos": Method("lanczos", Lanczos, Lanczos.facts),
    "crank_nicolson": Method("crank_nicolson", CrankNicolson, CrankNicolson.facts),
    "rk4": Method("rk4", RungeKutta4, RungeKutta4.facts),
    "etdrk4": Method("etdrk4", ETDRK4, ETDRK4.facts),
    "magnus4": Method("magnus4", Magnus4, Magnus4.facts),
}
"""Flag → method: its facts, and (hamiltonian, dt, imaginary) ↦ propagator."""

TO_TOLERANCE = tuple(name for name, method in METHODS.items() if method.is_error_controlled)
"""Methods whose error over any dt is within a tolerance, so that they need no dt."""


def propagator(method: MethodName, H: Hamiltonian, dt: float, *, imaginary: bool = False) -> Propagator:
    """Return the propagator of one step of ``method``.

    Raises:
        ValueError: an unknown method (the message lists the known ones), or one that cannot serve H.

    Example:
        >>> import torch, spectral_ham as sh
        >>> from spectral_ham.propagators import propagator
        >>> propagator("yoshida4", sh.Hamiltonian(sh.Torus(8)), dt=0.1).order
        4
    """
    return METHODS[check_option("method=...", method, METHODS)](H, dt, imaginary)


__all__ = [
    "METHODS",
    "SCHEMES",
    "TO_TOLERANCE",
    "Chebyshev",
    "CrankNicolson",
    "ETDRK4",
    "Exact",
    "Lanczos",
    "Facts",
    "Magnus4",
    "Method",
    "Propagator",
    "RungeKutta4",
    "Scheme",
    "SolverError",
    "Splitting",
    "Counters",
    "exact_kind",
    "check_reversible",
    "propagator",
    "reversible_advance",
]
