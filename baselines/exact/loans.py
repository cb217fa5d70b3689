"""The optimum of financing with loan brackets: dynamic programming over cash and debt on a fine grid."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, floor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable
from jumpgym.demand import DiscreteDemand
from jumpgym.problems.loan_brackets import LoanBrackets

from .bellman import cheapest, midpoints, refine, rows_by_period
from .lattice import common_step
from .lattice_demand import demand_matrix, demand_weights, standard_deviation, stock_cost
from .refusals import refuse_periods, refuse_traces
from .result import Optimum

WHOLE_LOANS = 64
"""Largest number of amounts of a bracket on a lattice. If there are more, ``LOANS`` amounts are compared."""

LOANS = 40
"""Number of evenly spaced amounts of a bracket that are compared without a lattice."""

CASH_POINTS = 2000
"""Largest number of points of a lattice of cash."""

FINENESS = 16
"""Points of cash per standard deviation of a period's cash need, without a lattice."""

DEVIATIONS = 4.0
"""Reach of the grid, in standard deviations of the cash need until the end."""


class Loan(NamedTuple):
    """One of the loans that are compared.

    Attributes:
        regime, amount: the decision.
        cost: fee and interest.
        cash: cash that is received now, the amount minus the fee.
        due_next: repayment due in the next period.
        column: index, in the table of debts, of the repayment due in two periods.
    """

    regime: int
    amount: float
    cost: float
    cash: float
    due_next: float
    column: int


