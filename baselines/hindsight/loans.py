"""Loans with known cash needs as a mixed-integer linear programme for one trace."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import RegimeTable
from jumpgym.problems.loan_brackets import LoanBrackets

from .inventory import picked, regime_variables
from .program import Decisions, Program


def loans(problem: LoanBrackets, needs: NDArray[np.float64], state: Any, gap: float) -> Decisions:
    """The best loans for known cash needs (periods,) from a state without batch axes."""
    program, periods, table = Program(), len(needs), problem.loans
    unit = problem.cash_scale  # the solver's tolerances suit numbers of order 1
    scaled = RegimeTable(
        table.low / unit, table.high / unit, table.fixed_cost, table.unit_cost * unit, table.lead_time
    )
    weight: NDArray[np.float64] = np.array([problem.discount**t for t in range(periods)])
    gate, loan = regime_variables(program, scaled, weight, scaled.high)
    deposit = program.variables((periods,), cost=-weight * problem.deposit_rate * unit)
    overdraft = program.variables((periods,), cost=weight * problem.shortfall_cost * unit)
    if problem.shortfall_cost < problem.deposit_rate:
        # Otherwise lowering both saves money, so that one of them is 0 anyway.
        _one_of(program, deposit, overdraft, _largest_balance(problem, needs, state) / unit)
    income = -needs
    income[0] += float(state.cash)
    income[: len(state.due)] -= state.due[:periods]
    balance = program.rows(income / unit, income / unit)
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


def _one_of(program: Program, first: NDArray[np.int64], second: NDArray[np.int64], most: float) -> None:
    """Keep one of two variables at 0 in each period; neither exceeds ``most``."""
    is_second = program.variables(first.shape, high=1.0, integer=True)
    for variable, sign, end in ((first, -most, 0.0), (second, most, most)):
        rows = program.rows(np.full(first.shape, -np.inf), end)
        program.put(rows, variable, 1.0)
        program.put(rows, is_second, sign)


def _largest_balance(problem: LoanBrackets, needs: NDArray[np.float64], state: Any) -> float:
    """A bound on the absolute value of the cash."""
    table = problem.loans
    per_period = float((table.high * (2 + table.unit_cost) + table.fixed_cost).sum())
    present = abs(float(state.cash)) + float(np.abs(state.due).sum() + np.abs(needs).sum())
    return present + len(needs) * per_period
