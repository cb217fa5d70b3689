"""The picture of a simulation."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from jumpgym import HindsightProblem

from ..report.formatting import counted
from .naming import SHARED, state_names

SHOWN = 6
"""Lines that a panel shows at most."""


def draw_simulation(problem: HindsightProblem, table: pd.DataFrame) -> Figure:
    """Three panels against the period: state, decisions, and cost by kind.

    Lines are means over the episodes, the bands of the state hold 80 % of them. With many items, those of the
    largest demand are shown.

    Args:
        problem: that was simulated.
        table: of ``Simulation``.
    """
    figure = Figure(figsize=(8.0, 8.0), layout="constrained")
    episodes = counted(table.episode.nunique(), "episode")
    figure.suptitle(f"Lines: means of {episodes}. Bands: the middle 80 %.", fontsize=9)
    above, middle, below = figure.subplots(3, 1, sharex=True)
    if "item" in table:
        of_items = table[table.item != SHARED]
        demand = of_items.groupby("item", observed=True).demand.sum()
        shown = list(demand.nlargest(SHOWN).index)
        more = f" (the {SHOWN} of most demand, of {len(demand)})" if len(demand) > SHOWN else ""
        by_item = {item: rows for item, rows in of_items.groupby("item", observed=True) if item in shown}
        states = {str(item): rows.groupby("period").stock for item, rows in by_item.items()}
        orders = {str(item): rows.groupby("period").order for item, rows in by_item.items()}
        _panel(above, f"Stock before the order{more}, units", states, band=True)
        _panel(middle, f"Order{more}, units", orders)
    else:
        by_period = table.groupby("period")
        _panel(above, "State", {n: by_period[n] for n in state_names(problem)[:SHOWN]}, band=True)
        _panel(middle, "Decision", {n: by_period[n] for n in problem.quantity_names[:SHOWN]})
    costs = [name for name in table.columns if name.startswith("cost_")] or ["cost"]
    by_kind = table.groupby(["episode", "period"])[costs].sum().groupby("period")
    _panel(below, "Cost by kind", {name.removeprefix("cost_"): by_kind[name] for name in costs})
    below.set_xlabel("period")
    return figure


def _panel(axes: Axes, title: str, lines: dict[str, Any], band: bool = False) -> None:
    """Draw the mean of each group of numbers by period and, with ``band``, their middle 80 %."""
    colours = colormaps["viridis"]([0.05 + 0.8 * i / max(len(lines) - 1, 1) for i in range(len(lines))])
    for (name, by_period), colour in zip(lines.items(), colours, strict=True):
        mean = by_period.mean()
        axes.plot(mean.index, mean, color=colour, linewidth=1.4, label=name)
        if band:
            low, high = by_period.quantile(0.1), by_period.quantile(0.9)
            axes.fill_between(mean.index, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.legend(fontsize=8, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
