"""The promises: what must hold, what is aimed at, and what a model predicts for a GPU."""

from benchmarks.candidate import OURS
from benchmarks.gradients import BOTH, FORWARD, STEPS
from benchmarks.steps import MANY_STEPS
from benchmarks.targets import (
    AUTO,
    MIDDLE,
    ONE,
    SMALL,
    Limit,
    Target,
    faster,
    in_copies,
    in_pairs,
    peak,
    per_point,
    ratio,
    same_error,
)
from benchmarks.windows import FINAL, FRAMES

STRANG = f"{OURS}, strang"
INTO = f"{AUTO}, out="
"""Written into a kept tensor, as `copy_` is. Where pairs are the unit, H returns a new one, as FFTs do."""
TABLES = 0.05
"""Fields that V, matrices and symbols may take beside whole fields."""

REPLACED = tuple(("H fd2, no V", f"replaced conv2d, metric, {boundary}") for boundary in ("zeros", "circular"))


def _operators() -> list[Target]:
    def copies(what: str, case: str, operation: str, must: Limit, target: Limit, h200: str) -> Target:
        return Target(what, "copy", must, target, in_copies("operators", case, operation, INTO), h200=h200)

    def pairs(what: str, case: str, must: float, target: float, h200: str = "") -> Target:
        return Target(what, "pair", Limit(must), Limit(target), in_pairs("operators", case, "H spectral"), h200=h200)

    return [
        copies("H fd2, 28×28×256", SMALL, "H fd2", Limit(1.4, 20), Limit(1.15, 10), "≤ 3 µs in a graph"),
        copies("H fd2, 64×64×256", MIDDLE, "H fd2", Limit(1.4), Limit(1.15), "≤ 1.2 copy"),
        copies("H fd8, 28×28×256", SMALL, "H fd8", Limit(5, 20), Limit(2.5), "≤ 1.3 copy"),
        copies("H fd8, 64×64×256", MIDDLE, "H fd8", Limit(4), Limit(2.5), "≤ 1.3 copy"),
        copies("H fd2, 1024²", ONE[1024], "H fd2", Limit(2), Limit(1.5), "≤ 1.25 copy"),
        copies("H fd2, 4096²", ONE[4096], "H fd2", Limit(2), Limit(1.5), "≤ 1.25 copy"),
        pairs("H spectral, 28×28×256", SMALL, 0.65, 0.5, "≤ 5 µs"),
        pairs("H spectral, 64×64×256", MIDDLE, 1.9, 1.4, "≤ 15 µs"),
        pairs("H spectral, 128×128×64", "128×128×8×8", 2.6, 1.6),
        pairs("H spectral, 256×256×16", "256×256×4×4", 2.6, 1.6),
        pairs("H spectral, 512²", ONE[512], 1.4, 1.25),
        pairs("H spectral, 1024²", ONE[1024], 1.4, 1.25),
        pairs("H spectral, 4096²", ONE[4096], 1.4, 1.25, "≤ 300 µs"),
    ]


def _steps() -> list[Target]:
    def strang(case: str, must: float, target: float, what: str, h200: str = "") -> Target:
        measure = in_pairs("steps", case, "Strang step", STRANG)
        return Target(f"Strang step, {what}", "pair", Limit(must), Limit(target), measure, h200=h200)

    def term(case: str, what: str) -> Target:
        measure = in_copies("steps", case, "Chebyshev term, fd2", f"{OURS}, chebyshev")
        return Target(f"Chebyshev term of fd2, {what}", "copy", Limit(2), Limit(1.5), measure, h200="≤ 2.1 copy")

    return [
        strang(SMALL, 0.5, 0.35, "28×28×256", "≤ 2 µs"),
        strang(MIDDLE, 1.6, 1.2, "64×64×256", "≤ 10 µs"),
        strang(ONE[512], 1.25, 1.15, "512²"),
        term(SMALL, "28×28×256"),
        term(MIDDLE, "64×64×256"),
    ]


