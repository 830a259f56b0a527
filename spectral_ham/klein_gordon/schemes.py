"""Schemes for the pair (T, P), and how long a step of each may be."""

import math

from spectral_ham.propagators.splitting.schemes import SCHEMES, Scheme


def _blanes_moan_rkn4() -> Scheme:
    b0, b1, b2 = 0.0829844064174052, 0.396309801498368, -0.0390563049223486
    a1, a2 = 0.245298957184271, 0.604872665711080
    b3, a3 = 1 - 2 * (b0 + b1 + b2), 0.5 - (a1 + a2)
    source = "Blanes & Moan (2002) J. Comput. Appl. Math. 142, 313, Table 3 (SRKN6b), doi:10.1016/S0377-0427(01)00492-7"
    return Scheme(4, (a1, a2, a3, a3, a2, a1), (b0, b1, b2, b3, b2, b1, b0), source)


WAVE_SCHEMES: dict[str, Scheme] = {
    "verlet": SCHEMES["strang"],
    "yoshida4": SCHEMES["yoshida4"],
    "rkn4": _blanes_moan_rkn4(),
}
"""Name → shares of dt: ``kinetic`` of the drifts of T, ``potential`` of the kicks of P."""

STABILITY_LIMITS = {"verlet": 2.0, "yoshida4": 1.573401947, "rkn4": 3.163465065, "exact": math.inf}
"""The largest dt·ω up to which no mode grows: there half the trace of an oscillator's step first leaves [−1, 1]."""
