"""The optimum of an inventory with a budget and discounts: dynamic programming over stock and money."""

from __future__ import annotations

from math import ceil, floor

import numpy as np

from jumpgym import NotApplicable
from jumpgym.demand import discrete_values
from jumpgym.problems.budget_discount import BudgetDiscount

from .bellman import refine, span_bounds
from .budget_lattice import BudgetProcess, BudgetRule, Decision, grid_point
from .demand_by_period import largest_mean
from .lattice import ROUNDING, common_step, grid_step
from .lattice_demand import standard_deviation
from .refusals import refuse_traces
from .result import Optimum

STOCK_POINTS = 800
"""Most lattice points of stock."""

MONEY_POINTS = 10_000
"""Most grid points of money."""

TOLERANCE = 1e-7
"""Half width of the bounds at which the iteration over an infinite horizon stops, relative to the cost."""

SWEEPS = 1000
"""Most improvements of the policy over an infinite horizon."""


def solve_budget(problem: BudgetDiscount) -> Optimum:
    """Solve a ``BudgetDiscount`` problem.

    The state is the inventory position and the money; ``solve_single_item`` explains when the position
    suffices. If all demands, breakpoints and the initial stock are multiples of a step, stock lies on the
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
        problem: its demand is a distribution, or a list of one for each period.

    Returns:
        The optimum. Its ``rule`` has the attributes ``step`` and ``money_step``, the distances of the points.

    Raises:
        NotApplicable: naming what is not supported and what to do instead.
    """
    stock = problem.stock
    refuse_traces(stock.demand)
    if stock.unmet_demand == "lost" and stock.max_lead_time > 0:
        raise NotApplicable(
            f"lead_time={stock.max_lead_time} with unmet_demand='lost' is not supported: the state would "
            "hold all outstanding orders beside the money; set lead_time=0, or unmet_demand='backlog'"
        )
    if stock.unmet_demand == "backlog" and problem.horizon is None:
        raise NotApplicable(
            "horizon=None with unmet_demand='backlog' is not supported: backlog without money to fill it is "
            "unbounded; set a horizon, or unmet_demand='lost'"
        )
    return refine(lambda step: _solve_at(problem, step), _steps(problem))


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
    return all(grid_point(money / payment)[1] == 0 for money in (problem.budget, problem.income))


def _money_step(problem: BudgetDiscount, step: float, richest: float) -> float:
    """A step of which all payments are multiples, or else the finest step that ``MONEY_POINTS`` allow."""
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
        value = process.follow(following, decision)
    optimum = Optimum(process.problem, BudgetRule(process, [decision]), cost, error_bound)
    return optimum, not process.touches_end(decision)
