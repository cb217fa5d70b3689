"""Pictures of a comparison over methods, as PNG files: learning curves and performance profiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from .statistics import CEILING, FLOOR, PROFILE, bands
from .styles import Style, add_heading, logarithmic, panels_of, png
from .tables import budgets

UNITS = {"cpu_seconds": "CPU seconds", "transitions": "transitions"}
"""What learning curves are drawn against: columns of ``curves``, and their labels."""

MARKERS = 10
"""About how many markers the line of a profile has."""

PROFILE_COLUMNS = 2
"""Panels of profiles beside each other."""


def draw_curves(
    heading: str, curves: pd.DataFrame, styles: Mapping[str, Style], classical: float | None = None
) -> bytes:
    """Gap against CPU seconds and against transitions: the median over the seeds, and a band to the extremes.

    Each budget has a row of panels for each group of methods that were trained with it, see
    ``styles.panels_of``; a column shows one unit.

    Args:
        heading: what the problem is called.
        curves: its rows, see ``tables.COLUMNS``.
        styles: see ``styles.styles_of``.
        classical: gap of the best classical policy in per cent, drawn as a line, or None.
    """
    bands_of_unit = {unit: dict(budgets(bands(curves, unit))) for unit in UNITS}
    rows = []
    for budget, of_budget in budgets(curves):
        seeds = of_budget.seed.nunique()
        title = f"budget {budget}, {seeds} seed{'s' if seeds > 1 else ''}"
        rows += [(budget, title, *panel) for panel in panels_of(of_budget.method)]
    figure, panels = _grid(len(rows), len(UNITS))
    for row, (budget, title, family, methods) in zip(panels, rows, strict=True):
        lines: dict[str, Any] = {}
        for axes, unit in zip(row, UNITS, strict=True):
            of_budget = bands_of_unit[unit][budget]
            for method in methods:
                band = of_budget[of_budget.method == method]
                _fill(axes, band.spent, band.low, band.high, styles[method])
                (lines[method],) = axes.plot(
                    band.spent, band["median"], markersize=5, linewidth=1.5, **styles[method]
                )
            if classical is not None:
                level = max(classical, FLOOR)
                lines["best classical"] = axes.axhline(level, color="black", linewidth=1, alpha=0.6)
            axes.set(xscale="log", yscale="log", xlabel=f"{UNITS[unit]} of training")
            axes.set_title(_joined(family, title), fontsize=10)
        row[0].set_ylabel("gap, %")
        _add_legend(row[-1], lines)
    for row in panels:
        for axes, unit in zip(row, UNITS, strict=True):
            logarithmic(axes.xaxis, EngFormatter(sep="") if unit == "transitions" else "{x:g}")
            logarithmic(axes.yaxis)
    add_heading(figure, f"{heading}: gap, drawn within {FLOOR:g} and {CEILING:,g} %")
    return png(figure)


def draw_profiles(profiles: pd.DataFrame, styles: Mapping[str, Style]) -> bytes:
    """Share of the runs whose gap is at most the one on the axis, with its band.

    Args:
        profiles: see ``statistics.performance_profile``.
        styles: see ``styles.styles_of``.
    """
    panels = [
        (budget, of_budget, *panel)
        for budget, of_budget in budgets(profiles)
        for panel in panels_of(of_budget.method)
    ]
    figure, grid = _grid(-(-len(panels) // PROFILE_COLUMNS), min(len(panels), PROFILE_COLUMNS), width=6.4)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (budget, of_budget, family, methods) in zip(grid.flat, panels, strict=False):
        lines: dict[str, Any] = {}
        problems = of_budget.problems.max()
        for i, method in enumerate(methods):
            profile = of_budget[of_budget.method == method]
            label = method if profile.problems.iloc[0] == problems else f"{method} (not on all)"
            _fill(axes, profile.threshold, 100 * profile.low, 100 * profile.high, styles[method])
            step = len(PROFILE) // MARKERS
            (lines[label],) = axes.plot(
                profile.threshold,
                100 * profile.share,
                markersize=5,
                linewidth=1.5,
                markevery=(i % step, step),  # shifted, so that no marker hides another
                **styles[method],
            )
        axes.set(xscale="log", xlabel="gap, %", ylim=(-3, 103), ylabel="runs with at most that gap, %")
        axes.set_title(_joined(family, f"budget {budget}, {problems} problems"), fontsize=10)
        logarithmic(axes.xaxis)
        _add_legend(axes, lines)
    figure.suptitle("Performance profiles")
    return png(figure)


def _grid(rows: int, columns: int, width: float = 4.6) -> tuple[Figure, Any]:
    figure = Figure(figsize=(2.2 + width * columns, 0.6 + 3.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex="col", sharey=True, squeeze=False)
    for axes in panels.flat:
        axes.grid(which="major", color="#cccccc")
        axes.grid(which="minor", color="#eeeeee", linewidth=0.6)
        axes.tick_params(labelbottom=True)
    return figure, panels


def _fill(axes: Axes, x: Any, low: Any, high: Any, style: Style) -> None:
    """A band, if there is one."""
    if low.notna().all() and (low != high).any():
        axes.fill_between(x, low, high, color=style["color"], alpha=0.13, linewidth=0)


def _add_legend(axes: Axes, lines: dict[str, Any]) -> None:
    """The legend of a panel, or of the row of panels that it ends, to its right."""
    axes.legend(
        list(lines.values()),
        list(lines),
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        handlelength=3.2,
    )


def _joined(family: str, title: str) -> str:
    return f"{family}: {title}" if family else title