def _gradients() -> list[Target]:
    name, few, many = f"{OURS}, reversible", *STEPS
    forward = (SMALL, FORWARD.format(few), f"{OURS}, forward")
    time = ratio("gradients", (SMALL, BOTH.format(few), name), forward, "minimum_ms")
    flat = ratio("gradients", (SMALL, BOTH.format(many), name), (SMALL, BOTH.format(few), name), "peak_fields")
    return [
        Target(
            f"forward + backward of {few} steps, reversible", "forward", Limit(4.5), Limit(3.5), time, h200="the same"
        ),
        Target(f"its memory at {many} steps over that at {few}", "×", Limit(1.05), Limit(1.05), flat),
    ]


def _windows() -> list[Target]:
    window, conv2d, loop = f"{OURS}, euler_window", "replaced conv2d, metric, circular", f"{OURS}, loop over H"
    all_frames = faster("windows", SMALL, (FRAMES, window), [(FRAMES, conv2d)])
    last = faster("windows", SMALL, (FINAL, window), [(FINAL, loop)])
    return [
        Target(f"{FRAMES}, over 64 calls of the replaced conv2d", "×", Limit(5), Limit(7), all_frames, True),
        Target(f"{FINAL}, over the loop of our own H", "×", Limit(20), Limit(40), last, True),
    ]


def _rivals() -> list[Target]:
    def over(what: str, least: float, aim: float, ours: tuple[str, str]) -> Target:
        return Target(what, "×", Limit(least), Limit(aim), faster("drop-ins", SMALL, ours, REPLACED), True)

    def steps(case: str, package: str, label: str, least: float, where: str) -> Target:
        measure = faster("steps", case, ("Strang step", STRANG), [("Strang step", package)])
        return Target(f"Strang step over {label}, {where}", "×", Limit(least), Limit(least), measure, True)

    def at_equal_error(case: str, where: str) -> Target:
        measure = same_error("steps", case, ("Strang step", STRANG), ("Strang step", "torchfsm, ETDRK2"))
        what = f"Strang steps over torchfsm's of the same order, at equal error, {where}"
        return Target(what, "×", Limit(15), Limit(15), measure, True)

    return [
        over("H fd2 over the replaced conv2d, 28×28×256", 60, 90, ("H fd2, no V", AUTO)),
        over("H spectral over the replaced conv2d, 28×28×256", 15, 20, ("H spectral, no V", AUTO)),
        steps(SMALL, "expsolve", "expsolve", 4, "28×28×256"),
        steps(MIDDLE, "expsolve", "expsolve", 4, "64×64×256"),
        steps(ONE[512], "expsolve", "expsolve", 12, "512²"),
        at_equal_error(SMALL, "28×28×256"),
        at_equal_error(MIDDLE, "64×64×256"),
        at_equal_error(ONE[512], "512²"),
    ]


def _shapes() -> list[Target]:
    found = []
    for odd, even in ((31, 32), (97, 96)):
        for operation, name in (("H fd2", AUTO), ("H spectral", AUTO), ("Strang step", STRANG)):
            what = f"{operation}, time per point at N = {odd} over that at {even}"
            found.append(Target(what, "×", Limit(1.3), Limit(1.3), per_point(odd, even, operation, name)))
    return found


def _memory() -> list[Target]:
    def extra(case: str, where: str, operation: str, execution: str, fields: int) -> Target:
        most = fields + TABLES
        measure = peak(case, operation, f"{OURS}, {execution}, out=", result=0)
        what = f"H(T, out=...) beside T and its result, {execution}, {where}"
        return Target(what, "fields", Limit(most), Limit(most), measure)

    many = f"{MANY_STEPS} Strang steps"
    return [
        extra(SMALL, "256 channels", "H fd2", "stencil", 1),
        extra(SMALL, "256 channels", "H spectral", "dense", 1),
        extra(SMALL, "256 channels", "H spectral", "fft", 1),
        extra(ONE[512], "one channel", "H fd2", "stencil", 1),
        extra(ONE[512], "one channel", "H spectral", "dense", 1),
        extra(ONE[512], "one channel", "H spectral", "fft", 2),
        Target(f"{many}, peak", "fields", Limit(4), Limit(4), peak("28×28×4×4", many, STRANG, result=0)),
    ]


TARGETS = (*_operators(), *_steps(), *_gradients(), *_windows(), *_rivals(), *_shapes(), *_memory())
"""Every promise, in the order of the table."""
