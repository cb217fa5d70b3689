"""Items that share nothing but prices: the least expected cost of each, and how much it then orders."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag

from jumpgym import SingleItemInventory

from ..exact.markov_chain import transition_matrix
from ..exact.single_item_lattice import extent
from ..exact.single_item_position import PositionProcess
from ..policy import FloatArray


class Orders(NamedTuple):
    """What the best policies of items order on average, see ``PricedItems.orders``.

    Attributes:
        cost: expected discounted cost of an episode of each item, with the prices, shape (n,).
        setups: expected number of orders of each item in each period, shape (T, n).
        units: expected order in units, shape (T, n).
    """

    cost: FloatArray
    setups: FloatArray
    units: FloatArray


class PricedItems:
    """Dynamic programming of n items at once, each on a lattice of its inventory position.

    An order of item i in period t costs ``setup[t, i]`` and ``unit[t, i]`` for each unit, of any size; the
    items' problems give everything else. An item is solved as by ``solve_single_item``: a position below the
    lattice has the value of the lowest point, so that the cost is bounded from below.

    Args:
        problems: n problems of a single item over the same finite horizon, with backlog or without a lead
            time.
        steps: distance of the lattice points of each item, in units, shape (n,).
        margin: how far the lattices reach, see ``single_item_lattice.extent``.
    """

    def __init__(self, problems: list[SingleItemInventory], steps: FloatArray, margin: float) -> None:
        ends = [extent(problem, margin) for problem in problems]
        low = np.floor([first / step for (first, _), step in zip(ends, steps, strict=True)]).astype(int)
        high = np.ceil([last / step for (_, last), step in zip(ends, steps, strict=True)]).astype(int) + 1
        size = int((high - low).max())  # one for all items, so that they are computed together
        self.processes = [
            PositionProcess(problem, step, first, first + size)
            for problem, step, first in zip(problems, steps, low, strict=True)
        ]
        horizon = problems[0].horizon
        assert horizon is not None
        self.horizon, self.discount, self.steps = horizon, problems[0].discount, steps
        self.shape = len(problems), size + 1
        self._expectations: dict[tuple[int, ...], object] = {}
        self._stock_costs: dict[tuple[int, ...], FloatArray] = {}

    def orders(self, setup: FloatArray, unit: FloatArray) -> Orders:
        """The least cost of each item at the prices (T, n) of orders and of units, and what it orders."""
        cost, targets = self._backward(setup, unit)
        setups, units = np.zeros(setup.shape), np.zeros(unit.shape)
        here = np.arange(np.prod(self.shape)).reshape(self.shape)
        share = np.array([process.start for process in self.processes])
        for period, target in enumerate(targets):
            moved = (target - here) * share
            units[period] = moved.sum(-1) * self.steps
            setups[period] = (share * (target > here)).sum(-1)
            ordered = np.bincount(target.ravel(), share.ravel(), share.size)
            share = (self._expectation(period).T @ ordered).reshape(self.shape)
        return Orders(cost, setups, units)

    def costs(self, setup: FloatArray, unit: FloatArray) -> FloatArray:
        """The least cost (n,) of each item at the prices (T, n) of orders and of units."""
        return self._backward(setup, unit)[0]

    def _backward(self, setup: FloatArray, unit: FloatArray) -> tuple[FloatArray, list[NDArray[np.int64]]]:
        """Cost of each item, and by period and position the flat index of the position ordered up to."""
        items, size = self.shape
        value, targets = np.zeros(self.shape), []
        here, first = np.arange(size), size * np.arange(items)[:, None]
        for period in reversed(range(self.horizon)):
            after = self.discount * (self._expectation(period) @ value.ravel()).reshape(self.shape)
            after += self._stock_cost(period)
            worth = (unit[period] * self.steps)[:, None] * here
            paid = after + worth
            least = np.minimum.accumulate(paid[:, ::-1], -1)[:, ::-1]
            target = np.minimum.accumulate(np.where(paid == least, here, size)[:, ::-1], -1)[:, ::-1]
            ordering = setup[period][:, None] + least - worth
            orders = ordering < after
            value = np.where(orders, ordering, after)
            targets.append(np.where(orders, target, here) + first)
        start = zip(self.processes, value, strict=True)
        return np.array([process.at_start(row) for process, row in start]), targets[::-1]

    def _demand(self, period: int) -> tuple[int, ...]:
        """A key that is the same for periods in which every item has the same demand."""
        return tuple(id(process.weights[period]) for process in self.processes)

    def _expectation(self, period: int):  # type: ignore[no-untyped-def]
        """Sparse matrix (n * points, n * points) from next period's values to expectations after ordering."""
        key = self._demand(period)
        if key not in self._expectations:
            blocks, here = [], np.arange(self.shape[1])[:, None]
            for process in self.processes:
                first, probabilities = process.weights[period]
                left = here - (first + np.arange(len(probabilities)))
                blocks.append(transition_matrix(np.maximum(left, 0), probabilities))
            self._expectations[key] = block_diag(blocks, format="csr")
        return self._expectations[key]

    def _stock_cost(self, period: int) -> FloatArray:
        """Expected stock cost (n, points) that the orders of a period decide on, by position after them."""
        matters = np.array([process.discount_of_stock(period) for process in self.processes])
        if not matters.any():
            return np.zeros(self.shape)
        ahead = range(period, period + max(process.lead_time for process in self.processes) + 1)
        key = tuple(key for later in ahead for key in self._demand(later))
        if key not in self._stock_costs:
            costs = [process.order_cost(period) for process in self.processes]
            self._stock_costs[key] = np.array(costs)
        return matters[:, None] * self._stock_costs[key]
