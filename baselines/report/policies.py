"""The picture of policies, as a PNG file: the decisions of each method beside those of the reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from .formatting import percent
from .styles import add_heading, is_geometric, png
from .tables import BUDGET, in_order, regime_label_of, title

COLUMNS = 5
"""Most policies beside each other."""

REFERENCE_COLOUR, METHOD_COLOUR = "#b8b8b8", "#0072B2"

Regimes = tuple[int, ...]
"""The regime of each gate."""


def draw_policies(environment: pd.Series[Any], policies: pd.DataFrame, rows: pd.DataFrame) -> bytes:
    """Draw the decisions of policies in the middle of the horizon and, below, in its last period but one.

    Where the decisions are recorded along one entry of the observation, the picture shows the quantities,
    with those of the reference behind them in grey. Where they are recorded over two entries it shows a map
    of the regimes, beginning with the reference's.

    Args:
        environment: a row of ``environments``.
        policies: the problem's rows, the reference's among them, see ``tables.COLUMNS``.
        rows: of the problem in ``comparison``, for the gaps in the headings.
    """
    reference, is_map = str(environment.reference), bool(environment.y_name)
    by_method = {str(name): of_method for name, of_method in policies.groupby("method")}
    shown = [name for name in in_order(by_method) if is_map or name != reference]
    shown.sort(key=lambda name: name != reference)
    columns = min(len(shown), COLUMNS)
    height = -(-len(shown) // columns)
    figure = Figure(
        figsize=(1.0 + 2.6 * columns, 1.4 + (4.8 if is_map else 4.0) * height), layout="constrained"
    )
    panels = figure.subplots(2 * height, columns, sharex=True, sharey=True, squeeze=False)
    legend: dict[str, Any] = {}
    maps = {name: _maps(by_method[name]) for name in shown} if is_map else {}
    if is_map:
        colours = _colours(
            [regimes for images in maps.values() for image in images.values() for regimes in image]
        )
        label_of = regime_label_of(policies)
        legend = {label_of(regimes): Patch(color=colour) for regimes, colour in colours.items()}
    for position, name in enumerate(shown):
        for i, period in enumerate(sorted(policies.period.unique())):
            axes = panels[2 * (position // columns) + i, position % columns]
            if is_map:
                _draw_map(axes, by_method[name], maps[name][period], colours)
            else:
                legend |= _draw_lines(axes, int(period), reference, by_method[reference], by_method[name])
            if i == 0:
                heading = name if name == reference else f"{name}, gap {percent(_gap(rows, by_method[name]))}"
                axes.set_title(heading, fontsize=10)
            if position % columns == 0:
                axes.set_ylabel(f"period {period + 1} of {environment.horizon}")
    _finish(panels, len(shown), environment.x_name)
    problem = title(environment.env, environment.parameters)
    if is_map:
        figure.supylabel(environment.y_name)
        add_heading(figure, f"{problem}: regimes by {environment.x_name} and {environment.y_name}")
    else:
        _set_limits(panels[0, 0], by_method[reference])
        figure.supylabel("quantity")
        add_heading(figure, f"{problem}: quantities by the {environment.x_name}")
    figure.legend(
        list(legend.values()),
        list(legend),
        loc="outside lower center",
        ncols=min(len(legend), columns + 1),
        frameon=False,
        fontsize=9,
    )
    return png(figure)


def _gap(rows: pd.DataFrame, policy: pd.DataFrame) -> float:
    """Gap of the run whose decisions are drawn."""
    run = policy.iloc[0]
    rows = rows[rows.method == run.method]
    for name in ("seed", *BUDGET):
        rows = rows[rows[name].isna() if pd.isna(run[name]) else rows[name] == run[name]]
    return float(rows.gap_percent.iloc[0])


def _finish(panels: NDArray[Any], shown: int, x_name: str) -> None:
    """Hide the panels that are left over, and label the lowest one of each column."""
    columns = panels.shape[1]
    for position in range(shown, len(panels) // 2 * columns):
        for axes in panels[-2:, position % columns]:
            axes.set_visible(False)
    for column in panels.T:
        last = [axes for axes in column if axes.get_visible()][-1]
        last.tick_params(labelbottom=True)
        last.set_xlabel(x_name)


def _draw_lines(
    axes: Axes, period: int, name: str, reference: pd.DataFrame, policy: pd.DataFrame
) -> dict[str, Any]:
    """Draw the quantities of a period over those of the reference, called ``name``; return lines by label."""
    lines: dict[str, Any] = {}
    pairs = zip(_quantities(reference, period), _quantities(policy, period), strict=True)
    for j, ((_, behind), (_, line)) in enumerate(pairs):
        of = f", {line.name.iloc[0]}" if policy["index"].max() > 0 else ""
        for rows, label, colour, width in (
            (behind, name, REFERENCE_COLOUR, 5),
            (line, "of the method", METHOD_COLOUR, 1.4),
        ):
            (lines[f"{label}{of}"],) = axes.plot(
                rows.x, rows.value, color=colour, linewidth=width, linestyle=("-", "--", ":")[j % 3]
            )
    axes.grid(color="#e8e8e8")
    return lines


def _quantities(rows: pd.DataFrame, period: int) -> Any:
    return rows[(rows.kind == "quantity") & (rows.period == period)].groupby("index")


def _set_limits(axes: Axes, reference: pd.DataFrame) -> None:
    """Fit the axes to the reference, so that a method that diverged does not hide the others."""
    quantities = reference[reference.kind == "quantity"].value
    top, bottom = quantities.max(), min(quantities.min(), 0.0)
    room = max(top - bottom, 1e-9)
    axes.set_ylim(bottom - 0.05 * room, top + 0.25 * room)
    if is_geometric(reference.x.unique()):
        axes.set_xscale("log")


def _maps(rows: pd.DataFrame) -> dict[int, list[Regimes]]:
    """The regimes of all gates at each point, by period."""
    maps = {}
    for period, of_period in rows[rows.kind == "gate"].groupby("period"):
        gates = [gate.value.astype(int) for _, gate in of_period.groupby("index")]
        maps[int(str(period))] = list(zip(*gates, strict=True))
    return maps


def _colours(points: Sequence[Regimes]) -> dict[Regimes, Any]:
    """A colour for each combination of regimes that occurs."""
    palette = colormaps["tab20"].colors  # type: ignore[attr-defined]
    return {regimes: palette[i % len(palette)] for i, regimes in enumerate(sorted(set(points)))}


def _draw_map(axes: Axes, rows: pd.DataFrame, points: list[Regimes], colours: dict[Regimes, Any]) -> None:
    """Draw the colour of the regimes at each point of the two axes."""
    x, y = rows.x.unique(), rows.y.unique()
    image = np.array([to_rgb(colours[point]) for point in points]).reshape(len(x), len(y), 3)
    axes.pcolormesh(x, y, image.swapaxes(0, 1), shading="nearest")
    for values, set_scale, axis in ((x, axes.set_xscale, axes.xaxis), (y, axes.set_yscale, axes.yaxis)):
        if is_geometric(values):
            set_scale("log")
        else:
            axis.set_major_locator(MaxNLocator(5))
            axis.set_major_formatter(EngFormatter(sep=""))
