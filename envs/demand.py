"""Demand as exogenous noise that is not negative: of one item, of several, from distributions or records."""

from __future__ import annotations

from typing import Any

from .item_noise import ItemNoise as ItemDemand
from .item_noise import as_item_noise
from .noise import STATIONARY_PERIODS, as_noise
from .noise import ContinuousNoise as ContinuousDemand
from .noise import DiscreteNoise as DiscreteDemand
from .noise import Noise as Demand
from .noise import TraceNoise as TraceDemand
from .traces import episodes, split_series

__all__ = [
    "STATIONARY_PERIODS",
    "ContinuousDemand",
    "Demand",
    "DiscreteDemand",
    "ItemDemand",
    "TraceDemand",
    "as_demand",
    "as_item_demand",
    "episodes",
    "split_series",
]


def as_demand(demand: Any, horizon: int | None) -> Demand:
    """The demand of one item described by a frozen ``scipy.stats`` distribution or by traces.

    Args:
        demand: see ``jumpgym.noise.as_noise``; at least 0.
        horizon: periods in an episode; None for no end.

    Raises:
        TypeError, ValueError: as ``as_noise``.
    """
    return as_noise(demand, horizon, name="demand", low=0.0)


def as_item_demand(demand: Any, items: int, horizon: int | None) -> ItemDemand:
    """The demand of several items described by frozen ``scipy.stats`` distributions or by traces.

    Args:
        demand: see ``jumpgym.item_noise.as_item_noise``; at least 0.
        items: number of items.
        horizon: periods in an episode; None for no end.

    Raises:
        TypeError, ValueError: as ``as_item_noise``.
    """
    return as_item_noise(demand, items, horizon, name="demand", low=0.0)
