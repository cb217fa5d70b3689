"""Dynamic programming steps for two items that are ordered jointly, on a lattice of their stocks.

As in ``stock_process`` a value function carries two rows: row 0 bounds the value from below, row 1 is
the cost of a policy. Its shape is (2, n1, n2). A problem of one item has a second one with a lattice of one
point.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..policy import FloatArray
from .bellman import LOWER, TOLERANCE, UPPER, cheapest
from .item_lattice import ItemLattice, Moves


class Orders(NamedTuple):
    """All orders of the two items with the same regimes, in steps of the lattices.

    Attributes:
        regime: the regime of each gate.
        fixed_cost: cost of the orders, whatever their quantities.
        most: largest quantity of item 2 by quantity 0, 1, ... of item 1, shape (m,); it does not increase.
        fill: whether item 2 must be ordered in exactly this quantity.
        strides: the order multiples of the two items, in steps; 1 without.
    """

    regime: tuple[int, ...]
    fixed_cost: float
    most: NDArray[np.int64]
    fill: bool
    strides: tuple[int, int] = (1, 1)


class Decision(NamedTuple):
    """Index of the ``Orders`` in each state, and flat index of the lattice point that is ordered up to."""

    orders: NDArray[np.int16]
    target: NDArray[np.int32]


Arrives = tuple[bool, bool]
"""Whether orders of the two items still arrive within the horizon."""


class JointDemand(NamedTuple):
    """The effects of one period's demand on two items, on a lattice of n1 times n2 points.

    Attributes:
        first, second: moves of the two items.
        cost: expected stock cost that this period's orders decide on, by positions after them, shape (n1,
            n2); an order that arrives after the horizon decides on none.
        cost_below: the least such cost where at least one of the positions is below its lattice.
        shortfall: expected shortage cost in one period for what falls below the lattice, shape (n1, n2).
        leaves: probability that the stocks leave the lattice, shape (n1, n2).
    """

    first: Moves
    second: Moves
    cost: FloatArray
    cost_below: float
    shortfall: FloatArray
    leaves: FloatArray


class JointProcess:
    """Bellman operator of two items that are ordered jointly.

    Orders do not go beyond the upper ends, since at high stocks more stock never costs less. For stocks below
    the lattice, row 0 assumes that they return to the best point at no cost. That gives a lower bound, since
    the cost from there is at least the least cost to go after any order. Row 1 orders as at the nearest point
    and carries the remaining shortage to the end, which gives an upper bound on the cost of a policy.

    Args:
        items: the lattices of the two items.
        orders: all orders, by regimes.
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
        self.price = unit_costs[0] * first.points[:, None] + unit_costs[1] * second.points
        self.fixed_cost = np.array([option.fixed_cost for option in orders])
        self._last: tuple[list[Any], JointDemand] | None = None

    def demand(self, period: int, arrives: Arrives) -> JointDemand:
        """The effects of a period's demand; see ``after_order`` for ``arrives``."""
        # Only the last result is kept, since those of many periods would take much memory.
        inputs = [*arrives, *(weights for item in self.items for weights in item.window(period))]
        if self._last is None or any(a is not b for a, b in zip(inputs, self._last[0], strict=True)):
            self._last = inputs, self._demand(period, arrives)
        return self._last[1]

    def _demand(self, period: int, arrives: Arrives) -> JointDemand:
        first, second = (item.weights.derived(period) for item in self.items)
        cost, other = (
            item.cost(period) if counts else np.zeros(len(item.points))
            for item, counts in zip(self.items, arrives, strict=True)
        )
        # Below the lattice at least one item is below its own lattice; the other has at least its least cost.
        cost_below = min(
            float(one[0] + another.min()) if item.can_leave else np.inf
            for item, one, another in zip(self.items, (cost, other), (other, cost), strict=True)
        )
        return JointDemand(
            first,
            second,
            cost[:, None] + other,
            cost_below,
            first.shortfall[:, None] + second.shortfall,
            1 - first.inside.sum(axis=1)[:, None] * second.inside.sum(axis=1),
        )

    def after_order(
        self,
        value: FloatArray,
        below: float,
        periods_left: float,
        period: int,
        arrives: Arrives = (True, True),
    ) -> tuple[FloatArray, float]:
        """Cost to go (2, n1, n2) of each point after ordering, and the lower bound outside the lattice.

        Args:
            value: next period's value.
            below: next period's lower bound on the cost outside the lattice.
            periods_left: number of periods from the next one on, discounted to the next one.
            period: this period.
            arrives: whether an order of this period still arrives within the horizon, of each item.
        """
        demand = self.demand(period, arrives)
        first, second = demand.first, demand.second
        to_go = np.empty_like(value)
        to_go[LOWER] = first.inside @ value[LOWER] @ second.inside.T + below * demand.leaves
        to_go[UPPER] = first.moves @ value[UPPER] @ second.moves.T + periods_left * demand.shortfall
        to_go *= self.discount
        to_go += demand.cost
        outside = self.discount * below + (demand.cost_below if any(arrives) else 0.0)
        return to_go, min(float(to_go[LOWER].min()), outside)

    def best(self, after: FloatArray) -> tuple[FloatArray, Decision]:
        """Value (2, n1, n2) of the best order, and the decisions of both rows."""
        paid = after + self.price

        def options() -> Iterator[tuple[FloatArray, NDArray[np.int32]]]:
            for option in self.orders:
                least, target = least_in_reach(paid, option.most, option.fill, option.strides)
                yield least + option.fixed_cost, target

        value, chosen, target = cheapest(options(), paid.shape)
        return value - self.price, Decision(chosen, target)

    def follow(self, after: FloatArray, decision: Decision) -> FloatArray:
        """Value (2, n1, n2) of given decisions of both rows."""
        paid = (after + self.price).reshape(2, -1)
        chosen = np.take_along_axis(paid, decision.target.reshape(2, -1), 1).reshape(after.shape)
        value: FloatArray = self.fixed_cost[decision.orders] + chosen - self.price
        return value

    def rises(self, value: FloatArray) -> bool:
        """Whether the value does not fall towards the upper ends of the lattice."""
        slack = TOLERANCE * max(1.0, float(np.abs(value).max()))
        first = self.shape[0] == 1 or bool(np.all(value[:, -1] >= value[:, -2] - slack))
        return first and (self.shape[1] == 1 or bool(np.all(value[..., -1] >= value[..., -2] - slack)))

    def highest(self, decision: Decision, start: tuple[int, int]) -> tuple[int, int]:
        """The highest point of each item that row 1 reaches from points up to ``start``."""
        target = np.unravel_index(decision.target[UPPER, : start[0] + 1, : start[1] + 1], self.shape)
        return max(start[0], int(target[0].max())), max(start[1], int(target[1].max()))


