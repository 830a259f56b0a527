"""The results of `benchmarks.evolution` as tables and as a figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from spectral_ham.plotting import new_figure

TARGETS = (1e-3, 1e-6, 1e-9)

STYLES = {
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


def cost_tables(document: Mapping[str, Any]) -> str:
    """Return one table per problem: the cheapest run within each error, as CPU ms (operator products)."""
    problems = dict.fromkeys(case["problem"] for case in document["cases"])
    return "\n\n".join(f"### {problem}\n\n{_table(document, problem)}" for problem in problems)


def _table(document: Mapping[str, Any], problem: str) -> str:
    cases = [case for case in document["cases"] if case["problem"] == problem]
    rows = []
    for method in STYLES:
        cells = [_cheapest(case["points"], method, target) for case in cases for target in TARGETS]
        if any(p["method"] == method for case in cases for p in case["points"]):
            rows.append((f"`{method}`" if "," not in method else method, *cells))
    headers = ("method", *(f"{case['backend']}, {target:.0e}" for case in cases for target in TARGETS))
    aligned = ("left", *("right",) * (len(headers) - 1))
    return tabulate(rows, headers=headers, tablefmt="pipe", colalign=aligned, disable_numparse=True)


def _cheapest(points: Sequence[Mapping[str, Any]], method: str, target: float) -> str:
    within = [p for p in points if p["method"] == method and p["error"] <= target]
    if not within:
        return "–"
    best = min(within, key=lambda p: p["cpu_ms"])
    return f"{best['cpu_ms']:.3g} ({best['products']:.0f})"


def memory_table(document: Mapping[str, Any]) -> str:
    """Return the memory of a run."""
    rows = [(f"`{method}`", f"{fields:.1f}") for method, fields in document["memory"].items()]
    return tabulate(
        rows, headers=("method", "fields"), tablefmt="pipe", colalign=("left", "right"), disable_numparse=True
    )


def save_figure(document: Mapping[str, Any], path: Path) -> None:
    """Draw error against cost of the spectral cases: operator products above, CPU time below."""
    cases = [case for case in document["cases"] if case["backend"] == "spectral"]
    figure = new_figure()
    figure.set_size_inches(11, 7.6)
    axes = figure.subplots(2, len(cases), sharey=True, squeeze=False)
    costs = (("products", "transform pairs and H applications"), ("cpu_ms", "CPU time, ms"))
    for row, (key, label) in zip(axes, costs, strict=True):
        for ax, case in zip(row, cases, strict=True):
            for method in STYLES:
                _draw(ax, [p for p in case["points"] if p["method"] == method], key, method)
            ax.set(xscale="log", yscale="log", xlabel=label, ylim=(1e-13, 1))
            ax.grid(which="major", color="0.9", linewidth=0.8)
            ax.set_axisbelow(True)
            ax.spines[["top", "right"]].set_visible(False)
    for ax, case in zip(axes[0], cases, strict=True):
        ax.set_title(case["problem"], loc="left", fontsize="medium")
    for ax in axes[:, 0]:
        ax.set_ylabel("error at the end, relative to ‖T₀‖")
    legend = {}
    for ax in axes[1]:
        legend.update(zip(*ax.get_legend_handles_labels()[::-1], strict=True))
    handles = [legend[method] for method in STYLES if method in legend]
    figure.legend(handles=handles, loc="outside lower center", ncols=7, frameon=False, fontsize="small")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)


def _draw(ax: Any, points: Sequence[Mapping[str, Any]], key: str, method: str) -> None:
    drawn = [(p[key], max(p["error"], 1e-13)) for p in points if p[key] > 0]
    if drawn:
        color, marker, line = STYLES[method]
        x, y = zip(*drawn, strict=True)
        ax.plot(x, y, color=color, marker=marker, linestyle=line, linewidth=1.2, markersize=5, label=method)
