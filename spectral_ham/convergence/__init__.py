"""Convergence studies of numbers: observed orders, Richardson extrapolation, and a verdict in words.

Nothing here knows about fields or operators: point it at any computation with a small parameter h.
"""

from spectral_ham.convergence.orders import PowerLaw, fit_power_law, observed_orders
from spectral_ham.convergence.richardson import GridConvergence, grid_convergence_index
from spectral_ham.convergence.studies import study_errors, study_values
from spectral_ham.convergence.study import ConvergenceStudy, Expectation, StudyRow, Verdict

__all__ = [
    # studies
    "study_errors",
    "study_values",
    "ConvergenceStudy",
    "StudyRow",
    "Expectation",
    "Verdict",
    # the pieces
    "observed_orders",
    "fit_power_law",
    "PowerLaw",
    "grid_convergence_index",
    "GridConvergence",
]
