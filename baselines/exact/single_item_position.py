"""Dynamic programming steps for one item whose state is the inventory position."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log2
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator

from jumpgym import SingleItemInventory

from .bellman import LOWER, UPPER, cheapest
from .lattice_demand import Expectation, Weights, stock_costs
from .long_tails import MANY_POINTS, FourierExpectation, is_long_tailed
from .markov_chain import PolicyChain, transition_matrix
from .refusals import check_size
from .stock_process import TYPICAL_ITERATIONS, Decision, StockProcess
from .window_minimum import stride_argmin

Lines = list[tuple[Any, float]]
"""See ``PositionProcess.straight_lines``."""

FOURIER_PRODUCTS = 150
"""Multiplications that take as long as a step by Fourier transforms, by point and doubling of the lattice."""


def check_position_lattice(problem: SingleItemInventory, step: float, points: float) -> None:
    """Raise NotApplicable if a lattice of so many points is too large for ``PositionProcess``."""
    span = _demand_points(problem, step, points)
    check_size(points, span, operations=multiplications(problem, step, points))


def multiplications(problem: SingleItemInventory, step: float, points: float) -> float:
    """Roughly the number of multiplications on a lattice of so many points, or what takes as long."""
    span = _demand_points(problem, step, points)
    products = span + Expectation.BLOCK if span < MANY_POINTS else FOURIER_PRODUCTS * log2(points)
    return points * products * (problem.horizon or TYPICAL_ITERATIONS)


def _demand_points(problem: SingleItemInventory, step: float, points: float) -> float:
    span = (problem.demand.max - problem.demand.min) / step
    return min(span, points) if is_long_tailed(problem.demand) else span  # a long tail is cut


class PositionProcess(StockProcess):
    """The inventory position as the state: backlog with any lead time, or lost sales with lead time 0.

    A choice is the position after ordering. Below the lattice, row 0 takes the value of the lowest point,
    which is a lower bound since a larger backlog never costs less, and row 1 never orders again. For lost
    sales the lattice begins at 0, where the stock is cut, which is exact. No order goes beyond the upper end;
    far up, more stock never costs less, so this keeps the lower bound.

    Where demand has a long tail, the lattice may reach so far down that all orders of the remaining periods
    cannot end a backlog there. Then every unit of the backlog costs the same, and one order is the best at
    all these positions, so both rows continue the value by the straight line on which it lies.
    """

    def __init__(self, problem: SingleItemInventory, step: float, low: int, high: int) -> None:
        check_position_lattice(problem, step, high - low)
        super().__init__(problem, step, low, high)
        self._first_costs = self._stock_costs(0)
        if problem.horizon is None:
            return
        # A policy that lets the stock fall forever pays for at most one order a period.
        regimes = problem.regimes
        order = float((regimes.fixed_cost + regimes.unit_cost * regimes.high).max())
        holding = problem.holding_cost * max(float(self.points[-1]), 0.0)
        self.idle_below = self._linear(float(regimes.fixed_cost[0]), problem.shortage_cost)
        self.any_below = self._linear(order + holding, problem.shortage_cost)
        self._is_long_tailed = is_long_tailed(problem.demand)
        self._lines = self.straight_lines(self._best_order)

    def derive(self, weights: Weights) -> Expectation | FourierExpectation:
        """The expectation over the demand of a period."""
        return FourierExpectation(weights) if len(weights[1]) > MANY_POINTS else Expectation(weights)

    def _like(self, reach: int) -> NDArray[np.int64]:
        """Index of the point (reach,) that stands for each of the points below the lattice.

        With lost sales it is the lowest one. With backlog it is the lowest one from which orders lead to the
        same positions, since a larger backlog of whole order multiples never costs less, while one of another
        size may fit the multiples better.
        """
        stride = self.stride if self.problem.unmet_demand == "backlog" else 1
        return np.arange(-reach, 0) % stride

    def order_cost(self, period: int) -> NDArray[np.float64]:
        """Expected stock cost (n,), by position after ordering, that an order of this period decides on."""
        return (self._first_costs if self.weights.alike else self._stock_costs(period))[-1]

    def _stock_costs(self, period: int) -> list[NDArray[np.float64]]:
        """Expected stock costs (n,) of the periods until an order of ``period`` has arrived."""
        window = self.weights.window(period, self.lead_time + 1)
        costs = stock_costs(
            self.points, self.step, window, self.problem.holding_cost, self.problem.shortage_cost
        )
        # Demand that is cut is short, whatever the position.
        cut = np.cumsum([self.weights.beyond(period + ahead) for ahead in range(len(window))])
        return [cost + self.problem.shortage_cost * short for cost, short in zip(costs, cut, strict=True)]

    def discount_of_stock(self, period: int) -> float:
        """An order arrives ``lead_time`` periods later, unless the horizon ends before."""
        horizon = self.problem.horizon
        matters = horizon is None or period + self.lead_time < horizon
        return self.problem.discount**self.lead_time if matters else 0.0

    def terminal(self) -> NDArray[np.float64]:
        """Value after the last period."""
        return np.zeros((self.rows, len(self.points)))

    def _is_straight_below(self, period: int) -> bool:
        """Whether no orders from ``period`` on can end a backlog that lies below the lattice."""
        assert self.problem.horizon is not None
        orders = max(self.problem.horizon - self.lead_time - period, 0)
        return self._is_long_tailed and self.low + orders * int(self.most.max()) <= 0

    def straight_lines(self, order: Callable[[float], Any]) -> Lines:
        """The value ``a + b * backlog`` of a long backlog: a and b of each period, and after the last one.

        Args:
            order: the cost of a period's order, less what its units save, from what a unit saves.
        """
        problem = self.problem
        assert problem.horizon is not None
        lines: Lines = [(0.0, 0.0)]
        for period in reversed(range(problem.horizon)):
            a, b = lines[-1]
            late = self.discount_of_stock(period) * problem.shortage_cost
            means = [self.weights.mean(period + ahead) for ahead in range(self.lead_time + 1)]
            slope = problem.discount * b + late
            constant = problem.discount * (a + b * means[0]) + late * sum(means)
            lines.append((constant + order(slope), slope))
        return lines[::-1]

    def _best_order(self, saving: float) -> float:
        """The least cost of an order of which each unit saves so much, less what it saves."""
        regimes = self.problem.regimes
        ends = np.stack([self.fewest, self.most])
        return float((regimes.fixed_cost + (self.price - self.step * saving) * ends).min())

    def after_order(
        self,
        value: NDArray[np.float64],
        period: int,
        lines_of_policies: Lines | None = None,
    ) -> NDArray[np.float64]:
        """Cost to go (..., rows, n) of each position after ordering.

        Args:
            value: next period's value, shape (..., rows, n).
            period: this period.
            lines_of_policies: see ``straight_lines``, where the value is that of given policies. Row 1 then
                bounds the cost of any policy, instead of one that is free to idle.
        """
        expectation = self.weights.derived(period)
        below = value[..., self._like(expectation.reach)]
        slope: NDArray[np.float64] = np.zeros((self.rows, 1))
        if self.problem.unmet_demand == "backlog" and self.problem.horizon is not None:
            depth = -self.step * np.arange(self.low - expectation.reach, self.low)
            if self._is_straight_below(period + 1):
                a, slope[:] = (lines_of_policies or self._lines)[period + 1]
                below[:] = a + slope * depth
            else:
                bounds = self.idle_below if lines_of_policies is None else self.any_below
                a, slope[UPPER] = bounds[period + 1]
                below[..., UPPER, :] = a + slope[UPPER] * depth
        to_go = expectation(below, value) + slope * self.weights.beyond(period)
        to_go *= self.problem.discount
        matters = self.discount_of_stock(period)
        return to_go + matters * self.order_cost(period) if matters > 0 else to_go

    def best(self, after: NDArray[np.float64]) -> tuple[NDArray[np.float64], Decision]:
        """Value (rows, n) of the best order, and the decision that attains it in the last row."""
        here = np.arange(len(self.points))

        def orders() -> Iterator[tuple[NDArray[np.float64], NDArray[np.int64]]]:
            for price, fixed_cost, fewest, most in zip(
                self.price, self.problem.regimes.fixed_cost, self.fewest, self.most, strict=True
            ):
                paid = after + price * here
                first = np.minimum(here + fewest, here[-1])
                target = stride_argmin(paid, most - fewest, self.stride)[..., first]
                cost = fixed_cost + np.take_along_axis(paid, target, -1) - price * here
                if self.stride > 1 and self.rows > 1:
                    # What no multiple on the lattice reaches costs at least as much as its upper end.
                    beyond = fixed_cost + paid[LOWER, -1] - price * here
                    beyond[here + most < here[-1]] = np.inf
                    cost[LOWER] = np.minimum(cost[LOWER], beyond)
                cost[UPPER, here + fewest > here[-1]] = np.inf
                yield cost, target - here

        value, regime, quantity = cheapest(orders(), after.shape)
        return value, (regime[UPPER], quantity[UPPER])

    def transition(self, quantity: NDArray[Any]) -> Any:
        """Operator (n, n): expectation of next period's value under orders (n,) in steps."""
        size = len(self.points)
        target = np.minimum(np.arange(size) + quantity, size - 1)
        expectation = self.weights.derived(0)

        def expect(value: NDArray[np.float64]) -> NDArray[np.float64]:
            flat = value.ravel()
            return expectation(flat[self._like(expectation.reach)], flat)[target]

        return LinearOperator((size, size), matvec=expect, dtype=float)

    def chain(self, regime: NDArray[np.int64], quantity: NDArray[np.int64], period: int = 0) -> PolicyChain:
        """The chain of the positions after ordering, of which a stationary policy visits few."""
        first, probabilities = self.weights[period]
        size = len(self.points)
        orders = self.problem.regimes.fixed_cost[regime] + self.price[regime] * quantity
        visited, state = np.unique(np.minimum(np.arange(size) + quantity, size - 1), return_inverse=True)
        left = visited[:, None] - (first + np.arange(len(probabilities)))
        beyond = (left < 0) @ probabilities if self.problem.unmet_demand == "backlog" else 0.0 * visited
        return PolicyChain(
            matrix=transition_matrix(state[np.maximum(left, 0)], probabilities),
            cost=self.discount_of_stock(period) * self.order_cost(period)[visited]
            + self.problem.discount * (orders[np.maximum(left, 0)] @ probabilities),
            start=np.bincount(state, self.start, len(visited)).astype(float),
            start_cost=float(self.at_start(orders)),
            cut=beyond,
        )

    def policy_costs(self, regime: NDArray[np.int64], quantity: NDArray[np.int64]) -> NDArray[np.float64]:
        """Bounds (k, 2) on the expected cost of k stationary policies, see ``StockProcess``."""
        here = np.arange(len(self.points))
        target = np.minimum(here + quantity, here[-1])[:, None, :]
        order = (self.problem.regimes.fixed_cost[regime] + self.price[regime] * quantity)[:, None, :]
        # A policy that meets a long backlog orders as much as it can, however long the backlog is.
        lines = self.straight_lines(
            lambda saving: order[..., :1] - self.step * saving * quantity[:, None, :1]
        )
        value = np.zeros((len(regime), 2, len(here)))
        assert self.problem.horizon is not None
        for period in reversed(range(self.problem.horizon)):
            after = self.after_order(value, period, lines)
            value = order + np.take_along_axis(after, target, -1)
        return self.at_start(value)

    def at_start(self, value: NDArray[np.float64]) -> NDArray[np.float64]:
        """Expected cost (...,) from the initial state, with the stock costs that no order can change."""
        sunk = np.zeros(len(self.points))
        for period, cost in enumerate(self._first_costs[:-1][: self.problem.horizon]):
            sunk += self.problem.discount**period * cost
        return (value + sunk) @ self.start

    def observations(self) -> NDArray[np.float64]:
        """Observations that hold the position in their first entry."""
        observation = np.zeros((len(self.points), len(self.problem.observation_low)))
        observation[:, 0] = self.points
        return observation

    def locate(self, observation: NDArray[np.float64]) -> tuple[tuple[Any, ...], NDArray[np.float64]]:
        """Index of the nearest position, and its excess over the position of each observation (m, n)."""
        position = self.problem.position(observation)
        index = self.nearest(position)
        return (index,), self.points[index] - position
