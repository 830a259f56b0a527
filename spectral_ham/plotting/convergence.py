"""The figure of a convergence study: error against h, both logarithmic."""

import math
import textwrap
from collections.abc import Collection, Mapping, Sequence
from itertools import cycle, pairwise
from typing import TYPE_CHECKING

from spectral_ham._internal.checks import invalid
from spectral_ham.convergence import ConvergenceStudy
from spectral_ham.plotting.figure import COLORS, MARKERS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINE = 66  # characters that fit the width of a figure
TICK_ROOM = 0.1  # of the width, for one tick label


def plot_convergence(
    studies: ConvergenceStudy | Mapping[str, ConvergenceStudy],
    *,
    ax: "Axes | None" = None,
    reference_slopes: bool = True,
) -> "Axes":
    """Draw error against h, both logarithmic: full markers entered the fit, open ones did not.

    The round-off floor is a shaded band. A study of values without an exact one shows |value − extrapolated|, or, where
    it diverges, the change from row to row.

    Args:
        studies: one study, or several by the name they get in the legend.
        ax: axes to draw into; None makes a figure (``ax.figure``) that no display is needed for.
        reference_slopes: whether to draw a triangle of the expected order (of the fitted one where none is expected)
            below each study that has an order.

    Returns:
        The axes. Save with ``ax.figure.savefig(path)``.

    Raises:
        ImportError: matplotlib is missing.
        ValueError: no study.

    Example:
        >>> import spectral_ham as sh
        >>> study = sh.convergence.study_errors(lambda n: 1 / n**2, [8, 16, 32], name="order 2")
        >>> ax = sh.plotting.plot_convergence(study)
        >>> ax.get_xlabel(), ax.get_ylabel()
        ('h', 'error')
    """
    named = {studies.name: studies} if isinstance(studies, ConvergenceStudy) else dict(studies)
    if not named:
        raise invalid("plot_convergence(studies=...)", "at least one study", named)
    axes = new_figure().add_subplot() if ax is None else ax
    curves = {name: _curve(study) for name, study in named.items()}
    positive = [e for _, errors in curves.values() for e in errors if e > 0]
    floors = [row.floor for study in named.values() for row in study.rows if row.floor > 0]
    bottom = 0.3 * min(positive + floors, default=1.0)
    axes.set(xscale="log", yscale="log")
    for (name, study), color, marker in zip(named.items(), cycle(COLORS), cycle(MARKERS)):
        slope = None if study.order is None else f"slope {study.order:.2f}"
        label = (slope or "error") if len(named) == 1 else ": ".join(filter(None, (name, slope)))
        _draw_curve(axes, curves[name], label, bottom, color, marker, {row.h for row in study.rows if row.used})
        if reference_slopes:
            _draw_triangle(axes, study, curves[name], color)
    _draw_floor(axes, list(named.values()), bottom)
    _label_h(axes, list(named.values()))
    first = next(iter(named.values()))
    axes.set(xlabel=first.h_label, ylabel=_error_label(first))
    axes.set_ylim(bottom=bottom)
    axes.grid(which="major", color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    _draw_legend(axes, list(named))
    return axes


def _curve(study: ConvergenceStudy) -> tuple[list[float], list[float]]:
    """Return the h and the errors to draw: known errors, else estimated ones, else changes."""
    h = [row.h for row in study.rows]
    errors = [row.error for row in study.rows if row.error is not None]
    if errors:
        return h, errors
    values = [row.value for row in study.rows if row.value is not None]
    if study.gci is not None and study.gci.extrapolated is not None:
        return h, [abs(value - study.gci.extrapolated) for value in values]
    return h[1:], [abs(fine - coarse) for coarse, fine in pairwise(values)]


def _error_label(study: ConvergenceStudy) -> str:
    if study.rows[0].error is not None:
        return study.error_label
    estimated = study.gci is not None and study.gci.extrapolated is not None
    return f"|{study.error_label} − extrapolated|" if estimated else f"change of {study.error_label}"


def _draw_curve(
    axes: "Axes",
    curve: tuple[Sequence[float], Sequence[float]],
    label: str,
    bottom: float,
    color: str,
    marker: str,
    fitted: Collection[float],
) -> None:
    """Draw a line with open markers, and full ones on the fitted h. An exact zero lies on the lower edge."""
    h, errors = curve
    drawn = [max(e, bottom) for e in errors]
    axes.plot(h, drawn, color=color, linewidth=1.5, marker=marker, markersize=6, markerfacecolor="white", label=label)
    full = {step: e for step, e in zip(h, drawn, strict=True) if step in fitted}
    axes.plot(list(full), list(full.values()), linestyle="none", marker=marker, markersize=6, color=color)


def _draw_triangle(
    axes: "Axes", study: ConvergenceStudy, curve: tuple[Sequence[float], Sequence[float]], color: str
) -> None:
    """Draw a triangle of the order's slope below the finest two fitted points, and write the order beside it."""
    order = study.expected.power if study.expected.power is not None else study.order
    points = {step: e for step, e in zip(*curve, strict=True) if e > 0}
    fitted = [row.h for row in study.rows if row.used and row.h in points]
    if order is None or study.order is None or len(fitted) < 2:
        return
    right, left = fitted[-2], fitted[-1]
    low = 0.5 * points[left]
    high = low * (right / left) ** order
    axes.plot([left, right, right, left], [low, low, high, low], color=color, linewidth=1)
    axes.annotate(
        f"{order:.3g}",
        (right, (low * high) ** 0.5),
        xytext=(4, 0),
        textcoords="offset points",
        va="center",
        color=color,
        fontsize="small",
    )


def _draw_floor(axes: "Axes", studies: Sequence[ConvergenceStudy], bottom: float) -> None:
    """Shade everything below the highest floor at each h."""
    floors: dict[float, float] = {}
    for row in (row for study in studies for row in study.rows):
        floors[row.h] = max(row.floor, floors.get(row.h, bottom))
    if max(floors.values()) > bottom:
        h = sorted(floors)
        band = [floors[step] for step in h]
        axes.fill_between(h, bottom, band, color="0.35", alpha=0.18, linewidth=0, label="round-off floor")


def _draw_legend(axes: "Axes", names: Sequence[str]) -> None:
    """One study: its name is the title, and the legend sits in the empty corner. Several: the legend is on top."""
    if len(names) == 1:
        axes.set_title(textwrap.fill(names[0], LINE), loc="left", fontsize="medium")
        axes.legend(frameon=False, loc="upper left")
    else:
        columns = 2 if max(map(len, names)) <= LINE // 3 else 1
        axes.legend(frameon=False, loc="lower left", bbox_to_anchor=(0, 1), ncols=columns)


def _label_h(axes: "Axes", studies: Sequence[ConvergenceStudy]) -> None:
    """Put ticks at the h of the studies, the finest first, as many as have room."""
    h = sorted({row.h for study in studies for row in study.rows})
    room = TICK_ROOM * math.log(h[-1] / h[0])
    ticks = h[:1]
    for step in h[1:]:
        if math.log(step / ticks[-1]) > room:
            ticks.append(step)
    axes.set_xticks(ticks, [f"{step:.3g}" for step in ticks])
    axes.set_xticks([], minor=True)
