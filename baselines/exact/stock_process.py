"""Bellman backups of single-item inventory on a lattice, with bounds on what its ends cut off.

Two processes share one interface; the other is in ``pipeline_process``. Over a finite horizon both carry
two value functions at once, along the axis before the states: row 0 bounds the value from below, row 1 is the
cost of a policy, hence a bound from above. They differ only in what they assume outside the lattice; where
they agree, the cut is immaterial. Without an end there is one row, with the assumptions of row 0, and
lattices are enlarged until nothing changes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from jumpgym import SingleItemInventory

from .lattice import ROUNDING, Expectation, demand_weights, stock_cost, sum_weights, window_argmin
from .long_run import PolicyChain, transition_matrix

LOWER, UPPER = 0, -1
"""Rows of a value function: bound from below, cost of a policy; the same where there is one row."""

Regimes = NDArray[np.int8]
Quantities = NDArray[np.int32]


class StockProcess(ABC):
    """What the two processes share.

    A value function has shape (rows, *states). ``after_order`` gives the cost to go, beyond that of the
    order, of each choice; ``best`` adds the cost of the order and chooses. ``policy_costs`` evaluates given
    decisions instead, over the horizon, and ``chain`` describes them without an end.

    Args:
        problem: the problem; its regimes have one common lead time, and the first may order nothing.
        step: distance of lattice points, in units.
        low, high: the lattice's ends, in steps.
    """

    def __init__(self, problem: SingleItemInventory, step: float, low: int, high: int) -> None:
        self.problem = problem
        self.rows = 1 if problem.horizon is None else 2
        self.step, self.low, self.high = step, low, high
        self.points: NDArray[np.float64] = step * np.arange(low, high + 1, dtype=np.float64)
        self.weights = demand_weights(problem.demand, step)
        regimes = problem.regimes
        self.fewest = np.round(regimes.low / step).astype(int)
        self.most = np.round(regimes.high / step).astype(int)
        self.price = regimes.unit_cost * step

    def _linear(self, per_period: float, slope: float, first: float) -> NDArray[np.float64]:
        """Coefficients a, b by period of a cost ``a + b * z`` to the end; shape (horizon + 1, 2).

        It is that of paying in each period ``per_period``, and ``first + slope * z`` while orders still
        matter, when z grows by the mean demand in each.
        """
        problem = self.problem
        assert problem.horizon is not None
        coefficients = np.zeros((problem.horizon + 1, 2))
        for period in reversed(range(problem.horizon)):
            a, b = problem.discount * coefficients[period + 1]
            matters = self.discount_of_stock(period)
            coefficients[period] = (
                a + b * problem.demand.mean + per_period + matters * first,
                b + matters * slope,
            )
        return coefficients

    def discount_of_stock(self, period: int) -> float:
        """Factor on the stock cost that an order of this period decides on."""
        return 1.0

    @abstractmethod
    def terminal(self) -> NDArray[np.float64]:
        """Value (rows, *states) after the last period: zeros."""

    @abstractmethod
    def after_order(self, value: NDArray[np.float64], period: int) -> NDArray[np.float64]:
        """Cost to go of each choice, from the next period's value (rows, *states)."""

    @abstractmethod
    def best(self, after: NDArray[np.float64]) -> tuple[NDArray[np.float64], Regimes, Quantities]:
        """Value (rows, *states) of the best order, and its regime and quantity in steps, each (*states,)."""

    @abstractmethod
    def transition(self, quantity: NDArray[Any]) -> Any:
        """Linear operator that takes next period's value, flat, to its expectation under given orders.

        Args:
            quantity: in steps, in each state; shape (*states,).
        """

    @abstractmethod
    def chain(self, regime: NDArray[np.int64], quantity: NDArray[np.int64]) -> PolicyChain:
        """The Markov chain of a stationary policy.

        Args:
            regime: in each state, shape (states,).
            quantity: in steps, of the like.
        """

    @abstractmethod
    def policy_costs(self, regime: NDArray[np.int64], quantity: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bounds (k, 2) of the expected cost from the initial state of k stationary policies, if it ends.

        Args:
            regime: in each state, shape (k, states).
            quantity: in steps, of the like.
        """

    @abstractmethod
    def at_start(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected cost (...,) from the initial state, from the first period's value (..., *states)."""

    @abstractmethod
    def observations(self) -> NDArray[np.float64]:
        """An observation (states, n) of each state."""

    @abstractmethod
    def locate(self, observation: NDArray[np.float64]) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
        """Index of the state nearest to each observation (m, n), and by how much it has more stock."""

    def nearest(self, stock: NDArray[np.float64]) -> NDArray[np.int64]:
        """Index of the lattice point nearest to the stock."""
        # Cut before the cast: integers overflow where the stock is out of any range.
        return np.clip(np.round(stock / self.step) - self.low, 0, len(self.points) - 1).astype(int)

    def mean_at_start(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean over the initial inventory of values (..., n), linear between lattice points."""
        return values @ self.start_weights()

    def start_weights(self) -> NDArray[np.float64]:
        """Probability (n,) of each lattice point as the initial inventory, spread between neighbours."""
        low, high = self.problem.initial_inventory
        weights = np.zeros(len(self.points))
        if low == high:
            place = np.clip(low / self.step - self.low, 0, len(self.points) - 1)
            left = min(int(place + ROUNDING), len(self.points) - 2)
            share = 0.0 if place - left < ROUNDING else place - left
            weights[left : left + 2] = 1 - share, share
            return weights
        inside = self.points[(self.points > low) & (self.points < high)]
        start = np.concatenate([[low], inside, [high]])
        each = np.diff(start, append=high) / 2 + np.diff(start, prepend=low) / 2
        place = start / self.step - self.low
        left = np.clip(np.floor(place + ROUNDING).astype(int), 0, len(self.points) - 2)
        np.add.at(weights, left, each * (1 - (place - left)))
        np.add.at(weights, left + 1, each * (place - left))
        return weights / (high - low)


class PositionProcess(StockProcess):
    """The inventory position: backlog with any lead time, or lost sales with lead time 0.

    A choice is the position after ordering. Below the lattice, row 0 takes the value of its lowest point
    (far down, more backlog never costs less), and row 1 never orders again. For lost sales the lattice begins
    at 0, where the stock is cut, which is exact. No order goes beyond the upper end; from below that is a
    bound since far up more stock never costs less.
    """

    def __init__(self, problem: SingleItemInventory, step: float, low: int, high: int) -> None:
        super().__init__(problem, step, low, high)
        self.lead_time = problem.max_lead_time
        self.expectation = Expectation(self.weights)
        self.costs = [
            stock_cost(
                self.points,
                step,
                sum_weights(self.weights, periods + 1),
                problem.holding_cost,
                problem.shortage_cost,
            )
            for periods in range(self.lead_time + 1)
        ]
        if problem.horizon is None:
            return
        # Costs of a policy that lets the stock fall for ever: it pays for at most one order a period.
        regimes = problem.regimes
        order = float((regimes.fixed_cost + regimes.unit_cost * regimes.high).max())
        holding = problem.holding_cost * max(float(self.points[-1]), 0.0)
        late = problem.shortage_cost * (self.lead_time + 1) * problem.demand.mean
        idle = float(regimes.fixed_cost[0])
        self.idle_below = self._linear(idle, problem.shortage_cost, late)
        self.any_below = self._linear(order + holding, problem.shortage_cost, late)
        self.depth = -step * np.arange(low - self.expectation.reach, low)

    def discount_of_stock(self, period: int) -> float:
        """The order of this period arrives ``lead_time`` periods later, if the horizon has not ended."""
        horizon = self.problem.horizon
        matters = horizon is None or period + self.lead_time < horizon
        return self.problem.discount**self.lead_time if matters else 0.0

    def terminal(self) -> NDArray[np.float64]:
        """Value after the last period."""
        return np.zeros((self.rows, len(self.points)))

    def after_order(
        self, value: NDArray[np.float64], period: int, any_policy: bool = False
    ) -> NDArray[np.float64]:
        """Cost to go (..., rows, n) of each position after ordering, from the next period's value.

        Args:
            value: next period's value, shape (..., rows, n).
            period: this period.
            any_policy: whether row 1 must bound the cost of any policy, not only of one that is free to idle.
        """
        below = np.repeat(value[..., :1], self.expectation.reach, axis=-1)
        if self.problem.unmet_demand == "backlog" and self.problem.horizon is not None:
            a, b = (self.any_below if any_policy else self.idle_below)[period + 1]
            below[..., UPPER, :] = a + b * self.depth
        to_go = self.problem.discount * self.expectation(below, value)
        return to_go + self.discount_of_stock(period) * self.costs[-1]

    def best(self, after: NDArray[np.float64]) -> tuple[NDArray[np.float64], Regimes, Quantities]:
        """Value (rows, n) of the best order, and its regime and quantity in steps, each (n,)."""
        regimes = self.problem.regimes
        here = np.arange(len(self.points))
        value = np.full(after.shape, np.inf)
        regime = np.zeros(len(here), dtype=np.int8)
        quantity = np.zeros(len(here), dtype=np.int32)
        for r in range(len(regimes)):
            paid = after + self.price[r] * here
            target = np.minimum(here + self.fewest[r], len(here) - 1)
            target = window_argmin(paid, self.most[r] - self.fewest[r])[..., target]
            cost = regimes.fixed_cost[r] + np.take_along_axis(paid, target, -1) - self.price[r] * here
            cost[UPPER, here + self.fewest[r] >= len(here)] = np.inf
            better = cost < value
            value = np.where(better, cost, value)
            regime[better[UPPER]] = r
            quantity[better[UPPER]] = (target[UPPER] - here)[better[UPPER]]
        return value, regime, quantity

    def transition(self, quantity: NDArray[Any]) -> Any:
        """Operator (n, n): expectation of next period's value under orders (n,) in steps."""
        size = len(self.points)
        target = np.minimum(np.arange(size) + quantity, size - 1)

        def expect(value: NDArray[np.float64]) -> NDArray[np.float64]:
            flat = value.ravel()
            return self.expectation(np.repeat(flat[:1], self.expectation.reach), flat)[target]

        return LinearOperator((size, size), matvec=expect, dtype=float)

    def chain(self, regime: NDArray[np.int64], quantity: NDArray[np.int64]) -> PolicyChain:
        """The chain of positions after ordering; of those, a stationary policy visits few."""
        first, probabilities = self.weights
        size = len(self.points)
        orders = self.problem.regimes.fixed_cost[regime] + self.price[regime] * quantity
        visited, state = np.unique(np.minimum(np.arange(size) + quantity, size - 1), return_inverse=True)
        left = visited[:, None] - (first + np.arange(len(probabilities)))
        beyond = (left < 0) @ probabilities if self.problem.unmet_demand == "backlog" else 0.0 * visited
        return PolicyChain(
            matrix=transition_matrix(state[np.maximum(left, 0)], probabilities),
            cost=self.discount_of_stock(0) * self.costs[-1][visited]
            + self.problem.discount * (orders[np.maximum(left, 0)] @ probabilities),
            start=np.bincount(state, self.start_weights(), len(visited)).astype(float),
            start_cost=float(self.at_start(orders)),
            cut=beyond,
        )

    def policy_costs(self, regime: NDArray[np.int64], quantity: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bounds (k, 2) of the expected cost of k stationary policies over the horizon.

        Args:
            regime: at each position, shape (k, n).
            quantity: in steps, of the like.
        """
        here = np.arange(len(self.points))
        target = np.minimum(here + quantity, here[-1])[:, None, :]
        order = (self.problem.regimes.fixed_cost[regime] + self.price[regime] * quantity)[:, None, :]
        value = np.zeros((len(regime), 2, len(here)))
        assert self.problem.horizon is not None
        for period in reversed(range(self.problem.horizon)):
            after = self.after_order(value, period, any_policy=True)
            value = order + np.take_along_axis(after, target, -1)
        return self.at_start(value)

    def at_start(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected cost (...,) from the initial state, with what no order can change any more."""
        problem = self.problem
        sunk = np.zeros(len(self.points))
        for period, cost in enumerate(self.costs[:-1][: problem.horizon]):
            sunk += problem.discount**period * cost
        return self.mean_at_start(value + sunk)

    def observations(self) -> NDArray[np.float64]:
        """An observation with each position, in its first entry."""
        observation = np.zeros((len(self.points), len(self.problem.observation_low)))
        observation[:, 0] = self.points
        return observation

    def locate(self, observation: NDArray[np.float64]) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
        """Index of the nearest state, and how far it lies above the position, of observations (m, n)."""
        position = self.problem.position(observation)
        index = self.nearest(position)
        return (index,), self.points[index] - position
