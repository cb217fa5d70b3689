"""Bellman backups of the stocks of two items on a lattice, with bounds on what its ends cut off.

As in ``stock_process`` a value function carries two rows: row 0 bounds the value from below, row 1 is the
cost of a policy. Its shape is (2, n1, n2); a single item is one beside an item of one point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jumpgym.demand import Demand

from .lattice import ROUNDING, demand_weights, stock_cost, sum_weights
from .stock_process import LOWER, UPPER

FloatArray = NDArray[np.float64]


class Orders(NamedTuple):
    """Orders of the two items that share their regimes, in steps of the lattices.

    Attributes:
        regime: the regime of each gate.
        fixed_cost: what they cost whatever the quantities.
        most: for each quantity of item 1 the largest of item 2 beside it, not increasing, shape (m,).
        fill: whether item 2 must be ordered in that quantity, and not at most.
    """

    regime: tuple[int, ...]
    fixed_cost: float
    most: NDArray[np.int64]
    fill: bool


class Decision(NamedTuple):
    """What to do in each state: which of the ``Orders``, and the flat index of the point ordered up to.

    Both have the axes of the values they were found for.
    """

    orders: NDArray[np.int16]
    target: NDArray[np.int32]


class ItemLattice:
    """Positions of one item on a lattice: demand and stock cost on it.

    Args:
        demand: the item's demand; None for an item that does not exist, at one point.
        holding_cost, shortage_cost: per unit at the end of a period.
        step: distance of the points, in units.
        low, high: ends, in steps.
        lost: whether unmet demand is lost; the lattice then begins at 0.
        lead_time: periods until an order arrives; 0 for lost sales.
        discount: factor on the cost of each later period.
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
    ) -> None:
        self.step, self.low = step, low
        self.points: FloatArray = step * np.arange(low, high + 1, dtype=np.float64)
        weights = (0, np.ones(1)) if demand is None else demand_weights(demand, step)
        values = weights[0] + np.arange(len(weights[1]))
        left = np.arange(len(self.points))[:, None] - values
        self.moves: FloatArray = np.zeros((len(self.points), len(self.points)))
        """Probability of each point after demand, by point before it; what falls below is at the end."""
        row = np.broadcast_to(np.arange(len(left))[:, None], left.shape)
        np.add.at(self.moves, (row, np.maximum(left, 0)), np.broadcast_to(weights[1], left.shape))
        self.inside = self.moves.copy()
        """The like, but what falls below the end is left out; nothing does where sales are lost."""
        self.shortfall: FloatArray = np.zeros(len(self.points))
        """Expected shortage cost of one period for the part of the stock below the end."""
        self.can_leave = demand is not None and not lost
        """Whether the stock can fall below the end."""
        if self.can_leave:
            self.inside[:, 0] -= (left < 0) @ weights[1]
            self.shortfall = shortage_cost * step * (np.maximum(-left, 0) @ weights[1])
        costs = [
            stock_cost(self.points, step, sum_weights(weights, periods + 1), holding_cost, shortage_cost)
            for periods in range(lead_time + 1)
        ]
        self.cost = discount**lead_time * costs[-1]
        """Expected stock cost that this period's order decides on, by position after the order."""
        self.sunk = [discount**period * cost for period, cost in enumerate(costs[:-1])]
        """Expected stock costs of the first periods, by position at the start, which no order changes."""

    def start_weights(self, low: float, high: float) -> FloatArray:
        """Weights of the points for the mean over a uniform start of what is linear between them."""
        inside = self.points[(self.points > low) & (self.points < high)]
        start = np.concatenate([[low], inside, [high]])
        if low == high:
            each = np.array([1.0, 0.0])
        else:
            each = (np.diff(start, append=high) + np.diff(start, prepend=low)) / 2 / (high - low)
        place = start / self.step - self.low
        left = np.clip(np.floor(place + ROUNDING).astype(int), 0, len(self.points) - 1)
        share = np.where(place - left < ROUNDING, 0.0, place - left)
        weights = np.zeros(len(self.points) + 1)
        np.add.at(weights, left, each * (1 - share))
        np.add.at(weights, left + 1, each * share)
        return weights[:-1]


