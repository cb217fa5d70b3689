"""How methods look in every picture: colour, marker and dashes, and the panel that they share.

Colours alone never distinguish two methods, so that the pictures are legible in print and to the
colour-blind.
"""

from __future__ import annotations

import io
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, LogLocator, NullLocator
from numpy.typing import NDArray

from .statistics import BASELINE

CHARACTERS_PER_INCH = 9
"""How much text of a heading fits into a figure."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "pathwise": (
        "mixed",
        "mixed-torch",
        "mixed-heads",
        "mixed-one-phase",
        "hpo",
        "svg",
        "gumbel",
        "gumbel-plain",
        "smoothed",
    ),
    "score function, fitted Q": (
        "reinforce",
        "reinforce-truncated",
        "reinforce-kumaraswamy",
        "fitted-q",
        "fitted-q-amortized",
        "nfqca",
    ),
    "PPO": ("ppo-gate", "ppo-level", "ppo-quantity", "ppo-box", "ppo-stock", "ppo-compiled"),
    "other learners of SB3": ("a2c", "trpo", "ddpg", "td3", "sac"),
}
"""Methods that share a panel where all do not fit into one. A method that is not listed is of ``OTHERS``."""

OTHERS = "other methods"

PANEL_METHODS = 9
"""Most methods in one panel."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000", "#56B4E9", "#7A4B1E", "#332288")
"""Okabe and Ito's colours without the yellow, a brown, and Tol's indigo."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p", "h", "8", "d", "H")

DASHES: tuple[Any, ...] = ("-", "--", ":", "-.", (0, (6, 2, 1, 2, 1, 2)))
"""Of the families, in their order."""

Style = dict[str, Any]


def style(position: int, dash: int) -> Style:
    """Keywords of matplotlib's ``plot``: colour and marker by position, and dashes by number."""
    return {
        "color": COLOURS[position % len(COLOURS)],
        "marker": MARKERS[position % len(MARKERS)],
        "linestyle": DASHES[dash % len(DASHES)],
    }


def family(method: str) -> str:
    """Family of a method, by which it gets its panel and its dashes."""
    return next((name for name, members in FAMILIES.items() if method in members), OTHERS)


def styles_of(methods: Iterable[str]) -> dict[str, Style]:
    """The style of each method.

    Methods of ``FAMILIES`` always look the same; others depend on their order among ``methods``.
    """
    listed = [name for members in FAMILIES.values() for name in members]
    positions = {name: i for i, name in enumerate(dict.fromkeys([*listed, *methods]))}
    dashes = {name: i for i, name in enumerate((*FAMILIES, OTHERS))}
    return {name: style(positions[name], dashes[family(name)]) for name in methods}


def panels_of(methods: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Name and methods of each panel.

    All methods share one panel, without a name, if they fit into it. Otherwise each family has one, in which
    ``BASELINE`` is shown for comparison, or several if it is large.
    """
    methods = list(dict.fromkeys(methods))
    if len(methods) <= PANEL_METHODS:
        return [("", methods)]
    families = {family(method) for method in methods}
    panels = []
    for name in (*FAMILIES, OTHERS):
        members = [method for method in methods if family(method) == name]
        for start in range(0, len(members), PANEL_METHODS):
            part = members[start : start + PANEL_METHODS]
            beside = [BASELINE] if BASELINE in methods and BASELINE not in part else []
            panels.append((name if len(families) > 1 else "", beside + part))
    return panels


def logarithmic(axis: Axis, formatter: Formatter | str = "{x:g}") -> None:
    """Give a logarithmic axis, whose limits are set, ticks that do not overlap."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.8 else (1, 3) if decades < 5 else (1,)))
    axis.set_major_formatter(formatter)
    axis.set_minor_locator(NullLocator())


def log_log(axes: Axes, x: str, y: str) -> None:
    """Make both axes logarithmic after everything is drawn, with labels, ticks and a grid."""
    axes.set(xscale="log", yscale="log", xlabel=x, ylabel=y)
    for axis in (axes.xaxis, axes.yaxis):
        logarithmic(axis)
    axes.grid(which="major", color="#cccccc")


def add_heading(figure: Figure, text: str) -> None:
    """Write a heading above a figure, in lines that fit its width."""
    figure.suptitle(textwrap.fill(text, int(CHARACTERS_PER_INCH * figure.get_figwidth())))


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def is_geometric(values: Sequence[float] | NDArray[np.float64]) -> bool:
    """Whether the values of an axis are spaced by a factor rather than by a step."""
    return bool(len(values) > 2 and values[0] > 0 and values[2] - values[1] > 1.001 * (values[1] - values[0]))
