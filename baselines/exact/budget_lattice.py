"""Dynamic programming steps for an inventory with a budget, on a grid of stock and money."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from jumpgym.problems.budget_discount import BudgetDiscount

from .bellman import midpoints, rows_by_period
from .demand_by_period import WeightsByPeriod
from .lattice import ROUNDING, nearest_index
from .lattice_demand import Weights, demand_matrix, stock_costs

EVALUATION_SWEEPS = 20
"""Sweeps under a fixed policy between two improvements, over an infinite horizon."""

MONEY_ROUNDING = 1e-2
"""Fraction of a step by which observed money may lie below its grid point: observations are float32."""

Decision = NDArray[np.int16]
"""Index of the order, among ``BudgetProcess.orders``, at each point of the grid of stock and money."""


class BudgetRule:
    """Decides by tables of the best order at each point of the grid of stock and money.

    Between grid points it takes the regime and the order-up-to level of the nearest point of stock and the
    next lower point of money.

    Attributes:
        step, money_step: distance of the grid points of stock, in units, and of money.
    """

    def __init__(self, process: BudgetProcess, decisions: list[Decision]) -> None:
        self.step, self.money_step = process.step, process.money_step
        self._process, self._decisions = process, decisions

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal regime (m,) and quantity (m,) at observations (m, n)."""
        process, problem = self._process, self._process.problem
        position = problem.position(observation)
        stock = nearest_index(position, self.step, process.low, process.stock_points)
        above = process.points[stock] - position
        money = np.floor(problem.money(observation) / self.money_step + MONEY_ROUNDING)
        order = np.empty(len(observation), dtype=int)
        for period, rows in rows_by_period(problem, observation):
            decision = self._decisions[period]
            order[rows] = decision[stock[rows], np.clip(money[rows], 0, decision.shape[1] - 1).astype(int)]
        regime, units = process.orders[order].T
        quantity = np.where(regime > 0, self.step * units + above, 0.0)
        return regime, problem.brackets.project(regime, quantity)


