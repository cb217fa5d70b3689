"""Financing with loan brackets by dynamic programming over cash and debt on a fine grid."""

from __future__ import annotations

from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from jumpgym import as_problem
from jumpgym.demand import DiscreteDemand, TraceDemand
from jumpgym.problems.loan_brackets import LoanBrackets

from ..policy import Policy
from .lattice import common_step, demand_weights, standard_deviation, stock_cost

WHOLE_LOANS = 64
"""Most loans of a bracket on a lattice; beyond, their amounts are spread evenly."""

LOANS = 40
"""Amounts of a bracket otherwise."""

CASH_POINTS = 2000
"""Most points of a lattice of cash."""

FINENESS = 16
"""Points of cash to the standard deviation of a period's need otherwise."""

DEVIATIONS = 4.0
"""Reach of the grid, in standard deviations of what is needed until the end."""


class Loan(NamedTuple):
    """A decision of the grid: regime, amount, its fee and interest, and what is due in 1 and in 2 periods."""

    regime: int
    amount: float
    cost: float
    cash: float
    due_next: float
    column: int


class LoanOptimum(Policy):
    """An optimal policy up to the error of the grid, as ``solve_loans`` returns it.

    It takes the loan, of those on the grid, of the least expected cost from the cash and the debts observed.

    Attributes:
        expected_cost: expected discounted cost of an episode from the initial state.
        discretisation_error: estimated error of ``expected_cost``: its difference to that of half the
            resolution in cash and loans, an estimate, not a bound; 0 on a lattice, where loans are in
            multiples of ``step``.
        step: distance of the grid points of cash.
    """

    def __init__(self, problem: LoanBrackets, step: float, loans: list[list[float]]) -> None:
        self.problem, self.step, self.discretisation_error = problem, step, 0.0
        low, high = _reach(problem, max(map(max, loans)))
        self._low = floor(low / step)
        points = step * np.arange(self._low, ceil(high / step) + 1, dtype=np.float64)
        weights = demand_weights(problem.cash_need, step)
        # The loss after this period's need, and the transition of cash; both go on linearly beyond the grid.
        self._loss = stock_cost(points, step, weights, -problem.deposit_rate, problem.shortfall_cost)
        first, probabilities = weights
        left = np.arange(len(points))[:, None] - (first + np.arange(len(probabilities)))
        inside = np.clip(left, 0, len(points) - 2)
        transition = np.zeros((len(points), len(points)))
        row = np.arange(len(points))[:, None]
        np.add.at(transition, (row, inside), probabilities * (1 - (left - inside)))
        np.add.at(transition, (row, inside + 1), probabilities * (left - inside))

        table, debts = problem.loans, [0.0]
        self._loans = [Loan(0, 0.0, 0.0, 0.0, 0.0, 0)]
        for regime, amounts in enumerate(loans, start=1):
            fee, interest = table.fixed_cost[regime], table.unit_cost[regime]
            for amount in amounts:
                repayment = (1 + interest) * amount
                soon = table.lead_time[regime] == 1
                cost = fee + interest * amount
                debts += [] if soon else [repayment]
                due_next, column = (repayment, 0) if soon else (0.0, len(debts) - 1)
                self._loans.append(Loan(regime, amount, cost, amount - fee, due_next, column))
        value = np.zeros((len(points), len(debts)))
        self._to_go: list[NDArray[np.float64]] = []
        assert problem.horizon is not None
        for _ in range(problem.horizon):
            self._to_go.append(problem.discount * (transition @ value))
            value, _ = self._best(points[:, None], np.array(debts), self._to_go[-1])
        self._to_go.reverse()
        start, end = problem.initial_cash
        starts = start + (end - start) * (np.arange(512) + 0.5) / 512
        self.expected_cost = float(self._interpolated(value[:, 0], starts).mean())

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and amount (m,) of observations (m, n)."""
        assert self.problem.horizon is not None
        period = np.clip(np.round(observation[:, -1]), 0, self.problem.horizon - 1).astype(int)
        cash = self.problem.position(observation)
        debt = observation[:, 2] if self.problem.max_term > 1 else np.zeros(len(observation))
        loan = np.empty(len(observation), dtype=int)
        for now in np.unique(period):
            rows = period == now
            _, loan[rows] = self._best(cash[rows], debt[rows], self._to_go[now])
        regime = np.array([option.regime for option in self._loans])[loan]
        return regime, np.array([option.amount for option in self._loans])[loan]

    def _best(
        self, cash: NDArray[np.float64], debt: NDArray[np.float64], to_go: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Least cost and the index of its loan, at cash after this period's dues and debt due in the next."""
        shape = np.broadcast_shapes(cash.shape, debt.shape)
        best, loan = np.full(shape, np.inf), np.zeros(shape, dtype=np.int64)
        for index, option in enumerate(self._loans):
            ready = cash + option.cash
            left = ready - (debt + option.due_next)
            cost = option.cost + self._interpolated(self._loss, ready)
            cost = cost + self._interpolated(to_go[:, option.column], left)
            better = cost < best
            np.copyto(best, cost, where=better)
            loan[better] = index
        return best, loan

    def _interpolated(self, values: NDArray[np.float64], cash: NDArray[np.float64]) -> NDArray[np.float64]:
        """``values`` of the grid at ``cash``: linear between its points and beyond its ends."""
        place = cash / self.step - self._low
        below = np.clip(place, 0, len(values) - 2).astype(int)
        result: NDArray[np.float64] = values[below] + (place - below) * np.diff(values)[below]
        return result


