"""Pictures of the gradient laboratory, as PNG files; they are legible without colour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ..report.styles import COLOURS, DASHES, log_log, png, style

HATCHES = ("///", "...", "xxx", "\\\\\\", "ooo", "---")

Values = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Panel:
    """Lines over a common axis; both axes are logarithmic.

    Attributes:
        label: of the vertical axis.
        lines: values by name, each of the shape of the horizontal axis; only positive values are drawn.
        errors: half widths of error bars, by name.
        levels: horizontal lines, by name.
    """

    label: str
    lines: Values
    errors: Values = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)


def violins(samples: Values, label: str, truth: float, truth_label: str) -> bytes:
    """A violin with quartiles and median of each sample, and the truth as a line."""
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axes = figure.subplots()
    values, positions = list(samples.values()), list(range(1, len(samples) + 1))
    parts: Any = axes.violinplot(values, positions, widths=0.8, showextrema=False)
    for i, body in enumerate(parts["bodies"]):
        body.set(facecolor=COLOURS[i], edgecolor="black", alpha=0.55, hatch=HATCHES[i], linewidth=0.8)
    axes.boxplot(
        values,
        positions=positions,
        widths=0.12,
        showfliers=False,
        patch_artist=True,
        boxprops={"facecolor": "white"},
        medianprops={"color": "black"},
    )
    axes.axhline(truth, color="black", linestyle="--", linewidth=1.2, label=truth_label, zorder=0)
    axes.set_xticks(positions, list(samples))
    axes.set_ylabel(label)
    axes.grid(axis="y", color="#dddddd")
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", frameon=False)
    return png(figure)


def curves(x: NDArray[np.float64], label: str, panels: list[Panel]) -> bytes:
    """Panels side by side over the same horizontal values; a name has the same style in all of them."""
    figure = Figure(figsize=(1.5 + 5.0 * len(panels), 4.8), layout="constrained")
    legend: dict[str, Any] = {}
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for i, (name, values) in enumerate(panel.lines.items()):
            positive = np.where(values > 0, values, np.nan)
            legend[name] = axes.errorbar(
                x, positive, panel.errors.get(name), markersize=5, linewidth=1.5, capsize=2, **style(i, i)
            )
        for i, (name, level) in enumerate(panel.levels.items()):
            legend[name] = axes.axhline(level, color="black", linestyle=DASHES[i], linewidth=1)
        log_log(axes, label, panel.label)
    figure.legend(list(legend.values()), list(legend), loc="outside lower center", ncols=3, frameon=False)
    return png(figure)
