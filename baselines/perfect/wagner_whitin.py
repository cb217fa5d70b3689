"""Lot sizing with known demand: Wagner and Whitin's recursion, for many demand traces at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from jumpgym import InventoryState, SingleItemInventory


def fits(problem: SingleItemInventory, demand: NDArray[np.float64], state: InventoryState) -> bool:
    """Whether ``wagner_whitin`` applies.

    Regimes "nothing", at no cost, and one of orders from 0 up to more than is ever needed; nothing under way.

    Args:
        problem: a single-item inventory.
        demand: shape (episodes, periods).
        state: initial states, with one batch axis.
    """
    regimes = problem.regimes
    if len(regimes) != 2 or regimes.high[0] > 0 or regimes.fixed_cost[0] > 0 or regimes.low[1] > 0:
        return False
    needed = demand.sum(axis=1) + np.maximum(-state.inventory, 0.0)
    return bool(np.all(needed <= regimes.high[1]) and not np.any(state.pipeline))


def wagner_whitin(
    problem: SingleItemInventory, demand: NDArray[np.float64], state: InventoryState
) -> NDArray[np.float64]:
    """Least discounted cost of each trace, shape (episodes,), if all its demand is known beforehand.

    The demand of period t is met by the order that arrives in period s at ``C[s, t]`` per unit: the cost of
    the unit, and of holding it or being short of it until then. The differences ``C[s + 1, t] - C[s, t]`` do
    not increase with t, so an optimum exists where each order meets the demand of consecutive periods; what
    is never met comes last. With lost sales the last order before a period is the cheapest for it, and what
    it does not pay to meet is lost. The cost of the first j periods with orders that arrive up to s is

        ``V[s, j] = min(V[s - 1, j], fixed cost + min over i <= j of V[s - 1, i] + D[s, j] - D[s, i])``

    where ``D[s, j]`` is the sum of ``demand[t] * C[s, t]`` over the first j periods. The inner minimum is
    cumulative, so that a trace takes O(periods^2).

    Args:
        problem, demand, state: as in ``fits``, which must hold.

    References:
        - H. M. Wagner and T. M. Whitin (1958), Dynamic version of the economic lot size model, Management
          Science 5(1).
        - W. I. Zangwill (1966), A deterministic multi-period production scheduling model with backlogging,
          Management Science 13(1).
    """
    episodes, periods = demand.shape
    lead_time = int(problem.regimes.lead_time[1])
    fixed_cost, unit_cost = problem.regimes.fixed_cost[1], problem.regimes.unit_cost[1]
    elapsed = np.append(0.0, np.cumsum(problem.discount ** np.arange(periods)))
    weight = np.diff(elapsed)
    in_stock = np.maximum(state.inventory, 0.0)[:, None]
    # Stock at hand meets the first demand; a backlog is demand of the first period.
    total = np.cumsum(demand, axis=1) + np.maximum(-state.inventory, 0.0)[:, None]
    unmet = np.diff(np.maximum(total - in_stock, 0.0), axis=1, prepend=0.0)
    taken = np.diff(np.minimum(total, in_stock), axis=1, prepend=0.0)
    left = np.maximum(in_stock[:, 0] - total[:, -1], 0.0)
    cost = problem.holding_cost * (taken @ elapsed[:-1] + left * elapsed[-1])

    best = np.full((episodes, periods + 1), np.inf)
    best[:, 0] = 0.0
    lost = problem.unmet_demand == "lost"
    period = np.arange(periods)
    never = problem.shortage_cost * (weight if lost else elapsed[-1] - elapsed[:-1])
    for arrival in range(lead_time, periods):
        paid = weight[arrival - lead_time]
        held = problem.holding_cost * (elapsed[:-1] - elapsed[arrival])
        short = problem.shortage_cost * (elapsed[arrival] - elapsed[:-1])
        each = unit_cost * paid + np.where(period >= arrival, held, short)
        if lost:
            each = np.where(period >= arrival, np.minimum(each, never), never)
        best = np.minimum(best, fixed_cost * paid + _with_order(best, unmet, each))
    return np.asarray(cost + _with_order(best, unmet, never)[:, -1])


def _with_order(
    best: NDArray[np.float64], demand: NDArray[np.float64], each: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``min over i <= j of best[i] + sum_(i <= t < j) demand[t] each[t]``, shape (episodes, periods + 1)."""
    met = np.cumsum(demand * each, axis=1)
    met = np.concatenate([np.zeros((len(met), 1)), met], axis=1)
    return np.asarray(met + np.minimum.accumulate(best - met, axis=1))
