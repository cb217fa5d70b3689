"""Classical stationary policies, and the best of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable, SingleItemInventory, as_problem, checks

from ..dispatch import load, lookup
from ..policy import Policy
from .stationary import Parameters, StationaryPolicy, best_parameters, search_steps, stationary_cost

__all__ = [
    "FullTruckPolicy",
    "MinOrderPolicy",
    "SSPolicy",
    "best_classical",
    "best_full_truck",
    "best_min_order",
    "best_single_item",
    "best_ss",
    "stationary_cost",
]

BEST = {
    "SingleItemInventory": "policies.classical:best_single_item",
    "JointReplenishment": "policies.joint_search:best_joint",
    "CapacitatedLotSizing": "policies.joint_search:best_joint",
    "BudgetDiscount": "policies.budget_policies:best_budget_policy",
    "MinInvestment": "policies.investment_policies:best_constant_fraction",
    "LoanBrackets": "policies.loan_policies:best_loan_policy",
    "SwitchedLQR": "policies.switched_lqr_policies:RecedingHorizonPolicy",
}
"""The search of each family of problems, by the name of the problem's class."""

ROUNDING = 1e-4
"""Positions that differ by less, in units, are taken as equal, since observations are float32."""


class MinOrderPolicy(StationaryPolicy):
    """Order ``max(m, S - x)`` when the inventory position x is s or less; m is the least order.

    With ``s = S - 1`` on integers this is the (R, S, Qmin) policy of Kiesmüller et al. (2011); with both
    parameters free the modified (s, S) policy of Zhu (2022). The optimal policy has a complex structure (Zhao
    and Katehakis 2006).

    Args:
        problem: problem, environment or id with two regimes: none, and an order.
        s: reorder point, in units.
        S: order-up-to level, in units, at least s.

    Raises:
        ValueError: if the problem's orders do not fit, or S is below s.

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
        self.problem = _inventory(problem)
        _check_two_regimes(type(self).__name__, self.problem)
        self.s = checks.number("s", s)
        self.S = checks.number("S", S, low=self.s)
        self.min_order = float(self.problem.regimes.low[1])
        self.highest_position = max(self.S, self.s + self.min_order)
        self.levels = (self.S,)

    def order(self, position: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
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
        ValueError: if the problem's orders do not fit, or S is below s.

    References:
        - H. Scarf (1960), The optimality of (S, s) policies in the dynamic inventory problem.
        - Y.-S. Zheng and A. Federgruen (1991), Finding optimal (s, S) policies is about as simple as
          evaluating a single policy, Operations Research 39(4).
    """

    def __init__(self, problem: Any, s: float, S: float) -> None:
        super().__init__(problem, s, S)
        if self.min_order > 0:
            raise ValueError(
                f"SSPolicy: the problem has a least order of {self.min_order:g}, "
                "use MinOrderPolicy(problem, s, S)"
            )


