"""Policies with a reorder point s and an order-up-to level S, and the search for the best of them."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable, SingleItemInventory, checks

from ..policy import ROUNDING, Decision, require
from .descent import Point, Progress
from .stationary import StationaryPolicy, best_stationary, demand_deviation, level_range, search_steps

Family = TypeVar("Family", bound="MinOrderPolicy")

MOST_CYCLES = 30
"""Longest time between orders of the policies that a search starts from, in periods."""

SAFETY = -1.0, 0.0, 1.0, 2.0, 3.0
"""Their safety stocks, in standard deviations of demand."""


class MinOrderPolicy(StationaryPolicy):
    """Order ``max(m, S - x)`` when the inventory position x is s or less; m is the minimum order.

    With ``s = S - 1`` on integers this is the (R, S, Qmin) policy of Kiesmüller et al. (2011); with both
    parameters free the modified (s, S) policy of Zhu (2022). The optimal policy has a complex structure (Zhao
    and Katehakis 2006).

    Args:
        problem: problem, environment or id with two regimes: none, and an order.
        s: reorder point, in units.
        S: order-up-to level, in units, at least s.

    Raises:
        NotApplicable: if the regimes of the problem do not fit.
        ValueError: if S is below s.

    References:
        - G. P. Kiesmüller, A. G. de Kok and S. Dabia (2011), Single item inventory control under periodic
          review and a minimum order quantity, International Journal of Production Economics 133(1).
        - Y. Zhao and M. N. Katehakis (2006), On the structure of optimal ordering policies for stochastic
          inventory systems with minimum order quantity, Probability in the Engineering and Informational
          Sciences.
        - H. Zhu (2022), A simple heuristic policy for stochastic inventory systems with both minimum and
          maximum order quantity requirements, Annals of Operations Research 309.
    """

    def __init__(self, problem: Any, s: float, S: float) -> None:
        self.problem = require(SingleItemInventory, problem, type(self).__name__)
        if not has_one_order_size_range(self.problem):
            raise NotApplicable(
                f"{type(self).__name__} needs two regimes, no order and an order, not "
                f"low={self.problem.regimes.low.tolist()}, high={self.problem.regimes.high.tolist()}"
            )
        self.s = checks.number("s", s)
        self.S = checks.number("S", S, low=self.s)
        self.min_order = float(self.problem.regimes.low[1])
        self.highest_position = max(self.S, self.s + self.min_order)
        self.levels = (self.S,)

    def order(self, position: NDArray[np.float64]) -> Decision:
        """Regime (m,) and quantity (m,) at inventory positions (m,)."""
        quantity = np.maximum(self.min_order, self.S - position)
        regime = (position <= self.s + ROUNDING) & (quantity > ROUNDING)
        return regime.astype(np.int64), np.where(regime, quantity, 0.0)


class SSPolicy(MinOrderPolicy):
    """The (s, S) policy: order up to S when the inventory position is s or less.

    Scarf (1960) showed that such a policy, with parameters by period, is optimal under a setup cost.

    Args:
        problem: problem, environment or id with two regimes: none, and an order of any size up to a maximum.
        s: reorder point, in units.
        S: order-up-to level, in units, at least s.

    Raises:
        NotApplicable: if the regimes of the problem do not fit.
        ValueError: if S is below s.

    References:
        - H. Scarf (1960), The optimality of (S, s) policies in the dynamic inventory problem.
        - Y.-S. Zheng and A. Federgruen (1991), Finding optimal (s, S) policies is about as simple as
          evaluating a single policy, Operations Research 39(4).
    """

    def __init__(self, problem: Any, s: float, S: float) -> None:
        super().__init__(problem, s, S)
        if self.min_order > 0:
            raise NotApplicable(
                f"SSPolicy: the problem has a minimum order of {self.min_order:g}; "
                "use MinOrderPolicy(problem, s, S)"
            )


def best_ss(problem: Any, progress: Progress | None = None) -> SSPolicy:
    """The (s, S) policy of least expected cost; see ``best_single_item``."""
    return _best(SSPolicy, problem, progress)


def best_min_order(problem: Any, progress: Progress | None = None) -> MinOrderPolicy:
    """The ``MinOrderPolicy`` of least expected cost; see ``best_single_item``."""
    return _best(MinOrderPolicy, problem, progress)


def _best(family: type[Family], env: Any, progress: Progress | None) -> Family:
    problem = family(env, 0.0, 0.0).problem  # raises NotApplicable if the problem does not fit
    _, unit = search_steps(problem)

    def make(point: Point, unit: float) -> Family | None:
        reorder, width = point
        return family(problem, reorder * unit, (reorder + width) * unit) if width >= 0 else None

    low, high = level_range(problem, unit)
    widest = max(round((problem.level_scale + problem.demand.mean) / unit), 1)
    strides = max((high - low) // 16, 1), max(widest // 12, 1)
    coarse = [(s, width) for s in range(low, high + 1, strides[0]) for width in range(0, widest, strides[1])]
    return best_stationary(problem, make, coarse, strides, progress, lambda unit: _cycles(problem, unit))


def _cycles(problem: SingleItemInventory, unit: float) -> list[Point]:
    """Policies that order every 1, 2, ... periods if demand hardly varies, in multiples of ``unit``.

    S covers the demand until the next order arrives, with several safety stocks. s lies in the middle between
    the positions after the last two periods, so that variations of demand do not change the cycle.
    """
    mean, deviation = problem.demand.mean, demand_deviation(problem)
    longest = min(int(2 * problem.economic_order_quantity / mean) + 2, MOST_CYCLES)
    points: list[Point] = []
    for periods in range(1, longest + 1):
        covered = periods + problem.max_lead_time
        for safety in SAFETY:
            level = covered * mean + safety * deviation * covered**0.5
            width = round((periods - 0.5) * mean / unit)
            points.append((round(level / unit) - width, width))
    return points


def has_one_order_size_range(problem: SingleItemInventory) -> bool:
    """Whether the regimes are two: no order, and an order of any size in one interval."""
    return len(problem.regimes) == 2 and problem.regimes.high[0] == 0
