"""The optimum of an inventory with a budget and discounts, by dynamic programming over stock and money."""

from __future__ import annotations

from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import as_problem
from jumpgym.demand import DiscreteDemand, TraceDemand
from jumpgym.problems.budget_discount import BudgetDiscount

from ..policy import Policy
from .lattice import (
    ROUNDING,
    common_step,
    demand_weights,
    grid_step,
    standard_deviation,
    stock_cost,
    sum_weights,
)

STOCK_POINTS = 800
"""Most lattice points of stock."""

MONEY_POINTS = 10_000
"""Most grid points of money."""

TOLERANCE = 1e-7
"""Where the iterations of a stationary problem end, relative to the cost."""

SWEEPS = 1000
"""Most improvements of the policy of a stationary problem."""

HELD = 20
"""Periods for which a policy is held between two improvements."""

FLOAT32 = 1e-2
"""Share of a step by which observed money may fall short of a grid point, since observations are float32."""

Decision = NDArray[np.int16]
"""Index of the order, among ``BudgetProcess.orders``, of each point of the grid of stock and money."""


class BudgetOptimum(Policy):
    """An optimal policy, as ``solve_budget`` returns it.

    Between grid points it decides as at the nearest one of stock, with the same order-up-to level, and at the
    next lower one of money.

    Attributes:
        expected_cost: expected discounted cost of an episode from the initial state (not at ``horizon=None``
            with ``discount=1``).
        average_cost: cost per period in the long run; only at ``horizon=None`` with ``discount=1``.
        error_bound: at ``horizon=None``, how far the iteration can be from the grid's optimum.
        discretisation_error: estimated error of the grid; 0 where it is exact.
        step, money_step: distance of the grid points of stock, in units, and of money.
    """

    def __init__(self, process: BudgetProcess, decisions: list[Decision]) -> None:
        self.problem = process.problem
        self.step, self.money_step = process.step, process.money_step
        self.expected_cost = self.average_cost = float("nan")
        self.error_bound = self.discretisation_error = 0.0
        self._process, self._decisions = process, decisions

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal regime (m,) and quantity (m,) of observations (m, n)."""
        process, problem = self._process, self.problem
        position = problem.position(observation)
        stock = np.round(position / self.step) - process.low
        stock = np.clip(stock, 0, process.stock_points - 1).astype(int)
        above = self.step * (stock + process.low) - position
        money = np.floor(problem.money(observation) / self.money_step + FLOAT32)
        period = np.zeros(len(observation), dtype=int)
        if problem.horizon is not None:
            period = np.clip(np.round(observation[:, -1]), 0, problem.horizon - 1).astype(int)
        order = np.empty(len(observation), dtype=int)
        for now in np.unique(period):
            rows, decision = period == now, self._decisions[now]
            owned = np.clip(money[rows], 0, decision.shape[1] - 1).astype(int)
            order[rows] = decision[stock[rows], owned]
        regime, units = process.orders[order].T
        quantity = np.where(regime > 0, self.step * units + above, 0.0)
        return regime, problem.brackets.project(regime, quantity)


class BudgetProcess:
    """Bellman backups on a grid of inventory positions and money.

    Args:
        problem: a supported problem.
        step, money_step: distance of grid points, in units and in money.
        low, high: ends of the lattice of positions, in steps.
        richest: most money on the grid; more is taken to be that much.
    """

    def __init__(
        self, problem: BudgetDiscount, step: float, money_step: float, low: int, high: int, richest: float
    ) -> None:
        self.problem, self.step, self.money_step, self.low = problem, step, money_step, low
        self.points: NDArray[np.float64] = step * np.arange(low, high + 1, dtype=np.float64)
        self.stock_points, self.money_points = len(self.points), ceil(richest / money_step - ROUNDING) + 2
        stock, brackets = problem.stock, problem.brackets
        first, probabilities = weights = demand_weights(stock.demand, step)
        self.lead_time = stock.max_lead_time
        costs = [
            stock_cost(
                self.points, step, sum_weights(weights, n + 1), stock.holding_cost, stock.shortage_cost
            )
            for n in range(self.lead_time + 1)
        ]
        self.sunk, self.cost = costs[:-1], costs[-1]
        self.transition = np.zeros((self.stock_points, self.stock_points))
        row = np.arange(self.stock_points)[:, None]
        left = row - (first + np.arange(len(probabilities)))
        below = np.maximum(-left, 0) * (stock.unmet_demand == "backlog")
        # Below the lattice the value goes on along a line; where sales are lost, the stock is cut at 0.
        lowest = np.maximum(left, 0)
        np.add.at(self.transition, (row, lowest), probabilities * (1 + below))
        np.add.at(self.transition, (row, np.minimum(lowest + 1, len(row) - 1)), -probabilities * below)
        self.orders = np.array(
            [(0, 0)]
            + [
                (k, units)
                for k in range(1, len(brackets))
                for units in range(
                    max(ceil(brackets.low[k] / step - ROUNDING), 1),
                    # The open end of a bracket is left to the next one, where it is cheaper.
                    min(floor(brackets.high[k] / step * (1 - ROUNDING) + ROUNDING), high - low) + 1,
                )
                if k == len(brackets) - 1 or units * step < brackets.low[k + 1] * (1 - ROUNDING)
            ]
        )
        self.payments = [_place(step * u * brackets.unit_cost[k] / money_step) for k, u in self.orders]
        self.income = _place(problem.income / money_step)
        self.idle = np.zeros((self.stock_points, self.money_points))

    def backup(
        self, value: NDArray[np.float64], discount_of_stock: float, money_points: int
    ) -> tuple[NDArray[np.float64], Decision]:
        """Value and decision of each state (positions, money), from the next period's value.

        Args:
            value: next period's value, shape (positions, any).
            discount_of_stock: factor on the stock cost that an order of this period decides on.
            money_points: points of money of this period; money beyond the next period's is taken to be lost.
        """
        to_go = self._to_go(value, discount_of_stock, money_points)
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

    def held(self, value: NDArray[np.float64], decision: Decision) -> NDArray[np.float64]:
        """Value after ``HELD`` further periods in which a decision is held, less a constant at discount 1."""
        whole, part = np.array(self.payments).T[:, decision]
        stock = np.arange(self.stock_points)[:, None] + self.orders[:, 1][decision]
        money = np.arange(self.money_points) - whole.astype(int)
        place = stock * self.money_points + money
        poorer = place - (part > 0)
        for _ in range(HELD):
            to_go = self._to_go(value, 1.0, self.money_points).ravel()
            after = (1 - part) * to_go[place] + part * to_go[poorer]
            if self.problem.discount == 1:
                after = (value + after) / 2  # a lazy chain has the same average cost, and is not periodic
                after -= after[0, 0]
            value = after
        return value

    def _to_go(
        self, value: NDArray[np.float64], discount_of_stock: float, money_points: int
    ) -> NDArray[np.float64]:
        """Cost to go (positions, money_points) after the order; see ``backup``."""
        whole, part = self.income
        after = self.problem.discount * (self.transition @ value)
        column = np.minimum(whole + np.arange(money_points + 1), value.shape[1] - 1)
        to_go: NDArray[np.float64] = after[:, column[:-1]]
        if part > 0:
            to_go = (1 - part) * to_go + part * after[:, column[1:]]
        to_go += discount_of_stock * self.cost[:, None]
        return to_go

    def at_start(self, value: NDArray[np.float64]) -> float:
        """Expected value at the initial state, of values (positions, money), linear between grid points."""
        whole, part = _place(self.problem.budget / self.money_step)
        column = (1 - part) * value[:, whole] + part * value[:, whole + 1]
        low, high = self.problem.stock.initial_inventory
        starts = low + (high - low) * (np.arange(512) + 0.5) / 512
        return float(np.interp(starts, self.points, column).mean())

    def touches_end(self, decision: Decision) -> bool:
        """Whether an order reaches the upper end of the lattice."""
        reached = np.arange(self.stock_points)[:, None] + self.orders[:, 1][decision]
        return bool(np.any((decision > 0) & (reached >= self.stock_points - 1)))


def solve_budget(problem: Any) -> BudgetOptimum:
    """Solve a ``BudgetDiscount`` problem.

    The state is the inventory position (with backlog, or lost sales without a lead time; see ``solve``) and
    the money. Stock lies on a lattice of which all demands, breakpoints and the initial stock are multiples,
    if there is one, and on half that step; else on a grid over which demand is spread by hat functions. Money
    lies on a lattice of which what orders cost, the budget and the income are multiples, if that is not too
    fine; else values are interpolated linearly between its points.

    With one price the recursion on the lattice is exact. With several, the optimal order may lie between
    lattice points even though all data are on them, since an order may spend all money at any of the prices:
    the expected cost is then that of the best policy with orders in multiples of ``step``, and
    ``discretisation_error`` the difference to twice the step: an estimate, not a bound.

    At ``horizon=None`` by modified policy iteration until the bounds of MacQueen (1966) and Odoni (1969)
    agree; money beyond the grid is taken to be lost, and the grid is enlarged until it does not matter.

    Args:
        problem: problem, environment or environment id. Demand is a distribution.

    Raises:
        NotImplementedError: naming what is not supported and what to do instead.
        TypeError: if ``problem`` is no jumpgym problem.

    References:
        - J. MacQueen (1966), A modified dynamic programming method for Markovian decision problems, Journal
          of Mathematical Analysis and Applications 14(1).
        - A. R. Odoni (1969), On finding the maximal gain for Markov decision processes, Operations Research
          17(5).
    """
    problem = _supported(problem)
    results = [_solved(problem, step) for step in _steps(problem)]
    best = results[-1]
    average = problem.horizon is None and problem.discount == 1
    costs = [result.average_cost if average else result.expected_cost for result in results]
    best.discretisation_error = abs(costs[-1] - costs[0])
    return best


def _supported(env: Any) -> BudgetDiscount:
    problem = as_problem(env)
    if not isinstance(problem, BudgetDiscount):
        raise NotImplementedError(f"{type(problem).__name__}: solve_budget is for BudgetDiscount")
    stock = problem.stock
    if isinstance(stock.demand, TraceDemand):
        raise NotImplementedError(
            "demand: traces are not supported, since their periods depend on each other; pass a frozen "
            "scipy.stats distribution fitted to them, or compare policies on the traces with evaluate"
        )
    if stock.unmet_demand == "lost" and stock.max_lead_time > 0:
        raise NotImplementedError(
            f"lead_time={stock.max_lead_time} with unmet_demand='lost' is not supported: the pipeline and "
            "the money are more dimensions than fit; lead_time must be 0, or unmet_demand='backlog'"
        )
    if stock.unmet_demand == "backlog" and problem.horizon is None:
        raise NotImplementedError(
            "horizon=None with unmet_demand='backlog' is not supported: backlog that waits for money has no "
            "bound; set a horizon, or unmet_demand='lost'"
        )
    return problem


def _place(multiple: float) -> tuple[int, float]:
    """The grid point at or below a multiple of the step, and the share of the way to the next one."""
    whole = floor(multiple + ROUNDING * max(1.0, multiple))
    part = multiple - whole
    return whole, part if part > ROUNDING * max(1.0, multiple) else 0.0


def _steps(problem: BudgetDiscount) -> list[float]:
    """Steps of stock: one if that is exact, else two, the second half of the first."""
    stock, brackets = problem.stock, problem.brackets
    ends = np.append(brackets.low[2:], brackets.high[-1])
    low, high = _extent(problem, 1.0)
    coarsest = 2 * (high - low) / STOCK_POINTS
    fixed = stock.initial_inventory[0] == stock.initial_inventory[1]
    if isinstance(stock.demand, DiscreteDemand):
        step = common_step(np.concatenate([stock.demand.values, ends, stock.initial_inventory]))
        if step is not None and step >= coarsest:
            exact = fixed and len(brackets) == 2 and _on_lattice(problem, step)
            return [step] if exact else [step, step / 2]
    step = grid_step(max(standard_deviation(stock.demand) / 8, coarsest), brackets.low)
    return [step, step / 2]


def _on_lattice(problem: BudgetDiscount, step: float) -> bool:
    """Whether all money is a whole number of the payment for one step."""
    payment = step * problem.brackets.unit_cost[-1]
    return all(_place(money / payment)[1] == 0 for money in (problem.budget, problem.income))


def _money_step(problem: BudgetDiscount, step: float, richest: float) -> float:
    """Step of money: that of all payments, or as fine as ``MONEY_POINTS`` allow."""
    exact = common_step([problem.budget, problem.income, *(step * problem.brackets.unit_cost)])
    return exact if exact is not None and exact * MONEY_POINTS >= richest else richest / MONEY_POINTS


def _extent(problem: BudgetDiscount, margin: float) -> tuple[float, float]:
    """Lowest and highest position of a lattice, in units."""
    stock, periods = problem.stock, problem.horizon
    mean, deviation = stock.demand.mean, standard_deviation(stock.demand)
    start_low, start_high = stock.initial_inventory
    low = 0.0
    if stock.unmet_demand == "backlog":
        assert periods is not None
        low = min(start_low, 0.0) - min(
            periods * stock.demand.max, periods * mean + 6 * deviation * periods**0.5
        )
    most = np.inf if periods is None else periods * float(problem.brackets.high[-1])
    waiting = stock.max_lead_time + 1
    level = waiting * mean + 6 * deviation * waiting**0.5 + 1.5 * float(problem.brackets.low[-1])
    return low, max(start_high, 0.0) + min(margin * level, most)


def _solved(problem: BudgetDiscount, step: float) -> BudgetOptimum:
    margin, richest = 1.0, problem.budget + (problem.horizon or 0) * problem.income
    last = np.inf
    if problem.horizon is None:
        payment = problem.brackets.unit_cost * np.maximum(problem.brackets.low, problem.level_scale)
        richest = max(problem.budget, 2 * float(payment.max()))
    money_step = _money_step(problem, step, richest)
    while True:
        low, high = _extent(problem, margin)
        process = BudgetProcess(problem, step, money_step, floor(low / step), ceil(high / step), richest)
        result, holds = (_backward if problem.horizon is not None else _stationary)(process)
        margin *= 1.0 if holds else 1.5
        if problem.horizon is None:
            cost = result.average_cost if problem.discount == 1 else result.expected_cost
            holds = holds and abs(last - cost) <= 1e-6 * abs(cost)
            last, richest = cost, 1.5 * richest
        if holds or high == _extent(problem, np.inf)[1]:
            return result


def _backward(process: BudgetProcess) -> tuple[BudgetOptimum, bool]:
    """The dynamic programme over a finite horizon, and whether the lattice is large enough."""
    problem, lead_time = process.problem, process.lead_time
    assert problem.horizon is not None
    # Money left is credited in the last period, before this value is discounted.
    left = process.money_step * np.arange(process.money_points)
    value = process.idle - problem.leftover_value / problem.discount * left
    decisions: list[Decision] = []
    holds = True
    for period in reversed(range(problem.horizon)):
        matters = period + lead_time < problem.horizon
        richest = (problem.budget + period * problem.income) / process.money_step
        value, decision = process.backup(
            value, problem.discount**lead_time if matters else 0.0, ceil(richest - ROUNDING) + 2
        )
        holds = holds and not process.touches_end(decision)
        decisions.append(decision)
    result = BudgetOptimum(process, decisions[::-1])
    sunk = zip(range(problem.horizon), process.sunk, strict=False)
    result.expected_cost = process.at_start(value) + sum(
        process.at_start(problem.discount**n * cost[:, None] + process.idle) for n, cost in sunk
    )
    return result, holds


def _stationary(process: BudgetProcess) -> tuple[BudgetOptimum, bool]:
    """Modified policy iteration without an end, and whether the lattice is large enough."""
    discount = process.problem.discount
    value = process.idle
    for _ in range(SWEEPS):
        following, decision = process.backup(value, 1.0, process.money_points)
        change = following - value
        low, high = float(change.min()), float(change.max())
        # Beyond this sweep every later one adds between low and high, discounted.
        still = 1.0 if discount == 1 else discount / (1 - discount)
        middle = (low + high) / 2 * still
        bound = (high - low) / 2 * still
        cost = middle if discount == 1 else process.at_start(following) + middle
        if bound <= TOLERANCE * max(abs(cost), 1.0):
            break
        value = process.held(following, decision)
    result = BudgetOptimum(process, [decision])
    result.error_bound = bound
    if discount == 1:
        result.average_cost = cost
    else:
        result.expected_cost = cost
    return result, not process.touches_end(decision)
