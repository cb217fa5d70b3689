"""Investment with known returns as a mixed-integer linear programme for one trace."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym.problems.min_investment import RUIN, MinInvestment

from .program import Decisions, Program


def investment(problem: MinInvestment, returns: NDArray[np.float64], state: Any, gap: float) -> Decisions:
    """The best amounts for known returns (periods, v): they maximise final wealth, and so its utility."""
    program, wealth = Program(), float(state.wealth)
    growth = np.maximum(1 + returns.max(axis=1), 1 + problem.risk_free)
    # Amounts are in units of the initial wealth; this is the largest wealth before each period.
    largest = np.cumprod(np.append(1.0, np.maximum(growth, 1.0)))[:, None]
    low, high = problem.min_investment / wealth, problem.max_investment / wealth
    gate = program.variables(returns.shape, high=1.0, integer=True)
    amount = program.variables(returns.shape)
    cash = program.variables((len(returns),))
    final_wealth = program.variables((), cost=-1.0)
    program.switch(amount, gate, low, np.minimum(high, largest[:-1]))
    start = np.append(1.0, np.zeros(len(returns)))
    budget = program.rows(start, start)
    program.put(budget[:-1], cash, 1.0)
    program.put(budget[:-1, None], amount, 1.0)
    program.put(budget[:-1, None], gate, problem.entry_costs / wealth)
    program.put(budget[1:], cash, -(1 + problem.risk_free))
    program.put(budget[1:, None], amount, -(1 + returns))
    program.put(budget[-1], final_wealth, 1.0)
    bound, x = program.minimise(gap)
    entered = np.round(x[gate]).astype(np.int64)
    return -_utility(problem, -bound * wealth), entered, x[amount] * entered * wealth


def _utility(problem: MinInvestment, wealth: float) -> float:
    utility = np.log(max(wealth, RUIN * problem.initial_wealth[1])) if problem.utility == "log" else wealth
    return float(problem.discount ** (problem.horizon - 1) * utility)
