"""Bellman backups of lost sales with a lead time: stock and pipeline on a lattice."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from jumpgym import SingleItemInventory

from .lattice import stock_cost
from .stock_process import UPPER, Quantities, Regimes, StockProcess


class PipelineProcess(StockProcess):
    """Lost sales with lead time 1 or 2: stock at hand after the arrival, and the order that arrives next.

    A choice is the quantity. Stock beyond the lattice's upper end is moved to that end in row 0 (far up,
    more stock never costs less) and charged an upper bound in row 1; so are orders beyond it.
    """

    def __init__(self, problem: SingleItemInventory, step: float, low: int, high: int) -> None:
        super().__init__(problem, step, low, high)
        size = len(self.points)
        self.lead_time = problem.max_lead_time
        self.quantities = np.arange(min(int(self.most.max()), size - 1) + 1)
        self.cost = stock_cost(self.points, step, self.weights, problem.holding_cost, problem.shortage_cost)
        first, probabilities = self.weights
        left = np.arange(size)[:, None] - (first + np.arange(len(probabilities)))
        self.transition = np.zeros((size, size))
        np.add.at(self.transition, (np.arange(size)[:, None], np.maximum(left, 0)), probabilities)
        arrival = np.arange(size)[:, None] + self.quantities
        self.next_index = np.minimum(arrival, size - 1)
        # Row 1 of what arrives beyond the lattice, for any further pipeline.
        self.cut = np.zeros((2, *arrival.shape, *[1] * (self.lead_time - 1)), dtype=bool)
        self.cut[UPPER] = (arrival >= size).reshape(self.cut.shape[1:])
        regimes = problem.regimes
        order = float((regimes.fixed_cost + regimes.unit_cost * regimes.high).max())
        stock = (2 + self.lead_time) * self.points[-1]
        self.bound = self._linear(
            order + problem.holding_cost * stock + problem.shortage_cost * problem.demand.mean, 0.0, 0.0
        )[:, 0]

    def terminal(self) -> NDArray[np.float64]:
        """Value after the last period."""
        return np.zeros((2, len(self.points), *[len(self.quantities)] * (self.lead_time - 1)))

    def after_order(self, value: NDArray[np.float64], period: int) -> NDArray[np.float64]:
        """Cost to go (2, *states, quantities) of each state and quantity, from the next period's value."""
        # What arrives next is the quantity itself (lead time 1) or the pipeline, before the quantity (2).
        arrived = value[(slice(None), self.next_index)]
        arrived = np.where(self.cut, self.bound[period + 1], arrived)
        flat = arrived.reshape(2, len(self.points), -1)
        to_go = (self.transition @ flat).reshape(arrived.shape)
        cost = self.cost.reshape(-1, *[1] * self.lead_time)
        return cost + self.problem.discount * to_go

    def best(self, after: NDArray[np.float64]) -> tuple[NDArray[np.float64], Regimes, Quantities]:
        """Value (2, *states) of the best order, and its regime and quantity (in steps), shape (*states,)."""
        regimes = self.problem.regimes
        value = np.full(after.shape[:-1], np.inf)
        regime = np.zeros(after.shape[1:-1], dtype=np.int8)
        quantity = np.zeros(after.shape[1:-1], dtype=np.int32)
        for r in range(len(regimes)):
            fewest = min(int(self.fewest[r]), len(self.quantities) - 1)
            paid = (after + self.price[r] * self.quantities)[..., fewest : self.most[r] + 1]
            choice = paid.argmin(axis=-1)
            cost = regimes.fixed_cost[r] + np.take_along_axis(paid, choice[..., None], -1)[..., 0]
            if self.fewest[r] >= len(self.quantities):
                cost[UPPER] = np.inf
            better = cost < value
            value = np.where(better, cost, value)
            regime[better[UPPER]] = r
            quantity[better[UPPER]] = (choice[UPPER] + fewest)[better[UPPER]]
        return value, regime, quantity

    def policy_costs(self, regime: NDArray[np.int64], quantity: NDArray[np.int64]) -> NDArray[np.float64]:
        """Expected cost, twice, (k, 2), of k stationary policies that stay on the lattice.

        Args:
            regime: in each state, shape (k, states).
            quantity: in steps, of the like.
        """
        shape = self.terminal().shape[1:]
        stock, *pipeline = np.unravel_index(np.arange(np.prod(shape)), shape)
        first, probabilities = self.weights
        left = np.maximum(stock[:, None] - (first + np.arange(len(probabilities))), 0)
        starts = len(probabilities) * np.arange(len(stock) + 1)
        costs = np.empty((len(regime), 2))
        for k, (gate, ordered) in enumerate(zip(regime, quantity, strict=True)):
            ordered = np.minimum(ordered, self.quantities[-1])
            arriving, *rest = (*pipeline, ordered)
            following = (np.minimum(left + arriving[:, None], shape[0] - 1), *(q[:, None] for q in rest))
            columns = np.ravel_multi_index(np.broadcast_arrays(*following), shape).ravel()
            chain = csr_array((np.tile(probabilities, len(stock)), columns, starts), shape=(len(stock),) * 2)
            cost = self.cost[stock] + self.problem.regimes.fixed_cost[gate] + self.price[gate] * ordered
            value = np.zeros(len(stock))
            for _ in range(self.problem.horizon):
                value = cost + self.problem.discount * (chain @ value)
            costs[k] = self.at_start(value.reshape(shape))
        return costs

    def at_start(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected cost (..., 2) from the initial state, with nothing under way."""
        return self.mean_at_start(value if self.lead_time == 1 else value[..., 0])

    def observations(self) -> NDArray[np.float64]:
        """An observation (states, L + 2) of each state."""
        axes = [self.points, *[self.step * self.quantities] * (self.lead_time - 1)]
        stock, *pipeline = (axis.ravel() for axis in np.meshgrid(*axes, indexing="ij"))
        nothing = np.zeros_like(stock)
        return np.stack([stock, nothing, *pipeline, nothing], axis=-1)

    def locate(self, observation: NDArray[np.float64]) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
        """Index of the nearest state, and zeros, of observations (m, n)."""
        stock = self.nearest(observation[:, 0] + observation[:, 1])
        pipeline = np.round(observation[:, 2:-1] / self.step).astype(int)
        pipeline = np.clip(pipeline, 0, len(self.quantities) - 1)
        return (stock, *pipeline.T), np.zeros(len(observation))
