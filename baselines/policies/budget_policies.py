"""A classical policy for discounts under a budget: save for a breakpoint, then order up to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import checks
from jumpgym.problems.budget_discount import BudgetDiscount

from ..evaluation import draw
from ..policy import ROUNDING, Decision, Policy, require
from .descent import Point, Progress, best_policy, mean_costs
from .stationary import SEED

EPISODES = 512
"""Number of simulated episodes on which policies are compared, on common random numbers."""

PERIODS = 200
"""Number of their periods if the problem has no horizon."""


class BudgetPolicy(Policy):
    """Order up to S in the largest bracket that the money pays for and whose reorder point is reached.

    Bracket k may be ordered when the inventory position is ``reorder[k]`` or less, so with low reorder points
    for the small brackets the policy saves money for a large one. The order is ``S - x``, projected on the
    interval of the bracket, so it is at least the breakpoint. It extends the (s, t, S) policy of Zhou et al.
    (2009) for free shipping, which also orders up to a breakpoint, by a reorder point for each bracket.

    Args:
        problem: problem, environment or id of a ``BudgetDiscount``.
        reorder: reorder point of each bracket, in units.
        S: order-up-to level, in units.

    Raises:
        NotApplicable: if the problem is of another class.
        ValueError: if there is not one reorder point for each bracket.

    References:
        - B. Zhou, M. N. Katehakis and Y. Zhao (2009), Managing stochastic inventory systems with free
          shipping option, European Journal of Operational Research 196(1).
    """

    def __init__(self, problem: Any, reorder: Sequence[float], S: float) -> None:
        self.problem = require(BudgetDiscount, problem, "BudgetPolicy")
        self.reorder = np.array([checks.number("reorder", point) for point in reorder])
        self.S = checks.number("S", S)
        if len(self.reorder) != len(self.problem.brackets) - 1:
            raise ValueError(
                f"reorder={tuple(reorder)} must have {len(self.problem.brackets) - 1} entries, one for each "
                "bracket"
            )

    def decide(self, observation: NDArray[np.float64]) -> Decision:
        """Regime (m,) and quantity (m,) of observations (m, n)."""
        brackets = self.problem.brackets
        position = self.problem.position(observation)[:, None]
        affordable = self.problem.money(observation)[:, None] >= brackets.unit_cost * brackets.low - ROUNDING
        called_for = position <= np.append(np.inf, self.reorder) + ROUNDING  # no order is always possible
        # The largest bracket that is both.
        regime = len(brackets) - 1 - np.argmax((affordable & called_for)[:, ::-1], axis=1)
        return regime, brackets.project(regime, self.S - position[:, 0])


def best_budget_policy(problem: Any, progress: Progress | None = None) -> BudgetPolicy:
    """The best ``BudgetPolicy`` on ``EPISODES`` simulated episodes, found by descent from a coarse grid."""
    budget = require(BudgetDiscount, problem, "BudgetPolicy")
    state, noise = draw(budget, EPISODES, SEED, PERIODS)
    unit = max(budget.stock.demand.mean / 10, 1e-9)
    reach = budget.stock.max_lead_time * budget.stock.demand.mean
    count = len(budget.brackets) - 1

    def make(point: Point) -> BudgetPolicy:
        *reorder, level = (reach + unit * n for n in point)
        return BudgetPolicy(budget, reorder, level)

    # On the coarse grid the reorder points rise or fall evenly from the smallest to the largest bracket.
    coarse = [
        (*np.linspace(first, last, count).round().astype(int).tolist(), level)
        for first in (-1, 5, 12)
        for last in (0, 8, 20)
        for level in (10, 20, 40)
    ]
    return best_policy(
        make,
        lambda policies: mean_costs(policies, state, noise),
        coarse,
        (4,) * count + (8,),
        progress=progress,
    )
