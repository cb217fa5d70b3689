"""A classical policy for discounts under a budget: save for a breakpoint, then order up to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import as_problem, checks
from jumpgym.problems.budget_discount import BudgetDiscount

from ..evaluation import draw, simulate
from ..policy import Policy
from .descent import Point, descend
from .stationary import SEED

EPISODES = 512
"""Episodes, on common random numbers, on which the parameters are searched."""

PERIODS = 200
"""Their periods where the problem has no end."""

ROUNDING = 1e-4
"""Quantities and sums of money that differ by less are taken as equal, since observations are float32."""


class BudgetPolicy(Policy):
    """Order in the largest bracket that the money pays for and the position calls for, up to S.

    Bracket k is called for at its reorder point ``reorder[k]`` or less, so with low points for the small
    brackets the policy saves for a large one. The order is ``S - x``, projected on the bracket: at least up
    to its breakpoint. The (s, S) policy with an order up to the breakpoint, as in the (s, t, S) policy of
    Zhou et al. (2009) for free shipping, with a reorder point for each bracket, so that it can save.

    Args:
        problem: problem, environment or id of a ``BudgetDiscount``.
        reorder: reorder point of each bracket, in units.
        S: order-up-to level, in units.

    Raises:
        ValueError: if the problem does not fit, or there is not one reorder point for each bracket.

    References:
        - B. Zhou, M. N. Katehakis and Y. Zhao (2009), Managing stochastic inventory systems with free
          shipping option, European Journal of Operational Research 196(1).
    """

    def __init__(self, problem: Any, reorder: Sequence[float], S: float) -> None:
        self.problem = _budget(problem)
        self.reorder = np.array([checks.number("reorder", point) for point in reorder])
        self.S = checks.number("S", S)
        if len(self.reorder) != len(self.problem.brackets) - 1:
            raise ValueError(
                f"reorder={tuple(reorder)} must have {len(self.problem.brackets) - 1} entries, one for each "
                "bracket"
            )

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and quantity (m,) of observations (m, n)."""
        brackets = self.problem.brackets
        position = self.problem.position(observation)[:, None]
        paid = self.problem.money(observation)[:, None] >= brackets.unit_cost * brackets.low - ROUNDING
        wanted = position <= np.append(np.inf, self.reorder) + ROUNDING  # nothing can always be ordered
        # The last regime that is both.
        regime = len(brackets) - 1 - np.argmax((paid & wanted)[:, ::-1], axis=1)
        return regime, brackets.project(regime, self.S - position[:, 0])


def best_budget_policy(problem: Any) -> BudgetPolicy:
    """The best ``BudgetPolicy``, by descent from a coarse grid on ``EPISODES`` simulated episodes."""
    budget = _budget(problem)
    state, noise = draw(budget, EPISODES, SEED, PERIODS)
    unit = max(budget.stock.demand.mean / 10, 1e-9)
    reach = budget.stock.max_lead_time * budget.stock.demand.mean
    count = len(budget.brackets) - 1

    def make(point: Point) -> BudgetPolicy:
        *reorder, level = (reach + unit * n for n in point)
        return BudgetPolicy(budget, reorder, level)

    def costs(points: list[Point]) -> list[float]:
        return [float(simulate(make(point), budget, state, noise).mean()) for point in points]

    # The points of the brackets rise or fall with their size.
    coarse = [
        (*np.linspace(first, last, count).round().astype(int).tolist(), level)
        for first in (-1, 5, 12)
        for last in (0, 8, 20)
        for level in (10, 20, 40)
    ]
    return make(descend(costs, coarse, (4,) * count + (8,)))


def _budget(env: Any) -> BudgetDiscount:
    problem = as_problem(env)
    if not isinstance(problem, BudgetDiscount):
        raise ValueError(f"{type(problem).__name__}: BudgetPolicy is for BudgetDiscount")
    return problem
