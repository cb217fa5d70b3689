"""The optimum of an inventory with a budget and discounts: dynamic programming over stock and money."""

from __future__ import annotations

from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable
from jumpgym.demand import discrete_values
from jumpgym.problems.budget_discount import BudgetDiscount

from .bellman import midpoints, refine, rows_by_period, span_bounds
from .demand_by_period import WeightsByPeriod, largest_mean
from .lattice import (
    ROUNDING,
    Weights,
    common_step,
    demand_matrix,
    grid_step,
    nearest_index,
    refuse_traces,
    standard_deviation,
    stock_costs,
)
from .result import Optimum

STOCK_POINTS = 800
"""Most lattice points of stock."""

MONEY_POINTS = 10_000
"""Most grid points of money."""

TOLERANCE = 1e-7
"""Half width of the bounds at which the iteration over an infinite horizon stops, relative to the cost."""

SWEEPS = 1000
"""Most improvements of the policy over an infinite horizon."""

HELD = 20
"""Number of periods for which a policy is held between two improvements."""

FLOAT32 = 1e-2
"""Part of a step by which observed money may fall short of a grid point, since observations are float32."""

Decision = NDArray[np.int16]
"""Index of the order, among ``BudgetProcess.orders``, at each point of the grid of stock and money."""


class BudgetRule:
    """Decides by tables of the best order at each point of the grid of stock and money.

    Between grid points it decides as at the nearest point of stock, with the same order-up-to level, and at
    the next lower point of money.

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
        money = np.floor(problem.money(observation) / self.money_step + FLOAT32)
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
        richest: most money on the grid; what exceeds it is lost.
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
        self.payments = [_grid_point(step * u * brackets.unit_cost[k] / money_step) for k, u in self.orders]
        self.income = _grid_point(problem.income / money_step)
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
        # Lost sales are cut at the lowest point, 0; a backlog goes on along a line below it.
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

    def held(self, value: NDArray[np.float64], decision: Decision) -> NDArray[np.float64]:
        """Value after ``HELD`` more periods under a fixed decision; at discount 1 less a constant."""
        whole, part = np.array(self.payments).T[:, decision]
        stock = np.arange(self.stock_points)[:, None] + self.orders[:, 1][decision]
        money = np.arange(self.money_points) - whole.astype(int)
        richer = stock * self.money_points + money
        poorer = richer - (part > 0)
        for _ in range(HELD):
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
        whole, part = _grid_point(self.problem.budget / self.money_step)
        column = (1 - part) * value[:, whole] + part * value[:, whole + 1]
        starts = midpoints(self.problem.stock.initial_inventory)
        return float(np.interp(starts, self.points, column).mean())

    def touches_end(self, decision: Decision) -> bool:
        """Whether an order reaches the upper end of the lattice."""
        reached = np.arange(self.stock_points)[:, None] + self.orders[:, 1][decision]
        return bool(np.any((decision > 0) & (reached >= self.stock_points - 1)))


def solve_budget(problem: BudgetDiscount) -> Optimum:
    """Solve a ``BudgetDiscount`` problem.

    The state is the inventory position and the money; see ``solve_single_item`` for when the position is
    enough. If all demands, breakpoints and the initial stock are multiples of a step, stock lies on the
    lattice of that step, and of half of it; otherwise on a grid over which demand is spread by hat functions.
    Money lies on a lattice of which all payments, the budget and the income are multiples. If that is too
    fine, values are interpolated linearly between points of money.

    With one price the recursion on the lattice is exact. With several prices the optimal order may lie
    between lattice points even if all data are on them, since an order may spend all money at any of the
    prices. Then the expected cost is that of the best policy with orders in multiples of ``step``, and
    ``discretisation_error`` is the difference to twice the step: an estimate, not a bound.

    Over an infinite horizon, modified policy iteration runs until ``bellman.span_bounds`` are tight. Money
    beyond the grid is lost, and the grid is enlarged until that does not matter.

    Args:
        problem: demand is a distribution, or one for each period.

    Returns:
        The optimum. Its ``rule`` has the attributes ``step`` and ``money_step``, the distances of the points.

    Raises:
        NotApplicable: naming what is not supported and what to do instead.
    """
    stock = problem.stock
    refuse_traces(stock.demand)
    if stock.unmet_demand == "lost" and stock.max_lead_time > 0:
        raise NotApplicable(
            f"lead_time={stock.max_lead_time} with unmet_demand='lost' is not supported: the pipeline and "
            "the money are more dimensions than fit; lead_time must be 0, or unmet_demand='backlog'"
        )
    if stock.unmet_demand == "backlog" and problem.horizon is None:
        raise NotApplicable(
            "horizon=None with unmet_demand='backlog' is not supported: backlog that waits for money has no "
            "bound; set a horizon, or unmet_demand='lost'"
        )
    return refine(lambda step: _solve_at(problem, step), _steps(problem))


def _grid_point(multiple: float) -> tuple[int, float]:
    """The grid point at or below a multiple of the step, and the fraction of the way to the next one."""
    whole = floor(multiple + ROUNDING * max(1.0, multiple))
    part = multiple - whole
    return whole, part if part > ROUNDING * max(1.0, multiple) else 0.0


def _steps(problem: BudgetDiscount) -> list[float]:
    """The step of stock on which the problem is exact; else two steps, the second half the first."""
    stock, brackets = problem.stock, problem.brackets
    ends, grid_ends = np.append(brackets.low[2:], brackets.high[-1]), brackets.low
    if brackets.order_multiple is not None:
        ends = grid_ends = np.array([brackets.order_multiple])
    low, high = _extent(problem, 1.0)
    coarsest = 2 * (high - low) / STOCK_POINTS
    fixed = stock.initial_inventory[0] == stock.initial_inventory[1]
    values = discrete_values(stock.demand)
    if values is not None:
        step = common_step(np.concatenate([values, ends, stock.initial_inventory]))
        if step is not None and step >= coarsest:
            exact = fixed and len(brackets) == 2 and _on_lattice(problem, step)
            return [step] if exact else [step, step / 2]
    step = grid_step(max(standard_deviation(stock.demand) / 8, coarsest), grid_ends)
    return [step, step / 2]


def _on_lattice(problem: BudgetDiscount, step: float) -> bool:
    """Whether the budget and the income are multiples of the payment for one step."""
    payment = step * problem.brackets.unit_cost[-1]
    return all(_grid_point(money / payment)[1] == 0 for money in (problem.budget, problem.income))


def _money_step(problem: BudgetDiscount, step: float, richest: float) -> float:
    """Step of money: one that all payments are multiples of, or the finest that ``MONEY_POINTS`` allow."""
    exact = common_step([problem.budget, problem.income, *(step * problem.brackets.unit_cost)])
    return exact if exact is not None and exact * MONEY_POINTS >= richest else richest / MONEY_POINTS


def _extent(problem: BudgetDiscount, margin: float) -> tuple[float, float]:
    """Lowest and highest position of a lattice, in units; of all states for an infinite margin."""
    stock, periods = problem.stock, problem.horizon
    mean, deviation = largest_mean(stock.demand), standard_deviation(stock.demand)
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
    level += 2 * (problem.order_multiple or 0.0)
    return low, max(start_high, 0.0) + min(margin * level, most)


def _solve_at(problem: BudgetDiscount, step: float) -> Optimum:
    """The optimum on a grid that is large enough."""
    margin, richest = 1.0, problem.budget + (problem.horizon or 0) * problem.income
    last = np.inf
    if problem.horizon is None:
        payment = problem.brackets.unit_cost * np.maximum(problem.brackets.low, problem.level_scale)
        richest = max(problem.budget, 2 * float(payment.max()))
    money_step = _money_step(problem, step, richest)
    while True:  # stock and money are enlarged for different reasons, so ``bellman.enlarge`` does not fit
        low, high = _extent(problem, margin)
        process = BudgetProcess(problem, step, money_step, floor(low / step), ceil(high / step), richest)
        optimum, holds = (_backward if problem.horizon is not None else _stationary)(process)
        margin *= 1.0 if holds else 1.5
        if problem.horizon is None:
            holds = holds and abs(last - optimum.cost) <= 1e-6 * abs(optimum.cost)
            last, richest = optimum.cost, 1.5 * richest
        if holds or high == _extent(problem, np.inf)[1]:
            return optimum


def _backward(process: BudgetProcess) -> tuple[Optimum, bool]:
    """Backward induction over a finite horizon, and whether the lattice is large enough."""
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
            value, problem.discount**lead_time if matters else 0.0, ceil(richest - ROUNDING) + 2, period
        )
        holds = holds and not process.touches_end(decision)
        decisions.append(decision)
    sunk = zip(range(problem.horizon), process.sunk, strict=False)
    cost = process.at_start(value) + sum(
        process.at_start(problem.discount**n * cost[:, None] + process.idle) for n, cost in sunk
    )
    return Optimum(problem, BudgetRule(process, decisions[::-1]), cost), holds


def _stationary(process: BudgetProcess) -> tuple[Optimum, bool]:
    """Modified policy iteration over an infinite horizon, and whether the lattice is large enough."""
    discount = process.problem.discount
    value = process.idle
    for _ in range(SWEEPS):
        following, decision = process.backup(value, 1.0, process.money_points)
        cost, error_bound = span_bounds(following - value, discount)
        if discount < 1:  # the bounds on all later steps follow from this one
            cost, error_bound = process.at_start(following) + discount * cost, discount * error_bound
        if error_bound <= TOLERANCE * max(abs(cost), 1.0):
            break
        value = process.held(following, decision)
    optimum = Optimum(process.problem, BudgetRule(process, [decision]), cost, error_bound)
    return optimum, not process.touches_end(decision)
