"""Loans and investments with known noise as mixed-integer linear programmes; one trace at a time.

``gap`` is the relative gap at which the search ends, see ``hindsight_program.Program.minimise``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import RegimeTable
from jumpgym.problems.loan_brackets import LoanBrackets
from jumpgym.problems.min_investment import RUIN, MinInvestment

from .program import Program
from .stock import Decisions, picked, regime_variables


def loans(problem: LoanBrackets, needs: NDArray[np.float64], state: Any, gap: float) -> Decisions:
    """The best loans for known cash needs (periods,) from a state without batch axes."""
    program, periods, table = Program(), len(needs), problem.loans
    unit = problem.cash_scale  # the solver's tolerances are for numbers of order 1
    scaled = RegimeTable(
        table.low / unit, table.high / unit, table.fixed_cost, table.unit_cost * unit, table.lead_time
    )
    weight: NDArray[np.float64] = np.array([problem.discount**t for t in range(periods)])
    gate, loan = regime_variables(program, scaled, weight, scaled.high)
    deposit = program.variables((periods,), cost=-weight * problem.deposit_rate * unit)
    overdraft = program.variables((periods,), cost=weight * problem.shortfall_cost * unit)
    if problem.shortfall_cost < problem.deposit_rate:
        # Otherwise both falling together saves money, and nothing else need keep one of them 0.
        _one_of(program, deposit, overdraft, _largest_balance(problem, needs, state) / unit)
    known = -needs
    known[0] += float(state.cash)
    known[: len(state.due)] -= state.due[:periods]
    balance = program.rows(known / unit, known / unit)
    for sign, account in ((1.0, deposit), (-1.0, overdraft)):
        program.put(balance, account, sign)
        program.put(balance[1:], account[:-1], -sign)
    program.put(balance[:, None], loan, -1.0)
    program.put(balance[:, None], gate, table.fixed_cost / unit)
    for k, term in enumerate(table.lead_time):
        program.put(balance[term:], loan[: max(periods - term, 0), k], 1 + table.unit_cost[k])
    cost, x = program.minimise(gap)
    regime, quantity = picked(gate, loan, x)
    return cost, regime, quantity * unit


def investment(problem: MinInvestment, returns: NDArray[np.float64], state: Any, gap: float) -> Decisions:
    """The best amounts for known returns (periods, v): they maximise the last wealth, and so its utility."""
    program, wealth = Program(), float(state.wealth)
    growth = np.maximum(1 + returns.max(axis=1), 1 + problem.risk_free)
    most = np.cumprod(np.append(1.0, np.maximum(growth, 1.0)))[:, None]  # wealth before each period, at most
    low, high = problem.min_investment / wealth, problem.max_investment / wealth
    affordable = np.minimum(high, most[:-1])
    gate = program.variables(returns.shape, high=1.0, integer=True)
    amount = program.variables(returns.shape)
    cash = program.variables((len(returns),))
    last = program.variables((), cost=-1.0)
    for end, limits in ((low, (0.0, np.inf)), (affordable, (-np.inf, 0.0))):
        rows = program.rows(np.full(returns.shape, limits[0]), limits[1])
        program.put(rows, amount, 1.0)
        program.put(rows, gate, -end)
    budget = program.rows(np.append(1.0, np.zeros(len(returns))), np.append(1.0, np.zeros(len(returns))))
    program.put(budget[:-1], cash, 1.0)
    program.put(budget[:-1, None], amount, 1.0)
    program.put(budget[:-1, None], gate, problem.entry_costs / wealth)
    program.put(budget[1:], cash, -(1 + problem.risk_free))
    program.put(budget[1:, None], amount, -(1 + returns))
    program.put(budget[-1], last, 1.0)
    bound, x = program.minimise(gap)
    chosen = np.round(x[gate]).astype(np.int64)
    return -_utility(problem, -bound * wealth), chosen, x[amount] * chosen * wealth


def _utility(problem: MinInvestment, wealth: float) -> float:
    utility = np.log(max(wealth, RUIN * problem.initial_wealth[1])) if problem.utility == "log" else wealth
    return float(problem.discount ** (problem.horizon - 1) * utility)


def _one_of(program: Program, first: NDArray[np.int64], second: NDArray[np.int64], most: float) -> None:
    """Keep one of two variables 0 in each period; neither exceeds ``most``."""
    which = program.variables(first.shape, high=1.0, integer=True)
    for variable, sign, end in ((first, -most, 0.0), (second, most, most)):
        rows = program.rows(np.full(first.shape, -np.inf), end)
        program.put(rows, variable, 1.0)
        program.put(rows, which, sign)


def _largest_balance(problem: LoanBrackets, needs: NDArray[np.float64], state: Any) -> float:
    """A bound of the absolute value of the cash."""
    table = problem.loans
    each = float((table.high * (2 + table.unit_cost) + table.fixed_cost).sum())
    known = abs(float(state.cash)) + float(np.abs(state.due).sum() + np.abs(needs).sum())
    return known + len(needs) * each
