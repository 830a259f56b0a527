"""Figures without a display, their colors and their markers."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's palette, which survives color blindness; the markers differ as well."""

MARKERS = ("o", "s", "^", "D", "v", "P")


def new_figure() -> "Figure":
    """Return an empty matplotlib figure that needs no display and no pyplot.

    Raises:
        ImportError: matplotlib is missing.

    Example:
        >>> import spectral_ham as sh
        >>> sh.plotting.new_figure().axes
        []
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("Plots need matplotlib, which comes with the extra `spectral-ham[plot]`.") from error
    return Figure(figsize=(6.4, 4.8), dpi=150, layout="constrained")
