"""What the figures share: one look, safe for color blindness, and no display needed."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from spectral_ham.convergence import ConvergenceStudy
from spectral_ham.plotting import COLORS, plot_convergence
from validation.study import Outcome

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEFT, RIGHT = 1e-6, 1e3
"""Where exact results, and claims that measured nothing, are drawn among the margins."""
GOLDEN = 0.6180339887
"""Multiples of it, modulo 1, spread points evenly."""


def dress(axes: "Axes", title: str, xlabel: str, ylabel: str) -> None:
    """Label the axes, with a faint grid behind the data and no frame above it."""
    axes.set_title(title, fontsize="medium", loc="left")
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.grid(which="major", color="0.92", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def draw_orders(axes: "Axes", title: str, studies: Mapping[str, ConvergenceStudy]) -> None:
    """Draw convergence studies, with the title above their legend."""
    plot_convergence(studies, ax=axes)
    rows = (len(axes.get_legend_handles_labels()[1]) + 1) // 2  # of the legend
    axes.set_title(title, fontsize="medium", loc="left", pad=12 + 16 * rows)


def draw_panels(panels: Mapping[str, Mapping[str, ConvergenceStudy]], figure: "Figure") -> None:
    """Draw one panel of convergence studies beside the other."""
    figure.set_size_inches(6.0 * len(panels), 5.2)
    for axes, (title, studies) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        draw_orders(axes, title, studies)


def draw_margins(outcomes: Sequence[Outcome], figure: "Figure") -> None:
    """Draw deviation/bound of every claim, one row per study; exact results lie at the left edge."""
    figure.set_size_inches(8.0, 0.45 * len(outcomes) + 1.6)
    axes = figure.add_subplot()
    for row, outcome in enumerate(outcomes):
        used = [max(1 / claim.margin, LEFT) if claim.margin else RIGHT for claim in outcome.claims]
        spread = [row + 0.5 * ((i * GOLDEN) % 1 - 0.5) for i in range(len(used))]
        axes.plot(used, spread, "o", markersize=3.5, alpha=0.6, color=COLORS[0 if outcome.passed else 1])
    axes.axvline(1, color="black", linewidth=1.5)
    axes.annotate("bound", (1, -0.7), xytext=(-4, 0), textcoords="offset points", ha="right", fontsize="small")
    held, total = sum(outcome.held for outcome in outcomes), sum(len(outcome.claims) for outcome in outcomes)
    dress(axes, f"{held} of {total} claims hold", "deviation / bound (exact results at the left edge)", "")
    right = 3 if held == total else 2 * RIGHT
    axes.set(xscale="log", xlim=(LEFT / 2, right), ylim=(len(outcomes) - 0.4, -1.0))
    axes.set_yticks(range(len(outcomes)), [outcome.study.name for outcome in outcomes])
