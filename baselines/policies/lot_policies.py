"""Classical policies with a lot size or a cap on the order, for lost sales with a fixed cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import checks

from ..policy import ROUNDING, Decision
from .descent import Point, Progress
from .stationary import StationaryPolicy, best_stationary, level_range, search_steps
from .two_level_policies import SSPolicy


class SnQPolicy(StationaryPolicy):
    """The (s, nQ) policy: when the position is s or less, order the fewest lots of Q that raise it above s.

    Veinott (1965) showed that it is optimal where orders are multiples of Q and cost nothing beyond their
    units; Zheng and Chen (1992) optimise s and Q, a multiple of the order multiple, under a setup cost.

    Args:
        problem: problem, environment or id with two regimes: none, and an order of any size up to a maximum.
        s: reorder point, in units.
        Q: lot size, in units, greater than 0; a multiple of the problem's order multiple, if it has one.

    Raises:
        NotApplicable: if the regimes of the problem do not fit.
        ValueError: if Q is 0, or no multiple of the order multiple.

    References:
        - A. F. Veinott (1965), The optimal inventory policy for batch ordering, Operations Research 13(3).
        - Y.-S. Zheng and F. Chen (1992), Inventory policies with quantized ordering, Naval Research Logistics
          39(3).
        - M. Bijvank, S. Bhulai and W. T. Huh (2015), Parametric replenishment policies for inventory systems
          with lost sales and fixed order cost, European Journal of Operational Research 241(2).
    """

    def __init__(self, problem: Any, s: float, Q: float) -> None:
        self.problem = SSPolicy(problem, s, s).problem  # raises NotApplicable if the problem does not fit
        self.s = checks.number("s", s)
        self.Q = checks.number("Q", Q, low=0)
        if self.Q == 0:
            raise ValueError("Q=0 must be greater than 0")
        multiple = self.problem.order_multiple
        if multiple is not None and abs(self.Q / multiple - round(self.Q / multiple)) > ROUNDING:
            raise ValueError(f"Q={self.Q:g} must be a multiple of order_multiple={multiple:g}")
        self.highest_position = self.s + self.Q
        self.levels = (self.Q,)

    def order(self, position: NDArray[np.float64]) -> Decision:
        """Regime (m,) and quantity (m,) at inventory positions (m,)."""
        lots = np.floor(np.maximum(self.s + ROUNDING - position, -self.Q) / self.Q) + 1
        return (lots > 0).astype(np.int64), self.Q * np.maximum(lots, 0.0)


def best_snq(problem: Any, progress: Progress | None = None) -> SnQPolicy:
    """The (s, nQ) policy of least expected cost; see ``best_single_item``."""
    inventory = SSPolicy(problem, 0.0, 0.0).problem  # raises NotApplicable if the problem does not fit
    _, first_unit = search_steps(inventory)
    multiple = inventory.order_multiple or first_unit
    most = max(int(inventory.regimes.largest[1] / multiple + ROUNDING), 1)

    def make(point: Point, unit: float) -> SnQPolicy | None:
        reorder, lot = point
        multiples = round(lot * unit / first_unit)  # the finer search counts in parts of the first one
        return SnQPolicy(inventory, reorder * unit, multiples * multiple) if 0 < multiples <= most else None

    low, high = level_range(inventory, first_unit)
    widest = min(max(round((inventory.level_scale + inventory.demand.mean) / multiple), 1), most)
    strides = max((high - low) // 16, 1), max(widest // 12, 1)
    lots = range(1, widest + 1, strides[1])
    coarse = [(reorder, lot) for reorder in range(low, high + 1, strides[0]) for lot in lots]
    return best_stationary(inventory, make, coarse, strides, progress)


class CappedSSPolicy(SSPolicy):
    """The modified (s, S, q) policy: order up to S when the position is s or less, but at most q.

    Args:
        problem: problem, environment or id with two regimes: none, and an order of any size up to a maximum.
        s: reorder point, in units.
        S: order-up-to level, in units, at least s.
        q: largest order, in units.

    Raises:
        NotApplicable: if the regimes of the problem do not fit.
        ValueError: if S is below s.

    References:
        - M. Bijvank, S. Bhulai and W. T. Huh (2015), Parametric replenishment policies for inventory systems
          with lost sales and fixed order cost, European Journal of Operational Research 241(2).
    """

    def __init__(self, problem: Any, s: float, S: float, q: float) -> None:
        super().__init__(problem, s, S)
        self.q = checks.number("q", q, low=0)
        self.levels = (self.S, self.q)

    def order(self, position: NDArray[np.float64]) -> Decision:
        """Regime (m,) and quantity (m,) at inventory positions (m,)."""
        regime, quantity = super().order(position)
        return regime, np.minimum(quantity, self.q)
