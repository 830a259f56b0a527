"""Figures. They need matplotlib, the extra ``spectral-ham[plot]``; no global state, no display."""

from spectral_ham.plotting.convergence import plot_convergence
from spectral_ham.plotting.figure import COLORS, MARKERS, new_figure

__all__ = ["COLORS", "MARKERS", "new_figure", "plot_convergence"]
