"""n items that share nothing, and their optimum.

The optimum is the sum of n single-item optima. So the gap of a policy is known for any n, whereas a joint
dynamic programme is feasible for two or three items only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from jumpgym import HindsightProblem, checks
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.setup_cost import setup_cost

from ...optimum import solve
from ...runs.measure import EVALUATION_SEED, Reference

MOST_ITEMS = 100
HORIZON = 50


@dataclass(frozen=True)
class Items:
    """Costs and demand of n items, arrays of shape (n,).

    Attributes:
        mean: mean demand of a period, in units; demand is gamma distributed with variance ``mean``.
        holding_cost, shortage_cost: per unit at the end of a period.
        item_cost: fixed cost of an order.
    """

    mean: NDArray[np.float64]
    holding_cost: NDArray[np.float64]
    shortage_cost: NDArray[np.float64]
    item_cost: NDArray[np.float64]


def draw_items(items: int) -> Items:
    """The first items of a fixed list of 100, drawn with seed 0.

    Means, holding and shortage costs are uniform on [6, 14], [0.7, 1.3] and [6.3, 11.7], as in Alvo, Russo
    and Kanoria (2026), arXiv 2605.14297. Item costs are uniform on [10, 90], so that with constant demand it
    would be optimal to order every 1.3 to 5.3 periods.
    """
    checks.integer("items", items, low=1, high=MOST_ITEMS)
    uniforms = np.random.default_rng(0).random((MOST_ITEMS, 4))[:items]
    low, width = np.array([6.0, 0.7, 6.3, 10.0]), np.array([8.0, 0.6, 5.4, 80.0])
    return Items(*(low + width * uniforms).T)


def make_problem(items: int) -> JointReplenishment:
    """The problem of n items that share nothing, each starting with up to 3 periods of mean demand."""
    drawn = draw_items(items)
    return JointReplenishment(
        items=items,
        item_costs=drawn.item_cost.tolist(),
        truck_cost=0.0,
        truck_capacity=np.inf,
        holding_cost=drawn.holding_cost,
        shortage_cost=drawn.shortage_cost,
        demand=[scipy.stats.gamma(mean) for mean in drawn.mean],
        initial_inventory=(np.zeros(items), 3 * drawn.mean),
        horizon=HORIZON,
    )


def make_item(item: int) -> HindsightProblem:
    """The problem of one of the items alone."""
    drawn = draw_items(item + 1)
    mean = drawn.mean[item]
    problem: HindsightProblem = setup_cost(
        fixed_cost=drawn.item_cost[item],
        holding_cost=drawn.holding_cost[item],
        shortage_cost=drawn.shortage_cost[item],
        demand=scipy.stats.gamma(mean),
        initial_inventory=(0.0, 3 * mean),
        horizon=HORIZON,
    )
    return problem


class ItemByItem:
    """The optimal policy of n items that share nothing: each follows its own optimum, in one truck.

    Args:
        items: number of items.
    """

    def __init__(self, items: int) -> None:
        self.optima = [solve(make_item(item)) for item in range(items)]
        self.expected_cost = sum(optimum.cost for optimum in self.optima)
        self.discretisation_error = sum(optimum.discretisation_error for optimum in self.optima)

    def predict(
        self, observation: Any, state: Any = None, episode_start: Any = None, deterministic: bool = True
    ) -> tuple[Any, Any]:
        """Regimes (m, n + 1) and orders (m, n) of observations (m, n + 1)."""
        observation = np.asarray(observation)
        regimes, orders = [np.ones(len(observation), np.int64)], []
        for item, optimum in enumerate(self.optima):
            (regime, order), _ = optimum.predict(observation[:, [item, -1]], deterministic=True)
            regimes.append(np.asarray(regime).reshape(-1))
            orders.append(np.asarray(order).reshape(-1))
        return (np.stack(regimes, -1), np.stack(orders, -1)), state


class SeparateOptima(Reference):
    """``Reference`` by the optimum of each item; see ``ItemByItem``.

    Args:
        items: number of items.
    """

    def __init__(self, items: int) -> None:
        self.problem, self.seed, self._costs = make_problem(items), EVALUATION_SEED, {}
        self.optimum = ItemByItem(items)
        self.kind, self.note, self.exactness = "optimum", "", "grid"
        self.cost = self.optimum.expected_cost