class LoanRule:
    """Takes the loan with the least expected cost among those of a grid, given the observed cash and debts.

    Args:
        problem: a supported problem.
        step: distance of the grid points of cash.
        loans: amounts to compare, by bracket.

    Attributes:
        step: distance of the grid points of cash.
        expected_cost: expected discounted cost of an episode from the initial state.
    """

    def __init__(self, problem: LoanBrackets, step: float, loans: list[list[float]]) -> None:
        self.problem, self.step = problem, step
        low, high = _reach(problem, max(map(max, loans)))
        self._low = floor(low / step)
        points = step * np.arange(self._low, ceil(high / step) + 1, dtype=np.float64)
        weights = demand_weights(problem.cash_need, step, "cash_need")
        # The loss after this period's need, and the transition of cash, continue linearly beyond the grid.
        self._loss = stock_cost(points, step, weights, -problem.deposit_rate, problem.shortfall_cost)
        transition = demand_matrix(len(points), weights, linear=True)
        table, debts = problem.loans, [0.0]
        self._loans = [Loan(0, 0.0, 0.0, 0.0, 0.0, 0)]
        for regime, amounts in enumerate(loans, start=1):
            fee, interest = table.fixed_cost[regime], table.unit_cost[regime]
            for amount in amounts:
                repayment = (1 + interest) * amount
                is_due_next = table.lead_time[regime] == 1
                cost = fee + interest * amount
                debts += [] if is_due_next else [repayment]
                due_next, column = (repayment, 0) if is_due_next else (0.0, len(debts) - 1)
                self._loans.append(Loan(regime, amount, cost, amount - fee, due_next, column))
        value = np.zeros((len(points), len(debts)))
        self._to_go: list[NDArray[np.float64]] = []
        assert problem.horizon is not None
        for _ in range(problem.horizon):
            self._to_go.append(problem.discount * (transition @ value))
            value, _ = self._best(points[:, None], np.array(debts), self._to_go[-1])
        self._to_go.reverse()
        starts = midpoints(problem.initial_cash)
        self.expected_cost = float(self._interpolated(value[:, 0], starts).mean())

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Optimal regime (m,) and amount (m,) at observations (m, n)."""
        cash = self.problem.position(observation)
        debt = observation[:, 2] if self.problem.max_term > 1 else np.zeros(len(observation))
        loan = np.empty(len(observation), dtype=int)
        for period, rows in rows_by_period(self.problem, observation):
            _, loan[rows] = self._best(cash[rows], debt[rows], self._to_go[period])
        regime = np.array([option.regime for option in self._loans])[loan]
        return regime, np.array([option.amount for option in self._loans])[loan]

    def _best(
        self, cash: NDArray[np.float64], debt: NDArray[np.float64], to_go: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int16]]:
        """Least cost, and the loan with that cost.

        Args:
            cash: cash after this period's repayments.
            debt: repayment due in the next period.
            to_go: discounted expected cost to go (cash, debts) after this period.
        """

        def costs() -> Iterator[tuple[NDArray[np.float64], int]]:
            for option in self._loans:
                available = cash + option.cash
                after_repayment = available - (debt + option.due_next)
                cost = option.cost + self._interpolated(self._loss, available)
                yield cost + self._interpolated(to_go[:, option.column], after_repayment), 0

        best, loan, _ = cheapest(costs(), np.broadcast_shapes(cash.shape, debt.shape))
        return best, loan

    def _interpolated(self, values: NDArray[np.float64], cash: NDArray[np.float64]) -> NDArray[np.float64]:
        """``values`` on the grid, interpolated linearly at ``cash``, and extrapolated beyond the ends."""
        position = cash / self.step - self._low
        below = np.clip(position, 0, len(values) - 2).astype(int)
        result: NDArray[np.float64] = values[below] + (position - below) * np.diff(values)[below]
        return result


def solve_loans(problem: LoanBrackets) -> Optimum:
    """Solve a ``LoanBrackets`` problem whose terms are 1 or 2 periods, up to a small error.

    The state is the cash after this period's repayments, and the debt that is due in the next period. Values
    are interpolated linearly between the points of a grid of cash, and extrapolated linearly beyond it. The
    loans of each bracket come from a grid, so the debts, which are their repayments, need no interpolation.
    If needs, loans, fees and interest are small multiples of one step, the grid is the lattice of that step,
    and the result is exact among loans in multiples of the step. Otherwise ``discretisation_error`` is the
    difference to half the resolution in cash and loans. It is an estimate, not a bound.

    Args:
        problem: the cash need is a distribution.

    Returns:
        The optimum. Its ``rule`` has the attribute ``step``, the distance of the grid points of cash.

    Raises:
        NotApplicable: naming what is not supported and what to do instead.
    """
    if problem.max_term > 2:
        raise NotApplicable(
            f"terms={problem.loans.lead_time[1:].tolist()} are not supported: the debts of longer terms are "
            "more dimensions than fit; they must be 1 or 2; or compare with simulated policies (evaluate)"
        )
    if problem.horizon is None:
        raise NotApplicable(
            "horizon=None is not supported, since drifting cash has no stationary distribution; set a horizon"
        )
    refuse_traces(problem.cash_need, name="cash_need")
    refuse_periods(problem.cash_need, name="cash_need")
    lattice = _lattice(problem)
    deviation = standard_deviation(problem.cash_need)
    grids = [
        (deviation / points, _amounts(problem, count))
        for points, count in ((FINENESS // 2, LOANS // 2), (FINENESS, LOANS))
    ]

    def solve_on(grid: tuple[float, list[list[float]]]) -> Optimum:
        rule = LoanRule(problem, *grid)
        return Optimum(problem, rule, rule.expected_cost)

    return refine(solve_on, grids if lattice is None else [lattice])


def _reach(problem: LoanBrackets, largest: float) -> tuple[float, float]:
    """Ends of the grid of cash, which covers the cash need until the end, and the largest loan."""
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
    """Step and loans of a lattice that holds all amounts of money; None if there is none of moderate size."""
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
    """Evenly spaced amounts of each bracket, over the part of it that can be needed at once."""
    need, periods = problem.cash_need, min(problem.horizon or 1, problem.max_term + 1)
    reach = 2 * DEVIATIONS * (standard_deviation(need) * periods**0.5 + periods * abs(need.mean))
    tops = np.minimum(problem.loans.high, problem.loans.low + reach)
    return [
        np.unique(np.linspace(low, top, count + 1)).tolist()
        for low, top in zip(problem.loans.low[1:], tops[1:], strict=True)
    ]
