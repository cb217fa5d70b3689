"""Known demand and orders in multiples: dynamic programming over the number of multiples ordered so far."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import SingleItemInventory

from ..exact.window_minimum import window_argmin
from .program import Decisions

FloatArray = NDArray[np.float64]


def counts_lots(problem: SingleItemInventory) -> bool:
    """Whether ``lots`` applies: to order multiples and a common lead time, which is 0 with lost sales."""
    common = np.ptp(problem.regimes.lead_time) == 0
    simple = problem.unmet_demand == "backlog" or problem.max_lead_time == 0
    return problem.order_multiple is not None and bool(common) and simple


def lots(problem: SingleItemInventory, demand: FloatArray, state: Any) -> Decisions:
    """The best decisions for a trace (periods,) from a state without batch axes.

    With backlog the stock of a period follows from all demand until then and from the number of multiples
    that have arrived, so this number is a state, whatever the demand. With lost sales the stock begins anew
    at 0 when it runs out: the state is the period of that, and the number of multiples since then. An order
    above both its regime's least one and all demand is useless, which bounds the number.
    """
    process = _Lots(problem, demand, state)
    periods, lost = len(demand), problem.unmet_demand == "lost"
    value, choices = np.zeros((periods + 1 if lost else 1, len(process.number))), []
    for period in reversed(range(periods)):
        value, choice = process.best(value, period)
        choices.append(choice)
    regimes, quantities = np.zeros((periods, 1), dtype=np.int64), np.zeros((periods, 1))
    since = count = 0
    for period, (regime, target) in enumerate(reversed(choices)):
        regimes[period] = regime[since, count]
        quantities[period] = process.multiple * (target[since, count] - count)
        count = target[since, count]
        if lost and process.net(period)[since, count] < 0:
            since, count = period + 1, 0
    return float(value[0, 0] + process.sunk), regimes, quantities


class _Lots:
    """The recursion of ``lots``. Its arrays have a row for each period in which the stock ran out.

    With backlog they have a single row, for the start.
    """

    def __init__(self, problem: SingleItemInventory, demand: FloatArray, state: Any) -> None:
        self.problem, self.demand = problem, demand
        regimes = problem.regimes
        assert regimes.order_multiple is not None
        self.multiple = regimes.order_multiple
        self.lead_time, periods = problem.max_lead_time, len(demand)
        self.least, self.largest = (
            np.round(ends / self.multiple).astype(int) for ends in (regimes.least, regimes.largest)
        )
        total_demand = float(demand.sum()) + max(-float(state.inventory), 0.0)
        self.number = np.arange(ceil(total_demand / self.multiple) + int(self.least.max()) + 1)
        arrived = np.zeros(periods)
        arrived[: self.lead_time] = state.pipeline[:periods]
        self.without_orders = float(state.inventory) + np.cumsum(arrived) - np.cumsum(demand)
        self.weight = problem.discount ** np.arange(periods)
        early = slice(self.lead_time)
        self.sunk = float(self.weight[early] @ self._stock_cost(self.without_orders[early]))

    def net(self, period: int) -> FloatArray:
        """Net stock (rows, numbers) after the demand of a period."""
        without = self.without_orders[[period]]
        if self.problem.unmet_demand == "lost":
            total = np.append(0.0, np.cumsum(self.demand))
            without = np.append(without, total[1:] - total[period + 1])  # since the end of each period
        net: FloatArray = without[:, None] + self.multiple * self.number
        return net

    def best(
        self, value: FloatArray, period: int
    ) -> tuple[FloatArray, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Value (rows, numbers) of the best order, its regime, and the number that it leads to."""
        after, regimes = value, self.problem.regimes
        late = period + self.lead_time
        if late < len(self.demand):
            net = self.net(late)
            if self.problem.unmet_demand == "lost":
                after = np.where(net < 0, value[period + 1, 0], value)
            after = after + self.weight[late] * self._stock_cost(net)
        costs, targets = [], []
        for k, fixed_cost in enumerate(regimes.fixed_cost):
            price = self.weight[period] * self.multiple * regimes.unit_cost[k] * self.number
            first = np.minimum(self.number + self.least[k], self.number[-1])
            target = window_argmin(after + price, self.largest[k] - self.least[k])[:, first]
            cost = np.take_along_axis(after + price, target, -1) - price + self.weight[period] * fixed_cost
            costs.append(np.where(self.number + self.least[k] > self.number[-1], np.inf, cost))
            targets.append(target)
        regime = np.argmin(costs, axis=0)
        cost, target = (np.take_along_axis(np.array(x), regime[None], 0)[0] for x in (costs, targets))
        return cost, (regime, target)

    def _stock_cost(self, net: FloatArray) -> FloatArray:
        holding: FloatArray = self.problem.holding_cost * np.maximum(net, 0.0)
        return holding + self.problem.shortage_cost * np.maximum(-net, 0.0)