def solve_loans(problem: Any) -> LoanOptimum:
    """Solve a ``LoanBrackets`` problem whose terms are 1 or 2 periods, up to a small error.

    The state is the cash after this period's repayments, and what is due in the next. Values are
    interpolated linearly between the points of a grid of cash, and go on linearly beyond it; loans are taken
    from a grid of each bracket, so that the debts, which are their repayments, need no interpolation. Where
    needs, loans, fees and interest are few multiples of one step, that lattice is used, and the result is
    exact among loans in multiples of the step.

    Args:
        problem: problem, environment or environment id. The cash need is a distribution.

    Raises:
        NotImplementedError: naming what is not supported and what to do instead.
        TypeError: if ``problem`` is no jumpgym problem.
    """
    problem = _supported(problem)
    lattice = _lattice(problem)
    if lattice is not None:
        return LoanOptimum(problem, *lattice)
    deviation = standard_deviation(problem.cash_need)
    coarse, fine = (
        LoanOptimum(problem, deviation / points, _amounts(problem, count))
        for points, count in ((FINENESS // 2, LOANS // 2), (FINENESS, LOANS))
    )
    fine.discretisation_error = abs(fine.expected_cost - coarse.expected_cost)
    return fine


def _supported(env: Any) -> LoanBrackets:
    problem = as_problem(env)
    if not isinstance(problem, LoanBrackets):
        raise NotImplementedError(f"{type(problem).__name__}: solve_loans is for LoanBrackets")
    if problem.max_term > 2:
        raise NotImplementedError(
            f"terms={problem.loans.lead_time[1:].tolist()} are not supported: the debts of longer terms are "
            "more dimensions than fit; they must be 1 or 2; or compare with simulated policies (evaluate)"
        )
    if problem.horizon is None:
        raise NotImplementedError(
            "horizon=None is not supported: cash that nothing draws back has no stationary law; set a horizon"
        )
    if isinstance(problem.cash_need, TraceDemand):
        raise NotImplementedError(
            "cash_need: traces are not supported, since their periods depend on each other; pass a frozen "
            "scipy.stats distribution fitted to them, or compare policies on the traces with evaluate"
        )
    return problem


def _reach(problem: LoanBrackets, largest: float) -> tuple[float, float]:
    """Ends of the grid of cash: what can be needed until the end, and the largest loan with its interest."""
    need, periods = problem.cash_need, problem.horizon
    assert periods is not None
    spread = DEVIATIONS * standard_deviation(need) * periods**0.5
    low = problem.initial_cash[0] - min(periods * max(need.max, 0.0), periods * max(need.mean, 0.0) + spread)
    high = problem.initial_cash[1] + min(
        periods * max(-need.min, 0.0), periods * max(-need.mean, 0.0) + spread
    )
    most = largest * (1 + float(problem.loans.unit_cost.max()))
    return min(low, 0.0) - most, max(high, 0.0) + most


def _lattice(problem: LoanBrackets) -> tuple[float, list[list[float]]] | None:
    """The step and the loans of a lattice on which all money lies; None if there is none, or one too fine."""
    loans, need = problem.loans, problem.cash_need
    if not isinstance(need, DiscreteDemand) or problem.initial_cash[0] != problem.initial_cash[1]:
        return None
    money = [need.values, loans.low, loans.high, loans.fixed_cost, np.array(problem.initial_cash)]
    unit = common_step(np.abs(np.concatenate(money)))
    if unit is None or np.any(loans.high - loans.low > WHOLE_LOANS * unit):
        return None
    amounts = [
        (unit * np.arange(round(low / unit), round(high / unit) + 1)).tolist()
        for low, high in zip(loans.low[1:], loans.high[1:], strict=True)
    ]
    step = common_step([unit, *(unit * loans.unit_cost)])
    low, high = _reach(problem, float(loans.high.max()))
    return None if step is None or high - low > CASH_POINTS * step else (step, amounts)


def _amounts(problem: LoanBrackets, count: int) -> list[list[float]]:
    """Amounts of each bracket, evenly spread over as much of it as may be needed at once."""
    need, periods = problem.cash_need, min(problem.horizon or 1, problem.max_term + 1)
    reach = 2 * DEVIATIONS * (standard_deviation(need) * periods**0.5 + periods * abs(need.mean))
    tops = np.minimum(problem.loans.high, problem.loans.low + reach)
    return [
        np.unique(np.linspace(low, top, count + 1)).tolist()
        for low, top in zip(problem.loans.low[1:], tops[1:], strict=True)
    ]
