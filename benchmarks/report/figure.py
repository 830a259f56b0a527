"""Time per point against N, between the copy and the FFT pair; and error against cost of every method."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.candidate import COPY, OURS, PAIR, YARDSTICK
from benchmarks.harness.results import Results
from benchmarks.suites.scaling import SIZES, times_of
from spectral_ham.plotting import new_figure

CURVES = {
    (YARDSTICK, COPY): ("copy", {"color": "0.4", "linestyle": ":"}),
    (YARDSTICK, PAIR): ("FFT pair, channels first", {"color": "0.4", "linestyle": "--"}),
    ("H fd2", f"{OURS}, auto"): ("H fd, order 2", {"color": "#56B4E9", "marker": "o"}),
    ("H fd8", f"{OURS}, auto"): ("H fd, order 8", {"color": "#0072B2", "marker": "s"}),
    ("H spectral", f"{OURS}, dense"): ("H spectral, dense", {"color": "#E69F00", "marker": "^"}),
    ("H spectral", f"{OURS}, fft"): ("H spectral, fft", {"color": "#009E73", "marker": "v"}),
    ("H spectral", f"{OURS}, auto"): ("H spectral, auto", {"color": "black", "marker": "x", "linestyle": "none"}),
}
"""Row → label and style; colors are Okabe and Ito's."""

METHODS = {
    "exact": ("black", "*", "none"),
    "lie": ("#56B4E9", "o", "-"),
    "strang": ("#56B4E9", "s", "-"),
    "yoshida4": ("#0072B2", "^", "-"),
    "suzuki4": ("#0072B2", "v", "-"),
    "yoshida6": ("#0072B2", "D", "--"),
    "blanes_moan4": ("#009E73", "P", "-"),
    "chebyshev": ("#D55E00", "X", "-"),
    "lanczos": ("#D55E00", "<", "--"),
    "magnus4": ("#CC79A7", ">", "-"),
    "crank_nicolson": ("#CC79A7", "h", "--"),
    "rk4": ("#E69F00", "d", "-"),
    "etdrk4": ("#E69F00", "p", "--"),
    "auto, tol": ("black", "x", ":"),
}
"""Method → color (Okabe and Ito's, which survive color blindness), marker, line: the marker alone tells all apart."""


def save_figures(results: Results, folder: Path) -> None:
    """Write the figures of what was measured.

    Raises:
        ImportError: matplotlib is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if results.rows("scaling"):
        _speed(results).savefig(folder / "speed.png")
    if results.rows("evolution"):
        _which_method(results).savefig(folder / "which_method.png")


def _speed(results: Results) -> Any:
    """Draw nanoseconds per number against N, one panel for each count of channels."""
    figure = new_figure()
    figure.set_size_inches(10, 4.6)
    axes = figure.subplots(1, len(SIZES), sharey=True)
    for ax, channels in zip(axes, SIZES, strict=True):
        for (operation, name), (label, style) in CURVES.items():
            _draw(ax, times_of(results.rows("scaling"), operation, name, channels), channels, label, style)
        ax.set(xscale="log", yscale="log", xlabel="N (points per axis)")
        ax.set_xticks(SIZES[channels], [str(N) for N in SIZES[channels]], minor=False)
        ax.minorticks_off()
        _clean(ax)
        ax.set_title(f"N×N points, {channels} channel{'s' if channels > 1 else ''}", loc="left", fontsize="medium")
    axes[0].set_ylabel("ns per complex number")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return figure


def _draw(ax: Any, times: dict[int, float], channels: int, label: str, style: dict[str, Any]) -> None:
    if times:
        nanoseconds = [1e6 * ms / (N**2 * channels) for N, ms in times.items()]
        ax.plot(list(times), nanoseconds, label=label, linewidth=1.3, markersize=5, **style)


def _which_method(results: Results) -> Any:
    """Draw error against cost of the spectral cases: operator products above, CPU time below."""
    rows = [row for row in results.rows("evolution") if row.get("backend") == "spectral"]
    problems = list(dict.fromkeys(row["problem"] for row in rows))
    figure = new_figure()
    figure.set_size_inches(11, 7.6)
    axes = figure.subplots(2, len(problems), sharey=True, squeeze=False)
    costs = (("products", "transform pairs and H applications"), ("cpu_ms", "CPU time, ms"))
    legend: dict[str, Any] = {}
    for line, (key, label) in zip(axes, costs, strict=True):
        for ax, problem in zip(line, problems, strict=True):
            for method in METHODS:
                _draw_cost(ax, [r for r in rows if (r["problem"], r["method"]) == (problem, method)], key, method)
            ax.set(xscale="log", yscale="log", xlabel=label, ylim=(1e-13, 1))
            _clean(ax)
            legend.update(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
        line[0].set_ylabel("error at the end, relative to ‖T₀‖")
    for ax, problem in zip(axes[0], problems, strict=True):
        ax.set_title(problem, loc="left", fontsize="medium")
    handles = [legend[method] for method in METHODS if method in legend]
    figure.legend(handles=handles, loc="outside lower center", ncols=7, frameon=False, fontsize="small")
    return figure


def _draw_cost(ax: Any, rows: Sequence[Mapping[str, Any]], key: str, method: str) -> None:
    drawn = [(row[key], max(row["error"], 1e-13)) for row in rows if row[key] > 0]
    if drawn:
        color, marker, line = METHODS[method]
        x, y = zip(*drawn, strict=True)
        ax.plot(x, y, color=color, marker=marker, linestyle=line, linewidth=1.2, markersize=5, label=method)


def _clean(ax: Any) -> None:
    ax.grid(which="major", color="0.9", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
