"""Demand whose distribution may differ by period: what it is in any period, and its weights on a lattice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from jumpgym.demand import Demand

from .lattice_demand import Weights, demand_weights


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
    """

    def __init__(self, demand: Demand, step: float, derive: Callable[[Weights], Derived]) -> None:
        self._derive = derive
        self._last: tuple[Weights, Derived] | None = None
        different = {id(period): period for period in demand.periods}
        weights = {key: demand_weights(period, step) for key, period in different.items()}
        self._periods = [weights[id(period)] for period in demand.periods]

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

    @property
    def alike(self) -> bool:
        """Whether all periods have the same demand."""
        return len({id(weights) for weights in self._periods}) == 1
