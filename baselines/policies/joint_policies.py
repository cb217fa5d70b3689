"""Classical policies for joint replenishment: can-order, periodic, (Q, S), and full trucks."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jumpgym import checks
from jumpgym.problems.joint_replenishment import JointReplenishment

from ..policy import ROUNDING, FloatArray, require
from .items_policy import ItemsPolicy


class TruckPolicy(ItemsPolicy):
    """A policy whose orders are loaded on trucks. Subclasses define the orders.

    The policy uses the trucks that the orders fill, and one more for the remainder if the remainder is at
    least ``tau``. Otherwise the orders are trimmed to the full trucks: every order is reduced by the same
    number of periods of mean demand, as in the dynamic order-up-to policy of Kiesmüller (2009). With
    ``tau=0`` orders are trimmed only if they exceed the capacity of all trucks. If the problem allows full
    trucks only, orders are increased in the same way until the last truck is full.
    """

    problem: JointReplenishment
    least_trucks: ClassVar[int] = 1
    """Least number of trucks if anything is ordered."""

    def __init__(self, problem: Any, tau: float, **parameters: Any) -> None:
        joint = require(JointReplenishment, problem, type(self).__name__)
        self._set(joint, **parameters, tau=tau)

    def violation(self, parameters: dict[str, FloatArray]) -> str:
        """Return which condition the parameters violate; an empty string if none."""
        capacity = self.problem.truck_capacity
        if capacity == np.inf and np.any(parameters["tau"] > 0):
            return "tau must be 0, since truck_capacity=inf"
        if np.any(parameters["tau"] > capacity):
            return f"tau={parameters['tau'].max():g} must be at most the truck capacity, {capacity:g}"
        return super().violation(parameters)

    @abstractmethod
    def orders(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Return orders (..., n), at least 0, before they are loaded on trucks."""

    def act(self, position: FloatArray, period: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Return the number of trucks and the gates of the items (..., n + 1), and quantities (..., n)."""
        orders = self.orders(position, period)
        orders = self.problem.layout.rounded(np.where(orders > ROUNDING, orders, 0.0))
        total = np.minimum(orders, self.problem.max_order).sum(-1)
        capacity = self.problem.truck_capacity
        if capacity == np.inf:
            trucks, quantity = (total > 0).astype(np.float64), orders
        else:
            full = np.floor((total + ROUNDING) / capacity)
            remainder = total - full * capacity
            trucks = full + ((remainder > ROUNDING) & (remainder >= self.parameters["tau"] - ROUNDING))
            trucks = np.where(total > 0, np.clip(trucks, self.least_trucks, self.problem.max_trucks), 0.0)
            load = trucks * capacity
            quantity = self._adjusted(orders, load if self.problem.full_trucks else np.minimum(total, load))
        items = (quantity > ROUNDING) & (trucks > 0)[..., None]
        regime = np.concatenate([trucks[..., None], items], axis=-1).astype(np.int64)
        return regime, np.where(items, quantity, 0.0)

    def _adjusted(self, orders: FloatArray, load: FloatArray) -> FloatArray:
        """Change all orders by the same number of periods of mean demand, so that their total is ``load``.

        The result is ``max(orders - periods * mean, 0)`` for the items that are ordered. The number of
        periods follows from sorting the items by the periods of demand that their orders cover: if only the
        first k items remain, ``periods`` is their excess over the load divided by their mean demand. The
        right k is the one for which this is largest.

        Args:
            orders: shape (..., n).
            load: shape (...,).
        """
        sequence = np.argsort(-orders / self.mean, axis=-1)
        sorted_orders = np.take_along_axis(orders, sequence, -1)
        excess = sorted_orders.cumsum(-1) - load[..., None]
        periods = np.where(sorted_orders > 0, excess / self.mean[sequence].cumsum(-1), -np.inf)
        periods = periods.max(-1, keepdims=True)
        periods = np.where(np.isfinite(periods), periods, 0.0)
        adjusted = np.where(orders > 0, np.maximum(orders - periods * self.mean, 0.0), 0.0)
        if not self.on_integers:
            return adjusted
        # Rounding the cumulative sums keeps the total, and changes each order by less than a unit.
        return np.diff(np.round(adjusted.cumsum(-1)), axis=-1, prepend=0.0)


class CanOrderPolicy(TruckPolicy):
    """The can-order policy (s, c, S): if an item is at s or less, all items at c or less are ordered up to S.

    Args:
        problem: a joint replenishment problem, environment or id.
        s: must-order points, in units, a number or shape (n,).
        c: can-order points, at least s.
        S: order-up-to levels, at least c.
        tau: least load of a truck that is not full, in units, at most the capacity; see ``TruckPolicy``.

    Raises:
        NotApplicable: if the problem is of another class.
        ValueError: if the parameters do not fit.

    References:
        - J. L. Balintfy (1964), On a basic class of multi-item inventory problems, Management Science 10(2).
        - A. Federgruen, H. Groenevelt and H. C. Tijms (1984), Coordinated replenishments in a multi-item
          inventory system with compound Poisson demands, Management Science 30(3).
        - G. P. Kiesmüller (2009), A multi-item periodic replenishment policy with full truckloads,
          International Journal of Production Economics 118(1), for the trimmed form.
    """

    shared_parameters = ("tau",)
    item_parameters = ("s", "c", "S")

    def __init__(self, problem: Any, s: Any, c: Any, S: Any, tau: float = 0.0) -> None:
        super().__init__(problem, tau, s=s, c=c, S=S)

    def orders(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Return orders (..., n), at least 0, before they are loaded on trucks."""
        must = (position <= self.parameters["s"] + ROUNDING).any(-1, keepdims=True)
        can = position <= self.parameters["c"] + ROUNDING
        return np.where(must & can, np.maximum(self.parameters["S"] - position, 0.0), 0.0)


class PeriodicPolicy(TruckPolicy):
    """The (R, S) policy: every R periods, from the first, all items are ordered up to S.

    Args:
        problem: a joint replenishment problem, environment or id, with a finite horizon,
            since the policy observes the period.
        R: periods between reviews, an integer of at least 1.
        S: order-up-to levels, in units, a number or shape (n,).
        tau: least load of a truck that is not full, in units, at most the capacity; see ``TruckPolicy``.

    Raises:
        NotApplicable: if the problem is of another class.
        ValueError: if the problem has no horizon, or the parameters do not fit.

    References:
        - D. R. Atkins and P. O. Iyogun (1988), Periodic versus "can-order" policies for coordinated
          multi-item inventory systems, Management Science 34(6).
    """

    shared_parameters = ("R", "tau")

    def __init__(self, problem: Any, R: int, S: Any, tau: float = 0.0, **reorder: Any) -> None:
        super().__init__(problem, tau, R=checks.integer("R", R, low=1), S=S, **reorder)

    def violation(self, parameters: dict[str, FloatArray]) -> str:
        """Return which condition the parameters violate; an empty string if none."""
        if self.problem.horizon is None:
            return "with horizon=None the period is not observed, and reviews cannot be timed"
        return "R must be at least 1" if np.any(parameters["R"] < 1) else super().violation(parameters)

    def orders(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Return orders (..., n), at least 0, before they are loaded on trucks."""
        review = np.round(period) % self.parameters["R"] == 0
        return np.where(review[..., None], np.maximum(self.parameters["S"] - position, 0.0), 0.0)


class PeriodicReorderPolicy(PeriodicPolicy):
    """The P(s, S) policy: every R periods, from the first, the items at s or less are ordered up to S.

    Args:
        problem: a joint replenishment problem, environment or id, with a finite horizon,
            since the policy observes the period.
        R: periods between reviews, an integer of at least 1.
        s: reorder points, in units, a number or shape (n,).
        S: order-up-to levels, at least s.
        tau: least load of a truck that is not full, in units, at most the capacity; see ``TruckPolicy``.

    Raises:
        NotApplicable: if the problem is of another class.
        ValueError: if the problem has no horizon, or the parameters do not fit.

    References:
        - S. Viswanathan (1997), Periodic review (s, S) policies for joint replenishment inventory systems,
          Management Science 43(10).
    """

    item_parameters = ("s", "S")

    def __init__(self, problem: Any, R: int, s: Any, S: Any, tau: float = 0.0) -> None:
        super().__init__(problem, R, S, tau, s=s)

    def orders(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Return orders (..., n), at least 0, before they are loaded on trucks."""
        due = position <= self.parameters["s"] + ROUNDING
        return np.where(due, super().orders(position, period), 0.0)


class QSPolicy(TruckPolicy):
    """The (Q, S) policy: if the items are in total Q or more below S, all of them are ordered up to S.

    Args:
        problem: a joint replenishment problem, environment or id.
        Q: least total order, in units, greater than 0.
        S: order-up-to levels, in units, a number or shape (n,).
        tau: least load of a truck that is not full, in units, at most the capacity; see ``TruckPolicy``. The
            policy is then similar to the (Q, S | T) policies of Cachon (2001).

    Raises:
        NotApplicable: if the problem is of another class.
        ValueError: if the parameters do not fit.

    References:
        - P. Pantumsinchai (1992), A comparison of three joint ordering inventory policies, Decision Sciences
          23(1).
        - G. Cachon (2001), Managing a retailer's shelf space, inventory, and transportation, Manufacturing
          and Service Operations Management 3(3).
    """

    shared_parameters = ("Q", "tau")

    def __init__(self, problem: Any, Q: float, S: Any, tau: float = 0.0) -> None:
        super().__init__(problem, tau, Q=Q, S=S)

    def violation(self, parameters: dict[str, FloatArray]) -> str:
        """Return which condition the parameters violate; an empty string if none."""
        return "Q must be greater than 0" if np.any(parameters["Q"] <= 0) else super().violation(parameters)

    def orders(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Return orders (..., n), at least 0, before they are loaded on trucks."""
        below = self.parameters["S"] - position
        due = below.sum(-1) >= self.parameters["Q"] - ROUNDING
        return np.where(due[..., None], np.maximum(below, 0.0), 0.0)


class JointFullTruckPolicy(TruckPolicy):
    """Order up to S in every period as far as that fills trucks; the last truck needs a load of tau only.

    Args:
        problem: a joint replenishment problem, environment or id, with a truck capacity.
        S: order-up-to levels, in units, a number or shape (n,).
        tau: least load of the last truck, in units, in (0, capacity]. With the capacity, all trucks are full.

    Raises:
        NotApplicable: if the problem is of another class.
        ValueError: if trucks have no capacity, or the parameters do not fit.

    References:
        - G. Cachon (2001), Managing a retailer's shelf space, inventory, and transportation, Manufacturing
          and Service Operations Management 3(3).
        - G. P. Kiesmüller (2009), A multi-item periodic replenishment policy with full truckloads,
          International Journal of Production Economics 118(1).
    """

    shared_parameters = ("tau",)
    least_trucks = 0

    def __init__(self, problem: Any, S: Any, tau: float) -> None:
        super().__init__(problem, tau, S=S)

    def violation(self, parameters: dict[str, FloatArray]) -> str:
        """Return which condition the parameters violate; an empty string if none."""
        if self.problem.truck_capacity == np.inf:
            return "trucks must have a finite truck_capacity"
        if np.any(parameters["tau"] <= 0):
            return "tau must be greater than 0"
        return super().violation(parameters)

    def orders(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Return orders (..., n), at least 0, before they are loaded on trucks."""
        return np.maximum(self.parameters["S"] - position, 0.0)
