"""MinOrder: the supplier takes no small orders."""

from __future__ import annotations

from typing import Any

import scipy.stats

from . import checks
from .env import HybridEnv
from .inventory import SingleItemInventory
from .regimes import RegimeTable
from .vector import HybridVectorEnv


def min_order(
    *,
    min_order: float = 35.0,
    fixed_cost: float = 0.0,
    unit_cost: float = 0.0,
    holding_cost: float = 1.0,
    shortage_cost: float = 9.0,
    demand: Any = None,
    unmet_demand: str = "backlog",
    lead_time: int = 0,
    initial_inventory: float | tuple[float, float] = 0.0,
    horizon: int = 50,
    discount: float = 1.0,
    max_order: float = 200.0,
) -> SingleItemInventory:
    """The problem of ``jumpgym/MinOrder-v0``; see ``MinOrderEnv`` for the parameters."""
    max_order = checks.number("max_order", max_order, low=0)
    min_order = checks.number("min_order", min_order, low=0)
    if min_order > max_order:
        raise ValueError(f"min_order={min_order:g} must not exceed max_order={max_order:g}")
    fixed_cost = checks.number("fixed_cost", fixed_cost, low=0)
    unit_cost = checks.number("unit_cost", unit_cost, low=0)
    lead_time = checks.integer("lead_time", lead_time, low=0)
    regimes = RegimeTable(
        low=[0, min_order],
        high=[0, max_order],
        fixed_cost=[0, fixed_cost],
        unit_cost=[0, unit_cost],
        lead_time=[lead_time, lead_time],
    )
    return SingleItemInventory(
        regimes,
        holding_cost=holding_cost,
        shortage_cost=shortage_cost,
        demand=scipy.stats.poisson(20) if demand is None else demand,
        unmet_demand=unmet_demand,
        initial_inventory=initial_inventory,
        horizon=horizon,
        discount=discount,
    )


class MinOrderEnv(HybridEnv):
    """TODO"""

    make_problem = staticmethod(min_order)


class MinOrderVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/MinOrder-v0``."""

    make_problem = staticmethod(min_order)
