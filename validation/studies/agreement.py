"""Both backends tend to the same H T: their difference falls at the order of the finite differences."""

from collections.abc import Iterator
from functools import partial

from spectral_ham.convergence import ConvergenceStudy, study_errors
from validation.cases import ORDERS
from validation.claim import Claim
from validation.figures import draw_panels
from validation.manufactured import POINTS, SOURCE, SPECTRAL_POINTS, problem
from validation.orders import floor_claim, order_claims
from validation.study import Mode, Plot, Result, Study

H_LABEL = "1/N along x"


def run(mode: Mode) -> Iterator[Result]:
    """Yield the spectral error at the finest grid, and the order at which each fd approaches the spectral answer."""
    claim = partial(Claim, "agreement", source=SOURCE)
    spectral = {f"spectral, {execution}": _spectral(execution) for execution in mode.executions("spectral")}
    for study in spectral.values():
        yield floor_claim(claim, study)
    differences = {f"|fd {order} − spectral|": _difference(mode, order) for order in ORDERS}
    for study in differences.values():
        yield from order_claims(claim, study)
    panels = {"Spectral: down to round-off": spectral, "Difference of the backends: at fd's order": differences}
    yield Plot("agreement", partial(draw_panels, panels))


def _spectral(execution: str) -> ConvergenceStudy:
    def error(N: int) -> float:
        case = problem(N)
        return case.distance(case.apply("spectral", execution), case.HT)

    return study_errors(
        error,
        SPECTRAL_POINTS,
        h=lambda N: 1 / N,
        floor=lambda N: problem(N).floor("spectral"),
        expected_order="spectral",
        name=f"spectral by {execution}",
        h_label=H_LABEL,
        error_label="max|H_spectral T − HT| / max|HT|",
    )


def _difference(mode: Mode, order: int) -> ConvergenceStudy:
    def difference(N: int) -> float:
        case = problem(N)
        fd = case.apply("fd", mode.default("fd"), order)
        return case.distance(fd, case.apply("spectral", mode.default("spectral")))

    return study_errors(
        difference,
        POINTS[order],
        h=lambda N: 1 / N,
        floor=lambda N: problem(N).floor("spectral"),
        expected_order=order,
        name=f"fd of order {order} against spectral",
        h_label=H_LABEL,
        error_label="max|H_fd T − H_spectral T| / max|HT|",
    )


STUDY = Study("agreement", "Both backends agree under refinement", run)
