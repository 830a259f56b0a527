"""All studies, in the order in which they are read: a further study is one file and one line here."""

from validation.studies import (
    agreement,
    axes_and_seam,
    cosine_potential,
    dispersion,
    drop_in,
    every_wave,
    fd_orders,
    fd_symbol,
    plane_waves,
    potentials,
    precision,
    structure,
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
    )
}
"""Name → study."""