class BudgetProcess:
    """Bellman operator on a grid of inventory positions and money.

    Args:
        problem: a supported problem.
        step, money_step: distance of grid points, in units and in money.
        low, high: ends of the lattice of positions, in steps.
        richest: largest money on the grid; money beyond it is lost.
    """

    def __init__(
        self, problem: BudgetDiscount, step: float, money_step: float, low: int, high: int, richest: float
    ) -> None:
        self.problem, self.step, self.money_step, self.low = problem, step, money_step, low
        self.points: NDArray[np.float64] = step * np.arange(low, high + 1, dtype=np.float64)
        self.stock_points, self.money_points = len(self.points), ceil(richest / money_step - ROUNDING) + 2
        stock, brackets = problem.stock, problem.brackets
        self.weights = WeightsByPeriod(stock.demand, step, self._transition)
        self.lead_time = stock.max_lead_time
        *self.sunk, self._first_cost = self._stock_costs(0)
        self.orders = np.array(
            [(0, 0)]
            + [
                (k, units)
                for k in range(1, len(brackets))
                for units in self._units(k, high - low)
                if k == len(brackets) - 1 or units * step < brackets.low[k + 1] * (1 - ROUNDING)
            ]
        )
        self.payments = [grid_point(step * u * brackets.unit_cost[k] / money_step) for k, u in self.orders]
        self.income = grid_point(problem.income / money_step)
        self.idle = np.zeros((self.stock_points, self.money_points))

    def _units(self, bracket: int, most: int) -> range:
        """Orders of a bracket in steps, at most ``most``."""
        brackets, step = self.problem.brackets, self.step
        if brackets.order_multiple is not None:
            multiple = round(brackets.order_multiple / step)
            first, last = (round(ends[bracket] / step) for ends in (brackets.least, brackets.largest))
            return range(max(first, multiple), min(last, most) + 1, multiple)
        # The upper end of a bracket is left to the next bracket, if there is one, where it is cheaper.
        part = 1 - ROUNDING if bracket < len(brackets) - 1 else 1.0
        last = floor(brackets.high[bracket] / step * part + ROUNDING)
        return range(max(ceil(brackets.low[bracket] / step - ROUNDING), 1), min(last, most) + 1)

    def _transition(self, weights: Weights) -> NDArray[np.float64]:
        # With lost sales the stock is cut at the lowest point, 0; with backlog values are continued linearly.
        linear = self.problem.stock.unmet_demand == "backlog"
        return demand_matrix(self.stock_points, weights, linear=linear)

    def _stock_costs(self, period: int) -> list[NDArray[np.float64]]:
        """Expected stock costs (positions,) of the periods until an order of ``period`` has arrived."""
        stock = self.problem.stock
        window = self.weights.window(period, self.lead_time + 1)
        return stock_costs(self.points, self.step, window, stock.holding_cost, stock.shortage_cost)

    def backup(
        self, value: NDArray[np.float64], discount_of_stock: float, money_points: int, period: int = 0
    ) -> tuple[NDArray[np.float64], Decision]:
        """Value and decision in each state (positions, money), from the next period's value.

        Args:
            value: next period's value, shape (positions, any).
            discount_of_stock: factor on the stock cost that an order of this period decides on.
            money_points: number of points of money in this period.
            period: this period, where demand changes.
        """
        to_go = self._to_go(value, discount_of_stock, money_points, period)
        best, decision = to_go.copy(), np.zeros(to_go.shape, dtype=np.int16)
        for index, ((_, units), (whole, part)) in enumerate(zip(self.orders, self.payments, strict=True)):
            least = whole + int(part > 0)
            if index == 0 or least >= money_points:
                continue
            until = money_points - least
            after = to_go[units:, least - whole : least - whole + until]
            if part > 0:
                after = (1 - part) * after + part * to_go[units:, :until]
            state = (slice(0, self.stock_points - units), slice(least, None))
            better = after < best[state]
            np.copyto(best[state], after, where=better)
            np.copyto(decision[state], np.int16(index), where=better)
        return best, decision

    def follow(self, value: NDArray[np.float64], decision: Decision) -> NDArray[np.float64]:
        """Value after ``EVALUATION_SWEEPS`` periods of a fixed decision, at discount 1 up to a constant."""
        whole, part = np.array(self.payments).T[:, decision]
        stock = np.arange(self.stock_points)[:, None] + self.orders[:, 1][decision]
        money = np.arange(self.money_points) - whole.astype(int)
        richer = stock * self.money_points + money
        poorer = richer - (part > 0)
        for _ in range(EVALUATION_SWEEPS):
            to_go = self._to_go(value, 1.0, self.money_points, 0).ravel()
            after = (1 - part) * to_go[richer] + part * to_go[poorer]
            if self.problem.discount == 1:
                after = (value + after) / 2  # the lazy chain has the same average cost and is not periodic
                after -= after[0, 0]
            value = after
        return value

    def _to_go(
        self, value: NDArray[np.float64], discount_of_stock: float, money_points: int, period: int
    ) -> NDArray[np.float64]:
        """Cost to go (positions, money_points) after the order; see ``backup``."""
        whole, part = self.income
        after = self.problem.discount * (self.weights.derived(period) @ value)
        column = np.minimum(whole + np.arange(money_points + 1), value.shape[1] - 1)
        to_go: NDArray[np.float64] = after[:, column[:-1]]
        if part > 0:
            to_go = (1 - part) * to_go + part * after[:, column[1:]]
        if discount_of_stock > 0:
            cost = self._first_cost if self.weights.alike else self._stock_costs(period)[-1]
            to_go += discount_of_stock * cost[:, None]
        return to_go

    def at_start(self, value: NDArray[np.float64]) -> float:
        """Expected value at the initial state of values (positions, money), linear between grid points."""
        whole, part = grid_point(self.problem.budget / self.money_step)
        column = (1 - part) * value[:, whole] + part * value[:, whole + 1]
        starts = midpoints(self.problem.stock.initial_inventory)
        return float(np.interp(starts, self.points, column).mean())

    def touches_end(self, decision: Decision) -> bool:
        """Whether an order reaches the upper end of the lattice."""
        reached = np.arange(self.stock_points)[:, None] + self.orders[:, 1][decision]
        return bool(np.any((decision > 0) & (reached >= self.stock_points - 1)))


def grid_point(multiple: float) -> tuple[int, float]:
    """The grid point at or below a multiple of the step, and the fraction of the way to the next one."""
    whole = floor(multiple + ROUNDING * max(1.0, multiple))
    part = multiple - whole
    return whole, part if part > ROUNDING * max(1.0, multiple) else 0.0
