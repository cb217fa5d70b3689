"""``solve``: the optimum of any problem whose family has an exact solver."""

from __future__ import annotations

from typing import Any

from jumpgym import as_problem

from .dispatch import lookup
from .exact.lattice_policy import Optimum

__all__ = ["Optimum", "solve"]

SOLVERS = {
    "SingleItemInventory": "exact.single_item_optimum:solve_single_item",
    "JointReplenishment": "exact.joint_optimum:solve_joint",
    "CapacitatedLotSizing": "exact.joint_optimum:solve_joint",
    "BudgetDiscount": "exact.budget_optimum:solve_budget",
    "MinInvestment": "exact.investment_optimum:solve_investment",
    "LoanBrackets": "exact.loan_optimum:solve_loans",
    "SwitchedLQR": "exact.lqr_optimum:solve_lqr",
}
"""The solver of each family, by the name of the problem's class."""


def solve(problem: Any) -> Any:
    """Solve a problem to optimality; see the solver of its family in ``SOLVERS`` for method and limits.

    Args:
        problem: problem, environment or environment id.

    Returns:
        A policy with the attributes ``expected_cost`` (expected discounted cost of an episode from the
        initial state) and ``discretisation_error`` (its estimated error from a grid, 0 where there is none);
        without an end also ``average_cost`` (cost of a period in the long run, at discount 1) and
        ``error_bound``.

    Raises:
        NotImplementedError: for what has no solver, naming what is not supported and what to do instead.
        TypeError: if ``problem`` is no jumpgym problem.
    """
    problem = as_problem(problem)
    return lookup(SOLVERS, problem, "the optimum")(problem)
