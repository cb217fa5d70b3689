"""Pictures of a comparison: learning curves, and learned policies beside the optimal one. PNG as bytes."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from .methods import METHODS
from .runs import short

FLOOR = 0.01
"""Smallest gap that is drawn, in per cent; smaller ones, and negative ones, are noise of the evaluation."""

CEILING = 10_000.0
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
    "mixed-heads": {"color": "#0072B2", "marker": "8", "linestyle": "--"},
    "hpo": {"color": "#000000", "marker": "*", "linestyle": "-"},
    "svg": {"color": "#E69F00", "marker": "h", "linestyle": "-"},
    "reinforce": {"color": "#D55E00", "marker": "d", "linestyle": "-"},
    "reinforce-truncated": {"color": "#D55E00", "marker": "p", "linestyle": "-."},
    "reinforce-kumaraswamy": {"color": "#D55E00", "marker": "H", "linestyle": ":"},
    "fitted-q": {"color": "#7A4B1E", "marker": "o", "linestyle": "-."},
    "fitted-q-amortized": {"color": "#7A4B1E", "marker": "s", "linestyle": "--"},
    "nfqca": {"color": "#7A4B1E", "marker": "D", "linestyle": "-"},
    "a2c": {"color": "#0072B2", "marker": "<", "linestyle": "-."},
    "trpo": {"color": "#009E73", "marker": ">", "linestyle": "-."},
    "ddpg": {"color": "#D55E00", "marker": "v", "linestyle": ":"},
    "td3": {"color": "#E69F00", "marker": "^", "linestyle": ":"},
    "sac": {"color": "#CC79A7", "marker": "s", "linestyle": ":"},
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
    panels[0].set_ylabel(f"gap, %, drawn within {FLOOR:g} and {CEILING:g}")
    figure.suptitle(short(env))
    figure.legend(list(lines.values()), list(lines), loc="outside right center", frameon=False)
    return png(figure)


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
    """Decisions of the policies: two panels per method, one above the other.

    Drawn are the learned methods with their smallest seed and largest budget, and the best classical policy;
    the upper panel is the middle of the horizon, the lower one the last period but one. Where one entry of
    the observation is charted these are the quantities against it, the reference's behind; where there are
    two it is a map of the gates, the reference's first.

    Args:
        env: environment id.
        records: the environment's records, see ``runs.perform``.
    """
    chosen: dict[str, dict[str, Any]] = {}
    for record in sorted(records, key=lambda r: (r["settings"]["seed"], -r["settings"]["budget"])):
        if record["drawn"] is not None:
            chosen.setdefault(record["settings"]["method"], record)
    first = records[0]["reference"]["kind"]
    chart = records[0]["chart"]
    lines = len(chart["axes"]) == 1
    shown = [name for name in ("classical", *METHODS) if name in chosen and name != first]
    shown = shown if lines else [first, *shown]
    columns = min(len(shown), 5)
    rows = -(-len(shown) // columns)
    figure = Figure(figsize=(1.0 + 2.6 * columns, 1.4 + (4.0 if lines else 4.8) * rows), layout="constrained")
    panels = figure.subplots(2 * rows, columns, sharex=True, sharey=True, squeeze=False)
    legend: dict[str, Any] = {}
    colours = _combinations([chosen[name] for name in shown])
    for place, name in enumerate(shown):
        for i, period in enumerate(chart["periods"]):
            axes = panels[2 * (place // columns) + i, place % columns]
            if lines:
                legend |= _draw_lines(axes, chart, i, first, chosen[first]["drawn"], chosen[name]["drawn"])
            else:
                _draw_map(axes, chart, i, chosen[name]["drawn"], colours)
            if i == 0:
                gap = chosen[name]["row"]["gap_percent"]
                axes.set_title(name if name == first else f"{name}, gap {percent(gap)}", fontsize=10)
            if place % columns == 0:
                axes.set_ylabel(f"period {period + 1} of {chart['horizon']}")
    for place in range(len(shown), rows * columns):
        for axes in panels[2 * rows - 2 :, place % columns]:
            axes.set_visible(False)
    for column in panels.T:
        last = [axes for axes in column if axes.get_visible()][-1]
        last.tick_params(labelbottom=True)
        last.set_xlabel(chart["names"][0])
    if lines:
        _limit(panels[0, 0], chart, chosen[first]["drawn"])
        figure.supylabel("quantity")
        figure.suptitle(f"{short(env)}: quantities by the {chart['names'][0]}")
    else:
        figure.supylabel(chart["names"][1])
        figure.suptitle(f"{short(env)}: regime of each gate by {chart['names'][0]} and {chart['names'][1]}")
        legend = {
            ", ".join(map(str, combination)): Patch(color=colour) for combination, colour in colours.items()
        }
    figure.legend(
        list(legend.values()),
        list(legend),
        loc="outside lower center",
        ncols=min(len(legend), 3 * columns),
        frameon=False,
        fontsize=9,
    )
    return png(figure)


def _draw_lines(
    axes: Axes, chart: dict[str, Any], i: int, name: str, reference: dict[str, Any], drawn: dict[str, Any]
) -> dict[str, Any]:
    """Quantities in the chart's period ``i`` over those of the reference, called ``name``; lines by label."""
    lines: dict[str, Any] = {}
    (values,) = chart["axes"]
    several = len(chart["quantities"]) > 1
    pairs = zip(reference["quantity"][i], drawn["quantity"][i], strict=True)
    for j, (theirs, own) in enumerate(pairs):
        style, of = ("-", "--", ":")[j % 3], f", {chart['quantities'][j]}" if several else ""
        (lines[f"{name}{of}"],) = axes.plot(values, theirs, color="#b8b8b8", linewidth=5, linestyle=style)
        (lines[f"of the method{of}"],) = axes.plot(
            values, own, color="#0072B2", linewidth=1.4, linestyle=style
        )
    axes.grid(color="#e8e8e8")
    return lines