class FullTruckPolicy(StationaryPolicy):
    """Full trucks towards S, and a partial one for the rest when its load is at least tau.

    Order-up-to with a least load of the last truck, as in the (Q, S | T) policies of Cachon (2001). Stepwise
    freight costs in stochastic inventory: Alp, Erkip and Güllü (2003).

    Args:
        problem: problem, environment or id whose regimes are 0, 1, 2, ... trucks of one capacity.
        S: order-up-to level, in units.
        tau: least load of a partial truck, in units, in (0, capacity]; the capacity: no partial trucks.

    Raises:
        ValueError: if the problem's orders do not fit, or tau is outside its range.

    References:
        - G. Cachon (2001), Managing a retailer's shelf space, inventory, and transportation, Manufacturing
          and Service Operations Management 3(3).
        - O. Alp, N. K. Erkip and R. Güllü (2003), Optimal lot-sizing/vehicle-dispatching policies under
          stochastic lead times and stepwise fixed costs, Operations Research 51(1).
    """

    def __init__(self, problem: Any, S: float, tau: float) -> None:
        self.problem = _inventory(problem)
        self.capacity = _truck_capacity(self.problem)
        self.S = checks.number("S", S)
        self.tau = checks.number("tau", tau, low=0, high=self.capacity)
        if self.tau == 0:
            raise ValueError(f"tau=0 must be greater than 0, and at most the capacity, {self.capacity:g}")
        self.highest_position = self.S
        self.levels = (self.S,)

    def order(self, position: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,), the number of trucks, and quantity (m,) at inventory positions (m,)."""
        gap = np.maximum(self.S - position, 0.0)
        full = np.floor((gap + ROUNDING) / self.capacity)
        rest = np.maximum(gap - full * self.capacity, 0.0)
        partial = (rest >= self.tau - ROUNDING) & (rest > ROUNDING)
        most = len(self.problem.regimes) - 1
        trucks = np.minimum(full + partial, most).astype(np.int64)
        return trucks, np.minimum(full * self.capacity + partial * rest, trucks * self.capacity)


def best_ss(problem: Any) -> SSPolicy:
    """The best (s, S) policy; see ``best_single_item``."""
    problem = _inventory(problem)
    SSPolicy(problem, 0.0, 0.0)  # refuses what does not fit
    return _best_two_levels(problem, SSPolicy)


def best_min_order(problem: Any) -> MinOrderPolicy:
    """The best ``MinOrderPolicy``; see ``best_single_item``."""
    problem = _inventory(problem)
    MinOrderPolicy(problem, 0.0, 0.0)
    return _best_two_levels(problem, MinOrderPolicy)


def best_full_truck(problem: Any) -> FullTruckPolicy:
    """The best ``FullTruckPolicy``; see ``best_single_item``."""
    problem = _inventory(problem)
    capacity = _truck_capacity(problem)
    step, unit = search_steps(problem)
    parts = max(round(capacity / unit), 1)

    def make(parameters: Parameters) -> FullTruckPolicy | None:
        level, part = parameters
        return FullTruckPolicy(problem, level * unit, part * capacity / parts) if 1 <= part <= parts else None

    low, high = _levels(problem, unit)
    strides = max((high - low) // 20, 1), max(parts // 6, 1)
    coarse = [
        (level, part)
        for level in range(low, high + 1, strides[0])
        for part in {1, parts, *range(1, parts, strides[1])}
    ]
    best = best_parameters(make, coarse, strides, step)
    assert isinstance(best, FullTruckPolicy)
    return best


def best_classical(problem: Any) -> Policy:
    """The best policy of the classical kind that the literature has for such a problem.

    See the function of its family in ``BEST`` for which policies are searched and how.

    Args:
        problem: problem, environment or environment id.

    Raises:
        NotImplementedError: if there is none.
        TypeError: if ``problem`` is no jumpgym problem.
    """
    problem = as_problem(problem)
    policy: Policy = lookup(BEST, problem, "a classical policy")(problem)
    return policy


def best_single_item(problem: Any) -> Policy:
    """The best policy of the classical kind that matches the regimes of an inventory of one item.

    Parameters are searched on the lattice on which the problem is exact (or on steps of about 1/40 of the
    mean demand), with exact expected costs from the initial state, or without an end and discount exact
    average costs; for traces, and lost sales with long lead times, over a horizon, with
    ``stationary.EPISODES`` episodes on common random numbers. The search is a coarse grid, then descent in
    growing detail (``stationary.best_parameters``).

    Returns:
        An ``SSPolicy``, ``MinOrderPolicy`` or ``FullTruckPolicy``; for discounts a ``DiscountPolicy``:
        ``stationary_cost`` tells its cost. Where lead times differ, a ``TwoIndexPolicy``.

    Raises:
        NotImplementedError: if none matches.
    """
    problem = _inventory(problem)
    regimes = problem.regimes
    search: Callable[[Any], Policy] | None = None
    if np.ptp(regimes.lead_time) > 0:
        search = load("policies.lead_time_policies:best_two_index")
    elif _has_trucks(problem) and len(regimes) > 2:
        search = best_full_truck
    elif _has_two_regimes(problem):
        search = best_ss if regimes.low[1] == 0 else best_min_order
    elif len(regimes) > 2 and regimes.high[0] == 0 and np.allclose(regimes.high[1:-1], regimes.low[2:]):
        search = load("policies.discount_policies:best_discount_policy")
    if search is None:
        raise NotApplicable(
            "no classical policy matches these regimes: known are a setup cost, a minimum order, trucks, "
            f"discounts and lead times by size, not low={regimes.low.tolist()}, "
            f"high={regimes.high.tolist()}, fixed_cost={regimes.fixed_cost.tolist()}"
        )
    return search(problem)


def _best_two_levels(problem: SingleItemInventory, family: Any) -> Any:
    step, unit = search_steps(problem)

    def make(parameters: Parameters) -> MinOrderPolicy | None:
        reorder, width = parameters
        return family(problem, reorder * unit, (reorder + width) * unit) if width >= 0 else None

    low, high = _levels(problem, unit)
    widest = max(round((problem.level_scale + problem.demand.mean) / unit), 1)
    strides = max((high - low) // 16, 1), max(widest // 12, 1)
    coarse = [(s, width) for s in range(low, high + 1, strides[0]) for width in range(0, widest, strides[1])]
    return best_parameters(make, coarse, strides, step)


def _levels(problem: SingleItemInventory, unit: float) -> tuple[int, int]:
    """A range of levels, in ``unit``, that holds the sensible ones: from deep backlog to ample stock."""
    scale = problem.level_scale
    low = -1.0 if problem.unmet_demand == "lost" else min(0.0, problem.initial_inventory[0]) - scale
    return round(low / unit), round((scale + problem.demand.mean) / unit)


def _inventory(env: Any) -> SingleItemInventory:
    problem = as_problem(env)
    if not isinstance(problem, SingleItemInventory):
        raise ValueError(f"{type(problem).__name__}: classical policies are for SingleItemInventory")
    return problem


def _has_two_regimes(problem: SingleItemInventory) -> bool:
    return len(problem.regimes) == 2 and problem.regimes.high[0] == 0


def _check_two_regimes(policy: str, problem: SingleItemInventory) -> None:
    if not _has_two_regimes(problem):
        raise ValueError(
            f"{policy} needs two regimes, no order and an order, not low={problem.regimes.low.tolist()}, "
            f"high={problem.regimes.high.tolist()}"
        )


def _has_trucks(problem: SingleItemInventory) -> bool:
    regimes = problem.regimes
    trucks = np.arange(len(regimes))
    capacity = regimes.high[1] if len(regimes) > 1 else 0.0
    return bool(
        capacity > 0
        and np.allclose(regimes.high, capacity * trucks)
        and np.allclose(regimes.low, capacity * np.maximum(trucks - 1, 0))
        and np.allclose(regimes.fixed_cost, regimes.fixed_cost[1] * trucks)
        and np.ptp(regimes.unit_cost[1:]) == 0
    )


def _truck_capacity(problem: SingleItemInventory) -> float:
    regimes = problem.regimes
    if not _has_trucks(problem):
        raise ValueError(
            "FullTruckPolicy needs regimes of 0, 1, 2, ... trucks of one capacity, one cost per truck and "
            "one cost per "
            f"unit, not low={regimes.low.tolist()}, high={regimes.high.tolist()}, "
            f"fixed_cost={regimes.fixed_cost.tolist()}, unit_cost={regimes.unit_cost.tolist()}"
        )
    return float(regimes.high[1])
