"""How methods look in every picture: colour, marker and dashes, and the panel that they share."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import Formatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from .statistics import BASELINE

STYLES: dict[str, dict[str, Any]] = {
    "mixed": {"color": "#0072B2", "marker": "o", "linestyle": "-"},
    "mixed-heads": {"color": "#0072B2", "marker": "8", "linestyle": "--"},
    "hpo": {"color": "#000000", "marker": "*", "linestyle": "-"},
    "svg": {"color": "#E69F00", "marker": "h", "linestyle": "-"},
    "gumbel": {"color": "#009E73", "marker": "s", "linestyle": "-"},
    "gumbel-plain": {"color": "#56B4E9", "marker": "^", "linestyle": "-"},
    "smoothed": {"color": "#CC79A7", "marker": "v", "linestyle": "-"},
    "reinforce": {"color": "#D55E00", "marker": "d", "linestyle": "-"},
    "reinforce-truncated": {"color": "#E69F00", "marker": "p", "linestyle": "-."},
    "reinforce-kumaraswamy": {"color": "#CC79A7", "marker": "H", "linestyle": ":"},
    "fitted-q": {"color": "#000000", "marker": "X", "linestyle": "-."},
    "fitted-q-amortized": {"color": "#009E73", "marker": "s", "linestyle": "--"},
    "nfqca": {"color": "#7A4B1E", "marker": "D", "linestyle": "-"},
    "ppo-gate": {"color": "#D55E00", "marker": "D", "linestyle": "--"},
    "ppo-level": {"color": "#E69F00", "marker": "P", "linestyle": "--"},
    "ppo-quantity": {"color": "#000000", "marker": "X", "linestyle": "--"},
    "ppo-box": {"color": "#888888", "marker": "<", "linestyle": "--"},
    "ppo-stock": {"color": "#7A4B1E", "marker": ">", "linestyle": ":"},
    "a2c": {"color": "#000000", "marker": "<", "linestyle": "-."},
    "trpo": {"color": "#009E73", "marker": ">", "linestyle": "-."},
    "ddpg": {"color": "#D55E00", "marker": "v", "linestyle": ":"},
    "td3": {"color": "#E69F00", "marker": "^", "linestyle": ":"},
    "sac": {"color": "#CC79A7", "marker": "s", "linestyle": ":"},
}
"""Okabe and Ito's colours, with grey and brown; markers and dashes tell the methods apart without them."""

FAMILIES: dict[str, tuple[str, ...]] = {
    "pathwise": ("mixed", "mixed-heads", "hpo", "svg", "gumbel", "gumbel-plain", "smoothed"),
    "score function, fitted Q": (
        "reinforce",
        "reinforce-truncated",
        "reinforce-kumaraswamy",
        "fitted-q",
        "fitted-q-amortized",
        "nfqca",
    ),
    "PPO": ("ppo-gate", "ppo-level", "ppo-quantity", "ppo-box", "ppo-stock"),
    "other learners of SB3": ("a2c", "trpo", "ddpg", "td3", "sac"),
}
"""Methods that share a panel where all do not fit into one."""

MOST = 8
"""Methods that fit into one panel."""


def panels_of(methods: Collection[str]) -> dict[str, list[str]]:
    """The methods of each panel by its name: all in one, or a family in each with ``BASELINE`` beside it."""
    if len(methods) <= MOST:
        return {"": [name for name in STYLES if name in methods]}
    panels = {}
    for family, members in FAMILIES.items():
        found = [name for name in members if name in methods]
        if found:
            beside = [BASELINE] if BASELINE in methods and BASELINE not in found else []
            panels[family] = [*beside, *found]
    return panels


def logarithmic(axis: Axis, formatter: Formatter | str = "{x:g}") -> None:
    """Ticks of a logarithmic axis, whose limits are known, that do not overlap."""
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 2.8 else (1, 3) if decades < 5 else (1,)))
    axis.set_major_formatter(formatter)
    axis.set_minor_formatter(NullFormatter())


def png(figure: Figure) -> bytes:
    """A figure as a PNG file."""
    FigureCanvasAgg(figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def by_a_factor(values: Sequence[float] | NDArray[np.float64]) -> bool:
    """Whether the values of an axis are spaced by a factor, not by a step."""
    return bool(len(values) > 2 and values[0] > 0 and values[2] - values[1] > 1.001 * (values[1] - values[0]))
