"""Fill rate and cycle service level of simulated stocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from .naming import SHARED

FloatArray = NDArray[np.float64]

ROUNDING = 1e-9
"""Relative difference of stocks that is taken for none."""


def service_levels(
    items: Sequence[str], arrived: FloatArray, demand: FloatArray, unmet: FloatArray
) -> pd.DataFrame:
    """Fill rate and cycle service level of each item and, with several items, of all together.

    The fill rate is the share of demand that was met at once from stock. A replenishment cycle begins when an
    order arrives and ends before the next one does; the cycle service level is the share of cycles in which
    all demand was met at once. What precedes the first arrival of an episode, and the cycle that its end cuts
    off, do not count. See Silver, Pyke and Thomas (2017), Inventory and Production Management in Supply
    Chains, section 6.

    Args:
        items: names of the items, n.
        arrived, demand, unmet: units by episode, period and item, shape (episodes, periods, n).

    Returns:
        A row for each item (the index), with the columns ``fill_rate`` and ``cycle_service_level``, shares in
        [0, 1]; NaN without demand or without a whole cycle.
    """
    episodes, periods, count = demand.shape
    cycle = (arrived > 0).cumsum(axis=1)  # number of arrivals so far
    whole = (cycle >= 1) & (cycle < cycle[:, -1:])
    row = np.arange(episodes * count).reshape(episodes, 1, count) * (periods + 1) + cycle
    short = np.unique(row[whole & (unmet > ROUNDING * np.maximum(1.0, demand))])
    failed = np.bincount(short // (periods + 1) % count, minlength=count)
    cycles = np.maximum(cycle[:, -1] - 1, 0).sum(axis=0)
    lost, needed = unmet.sum(axis=(0, 1)), demand.sum(axis=(0, 1))
    names = list(items)
    if count > 1:
        names.append(SHARED)
        failed, cycles, lost, needed = (np.append(x, x.sum()) for x in (failed, cycles, lost, needed))
    with np.errstate(invalid="ignore", divide="ignore"):
        levels = {"fill_rate": 1 - lost / needed, "cycle_service_level": 1 - failed / cycles}
    return pd.DataFrame(levels, index=pd.Index(names, name="item"))