def least_in_reach(
    values: FloatArray, most: NDArray[np.int64], fill: bool, strides: tuple[int, int] = (1, 1)
) -> tuple[FloatArray, NDArray[np.int32]]:
    """The least value among the points that orders can reach from each point, and that point's flat index.

    From a point (i, j), orders reach (i + a, j + b) on the lattice for ``b <= most[a]``; with ``fill`` only
    for ``b == most[a]``. Points from which no order stays on the lattice have an infinite least value.

    Args:
        values: shape (2, n1, n2).
        most: shape (m,), not increasing.
        fill, strides: see ``Orders``; a and b are multiples of the strides.
    """
    size, width = values.shape[1:]
    points = np.broadcast_to(np.arange(size * width, dtype=np.int32).reshape(size, width), values.shape)
    least = np.full(values.shape, np.inf)
    target = np.array(points)
    # As the quantity of the first item falls, the window of the second item grows step by step.
    ahead, ahead_target = values.copy(), np.array(points)
    reach = 0
    for a in reversed(range(0, min(len(most), size), strides[0])):
        if fill:
            if most[a] < width:
                source = (slice(None), slice(a, None), slice(int(most[a]), None))
                _improve(least, target, values[source], points[source])
            continue
        for b in range(reach + strides[1], min(int(most[a]), width - 1) + 1, strides[1]):
            _improve(ahead, ahead_target, values[:, :, b:], points[:, :, b:])
            reach = b
        _improve(least, target, ahead[:, a:], ahead_target[:, a:])
    return least, target


def _improve(
    least: FloatArray, target: NDArray[np.int32], values: FloatArray, points: NDArray[np.int32]
) -> None:
    """Replace entries of ``least`` and ``target`` in place where ``values`` are less.

    Args:
        least, target: least values so far, and the points that have them.
        values, points: to compare with the first rows and columns of ``least``.
    """
    rows, columns = values.shape[1:]
    best, best_points = least[:, :rows, :columns], target[:, :rows, :columns]
    better = values < best
    np.copyto(best, values, where=better)
    np.copyto(best_points, points, where=better)
