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
    remedy = "Make one: Hamiltonian(torus, potential=V)."
    if isinstance(value, torch.Tensor):
        remedy = "Did you mean the other order? H comes first, then the field T."
    elif isinstance(value, Torus):
        remedy = "Did you mean Hamiltonian(torus)? Make one from the torus."
    elif isinstance(value, Laplacian):
        made = "Hamiltonian(lap.torus, inverse_metric=lap.inverse_metric, backend=lap.backend)"
        remedy = f"Did you mean an H of the same metric? Make one: {made}."
    elif isinstance(value, type):
        value = Words(f"the class {value.__name__} itself")
    raise invalid(where, "a Hamiltonian", value, remedy, TypeError)
