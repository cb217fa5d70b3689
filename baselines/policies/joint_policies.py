"""Classical policies for several items: can-order, periodic, (Q, S), full trucks, lots by run-out time."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jumpgym import as_problem, checks
from jumpgym.demand import discrete_values
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.several_items import MultiItemInventory

from ..policy import ROUNDING, FloatArray, Policy


class ItemsPolicy(Policy):
    """A policy that orders by the inventory positions of the items, with parameters that a search may vary.

    Attributes:
        problem: the problem whose orders it places.
        shared: names of the parameters that are one number.
        own: names of the parameters of the items, shape (n,), each at most the next.
        parameters: values by name. A search evaluates many at once: numbers of shape (c, 1) and vectors of
            shape (c, 1, n) decide for positions (c, m, n).
        on_integers: whether demand is integer, so that orders are to be.
    """

    shared: ClassVar[tuple[str, ...]] = ()
    own: ClassVar[tuple[str, ...]] = ("S",)
    problem: MultiItemInventory

    def _set(self, problem: MultiItemInventory, **parameters: Any) -> None:
        self.problem, n = problem, problem.items
        values = [discrete_values(demand) for demand in problem.demand.items]
        self.on_integers = all(some is not None and np.all(some % 1 == 0) for some in values)
        self.mean = np.maximum(problem.demand.mean, 1e-9)
        self.parameters: dict[str, FloatArray] = {}
        for name, value in parameters.items():
            if name in self.shared:
                self.parameters[name] = np.array(checks.number(name, value, low=0))
                continue
            vector = (
                np.broadcast_to(np.asarray(value, dtype=np.float64), (n,)) if np.ndim(value) == 0 else value
            )
            if len(vector) != n:
                raise ValueError(f"{name} has {len(vector)} entries, it must have one for each of {n} items")
            self.parameters[name] = np.array([checks.number(f"{name}[{i}]", v) for i, v in enumerate(vector)])
        problem_found = self.wrong(self.parameters)
        if problem_found:
            raise ValueError(f"{type(self).__name__}: {problem_found}")

    def __getattr__(self, name: str) -> FloatArray:
        # Each parameter is an attribute too, as in every policy. "parameters" is missing while it is copied.
        parameters: dict[str, FloatArray] = self.__dict__.get("parameters", {})
        if name not in parameters:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return parameters[name]

    def wrong(self, parameters: dict[str, FloatArray]) -> str:
        """What is wrong with parameters, or an empty string."""
        for below, above in zip(self.own, self.own[1:], strict=False):
            if np.any(parameters[below] > parameters[above]):
                return f"{below} must be at most {above}, for each item"
        return ""

    def with_parameters(self, parameters: dict[str, FloatArray]) -> ItemsPolicy:
        """The same policy with other parameters, which are not checked."""
        other = copy.copy(self)
        other.parameters = parameters
        return other

    @abstractmethod
    def act(self, position: FloatArray, period: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Regimes (..., G) and quantities (..., n) at inventory positions (..., n) in periods (...,)."""

    def decide(self, observation: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Regimes (m, G) and quantities (m, n), inside their intervals, of observations (m, d)."""
        regime, quantity = self.act(self.problem.position(observation), observation[..., -1])
        return regime, self.problem.layout.project(regime, quantity)


class TruckPolicy(ItemsPolicy):
    """Orders that are loaded on trucks; subclasses say what they want to order.

    As many trucks go as the orders fill, and one for the rest if its load is at least ``tau``; else the
    orders are trimmed to the trucks that go, all by the same number of periods of mean demand, as in the
    dynamic order-up-to policy of Kiesmüller (2009). With ``tau=0`` nothing is trimmed but what exceeds all
    trucks. If the problem has full trucks only, orders are raised in the same way to fill the last one.
    """

    problem: JointReplenishment
    least_trucks: ClassVar[int] = 1
    """Trucks that go if anything is wanted."""

    def __init__(self, problem: Any, tau: float, **parameters: Any) -> None:
        self._set(_joint(problem, type(self).__name__), **parameters, tau=tau)

    def wrong(self, parameters: dict[str, FloatArray]) -> str:
        """What is wrong with parameters, or an empty string."""
        capacity = self.problem.truck_capacity
        if capacity == np.inf and np.any(parameters["tau"] > 0):
            return "tau must be 0, since truck_capacity=inf"
        if np.any(parameters["tau"] > capacity):
            return f"tau={parameters['tau'].max():g} must be at most the truck capacity, {capacity:g}"
        return super().wrong(parameters)

    @abstractmethod
    def wanted(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Orders (..., n), at least 0, before they are loaded on trucks."""

    def act(self, position: FloatArray, period: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Trucks and items (..., n + 1), and quantities (..., n), at inventory positions (..., n)."""
        wanted = self.wanted(position, period)
        wanted = np.where(wanted > ROUNDING, wanted, 0.0)
        total = np.minimum(wanted, self.problem.max_order).sum(-1)
        capacity = self.problem.truck_capacity
        if capacity == np.inf:
            trucks, quantity = (total > 0).astype(np.float64), wanted
        else:
            full = np.floor((total + ROUNDING) / capacity)
            rest = total - full * capacity
            go = full + ((rest > ROUNDING) & (rest >= self.parameters["tau"] - ROUNDING))
            trucks = np.where(total > 0, np.clip(go, self.least_trucks, self.problem.max_trucks), 0.0)
            load = trucks * capacity
            quantity = self._trimmed(wanted, load if self.problem.full_trucks else np.minimum(total, load))
        items = (quantity > ROUNDING) & (trucks > 0)[..., None]
        regime = np.concatenate([trucks[..., None], items], axis=-1).astype(np.int64)
        return regime, np.where(items, quantity, 0.0)

    def _trimmed(self, wanted: FloatArray, load: FloatArray) -> FloatArray:
        """Orders lowered or raised to a total of ``load`` (...,), by the same number of periods of demand.

        The orders are ``max(wanted - periods * mean, 0)`` of the items that are wanted. On the k items with
        the most periods wanted alone the load is met by some number of periods; the largest of these is it.
        """
        cover = wanted / self.mean
        most = np.argsort(-cover, axis=-1)
        sums = np.take_along_axis(wanted, most, -1).cumsum(-1) - load[..., None]
        ordered = np.take_along_axis(wanted, most, -1) > 0
        periods = np.where(ordered, sums / self.mean[most].cumsum(-1), -np.inf).max(-1, keepdims=True)
        periods = np.where(np.isfinite(periods), periods, 0.0)
        orders = np.where(wanted > 0, np.maximum(wanted - periods * self.mean, 0.0), 0.0)
        if not self.on_integers:
            return orders
        # Rounding the sums keeps the total, and each order within a unit.
        return np.diff(np.round(orders.cumsum(-1)), axis=-1, prepend=0.0)


class CanOrderPolicy(TruckPolicy):
    """The can-order policy (s, c, S): when an item falls to s, all items at c or less are ordered up to S.

    Args:
        problem: a joint replenishment problem, environment or id.
        s: must-order points, in units, a number or shape (n,).
        c: can-order points, at least s.
        S: order-up-to levels, at least c.
        tau: least load of a truck that is not full, in units, at most the capacity; see ``TruckPolicy``.

    Raises:
        ValueError: if the problem is another, or parameters do not fit.

    References:
        - J. L. Balintfy (1964), On a basic class of multi-item inventory problems, Management Science 10(2).
        - A. Federgruen, H. Groenevelt and H. C. Tijms (1984), Coordinated replenishments in a multi-item
          inventory system with compound Poisson demands, Management Science 30(3).
        - G. P. Kiesmüller (2009), A multi-item periodic replenishment policy with full truckloads,
          International Journal of Production Economics 118(1), for the trimmed form.
    """

    shared = ("tau",)
    own = ("s", "c", "S")

    def __init__(self, problem: Any, s: Any, c: Any, S: Any, tau: float = 0.0) -> None:
        super().__init__(problem, tau, s=s, c=c, S=S)

    def wanted(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Orders (..., n), at least 0, before they are loaded on trucks."""
        must = (position <= self.parameters["s"] + ROUNDING).any(-1, keepdims=True)
        can = position <= self.parameters["c"] + ROUNDING
        return np.where(must & can, np.maximum(self.parameters["S"] - position, 0.0), 0.0)


class PeriodicPolicy(TruckPolicy):
    """The (R, S) policy: every R periods, from the first, all items are ordered up to S.

    Args:
        problem: a joint replenishment problem, environment or id, with a horizon: it observes the period.
        R: periods between reviews, an integer of at least 1.
        S: order-up-to levels, in units, a number or shape (n,).
        tau: least load of a truck that is not full, in units, at most the capacity; see ``TruckPolicy``.

    Raises:
        ValueError: if the problem is another or has no horizon, or parameters do not fit.

    References:
        - D. R. Atkins and P. O. Iyogun (1988), Periodic versus "can-order" policies for coordinated
          multi-item inventory systems, Management Science 34(6).
    """

    shared = ("R", "tau")

    def __init__(self, problem: Any, R: int, S: Any, tau: float = 0.0, **reorder: Any) -> None:
        super().__init__(problem, tau, R=checks.integer("R", R, low=1), S=S, **reorder)

    def wrong(self, parameters: dict[str, FloatArray]) -> str:
        """What is wrong with parameters, or an empty string."""
        if self.problem.horizon is None:
            return "with horizon=None the period is not observed, and reviews cannot be timed"
        return "R must be at least 1" if np.any(parameters["R"] < 1) else super().wrong(parameters)

    def wanted(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Orders (..., n), at least 0, before they are loaded on trucks."""
        review = np.round(period) % self.parameters["R"] == 0
        return np.where(review[..., None], np.maximum(self.parameters["S"] - position, 0.0), 0.0)


class PeriodicReorderPolicy(PeriodicPolicy):
    """The P(s, S) policy: every R periods, from the first, the items at s or less are ordered up to S.

    Args:
        problem: a joint replenishment problem, environment or id, with a horizon: it observes the period.
        R: periods between reviews, an integer of at least 1.
        s: reorder points, in units, a number or shape (n,).
        S: order-up-to levels, at least s.
        tau: least load of a truck that is not full, in units, at most the capacity; see ``TruckPolicy``.

    Raises:
        ValueError: if the problem is another or has no horizon, or parameters do not fit.

    References:
        - S. Viswanathan (1997), Periodic review (s, S) policies for joint replenishment inventory systems,
          Management Science 43(10).
    """

    own = ("s", "S")

    def __init__(self, problem: Any, R: int, s: Any, S: Any, tau: float = 0.0) -> None:
        super().__init__(problem, R, S, tau, s=s)

    def wanted(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Orders (..., n), at least 0, before they are loaded on trucks."""
        due = position <= self.parameters["s"] + ROUNDING
        return np.where(due, super().wanted(position, period), 0.0)


class QSPolicy(TruckPolicy):
    """The (Q, S) policy: when all items together are Q or more below their levels S, all are ordered up to S.

    Args:
        problem: a joint replenishment problem, environment or id.
        Q: least total order, in units, greater than 0.
        S: order-up-to levels, in units, a number or shape (n,).
        tau: least load of a truck that is not full, in units, at most the capacity; see ``TruckPolicy``. With
            it, this is of the kind of the (Q, S | T) policies of Cachon (2001).

    Raises:
        ValueError: if the problem is another, or parameters do not fit.

    References:
        - P. Pantumsinchai (1992), A comparison of three joint ordering inventory policies, Decision Sciences
          23(1).
        - G. Cachon (2001), Managing a retailer's shelf space, inventory, and transportation, Manufacturing
          and Service Operations Management 3(3).
    """

    shared = ("Q", "tau")

    def __init__(self, problem: Any, Q: float, S: Any, tau: float = 0.0) -> None:
        super().__init__(problem, tau, Q=Q, S=S)

    def wrong(self, parameters: dict[str, FloatArray]) -> str:
        """What is wrong with parameters, or an empty string."""
        return "Q must be greater than 0" if np.any(parameters["Q"] <= 0) else super().wrong(parameters)

    def wanted(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Orders (..., n), at least 0, before they are loaded on trucks."""
        below = self.parameters["S"] - position
        due = below.sum(-1) >= self.parameters["Q"] - ROUNDING
        return np.where(due[..., None], np.maximum(below, 0.0), 0.0)


class JointFullTruckPolicy(TruckPolicy):
    """Full trucks towards levels S in every period, and a partial one when its load is at least tau.

    Args:
        problem: a joint replenishment problem, environment or id, with a truck capacity.
        S: order-up-to levels, in units, a number or shape (n,).
        tau: least load of a truck that is not full, in units, in (0, capacity]; the capacity: none.

    Raises:
        ValueError: if the problem is another or trucks have no capacity, or parameters do not fit.

    References:
        - G. Cachon (2001), Managing a retailer's shelf space, inventory, and transportation, Manufacturing
          and Service Operations Management 3(3).
        - G. P. Kiesmüller (2009), A multi-item periodic replenishment policy with full truckloads,
          International Journal of Production Economics 118(1).
    """

    shared = ("tau",)
    least_trucks = 0

    def __init__(self, problem: Any, S: Any, tau: float) -> None:
        super().__init__(problem, tau, S=S)

    def wrong(self, parameters: dict[str, FloatArray]) -> str:
        """What is wrong with parameters, or an empty string."""
        if self.problem.truck_capacity == np.inf:
            return "trucks must have a finite truck_capacity"
        return "tau must be greater than 0" if np.any(parameters["tau"] <= 0) else super().wrong(parameters)

    def wanted(self, position: FloatArray, period: FloatArray) -> FloatArray:
        """Orders (..., n), at least 0, before they are loaded on trucks."""
        return np.maximum(self.parameters["S"] - position, 0.0)


class RunOutPolicy(ItemsPolicy):
    """Lots by run-out time: of the items at s or less, the one that runs out first is made up to S, and on.

    Items are taken in the order of their inventory position over their mean demand, as long as their setup
    fits the time left; a lot is cut to it.

    Args:
        problem: a lot sizing problem, environment or id.
        s: reorder points, in units, a number or shape (n,).
        S: levels up to which an item is made, at least s.

    Raises:
        ValueError: if the problem is another, or parameters do not fit.

    References:
        - R. C. Leachman and A. Gascon (1988), A heuristic scheduling policy for multi-item, single-machine
          production systems with time-varying, stochastic demands, Management Science 34(3), for run-out
          times.
    """

    own = ("s", "S")
    problem: CapacitatedLotSizing

    def __init__(self, problem: Any, s: Any, S: Any) -> None:
        found = as_problem(problem)
        if not isinstance(found, CapacitatedLotSizing):
            raise ValueError(f"RunOutPolicy is for CapacitatedLotSizing, not {type(found).__name__}")
        self._set(found, s=s, S=S)

    def act(self, position: FloatArray, period: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Setups (..., n) and lots (..., n) at inventory positions (..., n)."""
        problem = self.problem
        due = position <= self.parameters["s"] + ROUNDING
        wanted = np.where(due, np.maximum(self.parameters["S"] - position, 0.0), 0.0)
        first = np.argsort(np.where(due, position / self.mean, np.inf), axis=-1)
        left = np.full(position.shape[:-1], problem.capacity)
        lots = np.zeros_like(wanted)
        for rank in range(problem.items):
            item = first[..., rank]
            here = np.take_along_axis(wanted, item[..., None], -1)[..., 0]
            fits = (left - problem.setup_times[item]) / problem.unit_times[item]
            lot = np.maximum(np.minimum(here, np.floor(fits) if self.on_integers else fits), 0.0)
            lot = np.where(lot > ROUNDING, lot, 0.0)
            np.put_along_axis(lots, item[..., None], lot[..., None], -1)
            left = left - np.where(lot > 0, problem.setup_times[item] + problem.unit_times[item] * lot, 0.0)
        return (lots > 0).astype(np.int64), lots


def _joint(env: Any, policy: str) -> JointReplenishment:
    problem = as_problem(env)
    if not isinstance(problem, JointReplenishment):
        raise ValueError(f"{policy} is for JointReplenishment, not {type(problem).__name__}")
    return problem
