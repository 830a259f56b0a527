"""Time per point against N: the package between the copy and the FFT pair."""

from pathlib import Path
from typing import Any

from benchmarks.candidate import COPY, OURS, PAIR, YARDSTICK
from benchmarks.results import Results
from benchmarks.scaling import SIZES, times_of
from spectral_ham.plotting import new_figure

STYLES = {
    (YARDSTICK, COPY): ("copy", {"color": "0.4", "linestyle": ":"}),
    (YARDSTICK, PAIR): ("FFT pair, channels first", {"color": "0.4", "linestyle": "--"}),
    ("H fd2", f"{OURS}, auto"): ("H fd, order 2", {"color": "#56B4E9", "marker": "o"}),
    ("H fd8", f"{OURS}, auto"): ("H fd, order 8", {"color": "#0072B2", "marker": "s"}),
    ("H spectral", f"{OURS}, dense"): ("H spectral, dense", {"color": "#E69F00", "marker": "^"}),
    ("H spectral", f"{OURS}, fft"): ("H spectral, fft", {"color": "#009E73", "marker": "v"}),
    ("H spectral", f"{OURS}, auto"): ("H spectral, auto", {"color": "black", "marker": "x", "linestyle": "none"}),
}
"""Row → label and style; colors are Okabe and Ito's."""


def save_figure(results: Results, path: Path) -> None:
    """Draw nanoseconds per number against N, one panel for each count of channels.

    Raises:
        ImportError: matplotlib is missing.
    """
    figure = new_figure()
    figure.set_size_inches(10, 4.6)
    axes = figure.subplots(1, len(SIZES), sharey=True)
    for ax, channels in zip(axes, SIZES, strict=True):
        for (operation, name), (label, style) in STYLES.items():
            _draw(ax, times_of(results.rows("scaling"), operation, name, channels), channels, label, style)
        ax.set(xscale="log", yscale="log", xlabel="N (points per axis)")
        ax.set_xticks(SIZES[channels], [str(N) for N in SIZES[channels]], minor=False)
        ax.minorticks_off()
        ax.grid(which="major", color="0.9", linewidth=0.8)
        ax.set_axisbelow(True)
        ax.spines[["top", "right"]].set_visible(False)
        ax.set_title(f"N×N points, {channels} channel{'s' if channels > 1 else ''}", loc="left", fontsize="medium")
    axes[0].set_ylabel("ns per complex number")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _draw(ax: Any, times: dict[int, float], channels: int, label: str, style: dict[str, Any]) -> None:
    if times:
        nanoseconds = [1e6 * ms / (N**2 * channels) for N, ms in times.items()]
        ax.plot(list(times), nanoseconds, label=label, linewidth=1.3, markersize=5, **style)
