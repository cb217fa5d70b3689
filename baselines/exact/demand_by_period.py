"""Demand whose distribution may differ by period: what it is in any period, and its weights on a lattice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from jumpgym.demand import Demand

from .lattice_demand import Weights, demand_weights
from .long_tails import cut_weights


def largest_mean(demand: Demand) -> float:
    """The largest mean demand of any period, in units."""
    return max(period.mean for period in demand.periods)


def mean_ahead(demand: Demand, first: int, periods: Any) -> Any:
    """Mean demand per period of ``periods`` periods, a number or an array of them, from ``first`` on.

    Where periods differ, those beyond the last one count as 0.
    """
    if len(demand.periods) == 1:
        return demand.mean
    total = np.cumsum([0.0, *(period.mean for period in demand.periods[first:])])
    return total[np.minimum(periods, len(total) - 1)] / periods


Derived = TypeVar("Derived")


class WeightsByPeriod(Generic[Derived]):
    """The demand of each period as weights of lattice points, see ``demand_weights``.

    Args:
        demand: the demand of an item.
        step: distance of lattice points, in units.
        derive: what ``derived`` returns of a period's weights.
        last: a lattice point, in steps, at which demand is cut, see ``cut_weights``; None if it is not.
    """

    def __init__(
        self,
        demand: Demand,
        step: float,
        derive: Callable[[Weights], Derived],
        last: int | None = None,
    ) -> None:
        self._derive, self._step = derive, step
        self._last: tuple[Weights, Derived] | None = None
        different = {id(period): period for period in demand.periods}
        cut = {
            key: (demand_weights(period, step), 0.0) if last is None else cut_weights(period, step, last)
            for key, period in different.items()
        }
        self._periods = [cut[id(period)][0] for period in demand.periods]
        self._beyond = [cut[id(period)][1] for period in demand.periods]

    def __getitem__(self, period: int) -> Weights:
        """The weights of a period; periods of equal demand share one object."""
        return self._periods[period % len(self._periods)]

    def derived(self, period: int) -> Derived:
        """What ``derive`` makes of the weights of a period."""
        # Only the last result is kept, since those of many periods would take much memory.
        weights = self[period]
        if self._last is None or self._last[0] is not weights:
            self._last = weights, self._derive(weights)
        return self._last[1]

    def window(self, first: int, periods: int) -> list[Weights]:
        """The weights of so many periods from ``first`` on."""
        return [self[first + ahead] for ahead in range(periods)]

    def mean(self, period: int) -> float:
        """Mean demand of a period, in units, of which what is cut is a part."""
        first, probabilities = self[period]
        on_lattice = self._step * float(probabilities @ (first + np.arange(len(probabilities))))
        return on_lattice + self.beyond(period)

    def beyond(self, period: int) -> float:
        """Mean demand of a period beyond the point at which it is cut, in units; 0 where it is not."""
        return self._beyond[period % len(self._beyond)]

    @property
    def alike(self) -> bool:
        """Whether all periods have the same demand."""
        return len({id(weights) for weights in self._periods}) == 1
