"""The lattice of the inventory positions of one of several items, with its demand and its stock costs."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from jumpgym.demand import Demand, DiscreteDemand

from ..policy import FloatArray
from .demand_by_period import WeightsByPeriod
from .lattice import start_weights
from .lattice_demand import Weights, demand_matrix, stock_costs

NO_DEMAND = DiscreteDemand(np.zeros(1), np.ones(1), None)
"""Demand of an item that does not exist."""


class Moves(NamedTuple):
    """What the demand of one period does to the stock of an item on a lattice of n points.

    Attributes:
        moves: probability of each point after demand (columns) by point before it (rows), shape (n, n); what
            falls below the lattice counts for its lowest point.
        inside: the same, except that what falls below the lattice is left out; it is nothing for lost sales.
        shortfall: expected shortage cost in one period for what falls below the lattice, shape (n,).
    """

    moves: FloatArray
    inside: FloatArray
    shortfall: FloatArray


class ItemLattice:
    """Lattice of the inventory positions of one item, with its demand and stock cost.

    Args:
        demand: demand of the item; None for an item that does not exist, on a lattice of one point.
        holding_cost, shortage_cost: cost per unit at the end of a period.
        step: distance of the points, in units.
        low, high: ends of the lattice, in steps.
        lost: whether unmet demand is lost; the lattice then begins at 0.
        lead_time: periods until an order arrives; 0 for lost sales.
        discount: factor on the cost of each later period.
        start: interval of the initial stock, in units.

    Attributes:
        points: the lattice, in units, shape (n,).
        weights: demand on the lattice; ``weights.derived`` returns the ``Moves`` of a period.
        can_leave: whether the stock can fall below the lattice.
        sunk: expected stock costs of the first periods, by position at the start, which no order changes.
        start: weight of each point as the initial stock, shape (n,).
    """

    def __init__(
        self,
        demand: Demand | None,
        holding_cost: float,
        shortage_cost: float,
        step: float,
        low: int,
        high: int,
        lost: bool,
        lead_time: int,
        discount: float,
        start: tuple[float, float],
    ) -> None:
        self.step, self.low = step, low
        self.points: FloatArray = step * np.arange(low, high + 1, dtype=np.float64)
        self.can_leave = demand is not None and not lost
        self._holding_cost, self._shortage_cost = holding_cost, shortage_cost
        self._lead_time, self._discount = lead_time, discount
        self.weights = WeightsByPeriod(NO_DEMAND if demand is None else demand, step, self._moves)
        costs = self._stock_costs(self.window(0))
        self.sunk = [discount**period * cost for period, cost in enumerate(costs[:-1])]
        self.start = start_weights(self.points, step, start)

    def window(self, period: int) -> list[Weights]:
        """The demand of the periods from ``period`` on until an order of that period has arrived."""
        return self.weights.window(period, self._lead_time + 1)

    def cost(self, period: int) -> FloatArray:
        """Expected stock cost that an order of the period decides on, by position after it, shape (n,)."""
        return self._discount**self._lead_time * self._stock_costs(self.window(period))[-1]

    def _stock_costs(self, window: list[Weights]) -> list[FloatArray]:
        return stock_costs(self.points, self.step, window, self._holding_cost, self._shortage_cost)

    def _moves(self, weights: Weights) -> Moves:
        size = len(self.points)
        moves = demand_matrix(size, weights)
        inside = moves.copy()
        shortfall: FloatArray = np.zeros(size)
        if self.can_leave:
            left = np.arange(size)[:, None] - (weights[0] + np.arange(len(weights[1])))
            inside[:, 0] -= (left < 0) @ weights[1]
            shortfall = self._shortage_cost * self.step * (np.maximum(-left, 0) @ weights[1])
        return Moves(moves, inside, shortfall)
