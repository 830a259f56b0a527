"""Long Strang runs: what a million steps do to the norm, and whether a hundred thousand can be undone.

`python -m benchmarks.long_runs --out benchmarks/results/long-runs.json` takes some minutes on one core.
"""

import argparse
import json
import math
from pathlib import Path

import torch

import spectral_ham as sh
from spectral_ham.propagators import SCHEMES, Splitting

SHAPE = (16, 16)
DT = 0.05
BLOCK = 5000


def propagators(dt: float) -> Splitting:
    """Return Strang steps in a lattice that does not separate, on a 16² grid."""
    torus = sh.Torus(SHAPE, lengths=(5.0, 4.0))
    x, y = torus.coordinates()
    V = 1.5 * torch.cos(2 * math.pi * x / 5) * torch.cos(2 * math.pi * y / 4)
    H = sh.Hamiltonian(torus, inverse_metric=(1.2, 0.7), potential=V, hbar=0.8, mass=1.3)
    return Splitting(H, dt, scheme=SCHEMES["strang"])


def start(dtype: torch.dtype) -> torch.Tensor:
    """Return a fixed random field of unit norm."""
    T = torch.randn(*SHAPE, dtype=torch.complex128, generator=torch.Generator().manual_seed(0))
    return (T / torch.linalg.vector_norm(T)).to(dtype)


def advance(step: Splitting, T: torch.Tensor, steps: int) -> torch.Tensor:
    """Return T after many steps, half steps merged within blocks."""
    for _ in range(steps // BLOCK):
        T = step.advance(T, BLOCK)
    return T


def norm_drift(dtype: torch.dtype, steps: int) -> float:
    """Return ‖T(end)‖/‖T₀‖ − 1."""
    T0 = start(dtype)
    T = advance(propagators(DT), T0, steps)
    before, after = (float(torch.linalg.vector_norm(x.to(torch.complex128))) for x in (T0, T))
    return after / before - 1


def return_error(steps: int) -> float:
    """Return ‖back(forth(T₀)) − T₀‖ in complex128."""
    T0 = start(torch.complex128)
    T = advance(propagators(-DT), advance(propagators(DT), T0, steps), steps)
    return float(torch.linalg.vector_norm(T - T0))


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full number of steps")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    million, hundred_thousand = (int(n * arguments.scale) // BLOCK * BLOCK for n in (10**6, 10**5))
    results = {"torch": torch.__version__, "grid": SHAPE, "dt": DT}
    with torch.inference_mode():
        for dtype in (torch.complex128, torch.complex64):
            results[f"norm drift, {dtype}"] = {"steps": million, "value": norm_drift(dtype, million)}
            print(results)
        results["forward and back, complex128"] = {"steps": hundred_thousand, "value": return_error(hundred_thousand)}
    text = json.dumps(results, indent=2)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
