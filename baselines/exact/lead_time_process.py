"""Bellman backups of single-item inventory whose regimes have different lead times, on a lattice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from .lattice import Expectation, demand_weights, stock_cost, sum_weights, window_argmin

NEVER = 1e100
"""Cost of what lies outside the lattice; finite, since it is multiplied by probabilities of 0."""

Decision = tuple[NDArray[np.int8], NDArray[np.int32]]
"""Regime, and quantity in steps, of each state."""


class LeadTimeProcess:
    """Stock and the orders under way that do not lump with it.

    Orders cross, so the inventory position is no state. With backlog, what arrives within the shortest lead
    time ``base`` lumps with the stock, since no order acts on the cost before; with lost sales ``base`` is 0.
    A state is (y, z_1, ..., z_{D-1}), in steps: y the net stock and what arrives by ``base``, z_j what
    arrives j periods after ``base``; D is the longest lead time less ``base``. An order with lead time
    ``base + j`` adds to entry j, where entry 0 is y and entry D is empty before. With u the new entry 0, the
    stock cost is that of u, and the next state is (u - demand + z_1, z_2, ..., z_D).

    Only orders that leave ``y + z_1 + ... + z_D`` on the lattice, and at most ``most`` steps, are placed.
    Below the lattice nothing is ordered ever again, at a cost bounded from above. So every cost is at least
    that of a policy; it falls to the optimum as the lattice grows.

    Args:
        problem: the problem; its first regime may order nothing.
        step: distance of lattice points, in units.
        low, high: ends of the lattice of y, in steps.
        most: largest order, in steps.
    """

    def __init__(self, problem: SingleItemInventory, step: float, low: int, high: int, most: int) -> None:
        self.problem, self.step, self.low, self.most = problem, step, low, most
        self.horizon = horizon_of(problem)
        self.lost = problem.unmet_demand == "lost"
        lead_time = problem.regimes.lead_time
        self.base = 0 if self.lost else int(lead_time.min())
        self.delay = lead_time - self.base
        self.entries = max(int(self.delay.max()), 1)
        self.points: NDArray[np.float64] = step * np.arange(low, high + 1, dtype=np.float64)
        self.shape = (len(self.points), *[most + 1] * (self.entries - 1))
        self.weights = demand_weights(problem.demand, step)
        costs = problem.holding_cost, problem.shortage_cost
        self.costs = [
            stock_cost(self.points, step, sum_weights(self.weights, periods + 1), *costs)
            for periods in range(self.base + 1)
        ]
        if self.lost:
            first, probabilities = self.weights
            size = len(self.points)
            left = np.arange(size)[:, None] - (first + np.arange(len(probabilities)))
            self.transition = np.zeros((size, size))
            np.add.at(self.transition, (np.arange(size)[:, None], np.maximum(left, 0)), probabilities)
        else:
            self.expectation = Expectation(self.weights)
        # (u, z_1) -> u + z_1, as indices; what would lie outside is never ordered.
        arrived = np.arange(len(self.points))[:, None] + np.arange(most + 1)
        self.arrived = np.minimum(arrived, len(self.points) - 1)
        total = np.arange(len(self.points)).reshape(-1, *[1] * self.entries)
        for entry in range(1, self.entries + 1):
            total = total + _along(np.arange(most + 1), entry, self.entries + 1)
        self.outside = total >= len(self.points)

    def terminal(self) -> NDArray[np.float64]:
        """Value after the last period, shape (y, z_1, ..., z_{D-1})."""
        return np.zeros(self.shape)

    def after_order(self, value: NDArray[np.float64], period: int) -> NDArray[np.float64]:
        """Cost to go (u, z_1, ..., z_D) from this period's stock cost on, from the next period's value."""
        discount = self.problem.discount
        if self.lost:
            # The sale is cut before z_1 arrives, so each z_1 has its own next value.
            following = value[self.arrived]
            flat = following.reshape(len(self.points), -1)
            to_go = (self.transition @ flat).reshape(following.shape)
        else:
            by_entry = np.moveaxis(value, 0, -1)
            expected = self.expectation(self._below(period + 1), by_entry)
            to_go = np.moveaxis(expected, -1, 0)[self.arrived]
        matters = period + self.base < self.horizon
        cost = matters * discount**self.base * self.costs[-1]
        after = cost.reshape(-1, *[1] * self.entries) + discount * to_go
        return np.where(self.outside, NEVER, after)

    def _below(self, period: int) -> NDArray[np.float64]:
        """Bound of the cost from ``period`` on below the lattice, (z_1, ..., z_{D-1}, reach).

        It is that of no further order: the backlog is at most that of y alone, and the stock at most what is
        under way.
        """
        problem = self.problem
        ahead = np.arange(period, self.horizon)
        weights = problem.discount ** (ahead - period)
        late = (ahead + self.base < self.horizon) * problem.discount**self.base * weights
        depth = -self.step * np.arange(self.low - self.expectation.reach, self.low)
        mean_demand = (ahead - period + self.base + 1) * problem.demand.mean
        backlog = late.sum() * depth + late @ mean_demand
        under_way = np.zeros([1] * self.entries)
        for entry in range(self.entries - 1):
            under_way = under_way + self.step * _along(np.arange(self.most + 1), entry, self.entries)
        idle = weights.sum() * problem.regimes.fixed_cost[0]
        bound = idle + problem.shortage_cost * backlog + problem.holding_cost * late.sum() * under_way
        return np.broadcast_to(bound, (*self.shape[1:], len(depth)))

    def best(self, after: NDArray[np.float64]) -> tuple[NDArray[np.float64], Decision]:
        """Value of the best order in each state, and its regime and quantity in steps."""
        regimes = self.problem.regimes
        fewest = np.round(regimes.low / self.step).astype(int)
        most = np.minimum(np.round(regimes.high / self.step).astype(int), self.most)
        value = np.full(self.shape, np.inf)
        regime = np.zeros(self.shape, dtype=np.int8)
        quantity = np.zeros(self.shape, dtype=np.int32)
        for r in range(len(regimes)):
            if fewest[r] > self.most:
                continue
            entry = int(self.delay[r])
            price = self.step * regimes.unit_cost[r]
            if entry == self.entries:
                cost = after[..., fewest[r] : most[r] + 1] + price * np.arange(fewest[r], most[r] + 1)
                chosen = cost.argmin(axis=-1)
                least = np.take_along_axis(cost, chosen[..., None], -1)[..., 0]
                ordered = chosen + fewest[r]
            else:
                least, ordered = _least_in_window(after[..., 0], entry, price, fewest[r], most[r])
            least = least + regimes.fixed_cost[r]
            better = least < value
            value = np.where(better, least, value)
            regime[better] = r
            quantity[better] = ordered[better]
        return value, (regime, quantity)

    def at_start(self, value: NDArray[np.float64]) -> float:
        """Expected cost from the initial state, nothing under way, with what no order can change."""
        problem = self.problem
        known = value.reshape(len(self.points), -1)[:, 0].copy()
        for period, cost in enumerate(self.costs[:-1][: self.horizon]):
            known += problem.discount**period * cost
        low, high = problem.initial_inventory
        if low == high:
            return float(np.interp(low, self.points, known))
        inside = self.points[(self.points > low) & (self.points < high)]
        start = np.concatenate([[low], inside, [high]])
        return float(np.trapezoid(np.interp(start, self.points, known), start) / (high - low))

    def locate(self, observation: NDArray[np.float64]) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
        """Index of the nearest state, and by how much it has more stock in all, of observations (m, n)."""
        stocks = observation[:, : self.problem.max_lead_time + 1]
        lumped = stocks[:, : self.base + 2].sum(axis=1, keepdims=True)
        state = np.concatenate([lumped, stocks[:, self.base + 2 :]], axis=1) / self.step
        nearest = np.round(state)
        place = nearest - np.array([self.low, *[0] * (self.entries - 1)])
        index = np.clip(place, 0, np.array(self.shape) - 1).astype(int)
        return tuple(index.T), self.step * (nearest - state).sum(axis=1)


def horizon_of(problem: SingleItemInventory) -> int:
    """The number of periods of a problem that has an end."""
    assert problem.horizon is not None
    return problem.horizon


def _along(values: NDArray[Any], axis: int, axes: int) -> NDArray[Any]:
    return values.reshape([-1 if a == axis else 1 for a in range(axes)])


def _least_in_window(
    after: NDArray[np.float64], axis: int, price: float, fewest: int, most: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Least price and ``after`` of a quantity in [fewest, most] that adds along ``axis``, and which it is."""
    here = np.arange(after.shape[axis])
    paid = np.moveaxis(after, axis, -1) + price * here
    first = np.minimum(here + fewest, here[-1])
    target = window_argmin(paid, most - fewest)[..., first]
    least = np.take_along_axis(paid, target, -1) - price * here
    least = np.where(here + fewest > here[-1], NEVER, least)
    return np.moveaxis(least, -1, axis), np.moveaxis(target - here, -1, axis)
