"""Rendering of a single-item episode as text and as a chart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium import logger
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from numpy.typing import NDArray

from .problem import HindsightProblem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT_ROWS = 10
"""Periods that the text shows, the latest ones."""

LEGEND_ROWS = 6
"""Regimes that the chart's legend names; where there are more, the largest of those chosen so far."""

STOCK, DEMAND, SHORTAGE, COST = "#1f4e79", "#e8590c", "#c0392b", "#7d3c98"


class Period(NamedTuple):
    """What happened in one period; quantities in units, cost in money."""

    regime: int
    quantity: float
    demand: float
    cost: float
    stock_before: float
    stock_after: float


class Trajectory:
    """The periods of an episode so far.

    Attributes:
        periods: one record per period.
    """

    def __init__(self) -> None:
        self.periods: list[Period] = []

    def append(
        self, state_before: Any, regime: int, applied: float, noise: Any, cost: float, state_after: Any
    ) -> None:
        """Record one period, without batch axes."""
        stocks = float(state_before.inventory), float(state_after.inventory)
        self.periods.append(Period(int(regime), float(applied), float(noise), float(cost), *stocks))


def draw(render_mode: str | None, problem: HindsightProblem, state: Any, trajectory: Trajectory) -> Any:
    """The episode so far: text for ``"ansi"``, a chart (height, width, 3) of uint8 for ``"rgb_array"``.

    Args:
        render_mode: None warns and draws nothing.
        problem: the single-item problem.
        state: the state now, without batch axes.
        trajectory: the periods that led to it.

    Raises:
        ResetNeeded: before the first reset.
        DependencyNotInstalled: if matplotlib is missing for a chart.
    """
    if render_mode is None:
        logger.warn('render() without a render_mode: pass render_mode="ansi" or "rgb_array" to gym.make')
        return None
    if state is None:
        raise ResetNeeded("render() before reset()")
    return (text if render_mode == "ansi" else chart)(problem, state, trajectory)


def text(problem: HindsightProblem, state: Any, trajectory: Trajectory) -> str:
    """The state, and a table of the latest periods."""
    periods = trajectory.periods
    under_way = ", ".join(f"{units:.1f}" for units in state.pipeline)
    lines = [
        f"period {len(periods)} of {problem.horizon}   stock {float(state.inventory):.1f}"
        + (f"   arriving {under_way}" if under_way else "")
        + f"   cost so far {sum(p.cost for p in periods):.1f}"
    ]
    if periods:
        lines.append(
            f"{'period':>6} {'stock':>9} {'regime':>6} {'order':>9} "
            f"{'demand':>9} {'stock after':>11} {'cost':>10}"
        )
    first = max(len(periods) - TEXT_ROWS, 0)
    for number, p in enumerate(periods[first:], start=first + 1):
        lines.append(
            f"{number:>6} {p.stock_before:>9.1f} {p.regime:>6} {p.quantity:>9.1f} "
            f"{p.demand:>9.1f} {p.stock_after:>11.1f} {p.cost:>10.1f}"
        )
    return "\n".join(lines) + "\n"


def chart(problem: HindsightProblem, state: Any, trajectory: Trajectory) -> NDArray[np.uint8]:
    """Stock, orders with demand, and cost so far against the period: an image (height, width, 3)."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise DependencyNotInstalled(
            'render_mode="rgb_array" needs matplotlib: run `pip install "jumpgym[baselines]"`'
        ) from error
    figure = Figure(figsize=(8.0, 6.4), dpi=80)
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 2])
    figure.subplots_adjust(left=0.1, right=0.975, top=0.93, bottom=0.08, hspace=0.28)
    _draw_stock(axes[0], state, trajectory.periods)
    _draw_orders(axes[1], problem, trajectory.periods)
    _draw_cost(axes[2], trajectory.periods)
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#dddddd", linewidth=0.6)
        ax.set_axisbelow(True)
    axes[2].set_xlim(0, problem.horizon + 0.6)
    axes[2].set_xlabel("period")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _draw_stock(ax: Axes, state: Any, periods: list[Period]) -> None:
    stock = np.array([p.stock_before for p in periods] + [float(state.inventory)])
    time = np.arange(len(stock))
    ax.axhline(0, color="#888888", linewidth=0.8)
    ax.fill_between(
        time, stock, 0, where=stock < 0, interpolate=True, color=SHORTAGE, alpha=0.25, linewidth=0
    )
    ax.plot(time, stock, color=STOCK, marker="o", markersize=3, linewidth=1.2)
    ax.set_ylim(1.1 * min(stock.min(), -1.0), 1.1 * max(stock.max(), 1.0))
    _title(ax, f"Net stock after each period: {stock[-1]:.4g} now", "stock [units]")
    if len(state.pipeline):
        arriving = ", ".join(f"{units:.4g}" for units in state.pipeline)
        ax.text(1.0, 1.03, f"arriving next: {arriving}", transform=ax.transAxes, ha="right", fontsize=9)


def _draw_orders(ax: Axes, problem: HindsightProblem, periods: list[Period]) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Patch

    regimes = problem.regimes
    colours = colormaps["viridis"](np.linspace(0.75, 0.1, max(len(regimes) - 1, 1)))
    colours = np.vstack([[0.6, 0.6, 0.6, 1.0], colours])
    time = np.arange(1, len(periods) + 1)
    chosen = np.array([p.regime for p in periods], dtype=np.int64)
    ax.bar(time, [p.quantity for p in periods], width=0.7, color=colours[chosen], linewidth=0)
    demand = ax.plot(
        time,
        [p.demand for p in periods],
        color=DEMAND,
        linestyle="none",
        marker="_",
        markersize=7,
        markeredgewidth=1.6,
    )
    shown = np.arange(1, len(regimes))
    if len(shown) > LEGEND_ROWS:
        shown = np.unique(chosen[chosen > 0])[-LEGEND_ROWS:]
    ax.legend(
        [*demand, *(Patch(color=colours[k]) for k in shown)],
        ["demand", *(f"order in [{regimes.low[k]:g}, {regimes.high[k]:g}]" for k in shown)],
        loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=LEGEND_ROWS + 1, fontsize=8, frameon=False,
        handlelength=0.9, handletextpad=0.4, columnspacing=1.0, borderaxespad=0.1,
    )  # fmt: skip
    ax.set_ylim(0, 1.08 * max(1.0, *(max(p.quantity, p.demand) for p in periods), 0.0))
    _title(ax, "Orders", "units")


def _draw_cost(ax: Axes, periods: list[Period]) -> None:
    total = np.cumsum([0.0] + [p.cost for p in periods])
    ax.plot(np.arange(len(total)), total, color=COST, linewidth=1.4, drawstyle="steps-post")
    ax.set_ylim(0, max(1.0, 1.08 * total[-1]))
    _title(ax, f"Cost so far: {total[-1]:,.1f} after {len(periods)} periods", "cost [money]")


def _title(ax: Axes, title: str, label: str) -> None:
    ax.set_title(title, loc="left", fontsize=10, fontweight="bold")
    ax.set_ylabel(label)
