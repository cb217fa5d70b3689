"""Pictures of a comparison: learning curves, and learned policies over the optimal one. PNG as bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from .methods import METHODS
from .runs import short

FLOOR = 0.01
"""Smallest gap that is drawn, in per cent; smaller ones, and negative ones, are noise of the evaluation."""

CEILING = 300.0
"""Largest gap that is drawn, in per cent."""

STYLES: dict[str, dict[str, Any]] = {
    "mixed": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "gumbel": {"color": "#009E73", "marker": "s", "linestyle": "-"},
    "gumbel-plain": {"color": "#56B4E9", "marker": "^", "linestyle": "-"},
    "smoothed": {"color": "#CC79A7", "marker": "v", "linestyle": "-"},
    "ppo-gate": {"color": "#D55E00", "marker": "D", "linestyle": "--"},
    "ppo-level": {"color": "#E69F00", "marker": "P", "linestyle": "--"},
    "ppo-quantity": {"color": "#000000", "marker": "X", "linestyle": "--"},
    "ppo-box": {"color": "#888888", "marker": "<", "linestyle": "--"},
    "ppo-stock": {"color": "#7A4B1E", "marker": ">", "linestyle": ":"},
}
"""Okabe and Ito's colours, with grey and brown; markers and dashes tell the methods apart without them."""


def draw_curves(env: str, curves: pd.DataFrame, classical: float | None) -> bytes:
    """Gap against CPU seconds, one panel per budget: median of the seeds, and a band from least to largest.

    Args:
        env: environment id.
        curves: columns method, seed, budget_seconds, cpu_seconds, gap_percent.
        classical: gap of the best classical policy, drawn as a line, or None.
    """
    budgets = sorted(curves.budget_seconds.unique())
    figure = Figure(figsize=(2.4 + 5.4 * len(budgets), 4.8), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(budgets), sharey=True))
    lines: dict[str, Any] = {}
    for axes, budget in zip(panels, budgets, strict=True):
        here = curves[curves.budget_seconds == budget]
        for name in METHODS:
            runs = [run for _, run in here[here.method == name].groupby("seed")]
            if runs:
                lines[name] = _draw_curve(axes, name, runs)
        if classical is not None:
            lines["best classical"] = axes.axhline(
                max(classical, FLOOR), color="black", linewidth=1, alpha=0.6
            )
        seeds = here.seed.nunique()
        axes.set(xscale="log", yscale="log", xlabel="CPU seconds of training")
        axes.set_title(f"budget {budget:g} s, {seeds} seed{'s' if seeds > 1 else ''}", fontsize=10)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        axes.grid(which="major", color="#cccccc")
        axes.grid(which="minor", color="#eeeeee", linewidth=0.6)
    panels[0].set_ylabel("gap to the optimum, %")
    figure.suptitle(short(env))
    figure.legend(list(lines.values()), list(lines), loc="outside right center", frameon=False)
    return _png(figure)


def _draw_curve(axes: Axes, name: str, runs: Sequence[pd.DataFrame]) -> Any:
    """One method: seeds, evaluated at slightly different times, are interpolated to the first one's."""
    times = np.log(runs[0].cpu_seconds.to_numpy())
    gaps = np.stack(
        [
            np.interp(
                times,
                np.log(run.cpu_seconds.to_numpy()),
                np.log(run.gap_percent.fillna(np.inf).clip(FLOOR, CEILING).to_numpy()),
            )
            for run in runs
        ]
    )
    seconds = np.exp(times)
    if len(runs) > 1:
        axes.fill_between(
            seconds,
            np.exp(gaps.min(0)),
            np.exp(gaps.max(0)),
            color=STYLES[name]["color"],
            alpha=0.15,
            linewidth=0,
        )
    (line,) = axes.plot(seconds, np.exp(np.median(gaps, 0)), markersize=5, linewidth=1.5, **STYLES[name])
    return line


def draw_policies(env: str, records: Sequence[dict[str, Any]]) -> bytes:
    """Order quantity against stock, the optimal policy behind: two panels per method, one above the other.

    Drawn are the learned methods with their smallest seed and largest budget, and the best classical policy;
    the upper panel is the middle of the horizon, the lower one the last period but one.

    Args:
        env: environment id.
        records: the environment's records, see ``runs.perform``.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for record in sorted(records, key=lambda r: (r["settings"]["seed"], -r["settings"]["budget"])):
        chosen.setdefault(record["settings"]["method"], record)
    optimal = chosen["optimum"]["orders"]
    shown = [name for name in ("classical", *METHODS) if name in chosen]
    columns = min(len(shown), 5)
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(1.0 + 2.6 * columns, 1.0 + 4.0 * rows), layout="constrained")
    panels = figure.subplots(2 * rows, columns, sharex=True, sharey=True, squeeze=False)
    top = max(max(quantities) for quantities in optimal["quantities"])
    lines: dict[str, Any] = {}
    for place, name in enumerate(shown):
        orders, gap = chosen[name]["orders"], chosen[name]["row"]["gap_percent"]
        for i, period in enumerate(optimal["periods"]):
            axes = panels[2 * (place // columns) + i, place % columns]
            (lines["optimal"],) = axes.plot(
                optimal["stocks"], optimal["quantities"][i], color="#b8b8b8", linewidth=5
            )
            (lines["of the method"],) = axes.plot(
                orders["stocks"], orders["quantities"][i], color="#0072B2", linewidth=1.4
            )
            axes.set_ylim(-0.05 * top, 1.25 * top)
            axes.grid(color="#e8e8e8")
            if i == 0:
                axes.set_title(f"{name}, gap {percent(gap)}", fontsize=10)
            if place % columns == 0:
                axes.set_ylabel(f"period {period + 1} of {chosen[name]['horizon']}")
    for place in range(len(shown), rows * columns):
        for axes in panels[2 * rows - 2 :, place % columns]:
            axes.set_visible(False)
    for column in panels.T:
        last = [axes for axes in column if axes.get_visible()][-1]
        last.tick_params(labelbottom=True)
        last.set_xlabel("stock, units")
    figure.supylabel("order, units")
    figure.suptitle(f"{short(env)}: orders by the stock before")
    figure.legend(list(lines.values()), list(lines), loc="outside lower center", ncols=2, frameon=False)
    return _png(figure)


def percent(gap: float) -> str:
    """A gap with the digits that matter."""
    return f"{gap:.3f} %" if abs(gap) < 10 else f"{gap:,.1f} %"


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
