"""Classical policies where larger orders have better terms: order up to the breakpoint when close to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable, SingleItemInventory, checks

from ..policy import ROUNDING, Decision, require
from .descent import Point, Progress
from .stationary import StationaryPolicy, best_stationary, search_steps


class DiscountPolicy(StationaryPolicy):
    """Order up to S when the inventory position is s or less, but up to a breakpoint when close to it.

    An order of ``S - x`` is raised to the largest breakpoint that is at most ``window`` above it, since the
    better terms pay for the extra units. With one breakpoint b and a window of at least b, every order is at
    least b. For free shipping Zhou et al. (2009) propose such a policy, (s, t, S): it orders exactly
    the free quantity between two of its levels. A window of 0 is the (s, S) policy, which is optimal for
    one price and, in a generalised form, for incremental discounts (Porteus 1971).

    Args:
        problem: problem, environment or id whose first regime is an order of nothing, and whose others are
            brackets of order sizes with the same lead time.
        s: reorder point, in units.
        S: order-up-to level, in units, at least s.
        window: how far an order is raised to a breakpoint, in units.

    Raises:
        NotApplicable: if the regimes of the problem do not fit.
        ValueError: if a parameter is outside its range.

    References:
        - B. Zhou, M. N. Katehakis and Y. Zhao (2009), Managing stochastic inventory systems with free
          shipping option, European Journal of Operational Research 196(1).
        - E. L. Porteus (1971), On the optimality of generalized (s, S) policies, Management Science 17(7).
    """

    def __init__(self, problem: Any, s: float, S: float, window: float) -> None:
        self.problem = require(SingleItemInventory, problem, "DiscountPolicy")
        regimes = self.problem.regimes
        if not has_adjoining_brackets(self.problem):
            raise NotApplicable(
                "DiscountPolicy needs regimes of no order and of adjoining brackets, with one lead time, not "
                f"low={regimes.low.tolist()}, high={regimes.high.tolist()}, "
                f"lead_time={regimes.lead_time.tolist()}"
            )
        self.s = checks.number("s", s)
        self.S = checks.number("S", S, low=self.s)
        self.window = checks.number("window", window, low=0)
        self.breakpoints = np.append(0.0, regimes.low[2:])
        self.highest_position = self.S + self.window
        self.levels = (self.S,)

    def order(self, position: NDArray[np.float64]) -> Decision:
        """Regime (m,) and quantity (m,) at inventory positions (m,)."""
        regimes = self.problem.regimes
        shortfall = np.clip(self.S - position, 0.0, regimes.high[-1])
        within = np.searchsorted(self.breakpoints, shortfall + max(self.window, ROUNDING), side="right") - 1
        raised = np.maximum(shortfall, self.breakpoints[within])
        quantity = np.where((position <= self.s + ROUNDING) & (shortfall > ROUNDING), raised, 0.0)
        return regimes.membership(quantity), quantity


def best_discount_policy(problem: Any, progress: Progress | None = None) -> DiscountPolicy:
    """The ``DiscountPolicy`` of least expected cost, found by descent from a coarse grid."""
    inventory = DiscountPolicy(problem, 0.0, 0.0, 0.0).problem  # raises NotApplicable if it does not fit
    _, unit = search_steps(inventory)
    widest = float(inventory.regimes.low[2:].max(initial=0.0))

    def make(point: Point, unit: float) -> DiscountPolicy | None:
        s, width, window = point
        if min(width, window) < 0 or window * unit > widest:
            return None
        return DiscountPolicy(inventory, s * unit, (s + width) * unit, window * unit)

    scale = max(round(inventory.level_scale / unit), 1)
    windows = max(round(widest / unit), 1)
    strides = max(scale // 6, 1), max(scale // 6, 1), max(windows // 4, 1)
    coarse = [
        (s, width, window)
        for s in range(-scale // 3, scale + strides[0], strides[0])
        for width in range(0, scale + strides[1], strides[1])
        for window in range(0, windows + 1, strides[2])
    ]
    return best_stationary(inventory, make, coarse, strides, progress)


def has_adjoining_brackets(problem: SingleItemInventory) -> bool:
    """Whether the regimes are no order and brackets without gaps, all with one lead time."""
    regimes = problem.regimes
    gaps = regimes.low[1:] - regimes.high[:-1] > ROUNDING
    return bool(
        len(regimes) >= 2 and regimes.high[0] <= 0 and not gaps.any() and np.ptp(regimes.lead_time) == 0
    )
