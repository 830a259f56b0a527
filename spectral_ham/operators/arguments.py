"""The operator as an argument: H, or what was meant by something else."""

import torch

from spectral_ham._internal.checks import Words, invalid
from spectral_ham.geometry.torus import Torus
from spectral_ham.operators.hamiltonian import Hamiltonian
from spectral_ham.operators.laplacian import Laplacian


def check_hamiltonian(where: str, value: object) -> Hamiltonian:
    """Return a Hamiltonian; refuse anything else, saying what was probably meant."""
    if isinstance(value, Hamiltonian):
        return value
    raise _no_operator(where, "a Hamiltonian", value)


def check_operator(where: str, value: object) -> Hamiltonian | Laplacian:
    """Return a Hamiltonian or a Laplacian; refuse anything else, saying what was probably meant."""
    if isinstance(value, (Hamiltonian, Laplacian)):
        return value
    raise _no_operator(where, "a Hamiltonian or a Laplacian", value)


def _no_operator(where: str, needs: str, value: object) -> Exception:
    remedy = "Make one: Hamiltonian(torus, potential=V)."
    if isinstance(value, torch.Tensor):
        return invalid(where, needs, value, "Did you mean the other order: H first, then the field T?", TypeError)
    if isinstance(value, Torus):
        remedy = "Did you mean Hamiltonian(torus)?"
    elif isinstance(value, Laplacian):
        remedy = "Did you mean Hamiltonian(lap.torus, inverse_metric=lap.inverse_metric, backend=lap.backend)?"
    elif isinstance(value, type):
        value = Words(f"the class {value.__name__} itself")
    return invalid(where, needs, value, remedy, TypeError)
