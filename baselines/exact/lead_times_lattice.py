"""Dynamic programming steps for a single item whose regimes have different lead times, on a lattice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from .bellman import cheapest
from .demand_by_period import WeightsByPeriod, mean_ahead
from .lattice import start_weights
from .lattice_demand import Expectation, Weights, demand_matrix, stock_costs
from .stock_process import Decision, stride_of
from .window_minimum import stride_argmin

NEVER = 1e100
"""Cost of what lies outside the lattice; finite, since it is multiplied by probabilities of 0."""


class LeadTimeProcess:
    """Bellman operator whose state is the stock and those outstanding orders that cannot be lumped with it.

    Orders cross, so the inventory position is not a state. With backlog, what arrives within the shortest
    lead time ``base`` is added to the stock, since no order changes the costs before that; with lost sales
    ``base`` is 0. A state is (y, z_1, ..., z_{D-1}), in steps: y is the net stock plus what arrives by
    ``base``, and z_j what arrives j periods after ``base``; D is the longest lead time less ``base``. An
    order with lead time ``base + j`` is added to entry j, where entry 0 is y and entry D is empty before the
    order. With u for the new entry 0, the stock cost is that of u, and the next state is
    (u - demand + z_1, z_2, ..., z_D).

    Orders are multiples of ``stride`` steps, and z counts these. They are at most ``most`` multiples, and
    the sum of ``y``, z_1, ..., z_D must not exceed the upper end of the lattice. Below the lattice nothing is
    ever ordered again, at a cost that is bounded from above. So every value is an upper bound on the cost of
    a policy, and it falls to the optimum as the lattice grows.

    Args:
        problem: the problem. Its first regime may order nothing.
        step: distance of lattice points, in units.
        low, high: ends of the lattice for y, in steps.
        most: largest order, in multiples of ``stride``.

    Attributes:
        stride: the order multiple, in steps; 1 without.
    """

    def __init__(self, problem: SingleItemInventory, step: float, low: int, high: int, most: int) -> None:
        self.problem, self.step, self.low, self.most = problem, step, low, most
        self.stride = stride_of(problem, step)
        assert problem.horizon is not None
        self.horizon = problem.horizon
        self.lost = problem.unmet_demand == "lost"
        lead_time = problem.regimes.lead_time
        self.base = 0 if self.lost else int(lead_time.min())
        self.delay = lead_time - self.base
        self.entries = max(int(self.delay.max()), 1)
        self.points: NDArray[np.float64] = step * np.arange(low, high + 1, dtype=np.float64)
        self.shape = (len(self.points), *[most + 1] * (self.entries - 1))
        self.weights = WeightsByPeriod(problem.demand, step, self._derive)
        self.start = start_weights(self.points, step, problem.initial_inventory)
        self._first_costs = self._stock_costs(0)
        # (u, z_1) -> u + z_1, as indices. What would lie outside is never ordered.
        orders = self.stride * np.arange(most + 1)
        arrived = np.arange(len(self.points))[:, None] + orders
        self.arrived = np.minimum(arrived, len(self.points) - 1)
        total = np.arange(len(self.points)).reshape(-1, *[1] * self.entries)
        for entry in range(1, self.entries + 1):
            total = total + _along(orders, entry, self.entries + 1)
        self.outside = total >= len(self.points)

    def _stock_costs(self, period: int) -> list[NDArray[np.float64]]:
        """Expected stock costs (n,) of the periods until an order of ``period`` may first have arrived."""
        window = self.weights.window(period, self.base + 1)
        costs = self.problem.holding_cost, self.problem.shortage_cost
        return stock_costs(self.points, self.step, window, *costs)

    def _derive(self, weights: Weights) -> Any:
        return demand_matrix(len(self.points), weights) if self.lost else Expectation(weights)

    def _expect(self, value: NDArray[np.float64], period: int) -> NDArray[np.float64]:
        """Expectation (u, z_1, ..., z_D) of next period's value over the demand of this period."""
        if self.lost:
            # Sales are lost before z_1 arrives, so each z_1 has a next value of its own.
            following = value[self.arrived]
            flat = following.reshape(len(self.points), -1)
            return (self.weights.derived(period) @ flat).reshape(following.shape)
        expectation = self.weights.derived(period)
        below = self._below(period + 1, expectation.reach)
        expected = expectation(below, np.moveaxis(value, 0, -1))
        return np.moveaxis(expected, -1, 0)[self.arrived]

    def terminal(self) -> NDArray[np.float64]:
        """Value after the last period, shape (y, z_1, ..., z_{D-1})."""
        return np.zeros(self.shape)

    def after_order(self, value: NDArray[np.float64], period: int) -> NDArray[np.float64]:
        """Cost to go (u, z_1, ..., z_D), beginning with this period's stock cost."""
        discount = self.problem.discount
        matters = period + self.base < self.horizon
        costs = self._first_costs if self.weights.alike or not matters else self._stock_costs(period)
        cost = matters * discount**self.base * costs[-1]
        after = cost.reshape(-1, *[1] * self.entries) + discount * self._expect(value, period)
        return np.where(self.outside, NEVER, after)

    def _below(self, period: int, reach: int) -> NDArray[np.float64]:
        """Upper bound (z_1, ..., z_{D-1}, reach) on the cost from ``period`` on below the lattice.

        Nothing more is ordered, so the backlog is at most that of y alone, and the stock at most what is
        under way.
        """
        problem = self.problem
        ahead = np.arange(period, self.horizon)
        weights = problem.discount ** (ahead - period)
        late = (ahead + self.base < self.horizon) * problem.discount**self.base * weights
        depth = -self.step * np.arange(self.low - reach, self.low)
        until = ahead - period + self.base + 1
        mean_demand = until * mean_ahead(problem.demand, period, until)
        backlog = late.sum() * depth + late @ mean_demand
        under_way = np.zeros([1] * self.entries)
        for entry in range(self.entries - 1):
            orders = self.step * self.stride * np.arange(self.most + 1)
            under_way = under_way + _along(orders, entry, self.entries)
        idle = weights.sum() * problem.regimes.fixed_cost[0]
        bound = idle + problem.shortage_cost * backlog + problem.holding_cost * late.sum() * under_way
        return np.broadcast_to(bound, (*self.shape[1:], len(depth)))

    def best(self, after: NDArray[np.float64]) -> tuple[NDArray[np.float64], Decision]:
        """Value of the best order in each state, and its regime and quantity in steps."""
        regimes = self.problem.regimes
        multiple = self.step * self.stride
        fewest = np.round(regimes.least / multiple).astype(int)
        most = np.minimum(np.round(regimes.largest / multiple).astype(int), self.most)

        def orders() -> Iterator[tuple[Any, Any]]:
            for r in range(len(regimes)):
                if fewest[r] > self.most:
                    yield np.inf, 0
                    continue
                entry, price = int(self.delay[r]), multiple * regimes.unit_cost[r]
                if entry == self.entries:
                    cost = after[..., fewest[r] : most[r] + 1] + price * np.arange(fewest[r], most[r] + 1)
                    choice = cost.argmin(axis=-1)
                    least = np.take_along_axis(cost, choice[..., None], -1)[..., 0]
                    quantity = choice + fewest[r]
                else:
                    stride = self.stride if entry == 0 else 1  # y is in steps, z in multiples
                    least, quantity = _least_in_window(
                        after[..., 0], entry, price, fewest[r], most[r], stride
                    )
                yield least + regimes.fixed_cost[r], self.stride * quantity

        value, regime, quantity = cheapest(orders(), self.shape)
        return value, (regime, quantity)

    def at_start(self, value: NDArray[np.float64]) -> float:
        """Expected cost from the initial state, in which nothing is on order."""
        total = value.reshape(len(self.points), -1)[:, 0].copy()
        for period, cost in enumerate(self._first_costs[:-1][: self.horizon]):
            total += self.problem.discount**period * cost
        return float(total @ self.start)

    def locate(self, observation: NDArray[np.float64]) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
        """Index of the state nearest to each observation (m, n), and the excess of its total stock."""
        stocks = observation[:, : self.problem.max_lead_time + 1]
        lumped = stocks[:, : self.base + 2].sum(axis=1, keepdims=True)
        state = np.concatenate([lumped, stocks[:, self.base + 2 :]], axis=1) / self.step
        state[:, 1:] /= self.stride
        nearest = np.round(state)
        offset = nearest - np.array([self.low, *[0] * (self.entries - 1)])
        index = np.clip(offset, 0, np.array(self.shape) - 1).astype(int)
        above = (nearest - state) * np.array([1, *[self.stride] * (self.entries - 1)])
        return tuple(index.T), self.step * above.sum(axis=1)


def _along(values: NDArray[Any], axis: int, axes: int) -> NDArray[Any]:
    return values.reshape([-1 if a == axis else 1 for a in range(axes)])


def _least_in_window(
    after: NDArray[np.float64], axis: int, price: float, fewest: int, most: int, stride: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Least of price plus ``after`` over quantities in [fewest, most] along ``axis``, and its quantity.

    Quantities are in multiples of ``stride`` points along the axis.
    """
    here = np.arange(after.shape[axis])
    paid = np.moveaxis(after, axis, -1) + price / stride * here
    beyond = here + stride * fewest > here[-1]
    first = np.minimum(here + stride * fewest, here[-1])
    target = stride_argmin(paid, stride * (most - fewest), stride)[..., first]
    least = np.take_along_axis(paid, target, -1) - price / stride * here
    least = np.where(beyond, NEVER, least)
    return np.moveaxis(least, -1, axis), np.moveaxis((target - here) // stride, -1, axis)
