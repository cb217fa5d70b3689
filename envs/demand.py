"""Demand as exogenous noise that is not negative: of one item, of several, from distributions or records."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from . import checks
from .noise.described import as_noise
from .noise.items import ItemNoise as ItemDemand
from .noise.items import as_item_noise
from .noise.periods import PeriodNoise as PeriodDemand
from .noise.recorded import TraceNoise as TraceDemand
from .noise.single import STATIONARY_PERIODS
from .noise.single import ContinuousNoise as ContinuousDemand
from .noise.single import DiscreteNoise as DiscreteDemand
from .noise.single import Noise as Demand

if TYPE_CHECKING:
    from .traces import episodes, split_series

__all__ = [
    "ROUNDING",
    "STATIONARY_PERIODS",
    "ContinuousDemand",
    "Demand",
    "DiscreteDemand",
    "ItemDemand",
    "PeriodDemand",
    "TraceDemand",
    "as_demand",
    "as_item_demand",
    "discrete_values",
    "episodes",
    "from_stocks",
    "split_series",
]


def __getattr__(name: str) -> Any:
    """``episodes`` and ``split_series``, whose module imports pandas, when they are asked for."""
    if name in ("episodes", "split_series"):
        return getattr(importlib.import_module(".traces", __package__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


ROUNDING = 1e-6
"""Relative excess of a total demand that is taken as rounding: of sums, or of float32 observations."""


def from_stocks(at_hand: Any, left: Any, lost: bool) -> Any:
    """The demand of a period, in units, from the stock before and after it; all of one shape.

    Args:
        at_hand: stock after arrivals.
        left: stock at the end of the period.
        lost: True if unmet demand is lost. If the stock has run out, demand is then only known to have been
            at least ``at_hand``.

    Raises:
        ValueError: if demand is censored, naming the first entry.
    """
    if lost:
        checks.determined(
            "demand",
            left > 0,
            "the stock ran out, and with unmet_demand='lost' this shows only that demand was at least what "
            "was at hand. Log the demand, info['noise'] of the environment, or leave such periods out",
        )
    return array_namespace(left).maximum(at_hand - left, 0.0 * left)


def discrete_values(demand: Demand) -> NDArray[np.float64] | None:
    """All values that demand takes in any period, ascending, in units; None unless it is discrete in all."""
    values = [period.values for period in demand.periods if isinstance(period, DiscreteDemand)]
    return np.unique(np.concatenate(values)) if len(values) == len(demand.periods) else None


def as_demand(demand: Any, horizon: int | None, season: int | None = None) -> Demand:
    """The demand of one item, from a ``scipy.stats`` distribution, one for each period, or traces.

    Args:
        demand: see ``jumpgym.noise.described.as_noise``; at least 0.
        horizon: periods in an episode; None for an infinite horizon.
        season: periods of the season, after which a list of distributions repeats, or None.

    Raises:
        TypeError, ValueError: as ``as_noise``.
    """
    return as_noise(demand, horizon, name="demand", low=0.0, season=season)


def as_item_demand(demand: Any, items: int, horizon: int | None, season: int | None = None) -> ItemDemand:
    """The demand of several items described by frozen ``scipy.stats`` distributions or by traces.

    Args:
        demand: see ``jumpgym.noise.items.as_item_noise``; at least 0.
        items: number of items.
        horizon: periods in an episode; None for an infinite horizon.
        season: periods of the season, after which a list of distributions repeats, or None.

    Raises:
        TypeError, ValueError: as ``as_item_noise``.
    """
    return as_item_noise(demand, items, horizon, name="demand", low=0.0, season=season)
