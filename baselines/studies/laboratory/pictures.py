"""Pictures of the laboratory, as PNG files: legible without colours, by hatches, markers and dashes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter
from numpy.typing import NDArray

from ...report.styles import png

COLOURS = ("#E69F00", "#0072B2", "#009E73", "#D55E00", "#CC79A7", "#000000")
"""Okabe and Ito's."""

HATCHES = ("///", "...", "xxx", "\\\\\\", "ooo", "---")
MARKERS = ("o", "s", "^", "D", "v", "P")
DASHES = ("-", "--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)), (0, (1, 3)))


@dataclass(frozen=True)
class Panel:
    """Lines over a common axis, both logarithmic.

    Attributes:
        label: of the vertical axis.
        lines: values by name, each of the shape of the horizontal axis; what is not positive is not drawn.
        errors: half widths of error bars by name, where there are some.
        levels: horizontal lines by name.
    """

    label: str
    lines: Mapping[str, NDArray[np.float64]]
    errors: Mapping[str, NDArray[np.float64]]
    levels: Mapping[str, float]


def violins(samples: Mapping[str, NDArray[np.float64]], label: str, truth: float, truth_label: str) -> bytes:
    """A violin with quartiles and median of each sample, and the truth as a line."""
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    places = list(range(1, len(samples) + 1))
    parts: Any = axes.violinplot(list(samples.values()), places, widths=0.8, showextrema=False)
    for i, body in enumerate(parts["bodies"]):
        body.set(facecolor=COLOURS[i], edgecolor="black", alpha=0.55, hatch=HATCHES[i], linewidth=0.8)
    axes.boxplot(
        list(samples.values()),
        positions=places,
        widths=0.12,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "white"},
        medianprops={"color": "black"},
    )
    axes.axhline(truth, color="black", linestyle="--", linewidth=1.2, label=truth_label, zorder=0)
    axes.set_xticks(places, list(samples))
    axes.set_ylabel(label)
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=False)
    return png(figure)


def curves(x: NDArray[np.float64], label: str, panels: list[Panel]) -> bytes:
    """Panels side by side over one horizontal axis, in which a name has the same style everywhere."""
    figure = Figure(figsize=(1.5 + 5.0 * len(panels), 4.8), layout="constrained")
    legend: dict[str, Any] = {}
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for i, (name, values) in enumerate(panel.lines.items()):
            legend[name] = axes.errorbar(
                x,
                np.where(values > 0, values, np.nan),
                panel.errors.get(name),
                color=COLOURS[i],
                marker=MARKERS[i],
                linestyle=DASHES[i],
                markersize=5,
                linewidth=1.5,
                capsize=2,
            )
        for i, (name, level) in enumerate(panel.levels.items()):
            legend[name] = axes.axhline(level, color="black", linestyle=DASHES[i], linewidth=1)
        _logarithmic(axes, label, panel.label)
    figure.legend(list(legend.values()), list(legend), loc="outside lower center", ncols=3, frameon=False)
    return png(figure)


def _logarithmic(axes: Axes, x: str, y: str) -> None:
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    for axis in (axes.xaxis, axes.yaxis):
        low, high = axis.get_view_interval()
        decades = abs(np.log10(high / low))
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.8 else (1,)))
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    axes.grid(which="major", color="#cccccc")
