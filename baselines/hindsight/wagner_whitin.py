"""Lot sizing with known demand: Wagner and Whitin's recursion for many traces at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jumpgym import InventoryState, SingleItemInventory


def fits(problem: SingleItemInventory, demand: NDArray[np.float64], state: InventoryState) -> bool:
    """Whether ``wagner_whitin`` applies.

    It requires two regimes: "nothing" at no cost, and orders from 0 up to a maximum that never binds. It also
    requires that there is no order multiple, and that nothing is on order at the start. In an optimal plan an
    order never meets the demand of a period for which a separate order would be cheaper; this bounds the size
    of orders.

    Args:
        problem: a single-item inventory.
        demand: shape (episodes, periods).
        state: initial states, with an axis of episodes.
    """
    regimes = problem.regimes
    if problem.order_multiple is not None or len(regimes) != 2:
        return False
    if regimes.high[0] > 0 or regimes.fixed_cost[0] > 0 or regimes.low[1] > 0:
        return False
    unmet, _ = _net(problem, demand, state)
    unit_costs, fixed_cost = _costs(problem, demand.shape[1])
    lead_time = int(regimes.lead_time[1])
    # Unit cost and fixed cost of an order that arrives in the period of the demand itself.
    own_unit_cost, own_fixed_cost = np.zeros(demand.shape[1]), np.full(demand.shape[1], np.inf)
    own_unit_cost[lead_time:], own_fixed_cost[lead_time:] = np.diagonal(unit_costs, lead_time), fixed_cost
    orders = (
        np.where(unmet * (unit_cost - own_unit_cost) <= own_fixed_cost, unmet, 0.0).sum(1).max()
        for unit_cost in unit_costs
    )
    return bool(max(orders, default=0.0) <= regimes.high[1]) and not np.any(state.pipeline)


def wagner_whitin(
    problem: SingleItemInventory, demand: NDArray[np.float64], state: InventoryState
) -> NDArray[np.float64]:
    """Least discounted cost of each trace, shape (episodes,), if all its demand is known in advance.

    A unit of an order that arrives in period s meets demand of period t at the cost ``C[s, t]``: its price,
    and the cost of holding it, or of being short of it, in between. The differences ``C[s + 1, t] - C[s, t]``
    do not increase with t. So there is an optimal plan in which each order meets the demand of consecutive
    periods, and in which demand that is never met comes last. With lost sales the last order before a period
    is the cheapest one for its demand, and demand is lost where that costs less. Let ``V[s, j]`` be the cost
    of the first j periods with orders that arrive up to period s. Then

        ``V[s, j] = min(V[s - 1, j], fixed cost + min over i <= j of V[s - 1, i] + D[s, j] - D[s, i])``

    where ``D[s, j]`` is the sum of ``demand[t] * C[s, t]`` over the first j periods. The inner minimum is
    computed cumulatively, so a trace takes O(periods^2) operations.

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
    """Demand (episodes, periods) that orders must meet, and the cost (episodes,) of holding initial stock.

    The initial stock meets the earliest demand. An initial backlog counts as demand of the first period.
    """
    elapsed = _elapsed(problem, demand.shape[1])
    in_stock = np.maximum(state.inventory, 0.0)[:, None]
    total = np.cumsum(demand, axis=1) + np.maximum(-state.inventory, 0.0)[:, None]
    unmet = np.diff(np.maximum(total - in_stock, 0.0), axis=1, prepend=0.0)
    sold = np.diff(np.minimum(total, in_stock), axis=1, prepend=0.0)
    unsold = np.maximum(in_stock[:, 0] - total[:, -1], 0.0)
    return unmet, problem.holding_cost * (sold @ elapsed[:-1] + unsold * elapsed[-1])


def _elapsed(problem: SingleItemInventory, periods: int) -> NDArray[np.float64]:
    """Discounted number of elapsed periods before each period and at the end, shape (periods + 1,)."""
    return np.append(0.0, np.cumsum(problem.discount ** np.arange(periods)))


def _never(problem: SingleItemInventory, periods: int) -> NDArray[np.float64]:
    """Cost per unit (periods,) of demand that is never met: it is lost, or backlogged until the end."""
    elapsed = _elapsed(problem, periods)
    if problem.unmet_demand == "lost":
        return np.asarray(problem.shortage_cost * np.diff(elapsed))
    return np.asarray(problem.shortage_cost * (elapsed[-1] - elapsed[:-1]))


def _costs(problem: SingleItemInventory, periods: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``C[s, t]``, shape (orders, periods), and fixed costs (orders,), of orders that arrive by the end."""
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
    cost = np.cumsum(demand * unit_cost, axis=1)
    cost = np.concatenate([np.zeros((len(cost), 1)), cost], axis=1)
    return np.asarray(cost + np.minimum.accumulate(best - cost, axis=1))
