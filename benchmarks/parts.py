"""What is measured: parts, each of some groups, each of some interleaved candidates."""

from collections.abc import Mapping, Sequence

import torch

from benchmarks import drop_ins, gradients, operators, review_claims, scaling, steps, windows
from benchmarks.candidate import Group
from benchmarks.operators import MAIN

SMALL, MIDDLE = (28, 28, 16, 16), (64, 64, 16, 16)
QUICK = "quick"
SQUARE = {N: (N, N, 1, 1) for N in (512, 1024, 4096)}

PARTS: Mapping[str, Sequence[Group]] = {
    QUICK: (
        operators.group(SMALL, operations=MAIN, pinned=False, others=False, seconds=2.5),
        operators.group(MIDDLE, operations=MAIN, pinned=False, others=False, seconds=2.5),
        operators.group(SQUARE[512], operations=MAIN, pinned=False, others=False, seconds=2.5),
        drop_ins.group(SMALL, seconds=2.5),
        steps.alone(SMALL, seconds=2.5),
        steps.alone(SQUARE[512], seconds=2.5),
    ),
    "operators": (
        operators.group(SMALL),
        operators.group(SMALL, torch.complex128, MAIN),
        operators.group(SMALL, torch.float32, MAIN),
        operators.group(MIDDLE),
        operators.group((128, 128, 8, 8)),
        operators.group((128, 128, 16, 16), operations=MAIN, pinned=False, others=False),
        operators.group((256, 256, 4, 4)),
        operators.group((256, 256, 8, 8), operations=MAIN, pinned=False, others=False),
        operators.group(SQUARE[512]),
        operators.group(SQUARE[1024]),
        operators.group(SQUARE[4096], operations=MAIN, pinned=False, others=False),
        operators.group((28, 64, 16, 16), operations=MAIN, seconds=4.0),
    ),
    "drop-ins": (drop_ins.group(SMALL), drop_ins.group(MIDDLE)),
    "shapes": tuple(
        neighbors((odd, odd, 16, 16), (even, even, 16, 16))
        for odd, even in ((27, 28), (31, 32), (97, 96))
        for neighbors in (operators.neighbors, steps.neighbors)
    ),
    "steps": (
        steps.group(SMALL),
        steps.group(MIDDLE, steps=32, fourth=0),
        steps.group((128, 128, 8, 8), steps=32, fourth=0),
        steps.group((256, 256, 4, 4), steps=32, fourth=0),
        steps.group(SQUARE[512]),
        steps.group(SQUARE[1024], steps=8, fourth=0, seconds=3.0),
    ),
    "gradients": (
        gradients.operators(SMALL),
        gradients.operators(MIDDLE),
        gradients.operators(SQUARE[512]),
        gradients.runs(SMALL),
        gradients.runs((64, 64, 4, 4)),
    ),
    "windows": (windows.group(SMALL), windows.group((8, 8, 16, 16), seconds=4.0)),
    "memory": (operators.memory(SMALL), operators.memory(SQUARE[512]), steps.memory((28, 28, 4, 4))),
    "scaling": tuple(scaling.groups()),
    "review": tuple(map(review_claims.group, review_claims.SHAPES)),
}
"""Name → groups. All of them make the full run; each can be run alone."""