def _limit(axes: Axes, chart: dict[str, Any], reference: dict[str, Any]) -> None:
    """Axes that fit the reference: a method that diverged must not hide the others."""
    shown = np.array(reference["quantity"])
    top, bottom = shown.max(), min(shown.min(), 0.0)
    room = max(top - bottom, 1e-9)
    axes.set_ylim(bottom - 0.05 * room, top + 0.25 * room)
    if _logarithmic(chart["axes"][0]):
        axes.set_xscale("log")


def _draw_map(
    axes: Axes, chart: dict[str, Any], i: int, drawn: dict[str, Any], colours: dict[tuple[int, ...], Any]
) -> None:
    """Colour of the combination of regimes in the chart's period ``i`` at each point of the two axes."""
    x, y = chart["axes"]
    points = zip(*drawn["regime"][i], strict=True)
    image = np.array([to_rgb(colours[point]) for point in points]).reshape(len(x), len(y), 3)
    axes.pcolormesh(x, y, image.swapaxes(0, 1), shading="nearest")
    for values, scale, axis in ((x, axes.set_xscale, axes.xaxis), (y, axes.set_yscale, axes.yaxis)):
        if _logarithmic(values):
            scale("log")
        else:
            axis.set_major_locator(MaxNLocator(5))
            axis.set_major_formatter(EngFormatter(sep=""))


def _combinations(records: Sequence[dict[str, Any]]) -> dict[tuple[int, ...], Any]:
    """A colour for each combination of regimes that is drawn."""
    seen = {
        point
        for record in records
        for of_period in record["drawn"]["regime"]
        for point in zip(*of_period, strict=True)
    }
    palette = colormaps["tab20"].colors  # type: ignore[attr-defined]
    return {combination: palette[i % len(palette)] for i, combination in enumerate(sorted(seen))}


def _logarithmic(values: Sequence[float]) -> bool:
    """Whether values are spaced by a factor."""
    return values[0] > 0 and values[2] - values[1] > 1.001 * (values[1] - values[0])


def percent(gap: float) -> str:
    """A gap with the digits that matter."""
    return f"{gap:.3f} %" if abs(gap) < 10 else f"{gap:,.1f} %"


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()
