"""The picture of policies: decisions of the methods beside those of the reference. PNG as bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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

from ..runs.methods import METHODS
from .styles import by_a_factor, png
from .tables import BUDGET, percent, title

COLUMNS = 5
"""Most policies beside each other."""

REFERENCE, OWN = "#b8b8b8", "#0072B2"
"""Colours of the reference and of the method."""


def draw_policies(environment: pd.Series[Any], policies: pd.DataFrame, rows: pd.DataFrame) -> bytes:
    """Decisions of the policies: for each the middle of the horizon above its last period but one.

    Where one entry of the observation is charted these are the quantities against it, the reference's behind;
    where there are two it is a map of the gates, the reference's first.

    Args:
        environment: a row of ``environments``.
        policies: the problem's rows, the reference's among them, see ``tables.COLUMNS``.
        rows: of the problem in ``comparison``, for the gaps in the headings.
    """
    first, lines = environment.reference, not environment.y_name
    chosen = {str(name): rows for name, rows in policies.groupby("method")}
    shown = [name for name in ("classical", *METHODS) if name in chosen and name != first]
    shown = shown if lines else [first, *shown]
    columns = min(len(shown), COLUMNS)
    height = -(-len(shown) // columns)
    figure = Figure(
        figsize=(1.0 + 2.6 * columns, 1.4 + (4.0 if lines else 4.8) * height), layout="constrained"
    )
    panels = figure.subplots(2 * height, columns, sharex=True, sharey=True, squeeze=False)
    images = {name: _images(chosen[name]) for name in shown} if not lines else {}
    colours = _colours(images.values())
    legend: dict[str, Any] = {", ".join(map(str, key)): Patch(color=value) for key, value in colours.items()}
    for place, name in enumerate(shown):
        for i, period in enumerate(sorted(policies.period.unique())):
            axes = panels[2 * (place // columns) + i, place % columns]
            if lines:
                legend |= _draw_lines(axes, int(period), first, chosen[first], chosen[name])
            else:
                _draw_map(axes, chosen[name], images[name][period], colours)
            if i == 0:
                heading = name if name == first else f"{name}, gap {percent(_gap(rows, chosen[name]))}"
                axes.set_title(heading, fontsize=10)
            if place % columns == 0:
                axes.set_ylabel(f"period {period + 1} of {environment.horizon}")
    _finish(panels, len(shown), environment.x_name)
    problem = title(environment.env, environment.parameters)
    if lines:
        _limit(panels[0, 0], chosen[first])
        figure.supylabel("quantity")
        figure.suptitle(f"{problem}: quantities by the {environment.x_name}")
    else:
        figure.supylabel(environment.y_name)
        figure.suptitle(f"{problem}: regime of each gate by {environment.x_name} and {environment.y_name}")
    figure.legend(
        list(legend.values()),
        list(legend),
        loc="outside lower center",
        ncols=min(len(legend), 3 * columns),
        frameon=False,
        fontsize=9,
    )
    return png(figure)


def _gap(rows: pd.DataFrame, policy: pd.DataFrame) -> float:
    """That of the run whose decisions are drawn."""
    of_run = policy.iloc[0]
    own = rows[rows.method == of_run.method]
    for name in ("seed", *BUDGET):
        own = own[own[name].isna() if pd.isna(of_run[name]) else own[name] == of_run[name]]
    return float(own.gap_percent.iloc[0])


def _finish(panels: NDArray[Any], shown: int, name: str) -> None:
    """Hide the panels that are left over, and label the lowest of each column."""
    columns = panels.shape[1]
    for place in range(shown, len(panels) // 2 * columns):
        for axes in panels[-2:, place % columns]:
            axes.set_visible(False)
    for column in panels.T:
        last = [axes for axes in column if axes.get_visible()][-1]
        last.tick_params(labelbottom=True)
        last.set_xlabel(name)


def _draw_lines(
    axes: Axes, period: int, first: str, reference: pd.DataFrame, own: pd.DataFrame
) -> dict[str, Any]:
    """Quantities in a period over those of the reference, called ``first``; lines by label."""
    lines: dict[str, Any] = {}
    theirs, ours = ([line for _, line in _quantities(rows, period)] for rows in (reference, own))
    for j, (behind, line) in enumerate(zip(theirs, ours, strict=True)):
        of = f", {line.name.iloc[0]}" if len(ours) > 1 else ""
        style = ("-", "--", ":")[j % 3]
        for rows, label, colour, width in ((behind, first, REFERENCE, 5), (line, "of the method", OWN, 1.4)):
            (lines[f"{label}{of}"],) = axes.plot(
                rows.x, rows.value, color=colour, linewidth=width, linestyle=style
            )
    axes.grid(color="#e8e8e8")
    return lines


def _quantities(rows: pd.DataFrame, period: int) -> Any:
    return rows[(rows.kind == "quantity") & (rows.period == period)].groupby("index")


def _limit(axes: Axes, reference: pd.DataFrame) -> None:
    """Axes that fit the reference: a method that diverged must not hide the others."""
    shown = reference[reference.kind == "quantity"].value
    top, bottom = shown.max(), min(shown.min(), 0.0)
    room = max(top - bottom, 1e-9)
    axes.set_ylim(bottom - 0.05 * room, top + 0.25 * room)
    if by_a_factor(reference.x.unique()):
        axes.set_xscale("log")


def _images(rows: pd.DataFrame) -> dict[int, list[tuple[int, ...]]]:
    """The regimes of all gates at each point, by period."""
    images = {}
    for period, of_period in rows[rows.kind == "gate"].groupby("period"):
        gates = [gate.value.astype(int) for _, gate in of_period.groupby("index")]
        images[int(str(period))] = list(zip(*gates, strict=True))
    return images


def _colours(images: Iterable[Mapping[int, list[tuple[int, ...]]]]) -> dict[tuple[int, ...], Any]:
    """A colour for each combination of regimes that is drawn."""
    seen = {point for image in images for points in image.values() for point in points}
    palette = colormaps["tab20"].colors  # type: ignore[attr-defined]
    return {combination: palette[i % len(palette)] for i, combination in enumerate(sorted(seen))}


def _draw_map(
    axes: Axes, rows: pd.DataFrame, points: list[tuple[int, ...]], colours: dict[tuple[int, ...], Any]
) -> None:
    """Colour of the combination of regimes at each point of the two axes."""
    x, y = rows.x.unique(), rows.y.unique()
    image = np.array([to_rgb(colours[point]) for point in points]).reshape(len(x), len(y), 3)
    axes.pcolormesh(x, y, image.swapaxes(0, 1), shading="nearest")
    for values, scale, axis in ((x, axes.set_xscale, axes.xaxis), (y, axes.set_yscale, axes.yaxis)):
        if by_a_factor(values):
            scale("log")
        else:
            axis.set_major_locator(MaxNLocator(5))
            axis.set_major_formatter(EngFormatter(sep=""))
