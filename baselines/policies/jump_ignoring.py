"""Policies that ignore the jump: they decide on a quantity as if cost and transition were smooth in it."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import CapacitatedLotSizing, JointReplenishment, SingleItemInventory, as_problem, checks
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.loan_brackets import LoanBrackets
from jumpgym.problems.min_investment import MinInvestment
from jumpgym.problems.switched_lqr import SwitchedLQR

from ..evaluation import draw
from ..generic import resolve
from ..policy import FloatArray, Policy
from .descent import Point, best_policy, mean_costs
from .investment_policies import ConstantFractionPolicy
from .items_policy import ItemsPolicy
from .joint_search import NUMBERS, PERIODS, SEED, WARM_UP, best_of_family
from .stationary import StationaryPolicy, best_stationary, search_steps
from .switched_lqr_policies import best_fixed_mode

EPISODES = 1024
"""Episodes, on common random numbers, on which levels are searched where no lattice applies."""

FINENESS = 50
"""Levels that are tried within an order of magnitude of the state, where no lattice sets the step."""


class OrderUpToPolicy(StationaryPolicy):
    """Order up to one level in every period, in the regime to which the quantity belongs.

    It is optimal where ordering has neither a fixed cost nor breakpoints, the base-stock policy (Zipkin 2000,
    Foundations of Inventory Management, chapter 9). An order that lies between two regimes goes to the
    nearer one. Of a ``LoanBrackets`` problem the position is the cash after this period's repayments.

    Args:
        problem: problem, environment or id with one quantity and a position.
        S: order-up-to level, in units of the quantity.
    """

    problem: Any

    def __init__(self, problem: Any, S: float) -> None:
        self.problem = as_problem(problem)
        self.S = checks.number("S", S)
        self.levels = (self.S,)
        # An order in the upper half of a gap between two regimes is raised to the upper one.
        (ends,) = self.problem.boundaries
        self.highest_position = self.S + float(np.max(self.problem.layout.low[1:] - ends, initial=0.0))

    def order(self, position: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and quantity (m,), inside its interval, at positions (m,)."""
        quantity = np.maximum(self.S - position, 0.0)[:, None]
        regime = self.problem.membership(quantity)
        return regime[:, 0], self.problem.layout.project(regime, quantity)[:, 0]

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and quantity (m,), inside its interval, of observations (m, n)."""
        return self.order(self.problem.position(observation))


class ItemsOrderUpToPolicy(ItemsPolicy):
    """Order each item up to a level of its own in every period, in the regimes to which the orders belong.

    Args:
        problem: a joint replenishment or lot sizing problem, environment or id.
        S: order-up-to levels, in units, a number or shape (n,).
    """

    def __init__(self, problem: Any, S: Any) -> None:
        items: Any = as_problem(problem)
        self._set(items, S=S)

    def act(self, position: FloatArray, period: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
        """Regimes (..., G) and quantities (..., n) at inventory positions (..., n)."""
        quantity = np.maximum(self.parameters["S"] - position, 0.0)
        return self.problem.membership(quantity), quantity


@singledispatch
def jump_ignoring(problem: Any) -> Policy:
    """The best policy that ignores the jump: it decides as if the cost were smooth in the quantity.

    The quantity that it chooses is mapped to the regime to which it belongs. See ``best_order_up_to``,
    ``best_items_order_up_to``, ``always_kelly`` and ``best_fixed_mode``. Add a search for a class of your own
    by ``jump_ignoring.register(MyProblem, my_search)``.

    Args:
        problem: problem, environment or environment id.

    Raises:
        NotApplicable: if there is none for problems of this class.
        TypeError: if ``problem`` is not a jumpgym problem.
    """
    return jump_ignoring(resolve(jump_ignoring, problem, "a policy that ignores the jump"))


def best_order_up_to(problem: Any) -> OrderUpToPolicy:
    """The best ``OrderUpToPolicy``: one constant level, up to which it orders (or borrows) in every period.

    Of an inventory of one item by the costs of ``stationary_costs``, exact where ``solve`` with equal lead
    times is; else by ``EPISODES`` simulated episodes.
    """
    problem = as_problem(problem)
    single = isinstance(problem, SingleItemInventory)
    scale = float(problem.observation_scale[0])
    unit = search_steps(problem)[1] if single else scale / FINENESS

    def make(point: Point, unit: float = unit) -> OrderUpToPolicy:
        # Rounded, since a mean demand may have lost its last digits with the tail of the distribution.
        return OrderUpToPolicy(problem, float(f"{unit * point[0]:.9g}"))

    magnitude = max(round(scale / unit), 1)
    stride = max(magnitude // 8, 1)
    coarse = [(level,) for level in range(-magnitude, 4 * magnitude, stride)]
    if single:
        return best_stationary(problem, make, coarse, (stride,))
    state, noise = draw(problem, EPISODES, SEED, WARM_UP + PERIODS)
    return best_policy(make, lambda policies: mean_costs(policies, state, noise), coarse, (stride,))


def best_items_order_up_to(problem: Any) -> ItemsOrderUpToPolicy:
    """The best ``ItemsOrderUpToPolicy`` found: one constant level for each item, in every period.

    By ``joint_search.best_of_family``, from the mean demand until the next order has arrived.
    """
    problem = as_problem(problem)
    start = ItemsOrderUpToPolicy(problem, np.round((problem.lead_times + 1) * problem.demand.mean))
    episodes = draw(problem, max(NUMBERS // problem.items, 256), SEED, WARM_UP + PERIODS)
    best = best_of_family(start, *episodes)[0]
    return ItemsOrderUpToPolicy(problem, best.parameters["S"])


def always_kelly(problem: Any) -> ConstantFractionPolicy:
    """Constant fractions of wealth in every period, optimal for log utility without minima and entry costs.

    The fractions are the ``kelly_fractions``. A vehicle is entered whenever wealth covers its minimum and its
    entry cost.
    """
    return ConstantFractionPolicy(problem)


jump_ignoring.register(SingleItemInventory, best_order_up_to)
jump_ignoring.register(BudgetDiscount, best_order_up_to)
jump_ignoring.register(LoanBrackets, best_order_up_to)
jump_ignoring.register(JointReplenishment, best_items_order_up_to)
jump_ignoring.register(CapacitatedLotSizing, best_items_order_up_to)
jump_ignoring.register(MinInvestment, always_kelly)
jump_ignoring.register(SwitchedLQR, best_fixed_mode)
