"""A classical policy for capacitated lot sizing: lots in the order of run-out times."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing

from ..policy import ROUNDING, FloatArray, require
from .items_policy import ItemsPolicy


class RunOutPolicy(ItemsPolicy):
    """Produce the items at s or less up to S, those with the shortest run-out time first.

    The run-out time of an item is its inventory position divided by its mean demand. An item is produced if
    its setup fits into the time that is left in the period; its lot is cut to that time.

    Args:
        problem: a lot sizing problem, environment or id.
        s: reorder points, in units, a number or shape (n,).
        S: produce-up-to levels, in units, at least s; a number or shape (n,).

    Raises:
        NotApplicable: if the problem is of another class.
        ValueError: if the parameters do not fit.

    References:
        - R. C. Leachman and A. Gascon (1988), A heuristic scheduling policy for multi-item, single-machine
          production systems with time-varying, stochastic demands, Management Science 34(3), for the order by
          run-out times.
    """

    item_parameters = ("s", "S")
    problem: CapacitatedLotSizing

    def __init__(self, problem: Any, s: Any, S: Any) -> None:
        self._set(require(CapacitatedLotSizing, problem, "RunOutPolicy"), s=s, S=S)

    def act(self, position: FloatArray, period: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Return setups (..., n) and lots (..., n) at inventory positions (..., n)."""
        problem = self.problem
        due = position <= self.parameters["s"] + ROUNDING
        shortfall = np.where(due, np.maximum(self.parameters["S"] - position, 0.0), 0.0)
        sequence = np.argsort(np.where(due, position / self.mean, np.inf), axis=-1)
        free_time = np.full(position.shape[:-1], problem.capacity)
        lots = np.zeros_like(shortfall)
        for rank in range(problem.items):
            item = sequence[..., rank]
            setup_time, unit_time = problem.setup_times[item], problem.unit_times[item]
            longest = (free_time - setup_time) / unit_time
            lot = np.take_along_axis(shortfall, item[..., None], -1)[..., 0]
            lot = np.maximum(np.minimum(lot, np.floor(longest) if self.on_integers else longest), 0.0)
            lot = np.where(lot > ROUNDING, lot, 0.0)
            np.put_along_axis(lots, item[..., None], lot[..., None], -1)
            free_time = free_time - np.where(lot > 0, setup_time + unit_time * lot, 0.0)
        return (lots > 0).astype(np.int64), lots
