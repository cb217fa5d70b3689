"""``solve``: the optimum of any problem whose class has an exact solver."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

from jumpgym import CapacitatedLotSizing, JointReplenishment, SingleItemInventory
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.loan_brackets import LoanBrackets
from jumpgym.problems.min_investment import MinInvestment
from jumpgym.problems.switched_lqr import SwitchedLQR

from .exact.budget import solve_budget
from .exact.investment import solve_investment
from .exact.joint import solve_joint
from .exact.loans import solve_loans
from .exact.result import DecisionRule, Exactness, Optimum
from .exact.single_item import solve_single_item
from .exact.switched_lqr import solve_lqr
from .generic import resolve

__all__ = ["DecisionRule", "Exactness", "Optimum", "solve"]


@singledispatch
def solve(problem: Any) -> Optimum:
    """Solve a problem to optimality.

    The method depends on the class of the problem: see ``solve_single_item``, ``solve_joint``,
    ``solve_budget``, ``solve_investment``, ``solve_loans`` and ``solve_lqr`` for methods and limits. Add a
    solver for a class of your own by ``solve.register(MyProblem, my_solver)``, where ``my_solver`` takes the
    problem and returns an ``Optimum``.

    Args:
        problem: problem, environment or environment id.

    Returns:
        The optimal policy with its cost and how exact that is.

    Raises:
        NotApplicable: if there is no solver for the problem, naming what is not supported and what to do
            instead.
        TypeError: if ``problem`` is not a jumpgym problem.
    """
    return solve(resolve(solve, problem, "the optimum"))


solve.register(SingleItemInventory, solve_single_item)
solve.register(JointReplenishment, solve_joint)
solve.register(CapacitatedLotSizing, solve_joint)
solve.register(BudgetDiscount, solve_budget)
solve.register(MinInvestment, solve_investment)
solve.register(LoanBrackets, solve_loans)
solve.register(SwitchedLQR, solve_lqr)
