"""A classical policy for loan brackets: borrow up to S at s or less, in the bracket of the amount."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import as_problem, checks
from jumpgym.problems.loan_brackets import LoanBrackets

from ..evaluation import draw, simulate
from ..policy import Policy
from .descent import Point, descend
from .stationary import SEED

EPISODES = 1024
"""Episodes, on common random numbers, on which the parameters are searched."""

PERIODS = 200
"""Their periods where the problem has no end."""


class LoanPolicy(Policy):
    """Borrow ``S - x`` when the cash x after this period's repayments is s or less.

    The (s, S) policy of the stochastic cash balance problem with fixed costs (Girgis 1968, Neave 1970),
    where the bracket is chosen by the amount: the k-th one, counted from 0, from
    ``thresholds[k - 1]`` on; then the amount is projected on the bracket.

    Args:
        problem: problem, environment or id of a ``LoanBrackets``.
        s: cash at or below which it borrows.
        S: cash up to which it borrows, at least s.
        thresholds: ascending amounts, one for each bracket but the first.

    Raises:
        ValueError: if the problem does not fit, or a parameter is outside its range.

    References:
        - N. M. Girgis (1968), Optimal cash balance levels, Management Science 15(3).
        - E. H. Neave (1970), The stochastic cash balance problem with fixed costs for increases and
          decreases, Management Science 16(7).
    """

    def __init__(self, problem: Any, s: float, S: float, thresholds: Sequence[float]) -> None:
        self.problem = _loans(problem)
        self.s = checks.number("s", s)
        self.S = checks.number("S", S, low=self.s)
        self.thresholds = np.array([checks.number("thresholds", end) for end in thresholds])
        if len(self.thresholds) != len(self.problem.loans) - 2 or np.any(np.diff(self.thresholds) < 0):
            raise ValueError(
                f"thresholds={tuple(thresholds)} must be {len(self.problem.loans) - 2} ascending amounts, "
                "one for each bracket but the first"
            )

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and amount (m,) of observations (m, n)."""
        cash = self.problem.position(observation)
        wanted = self.S - cash
        regime = 1 + np.searchsorted(self.thresholds, wanted, side="right")
        regime = np.where((cash <= self.s) & (wanted > 0), regime, 0)
        return regime, self.problem.loans.project(regime, wanted)


def best_loan_policy(problem: Any) -> LoanPolicy:
    """The best ``LoanPolicy``, by descent from a coarse grid on ``EPISODES`` simulated episodes."""
    loans = _loans(problem)
    state, noise = draw(loans, EPISODES, SEED, PERIODS)
    unit = loans.cash_scale / 40
    base = np.append(0.0, loans.loans.high[1:-1])  # a threshold counts from the end of the bracket before

    def make(point: Point) -> LoanPolicy | None:
        s, lift = unit * point[0], unit * point[1]
        thresholds = base[1:] + unit * np.array(point[2:])
        fits = lift >= 0 and np.all(np.diff(thresholds, prepend=0.0) >= 0)
        return LoanPolicy(loans, s, s + lift, thresholds.tolist()) if fits else None

    def costs(points: list[Point]) -> list[float]:
        policies = [make(point) for point in points]
        return [
            np.inf if policy is None else float(simulate(policy, loans, state, noise).mean())
            for policy in policies
        ]

    others = len(loans.loans) - 2
    coarse = [
        (s, lift, *[threshold] * others)
        for s in (-40, -20, 0, 20)
        for lift in (0, 20, 40, 80)
        for threshold in (-20, 0, 20, 40)
    ]
    best = make(descend(costs, coarse, (8, 8, *[8] * others), starts=3))
    assert best is not None
    return best


def _loans(env: Any) -> LoanBrackets:
    problem = as_problem(env)
    if not isinstance(problem, LoanBrackets):
        raise ValueError(f"{type(problem).__name__}: LoanPolicy is for LoanBrackets")
    return problem
