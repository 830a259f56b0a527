"""What is measured: parts, each of some groups of interleaved candidates; and studies, which are no race."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.harness.candidate import Candidate, Group, group
from benchmarks.harness.problem import Problem
from benchmarks.suites import (
    drop_ins,
    evolution,
    evolve_overhead,
    gradients,
    long_runs,
    operators,
    overhead,
    review_claims,
    scaling,
    steps,
    windows,
)

SMALL, MIDDLE = (28, 28, 16, 16), (64, 64, 16, 16)
QUICK = "quick"
ONE = {N: (N, N, 1, 1) for N in (512, 1024, 2048, 4096)}

MAIN = partial(operators.candidates, operations=operators.MAIN)
ALONE = partial(MAIN, pinned=False, others=False)
SHORT = partial(steps.candidates, steps=32, fourth=0)
STEPS_ALONE = partial(steps.candidates, fourth=0, others=False)
MANY = partial(steps.strang, steps=steps.MANY_STEPS, operation=f"{steps.MANY_STEPS} Strang steps")


def _each(
    label: str,
    candidates: Callable[[Problem], Iterable[Candidate]],
    *shapes: tuple[int, ...],
    seconds: float = 4.0,
    waves: bool = False,
) -> list[Group]:
    """Return one group per shape."""
    return [group(label, [shape], candidates, seconds=seconds, waves=waves) for shape in shapes]


def _neighbors() -> list[Group]:
    """Return the groups in which a prime or odd grid and its even neighbor are visited in turn."""
    pairs = [[(N, N, 16, 16) for N in pair] for pair in ((27, 28), (31, 32), (97, 96))]
    one_step = partial(steps.strang, steps=16)
    return [
        made for pair in pairs for made in (group("H·T", pair, ALONE), group("Strang step", pair, one_step, waves=True))
    ]


PARTS: Mapping[str, Sequence[Group]] = {
    QUICK: [
        *_each("H·T", ALONE, SMALL, MIDDLE, ONE[512], seconds=2.5),
        *_each("drop-ins", drop_ins.candidates, SMALL, seconds=2.5),
        *_each("steps", STEPS_ALONE, SMALL, ONE[512], seconds=2.5, waves=True),
        group("overhead", overhead.SHAPES, overhead.candidates, seconds=2.5),
    ],
    "overhead": [group("overhead", overhead.SHAPES, overhead.candidates)],
    "evolve-overhead": _each("evolve", evolve_overhead.candidates, *evolve_overhead.SHAPES, seconds=6.0, waves=True),
    "operators": [
        *_each("H·T", operators.candidates, SMALL, MIDDLE, (128, 128, 8, 8), (256, 256, 4, 4), ONE[512], ONE[1024]),
        *(group("H·T", [SMALL], MAIN, dtype=dtype) for dtype in (torch.complex128, torch.float32)),
        *_each("H·T", ALONE, (128, 128, 16, 16), (256, 256, 8, 8), (720, 640, 1, 1), ONE[2048], ONE[4096]),
        *_each("H·T", MAIN, (28, 64, 16, 16)),
    ],
    "drop-ins": _each("drop-ins", drop_ins.candidates, SMALL, MIDDLE, seconds=5.0),
    "shapes": _neighbors(),
    "steps": [
        *_each("steps", steps.candidates, SMALL, ONE[512], waves=True),
        *_each("steps", SHORT, MIDDLE, (128, 128, 8, 8), (256, 256, 4, 4), waves=True),
        *_each("steps", partial(SHORT, steps=8), ONE[1024], seconds=3.0, waves=True),
    ],
    "gradients": [
        *_each("gradients of H·T", gradients.operators, SMALL, MIDDLE, ONE[512]),
        *_each("gradients of runs", gradients.runs, SMALL, (64, 64, 4, 4), waves=True),
    ],
    "windows": _each("windows", windows.candidates, SMALL, (8, 8, 16, 16), seconds=6.0),
    "memory": [
        *_each("H(T, out=...)", operators.memory, SMALL, ONE[512], seconds=1.0),
        *_each(f"{steps.MANY_STEPS} Strang steps", MANY, (28, 28, 4, 4), seconds=3.0, waves=True),
    ],
    "scaling": _each("scaling", scaling.candidates, *scaling.shapes(), seconds=1.5),
    "review": _each("review", review_claims.candidates, *review_claims.SHAPES, seconds=5.0),
}
"""Name → groups. All of them and the studies make the full run; each can be run alone."""

STUDIES: Mapping[str, Callable[[], list[dict[str, Any]]]] = {
    evolution.PART: evolution.measure,
    long_runs.PART: long_runs.measure,
}
"""Name → what measures its rows, on one thread of the CPU."""


def names(part: str) -> list[str]:
    """Return the names of the groups of a part."""
    return [part] if part in STUDIES else [made.name for made in PARTS[part]]
