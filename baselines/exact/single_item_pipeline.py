"""Dynamic programming steps for lost sales with a lead time: the state is the stock and the pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from .bellman import UPPER, cheapest
from .demand_by_period import largest_mean
from .lattice_demand import Weights, demand_matrix, stock_cost
from .markov_chain import PolicyChain, transition_matrix
from .stock_process import Decision, StockProcess


class PipelineProcess(StockProcess):
    """Lost sales with lead time L > 0: the state is the stock after arrivals and the next L - 1 arrivals.

    A choice is the quantity. Row 0 moves stock beyond the upper end of the lattice to that end, which is a
    lower bound since far up more stock never costs less. Row 1 charges an upper bound for it. Orders beyond
    the upper end are treated in the same way.

    Args:
        problem, step, low, high: see ``StockProcess``.
        largest: largest order in steps, at most the upper end of the lattice, which is the default.
    """

    def __init__(
        self, problem: SingleItemInventory, step: float, low: int, high: int, largest: int | None = None
    ) -> None:
        super().__init__(problem, step, low, high)
        size = len(self.points)
        self.quantities = np.arange(0, min(int(self.most.max()), size - 1, largest or size) + 1, self.stride)
        self.shape = (size, *[len(self.quantities)] * (self.lead_time - 1))
        arrival = np.arange(size)[:, None] + self.quantities
        self.next_index = np.minimum(arrival, size - 1)
        if problem.horizon is None:
            return
        # Where row 1 lies beyond the lattice after an arrival, whatever else is in the pipeline.
        self.cut = np.zeros((2, *arrival.shape, *[1] * (self.lead_time - 1)), dtype=bool)
        self.cut[UPPER] = (arrival >= size).reshape(self.cut.shape[1:])
        regimes = problem.regimes
        order = float((regimes.fixed_cost + regimes.unit_cost * regimes.high).max())
        stock = (2 + self.lead_time) * self.points[-1]
        self.bound = self._linear(
            order + problem.holding_cost * stock + problem.shortage_cost * largest_mean(problem.demand), 0.0
        )[:, 0]

    def derive(self, weights: Weights) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Expected stock cost (n,) of a period, and its demand as a matrix (n, n), see ``demand_matrix``."""
        costs = self.problem.holding_cost, self.problem.shortage_cost
        cost = stock_cost(self.points, self.step, weights, *costs)
        return cost, demand_matrix(len(self.points), weights)

    def stock_cost(self, period: int) -> NDArray[np.float64]:
        """Expected stock cost (n,) of a period, by stock at its start."""
        cut = self.problem.shortage_cost * self.weights.beyond(period)
        return self.weights.derived(period)[0] + cut

    def terminal(self) -> NDArray[np.float64]:
        """Value after the last period."""
        return np.zeros((self.rows, *self.shape))

    def after_order(self, value: NDArray[np.float64], period: int) -> NDArray[np.float64]:
        """Cost to go (rows, *states, quantities) of each state and quantity."""
        # What arrives next is the quantity itself (lead time 1) or the first of the pipeline.
        arrived = value[(slice(None), self.next_index)]
        if self.problem.horizon is not None:
            arrived = np.where(self.cut, self.bound[period + 1], arrived)
        flat = arrived.reshape(self.rows, len(self.points), -1)
        demand = self.weights.derived(period)[1]
        to_go = (demand @ flat).reshape(arrived.shape)
        to_go *= self.problem.discount
        to_go += self.stock_cost(period).reshape(-1, *[1] * self.lead_time)
        return to_go

    def best(self, after: NDArray[np.float64]) -> tuple[NDArray[np.float64], Decision]:
        """Value (rows, *states) of the best order, and the decision that attains it in the last row."""
        regimes = self.problem.regimes

        def orders() -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
            for r in range(len(regimes)):
                fewest = min(self.fewest[r] // self.stride, len(self.quantities) - 1)
                most = self.most[r] // self.stride
                paid = (after + self.price[r] * self.quantities)[..., fewest : most + 1]
                choice = paid.argmin(axis=-1)
                cost = regimes.fixed_cost[r] + np.take_along_axis(paid, choice[..., None], -1)[..., 0]
                if self.fewest[r] > self.quantities[-1]:
                    cost[UPPER] = np.inf
                yield cost, self.stride * (choice + fewest)

        value, regime, quantity = cheapest(orders(), after.shape[:-1])
        return value, (regime[UPPER], quantity[UPPER])

    def policy_costs(self, regime: NDArray[np.int64], quantity: NDArray[np.int64]) -> NDArray[np.float64]:
        """Expected cost, twice, (k, 2), of k stationary policies that stay on the lattice."""
        assert self.problem.horizon is not None
        costs = np.empty((len(regime), 2))
        for k, decisions in enumerate(zip(regime, quantity, strict=True)):
            chain = self.chain(*decisions)
            value = np.zeros(len(chain.cost))
            for period in reversed(range(self.problem.horizon)):
                if not self.weights.alike:
                    chain = self.chain(*decisions, period)
                value = chain.cost + self.problem.discount * (chain.matrix @ value)
            costs[k] = self.at_start(value.reshape(self.shape))
        return costs

    def transition(self, quantity: NDArray[Any]) -> Any:
        """Matrix (states, states): expectation of next period's value under orders (*states,) in steps."""
        return self._transition(quantity, 0)

    def _transition(self, quantity: NDArray[Any], period: int) -> Any:
        stock, *pipeline = np.indices(self.shape).reshape(len(self.shape), -1)
        first, probabilities = self.weights[period]
        left = np.maximum(stock[:, None] - (first + np.arange(len(probabilities))), 0)
        ordered = np.minimum(quantity.ravel(), self.quantities[-1]) // self.stride
        arriving, *rest = (*pipeline, ordered)
        arrived = left + self.stride * arriving[:, None]
        following = (np.minimum(arrived, len(self.points) - 1), *(q[:, None] for q in rest))
        columns = np.ravel_multi_index(np.broadcast_arrays(*following), self.shape)
        return transition_matrix(columns, probabilities)

    def chain(self, regime: NDArray[np.int64], quantity: NDArray[np.int64], period: int = 0) -> PolicyChain:
        """The Markov chain of the states, for a policy that stays on the lattice."""
        stock = np.indices(self.shape, sparse=True)[0]
        ordered = np.minimum(quantity, self.quantities[-1])
        orders = self.problem.regimes.fixed_cost[regime] + self.price[regime] * ordered
        start = np.zeros(self.shape)
        start.reshape(len(self.points), -1)[:, 0] = self.start  # nothing is on order
        return PolicyChain(
            matrix=self._transition(ordered, period),
            cost=np.broadcast_to(self.stock_cost(period)[stock], self.shape).ravel() + orders,
            start=start.ravel(),
            start_cost=0.0,
            cut=np.zeros(len(orders)),
        )

    def at_start(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected cost (...,) from the initial state, in which nothing is on order."""
        leading = value.shape[: value.ndim - len(self.shape)]
        return value.reshape(*leading, len(self.points), -1)[..., 0] @ self.start

    def observations(self) -> NDArray[np.float64]:
        """An observation (states, n) of each state."""
        observation = np.zeros((int(np.prod(self.shape)), len(self.problem.observation_low)))
        stock, *pipeline = np.indices(self.shape).reshape(len(self.shape), -1)
        observation[:, 0] = self.points[stock]
        for delay, orders in enumerate(pipeline, start=1):
            observation[:, 1 + delay] = self.step * self.stride * orders
        return observation

    def locate(self, observation: NDArray[np.float64]) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
        """Index of the state nearest to each observation (m, n), and zeros: orders are not adjusted."""
        stock = self.nearest(observation[:, 0] + observation[:, 1])
        orders = np.round(observation[:, 2 : self.lead_time + 1] / (self.step * self.stride))
        pipeline = np.clip(orders, 0, len(self.quantities) - 1).astype(int)
        return (stock, *pipeline.T), np.zeros(len(observation))
