"""Pictures of a comparison over methods: learning curves and performance profiles. PNG as bytes."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from .statistics import CEILING, FLOOR, PROFILE, bands
from .styles import STYLES, logarithmic, panels_of, png
from .tables import budgets

UNITS = {"cpu_seconds": "CPU seconds", "transitions": "transitions"}
"""What curves are drawn against: columns of ``curves``, and their labels."""

MARKERS = 10
"""About how many markers a profile has."""


def draw_curves(heading: str, curves: pd.DataFrame, classical: float | None) -> bytes:
    """Gap against CPU seconds and against transitions: median of the seeds, band from least to largest.

    A column of panels for each unit and budget, rows as of ``styles.panels_of``.

    Args:
        heading: what the problem is called.
        curves: its rows, see ``tables.COLUMNS``.
        classical: gap of the best classical policy in per cent, drawn as a line, or None.
    """
    rows = panels_of(set(curves.method))
    seeds = [of_budget.seed.nunique() for _, of_budget in budgets(curves)]
    columns = [
        (unit, *rest) for unit in UNITS for rest in zip(budgets(bands(curves, unit)), seeds, strict=True)
    ]
    figure, panels = _grid(len(rows), len(columns))
    for row, (family, methods) in zip(panels, rows.items(), strict=True):
        lines: dict[str, Any] = {}
        for axes, (unit, (name, of_budget), count) in zip(row, columns, strict=True):
            for method in methods:
                band = of_budget[of_budget.method == method]
                if len(band):
                    lines[method] = _draw_curve(axes, method, band)
            if classical is not None:
                level = max(classical, FLOOR)
                lines["best classical"] = axes.axhline(level, color="black", linewidth=1, alpha=0.6)
            axes.set(xscale="log", yscale="log", xlabel=f"{UNITS[unit]} of training")
            axes.set_title(
                _joined(family, f"budget {name}, {count} seed{'s' if count > 1 else ''}"), fontsize=10
            )
        row[0].set_ylabel("gap, %")
        _add_legend(row[-1], lines)
    for row in panels:
        for axes, (unit, *_) in zip(row, columns, strict=True):
            logarithmic(axes.xaxis, EngFormatter(sep="") if unit == "transitions" else "{x:g}")
            logarithmic(axes.yaxis)
    figure.suptitle(f"{heading}: gap, drawn within {FLOOR:g} and {CEILING:g} %")
    return png(figure)


def draw_profiles(profiles: pd.DataFrame) -> bytes:
    """Share of the runs with at most a gap, against the gap, with its band; a column for each budget.

    Args:
        profiles: see ``statistics.performance_profile``.
    """
    rows, columns = panels_of(set(profiles.method)), budgets(profiles)
    figure, panels = _grid(len(rows), len(columns))
    for row, (family, methods) in zip(panels, rows.items(), strict=True):
        lines: dict[str, Any] = {}
        for axes, (name, of_budget) in zip(row, columns, strict=True):
            problems = of_budget.problems.max()
            for place, method in enumerate(methods):
                own = of_budget[of_budget.method == method]
                if len(own):
                    label = method if own.problems.iloc[0] == problems else f"{method} (not on all)"
                    lines[label] = _draw_profile(axes, method, own, place)
            axes.set(xscale="log", xlabel="gap, %", ylim=(-3, 103))
            axes.set_title(_joined(family, f"budget {name}, {problems} problems"), fontsize=10)
            logarithmic(axes.xaxis)
        row[0].set_ylabel("runs with at most that gap, %")
        _add_legend(row[-1], lines)
    figure.suptitle("Performance profiles")
    return png(figure)


def _grid(rows: int, columns: int) -> tuple[Figure, Any]:
    figure = Figure(figsize=(2.2 + 4.6 * columns, 0.6 + 3.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex="col", sharey=True, squeeze=False)
    for axes in panels.flat:
        axes.grid(which="major", color="#cccccc")
        axes.grid(which="minor", color="#eeeeee", linewidth=0.6)
        axes.tick_params(labelbottom=True)
    return figure, panels


def _add_legend(axes: Axes, lines: dict[str, Any]) -> None:
    """The legend of a row of panels, beside its last one."""
    axes.legend(
        list(lines.values()),
        list(lines),
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        frameon=False,
        handlelength=3.2,
    )


def _draw_curve(axes: Axes, method: str, band: pd.DataFrame) -> Any:
    style = STYLES[method]
    if (band.low != band.high).any():
        axes.fill_between(band.spent, band.low, band.high, color=style["color"], alpha=0.13, linewidth=0)
    (line,) = axes.plot(band.spent, band["median"], markersize=5, linewidth=1.5, **style)
    return line


def _draw_profile(axes: Axes, method: str, profile: pd.DataFrame, place: int) -> Any:
    """One method; markers of the methods in a panel are shifted, so that none hides another."""
    gap, style = profile.threshold.to_numpy(), STYLES[method]
    if profile.low.notna().all():
        low, high = 100 * profile.low, 100 * profile.high
        axes.fill_between(gap, low, high, color=style["color"], alpha=0.13, linewidth=0)
    step = len(PROFILE) // MARKERS
    (line,) = axes.plot(
        gap, 100 * profile.share, markersize=5, linewidth=1.5, markevery=(place % step, step), **style
    )
    return line


def _joined(family: str, rest: str) -> str:
    return f"{family}: {rest}" if family else rest
