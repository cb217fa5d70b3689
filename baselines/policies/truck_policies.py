"""Policies for trucks of one capacity, and the search for the best of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable, SingleItemInventory, checks

from ..policy import ROUNDING, Decision, require
from .descent import Point, Progress
from .stationary import StationaryPolicy, best_stationary, level_range, search_steps


class FullTruckPolicy(StationaryPolicy):
    """Order full trucks up to S, and a partial truck for the rest if its load is at least tau.

    This is an order-up-to policy with a minimum load of the last truck, as in the (Q, S | T) policies of
    Cachon (2001). See Alp,
    Erkip and Güllü (2003) for stepwise freight costs in stochastic inventory control.

    Args:
        problem: problem, environment or id whose regimes are 0, 1, 2, ... trucks of one capacity.
        S: order-up-to level, in units.
        tau: minimum load of a partial truck, in units, in (0, capacity]; at the capacity no truck is partial.

    Raises:
        NotApplicable: if the regimes of the problem do not fit.
        ValueError: if tau is outside its range.

    References:
        - G. Cachon (2001), Managing a retailer's shelf space, inventory, and transportation, Manufacturing
          and Service Operations Management 3(3).
        - O. Alp, N. K. Erkip and R. Güllü (2003), Optimal lot-sizing/vehicle-dispatching policies under
          stochastic lead times and stepwise fixed costs, Operations Research 51(1).
    """

    def __init__(self, problem: Any, S: float, tau: float) -> None:
        self.problem = require(SingleItemInventory, problem, type(self).__name__)
        regimes = self.problem.regimes
        if not has_trucks(self.problem):
            raise NotApplicable(
                "FullTruckPolicy needs regimes of 0, 1, 2, ... trucks of one capacity, one cost per truck "
                f"and one cost per unit, not low={regimes.low.tolist()}, high={regimes.high.tolist()}, "
                f"fixed_cost={regimes.fixed_cost.tolist()}, unit_cost={regimes.unit_cost.tolist()}"
            )
        self.capacity = float(regimes.high[1])
        self.S = checks.number("S", S)
        self.tau = checks.number("tau", tau, low=0, high=self.capacity)
        if self.tau == 0:
            raise ValueError(f"tau=0 must be greater than 0, and at most the capacity, {self.capacity:g}")
        self.highest_position = self.S
        self.levels = (self.S,)

    def order(self, position: NDArray[np.float64]) -> Decision:
        """Regime (m,), the number of trucks, and quantity (m,) at inventory positions (m,)."""
        gap = np.maximum(self.S - position, 0.0)
        full = np.floor((gap + ROUNDING) / self.capacity)
        remainder = np.maximum(gap - full * self.capacity, 0.0)
        partial = (remainder >= self.tau - ROUNDING) & (remainder > ROUNDING)
        largest = len(self.problem.regimes) - 1
        trucks = np.minimum(full + partial, largest).astype(np.int64)
        return trucks, np.minimum(full * self.capacity + partial * remainder, trucks * self.capacity)


def best_full_truck(problem: Any, progress: Progress | None = None) -> FullTruckPolicy:
    """The ``FullTruckPolicy`` of least expected cost; see ``best_single_item``."""
    inventory = require(SingleItemInventory, problem, "FullTruckPolicy")
    capacity = float(inventory.regimes.high[1])
    FullTruckPolicy(inventory, 0.0, capacity)  # raises NotApplicable if the problem does not fit
    _, unit = search_steps(inventory)
    parts = max(round(capacity / unit), 1)

    def make(point: Point, unit: float) -> FullTruckPolicy | None:
        level, part = point
        parts = max(round(capacity / unit), 1)
        if not 1 <= part <= parts:
            return None
        return FullTruckPolicy(inventory, level * unit, part * capacity / parts)

    low, high = level_range(inventory, unit)
    strides = max((high - low) // 20, 1), max(parts // 6, 1)
    coarse = [
        (level, part)
        for level in range(low, high + 1, strides[0])
        for part in {1, parts, *range(1, parts, strides[1])}
    ]
    return best_stationary(inventory, make, coarse, strides, progress)


def has_trucks(problem: SingleItemInventory) -> bool:
    """Whether the regimes are 0, 1, 2, ... trucks of one capacity, one cost per truck and per unit."""
    regimes = problem.regimes
    trucks = np.arange(len(regimes))
    capacity = regimes.high[1] if len(regimes) > 1 else 0.0
    return bool(
        capacity > 0
        and np.allclose(regimes.high, capacity * trucks)
        and np.allclose(regimes.low, capacity * np.maximum(trucks - 1, 0))
        and np.allclose(regimes.fixed_cost, regimes.fixed_cost[1] * trucks)
        and np.ptp(regimes.unit_cost[1:]) == 0
    )
