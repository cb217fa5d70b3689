"""Known demand and orders in multiples: dynamic programming over the number of multiples ordered so far."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from ..exact.lattice import window_argmin
from .program import Decisions


def counts_lots(problem: SingleItemInventory) -> bool:
    """Whether ``lots`` applies: to order multiples with backlog and a common lead time."""
    common = np.ptp(problem.regimes.lead_time) == 0
    return problem.order_multiple is not None and problem.unmet_demand == "backlog" and bool(common)


def lots(problem: SingleItemInventory, demand: NDArray[np.float64], state: Any) -> Decisions:
    """The best decisions for a trace (periods,) from a state without batch axes.

    With backlog the stock of a period follows from all demand until then and from the number of multiples
    that have arrived, so this number is a state, whatever the demand. An order above both its regime's least
    one and all demand is useless, which bounds the number.
    """
    regimes, multiple = problem.regimes, problem.order_multiple
    assert multiple is not None
    periods, lead_time = len(demand), problem.max_lead_time
    least, largest = (np.round(ends / multiple).astype(int) for ends in (regimes.least, regimes.largest))
    needed = float(demand.sum()) + max(-float(state.inventory), 0.0)
    number = np.arange(ceil(needed / multiple) + int(least.max()) + 1)
    arrived = np.zeros(periods)
    arrived[:lead_time] = state.pipeline[:periods]
    stock = float(state.inventory) + np.cumsum(arrived) - np.cumsum(demand)
    weight = problem.discount ** np.arange(periods)
    price = multiple * regimes.unit_cost

    value, choices = np.zeros(len(number)), []
    for period in reversed(range(periods)):
        after = value
        if period + lead_time < periods:
            late = period + lead_time
            after = value + weight[late] * _stock_cost(problem, stock[late] + multiple * number)
        costs, targets = [], []
        for k, fixed_cost in enumerate(regimes.fixed_cost):
            paid = after + weight[period] * price[k] * number
            first = np.minimum(number + least[k], number[-1])
            target = window_argmin(paid, largest[k] - least[k])[first]
            cost = paid[target] + weight[period] * (fixed_cost - price[k] * number)
            costs.append(np.where(number + least[k] > number[-1], np.inf, cost))
            targets.append(target)
        regime = np.argmin(costs, axis=0)
        value, target = (np.take_along_axis(np.array(x), regime[None], 0)[0] for x in (costs, targets))
        choices.append((regime, target))

    chosen, quantity, count = np.zeros((periods, 1), dtype=np.int64), np.zeros((periods, 1)), 0
    for period, (regime, target) in enumerate(reversed(choices)):
        chosen[period], quantity[period] = regime[count], multiple * (target[count] - count)
        count = target[count]
    sunk = weight[:lead_time] @ _stock_cost(problem, stock[:lead_time])
    return float(value[0] + sunk), chosen, quantity


def _stock_cost(problem: SingleItemInventory, net: NDArray[np.float64]) -> NDArray[np.float64]:
    cost: NDArray[np.float64] = problem.holding_cost * np.maximum(net, 0.0)
    return cost + problem.shortage_cost * np.maximum(-net, 0.0)
