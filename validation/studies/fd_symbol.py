"""The finite differences equal their own symbol on every mode: the stencils are implemented as tabulated."""

from collections.abc import Iterator
from functools import partial

from validation.cases import ORDERS
from validation.claim import Claim
from validation.study import Mode, Result, Study
from validation.sweep import sweep_claims

SOURCE = "c_0 + 2 Σ_j c_j cos jθ and 2 Σ_j d_j sin jθ with Fornberg's weights, doi:10.1090/S0025-5718-1988-0935077-0"

QUICK = ((22, 15), (13, 11), (48,))
FULL_GRIDS = (*QUICK, (97,), (31, 29), (48, 27), (10, 9, 11))


def run(mode: Mode) -> Iterator[Result]:
    """Yield the worst backward error of each order over all modes, Nyquist included, with and without cross terms."""
    claim = partial(Claim, "fd_symbol", source=SOURCE)
    for order in ORDERS:
        smallest = ((order + 1,), (order + 1, order + 2))
        small_3d = ((4, 3, 5),) if order == 2 else ()
        shapes = (*smallest, *small_3d, *(FULL_GRIDS if mode.full else QUICK))
        label = f"order {order}, {len(shapes)} grids"
        yield from sweep_claims(claim, label, shapes, mode, "fd", stencil_order=order)


STUDY = Study("fd_symbol", "Finite differences against their own symbol, every mode, to rounding", run)
