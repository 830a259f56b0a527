"""All studies, in the order in which they are read: a further study is one file and one line here."""

from validation.studies import (
    agreement,
    axes_and_seam,
    condensates,
    cosine_potential,
    dispersion,
    drop_in,
    every_wave,
    exact_dynamics,
    fd_orders,
    fd_symbol,
    plane_waves,
    potentials,
    precision,
    stability_limits,
    structure,
    temporal_orders,
    tolerances,
    windows_and_waves,
)
from validation.study import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        plane_waves.STUDY,
        every_wave.STUDY,
        fd_symbol.STUDY,
        fd_orders.STUDY,
        agreement.STUDY,
        dispersion.STUDY,
        structure.STUDY,
        axes_and_seam.STUDY,
        cosine_potential.STUDY,
        precision.STUDY,
        drop_in.STUDY,
        potentials.STUDY,
        temporal_orders.STUDY,
        exact_dynamics.STUDY,
        condensates.STUDY,
        tolerances.STUDY,
        stability_limits.STUDY,
        windows_and_waves.STUDY,
    )
}
"""Name → study."""
