"""A classical policy for loan brackets: borrow up to S at s or less, in the bracket of the amount."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import checks
from jumpgym.problems.loan_brackets import LoanBrackets

from ..evaluation import draw
from ..policy import Decision, Policy, require
from .descent import Point, Progress, best_policy, mean_costs
from .stationary import SEED

EPISODES = 1024
"""Number of simulated episodes on which policies are compared, on common random numbers."""

PERIODS = 200
"""Number of their periods if the problem has no horizon."""


class LoanPolicy(Policy):
    """Borrow ``S - x`` when the cash x after this period's repayments is s or less.

    This is the (s, S) policy of the stochastic cash balance problem with fixed costs (Girgis 1968, Neave
    1970). The bracket is chosen by the amount: bracket k, counted from 0, is for amounts of
    ``thresholds[k - 1]`` or more. The amount is then projected on the interval of the bracket.

    Args:
        problem: problem, environment or id of a ``LoanBrackets``.
        s: cash at or below which the policy borrows.
        S: cash up to which the policy borrows, at least s.
        thresholds: ascending amounts, one for each bracket except the first.

    Raises:
        NotApplicable: if the problem is of another class.
        ValueError: if a parameter is outside its range.

    References:
        - N. M. Girgis (1968), Optimal cash balance levels, Management Science 15(3).
        - E. H. Neave (1970), The stochastic cash balance problem with fixed costs for increases and
          decreases, Management Science 16(7).
    """

    def __init__(self, problem: Any, s: float, S: float, thresholds: Sequence[float]) -> None:
        self.problem = require(LoanBrackets, problem, "LoanPolicy")
        self.s = checks.number("s", s)
        self.S = checks.number("S", S, low=self.s)
        self.thresholds = np.array([checks.number("thresholds", end) for end in thresholds])
        if len(self.thresholds) != len(self.problem.loans) - 2 or np.any(np.diff(self.thresholds) < 0):
            raise ValueError(
                f"thresholds={tuple(thresholds)} must be {len(self.problem.loans) - 2} ascending amounts, "
                "one for each bracket except the first"
            )

    def decide(self, observation: NDArray[np.float64]) -> Decision:
        """Regime (m,) and amount (m,) of observations (m, n)."""
        cash = self.problem.position(observation)
        needed = self.S - cash
        regime = 1 + np.searchsorted(self.thresholds, needed, side="right")
        regime = np.where((cash <= self.s) & (needed > 0), regime, 0)
        return regime, self.problem.loans.project(regime, needed)


def best_loan_policy(problem: Any, progress: Progress | None = None) -> LoanPolicy:
    """The best ``LoanPolicy`` on ``EPISODES`` simulated episodes, found by descent from a coarse grid."""
    loans = require(LoanBrackets, problem, "LoanPolicy")
    state, noise = draw(loans, EPISODES, SEED, PERIODS)
    unit = loans.cash_scale / 40
    base = np.append(0.0, loans.loans.high[1:-1])  # thresholds are searched from the end of the bracket below

    def make(point: Point) -> LoanPolicy | None:
        s, lift = unit * point[0], unit * point[1]
        thresholds = base[1:] + unit * np.array(point[2:])
        fits = lift >= 0 and np.all(np.diff(thresholds, prepend=0.0) >= 0)
        return LoanPolicy(loans, s, s + lift, thresholds.tolist()) if fits else None

    others = len(loans.loans) - 2
    coarse = [
        (s, lift, *[threshold] * others)
        for s in (-40, -20, 0, 20)
        for lift in (0, 20, 40, 80)
        for threshold in (-20, 0, 20, 40)
    ]
    return best_policy(
        make,
        lambda policies: mean_costs(policies, state, noise),
        coarse,
        (8, 8, *[8] * others),
        starts=3,
        progress=progress,
    )
