"""TruckCapacity: the next truck costs as much as a full one."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.stats

from . import checks
from .env import HybridEnv
from .inventory import SingleItemInventory
from .regimes import RegimeTable
from .vector import HybridVectorEnv


def truck_capacity(
    *,
    truck_capacity: float = 13.0,
    truck_cost: float = 30.0,
    max_trucks: int = 4,
    unit_cost: float = 0.0,
    holding_cost: float = 1.0,
    shortage_cost: float = 9.0,
    demand: Any = None,
    unmet_demand: str = "backlog",
    lead_time: int = 0,
    initial_inventory: float | tuple[float, float] = 0.0,
    horizon: int = 50,
    discount: float = 1.0,
) -> SingleItemInventory:
    """The problem of ``jumpgym/TruckCapacity-v0``; see ``TruckCapacityEnv`` for the parameters."""
    truck_capacity = checks.number("truck_capacity", truck_capacity, low=0)
    if truck_capacity == 0:
        raise ValueError("truck_capacity=0 must be greater than 0")
    truck_cost = checks.number("truck_cost", truck_cost, low=0)
    max_trucks = checks.integer("max_trucks", max_trucks, low=1)
    unit_cost = checks.number("unit_cost", unit_cost, low=0)
    lead_time = checks.integer("lead_time", lead_time, low=0)
    trucks = np.arange(max_trucks + 1)
    regimes = RegimeTable(
        low=truck_capacity * np.maximum(trucks - 1, 0),
        high=truck_capacity * trucks,
        fixed_cost=truck_cost * trucks,
        unit_cost=np.full(len(trucks), unit_cost),
        lead_time=np.full(len(trucks), lead_time),
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


class TruckCapacityEnv(HybridEnv):
    """TODO"""

    make_problem = staticmethod(truck_capacity)


class TruckCapacityVectorEnv(HybridVectorEnv):
    """A native batch of ``jumpgym/TruckCapacity-v0``."""

    make_problem = staticmethod(truck_capacity)