class JointProcess:
    """Bellman backups of two items that are ordered jointly.

    No order goes beyond the upper ends: far up, more stock never costs less. Below the lattice, row 0 lets
    the stocks come back to wherever they are best, at no cost; that is a bound from below, since the cost
    from there is at least the least of all costs to go after an order. Row 1 orders as at the nearest point
    and carries the shortage beyond it to the end, which bounds a policy's cost.

    Args:
        items: the lattices of the two items.
        orders: all orders.
        unit_costs: cost per unit of the two items, shape (2,).
        discount: factor on the cost of the next period.
    """

    def __init__(
        self,
        items: tuple[ItemLattice, ItemLattice],
        orders: Sequence[Orders],
        unit_costs: FloatArray,
        discount: float,
    ) -> None:
        self.items = items
        self.orders = orders
        self.discount = discount
        first, second = items
        self.shape = (len(first.points), len(second.points))
        self.cost = first.cost[:, None] + second.cost
        # A state below the lattice is so in one item; the other has at least its least cost.
        self.cost_below = min(
            float(one.cost[0] + other.cost.min()) if one.can_leave else np.inf
            for one, other in ((first, second), (second, first))
        )
        self.shortfall = first.shortfall[:, None] + second.shortfall
        self.leaves = 1 - first.inside.sum(axis=1)[:, None] * second.inside.sum(axis=1)
        self.price = unit_costs[0] * first.points[:, None] + unit_costs[1] * second.points
        self.fixed_cost = np.array([option.fixed_cost for option in orders])

    def after_order(
        self, value: FloatArray, below: float, periods_left: float, counts: bool
    ) -> tuple[FloatArray, float]:
        """Cost to go (2, n1, n2) of each point after ordering, and the bound below the lattice.

        Args:
            value: next period's value.
            below: next period's bound from below on the cost outside the lattice.
            periods_left: number of periods from the next on, discounted to it.
            counts: whether an order of this period still arrives within the horizon.
        """
        first, second = self.items
        to_go = np.empty_like(value)
        to_go[LOWER] = first.inside @ value[LOWER] @ second.inside.T + below * self.leaves
        to_go[UPPER] = first.moves @ value[UPPER] @ second.moves.T + periods_left * self.shortfall
        to_go *= self.discount
        to_go += counts * self.cost
        outside = self.discount * below + (self.cost_below if counts else 0.0)
        return to_go, min(float(to_go[LOWER].min()), outside)

    def best(self, after: FloatArray) -> tuple[FloatArray, Decision]:
        """Value (2, n1, n2) of the best order, and the decisions of both rows."""
        paid = after + self.price
        value = np.full(paid.shape, np.inf)
        chosen = np.zeros(paid.shape, dtype=np.int16)
        target = np.zeros(paid.shape, dtype=np.int32)
        for index, option in enumerate(self.orders):
            least, where = least_in_reach(paid, option.most, option.fill)
            least += option.fixed_cost
            better = least < value
            np.copyto(value, least, where=better)
            np.copyto(target, where, where=better)
            chosen[better] = index
        return value - self.price, Decision(chosen, target)

    def follow(self, after: FloatArray, decision: Decision) -> FloatArray:
        """Value (2, n1, n2) of given decisions of both rows."""
        paid = (after + self.price).reshape(2, -1)
        chosen = np.take_along_axis(paid, decision.target.reshape(2, -1), 1).reshape(after.shape)
        value: FloatArray = self.fixed_cost[decision.orders] + chosen - self.price
        return value

    def rises(self, value: FloatArray) -> bool:
        """Whether the value does not fall with more stock at the upper ends of the lattice."""
        slack = 1e-9 * max(1.0, float(np.abs(value).max()))
        first = self.shape[0] == 1 or bool(np.all(value[:, -1] >= value[:, -2] - slack))
        return first and (self.shape[1] == 1 or bool(np.all(value[..., -1] >= value[..., -2] - slack)))

    def highest(self, decision: Decision, start: tuple[int, int]) -> tuple[int, int]:
        """Highest point that row 1's decisions order up to, of each item, from points up to ``start``."""
        target = np.unravel_index(decision.target[UPPER, : start[0] + 1, : start[1] + 1], self.shape)
        return max(start[0], int(target[0].max())), max(start[1], int(target[1].max()))


def least_in_reach(
    values: FloatArray, most: NDArray[np.int64], fill: bool
) -> tuple[FloatArray, NDArray[np.int32]]:
    """The least of ``values`` that orders can reach from each point, and the flat index of its point.

    From a point (i, j) they reach (i + a, j + b) on the lattice with ``b <= most[a]``, or ``b == most[a]``
    where they must fill; where they reach nothing the least is infinite.

    Args:
        values: shape (2, n1, n2).
        most: shape (m,), not increasing.
        fill: see ``Orders``.
    """
    size, width = values.shape[1:]
    here = np.broadcast_to(np.arange(size * width, dtype=np.int32).reshape(size, width), values.shape)
    least = np.full(values.shape, np.inf)
    where = np.array(here)
    # Windows of the second item grow step by step while the quantity of the first falls.
    ahead, target = values.copy(), np.array(here)
    reach = 0
    for a in reversed(range(min(len(most), size))):
        if fill:
            if most[a] < width:
                source = (slice(None), slice(a, None), slice(int(most[a]), None))
                _improve(least, where, values[source], here[source])
            continue
        for b in range(reach + 1, min(int(most[a]), width - 1) + 1):
            _improve(ahead, target, values[:, :, b:], here[:, :, b:])
            reach = b
        _improve(least, where, ahead[:, a:], target[:, a:])
    return least, where


def _improve(
    least: FloatArray, where: NDArray[np.int32], values: FloatArray, points: NDArray[np.int32]
) -> None:
    """Put in the first rows and columns of ``least`` what is less in ``values``, and its points."""
    rows, columns = values.shape[1:]
    best, best_points = least[:, :rows, :columns], where[:, :rows, :columns]
    better = values < best
    np.copyto(best, values, where=better)
    np.copyto(best_points, points, where=better)
