"""Lot sizing with known demand: Wagner and Whitin's recursion for many traces at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jumpgym import InventoryState, SingleItemInventory


def fits(problem: SingleItemInventory, demand: NDArray[np.float64], state: InventoryState) -> bool:
    """Whether ``wagner_whitin`` applies.

    It does if there are two regimes, "nothing" at no cost and orders from 0 up to more than is worth
    ordering, and if nothing is on order. In an optimal plan no order meets the demand of a period for which
    a separate order would be cheaper, which bounds the size of orders.

    Args:
        problem: a single-item inventory.
        demand: shape (episodes, periods).
        state: initial states, with an axis of episodes.
    """
    regimes = problem.regimes
    if len(regimes) != 2 or regimes.high[0] > 0 or regimes.fixed_cost[0] > 0 or regimes.low[1] > 0:
        return False
    unmet, _ = _net(problem, demand, state)
    unit_costs, fixed_cost = _costs(problem, demand.shape[1])
    lead_time = int(regimes.lead_time[1])
    separate, alone = np.zeros(demand.shape[1]), np.full(demand.shape[1], np.inf)
    separate[lead_time:], alone[lead_time:] = np.diagonal(unit_costs, lead_time), fixed_cost
    orders = (np.where(unmet * (row - separate) <= alone, unmet, 0.0).sum(1).max() for row in unit_costs)
    return bool(max(orders, default=0.0) <= regimes.high[1]) and not np.any(state.pipeline)


def wagner_whitin(
    problem: SingleItemInventory, demand: NDArray[np.float64], state: InventoryState
) -> NDArray[np.float64]:
    """Least discounted cost of each trace, shape (episodes,), if all its demand is known beforehand.

    An order that arrives in period s meets the demand of period t at ``C[s, t]`` per unit: the cost of the
    unit, and of holding it or being short of it until then. The differences ``C[s + 1, t] - C[s, t]`` do
    not increase with t, so there is an optimum in which each order meets the demand of consecutive periods,
    and demand that is never met comes last. With lost sales the last order before a period is the cheapest
    one for it, and demand that does not pay is lost. With orders that arrive up to period s, the first j
    periods cost

        ``V[s, j] = min(V[s - 1, j], fixed cost + min over i <= j of V[s - 1, i] + D[s, j] - D[s, i])``

    where ``D[s, j]`` is the sum of ``demand[t] * C[s, t]`` over the first j periods. The inner minimum is
    computed cumulatively, so a trace takes O(periods^2).

    Args:
        problem, demand, state: as in ``fits``, which must hold.

    References:
        - H. M. Wagner and T. M. Whitin (1958), Dynamic version of the economic lot size model, Management
          Science 5(1).
        - W. I. Zangwill (1966), A deterministic multi-period production scheduling model with backlogging,
          Management Science 13(1).
    """
    unmet, cost = _net(problem, demand, state)
    best = np.full((len(demand), demand.shape[1] + 1), np.inf)
    best[:, 0] = 0.0
    for unit_cost, fixed_cost in zip(*_costs(problem, demand.shape[1]), strict=True):
        best = np.minimum(best, fixed_cost + _with_order(best, unmet, unit_cost))
    return np.asarray(cost + _with_order(best, unmet, _never(problem, demand.shape[1]))[:, -1])


def _net(
    problem: SingleItemInventory, demand: NDArray[np.float64], state: InventoryState
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Demand (episodes, periods) left for orders, and the cost (episodes,) of holding the initial stock.

    Initial stock meets the first demand; an initial backlog is demand of the first period.
    """
    elapsed = _elapsed(problem, demand.shape[1])
    in_stock = np.maximum(state.inventory, 0.0)[:, None]
    total = np.cumsum(demand, axis=1) + np.maximum(-state.inventory, 0.0)[:, None]
    unmet = np.diff(np.maximum(total - in_stock, 0.0), axis=1, prepend=0.0)
    taken = np.diff(np.minimum(total, in_stock), axis=1, prepend=0.0)
    left = np.maximum(in_stock[:, 0] - total[:, -1], 0.0)
    return unmet, problem.holding_cost * (taken @ elapsed[:-1] + left * elapsed[-1])


def _elapsed(problem: SingleItemInventory, periods: int) -> NDArray[np.float64]:
    """Discounted number of periods before each period and in total, shape (periods + 1,)."""
    return np.append(0.0, np.cumsum(problem.discount ** np.arange(periods)))


def _never(problem: SingleItemInventory, periods: int) -> NDArray[np.float64]:
    """Cost per unit (periods,) of demand that is never met: of losing it, or of a backlog until the end."""
    elapsed = _elapsed(problem, periods)
    lost = problem.unmet_demand == "lost"
    return np.asarray(problem.shortage_cost * (np.diff(elapsed) if lost else elapsed[-1] - elapsed[:-1]))


def _costs(problem: SingleItemInventory, periods: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``C[s, t]``, shape (orders, periods), and the fixed cost (orders,) of orders that arrive in time."""
    elapsed, lead_time = _elapsed(problem, periods), int(problem.regimes.lead_time[1])
    paid = np.diff(elapsed)[: max(periods - lead_time, 0), None]
    arrived = elapsed[lead_time:-1, None]
    held = problem.holding_cost * (elapsed[:-1] - arrived)
    short = problem.shortage_cost * (arrived - elapsed[:-1])
    in_time = np.arange(periods) >= np.arange(lead_time, periods)[:, None]
    unit_costs = problem.regimes.unit_cost[1] * paid + np.where(in_time, held, short)
    if problem.unmet_demand == "lost":
        never = _never(problem, periods)
        unit_costs = np.where(in_time, np.minimum(unit_costs, never), never)
    return unit_costs, problem.regimes.fixed_cost[1] * paid[:, 0]


def _with_order(
    best: NDArray[np.float64], demand: NDArray[np.float64], unit_cost: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``min over i <= j of best[i] + sum of demand[t] * unit_cost[t] over i <= t < j``, by episode and j."""
    met = np.cumsum(demand * unit_cost, axis=1)
    met = np.concatenate([np.zeros((len(met), 1)), met], axis=1)
    return np.asarray(met + np.minimum.accumulate(best - met, axis=1))
