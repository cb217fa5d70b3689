"""Rendering of an episode as text and as a chart, for any hindsight problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gymnasium import logger
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from numpy.typing import NDArray

from ..problem import HindsightProblem

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TEXT_ROWS = 10
"""Periods that the text shows, the latest ones."""

SHOWN = 6
"""Entries that text, chart and legend show of observations, quantities and noise with more."""

DEMAND, SHORTAGE, COST = "#e8590c", "#c0392b", "#7d3c98"


class Period(NamedTuple):
    """What happened in one period; quantities in units, cost in money.

    Attributes:
        observation: at the start of the period, shape (n_obs,).
        regime: of each gate, shape (G,).
        quantity: that was applied, shape (n,).
        noise: flat.
    """

    observation: NDArray[np.float64]
    regime: NDArray[np.int64]
    quantity: NDArray[np.float64]
    noise: NDArray[np.float64]
    cost: float


def check_render_mode(render_mode: str | None, metadata: dict[str, Any]) -> str | None:
    """``render_mode``, if it is None or one of those in ``metadata``."""
    allowed = metadata["render_modes"]
    if render_mode is not None and render_mode not in allowed:
        raise ValueError(f"render_mode={render_mode!r} must be one of {allowed}")
    return render_mode


class Trajectory:
    """The periods of an episode so far.

    Attributes:
        periods: one record per period.
    """

    def __init__(self) -> None:
        self.periods: list[Period] = []

    def append(
        self, problem: HindsightProblem, state: Any, regime: Any, applied: Any, noise: Any, cost: float
    ) -> None:
        """Record one period, without batch axes, from the state at its start."""
        self.periods.append(
            Period(
                np.asarray(problem.observe(state)),
                np.atleast_1d(regime),
                np.atleast_1d(applied),
                np.array(noise, dtype=np.float64).reshape(-1),
                float(cost),
            )
        )


def draw(render_mode: str | None, problem: HindsightProblem, state: Any, trajectory: Trajectory) -> Any:
    """The episode so far: text for ``"ansi"``, a chart (height, width, 3) of uint8 for ``"rgb_array"``.

    Args:
        render_mode: None warns and draws nothing.
        problem: the problem.
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
    periods, shown = trajectory.periods, _charted(problem)
    observation = np.asarray(problem.observe(state))
    of_horizon = "" if problem.horizon is None else f" of {problem.horizon}"
    entries = len(observation) - (problem.horizon is not None)
    values = "   ".join(
        f"{problem.observation_names[i]}: {observation[i]:.1f}" for i in range(min(entries, SHOWN))
    )
    lines = [
        f"period {len(periods)}{of_horizon}   {values}{_more(SHOWN, entries)}"
        f"   cost so far: {sum(p.cost for p in periods):.1f}"
    ]
    if periods:
        names = [
            *(problem.observation_names[i] for i in shown),
            "regime",
            *problem.quantity_names[:SHOWN],
            *_noise_names(problem, len(periods[0].noise)),
            "cost",
        ]
        rows = [["period", *names]]
        first = max(len(periods) - TEXT_ROWS, 0)
        for number, p in enumerate(periods[first:], start=first + 1):
            regime = ",".join(map(str, p.regime[:SHOWN]))
            numbers = [*p.quantity[:SHOWN], *p.noise[:SHOWN], p.cost]
            before = p.observation[shown]
            rows.append([f"{number}", *(f"{x:.1f}" for x in before), regime, *(f"{x:.1f}" for x in numbers)])
        widths = [6, *(max(9, *map(len, column)) for column in list(zip(*rows, strict=True))[1:])]
        lines += [" ".join(f"{c:>{w}}" for c, w in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(lines) + "\n"


def chart(problem: HindsightProblem, state: Any, trajectory: Trajectory) -> NDArray[np.uint8]:
    """State, decisions with the noise, and cost so far against the period: an image (height, width, 3)."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter, MaxNLocator
    except ImportError as error:
        raise DependencyNotInstalled(
            'render_mode="rgb_array" needs matplotlib: run `pip install "jumpgym[baselines]"`'
        ) from error
    figure = Figure(figsize=(8.0, 6.4), dpi=80)
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(3, 1, sharex=True, height_ratios=[3, 3, 2])
    figure.subplots_adjust(left=0.11, right=0.975, top=0.93, bottom=0.08, hspace=0.28)
    periods = trajectory.periods
    _draw_state(axes[0], problem, np.asarray(problem.observe(state)), periods)
    if len(problem.layout.quantity_gate) == 1:
        _draw_order(axes[1], problem, periods)
    else:
        _draw_quantities(axes[1], problem, periods)
    _draw_cost(axes[2], periods)
    for ax in axes:
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(axis="y", color="#dddddd", linewidth=0.6)
        ax.set_axisbelow(True)
    axes[2].set_xlim(0, (problem.horizon or max(len(periods), 10)) + 0.6)
    axes[2].xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes[2].set_xlabel("period")
    figure.align_ylabels(axes)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _charted(problem: HindsightProblem) -> list[int]:
    every = range(len(problem.observation_names) - (problem.horizon is not None))
    return list(every if problem.charted is None else problem.charted)[:SHOWN]


def _noise_names(problem: HindsightProblem, count: int) -> list[str]:
    name = problem.noise_name
    return [name] if count == 1 else [f"{name} {i + 1}" for i in range(min(count, SHOWN))]


def _more(shown: int, there: int) -> str:
    return f" (and {there - shown} more)" if there > shown else ""


def _short(value: float) -> str:
    """A number in few characters."""
    for least, unit, name in ((1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / unit:.6g}{name}"
    return f"{value:.6g}"


def _colours(count: int) -> Any:
    from matplotlib import colormaps

    return colormaps["viridis"](np.linspace(0.75, 0.1, max(count, 1)))


def _draw_state(
    ax: Axes, problem: HindsightProblem, observation: NDArray[np.float64], periods: list[Period]
) -> None:
    shown = _charted(problem)
    values = np.array([*(p.observation for p in periods), observation])
    time = np.arange(len(values))
    ax.axhline(0, color="#888888", linewidth=0.8)
    for index, colour in zip(shown, _colours(len(shown))[::-1], strict=True):
        ax.plot(time, values[:, index], color=colour, marker="o", markersize=3, linewidth=1.2)
    names = [problem.observation_names[i] for i in shown]
    values = values[:, shown]
    ax.set_ylim(1.1 * min(values.min(), -1.0 * (values.min() < 0)), 1.1 * max(values.max(), 1.0))
    if len(shown) == 1:
        line = values[:, 0]
        ax.fill_between(
            time, line, 0, where=line < 0, interpolate=True, color=SHORTAGE, alpha=0.2, linewidth=0
        )
        _title(ax, f"{names[0]} at the start of each period: {observation[shown[0]]:,.1f} now", names[0])
    else:
        _legend(ax, ax.lines[1:], names)
        _title(ax, "State", "state")


def _draw_order(ax: Axes, problem: HindsightProblem, periods: list[Period]) -> None:
    """One quantity, as bars coloured by regime, beside the noise."""
    from matplotlib.patches import Patch

    layout = problem.layout
    colours = np.vstack([[0.6, 0.6, 0.6, 1.0], _colours(len(layout.low) - 1)])
    time = np.arange(1, len(periods) + 1)
    chosen = np.array([p.regime[layout.quantity_gate[0]] for p in periods], dtype=np.int64)
    ax.bar(time, [p.quantity[0] for p in periods], width=0.7, color=colours[chosen], linewidth=0)
    noise = ax.plot(
        time,
        [p.noise[0] for p in periods],
        color=DEMAND,
        linestyle="none",
        marker="_",
        markersize=7,
        markeredgewidth=1.6,
    )
    shown = np.flatnonzero((layout.low != 0) | (layout.high != 0))
    if len(shown) > SHOWN:
        shown = np.unique(chosen[chosen > 0])[-SHOWN:]
    name = problem.quantity_names[0]
    intervals = [f"[{_short(layout.low[k])}, {_short(layout.high[k])}]" for k in shown]
    if len(set(intervals)) < len(intervals):  # they do not tell the regimes apart
        intervals = [f"regime {k}" for k in shown]
    _legend(
        ax,
        [*noise, *(Patch(color=colours[k]) for k in shown)],
        [_noise_names(problem, int(np.prod(problem.noise_shape)))[0], *intervals],
    )
    top = max([1.0, *(max(p.quantity[0], p.noise[0]) for p in periods)])
    ax.set_ylim(min([0.0, *(1.08 * min(p.quantity[0], p.noise[0]) for p in periods)]), 1.08 * top)
    _title(ax, name, name)


def _draw_quantities(ax: Axes, problem: HindsightProblem, periods: list[Period]) -> None:
    """Several quantities, as steps."""
    count = min(len(problem.quantity_names), SHOWN)
    time = np.arange(1, len(periods) + 1)
    width = 0.8 / count
    bars = [
        ax.bar(
            time - 0.4 + (j + 0.5) * width,
            [p.quantity[j] for p in periods],
            width=width,
            color=colour,
            linewidth=0,
        )
        for j, colour in enumerate(_colours(count)[::-1])
    ]
    _legend(ax, bars, list(problem.quantity_names[:count]))
    more = _more(count, len(problem.quantity_names))
    _title(ax, f"Quantities{more}", "quantity")


def _draw_cost(ax: Axes, periods: list[Period]) -> None:
    total = np.cumsum([0.0] + [p.cost for p in periods])
    ax.plot(np.arange(len(total)), total, color=COST, linewidth=1.4, drawstyle="steps-post")
    ax.set_ylim(1.08 * min(0.0, total.min()), max(1.0, 1.08 * total.max()))
    _title(ax, f"Cost so far: {total[-1]:,.1f} after {len(periods)} periods", "cost")


def _legend(ax: Axes, handles: Any, labels: list[str]) -> None:
    ax.legend(
        handles, labels, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=SHOWN + 1, fontsize=8,
        frameon=False, handlelength=0.9, handletextpad=0.4, columnspacing=1.0, borderaxespad=0.1,
    )  # fmt: skip


def _title(ax: Axes, title: str, label: str) -> None:
    ax.set_title(title[:1].upper() + title[1:], loc="left", fontsize=10, fontweight="bold")
    ax.set_ylabel(label)
