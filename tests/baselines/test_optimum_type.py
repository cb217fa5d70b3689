"""``Optimum`` over the registry and over infinite horizons; solvers for problems from outside the package."""

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats

import jumpgym
from jumpgym import as_problem
from jumpgym.baselines import Exactness, Optimum, solve
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.capacitated_lot_sizing import CapacitatedLotSizing
from jumpgym.problems.joint_replenishment import JointReplenishment
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.switched_lqr import SwitchedLQR

SHORT = {"BudgetDiscount": 4, "LoanBrackets": 4, "MinInvestment": 3, "SwitchedLQR": 3}
"""Horizons of environments whose solvers take long."""

INFINITE = [
    setup_cost(horizon=None),
    setup_cost(horizon=None, discount=0.9),
    JointReplenishment(horizon=None),
    CapacitatedLotSizing(horizon=None, discount=0.95),
    BudgetDiscount(
        horizon=None, budget=4, breakpoints=(4,), unit_costs=(2.0, 1.5), income=2.5, max_order=6,
        demand=scipy.stats.rv_discrete(values=([1, 3], [0.4, 0.6])),
    ),
]  # fmt: skip


def check(optimum, problem):
    assert type(optimum) is Optimum
    assert optimum.problem is problem
    for name in ("cost", "error_bound", "discretisation_error"):
        assert type(getattr(optimum, name)) is float, name
    assert np.isfinite(optimum.cost)
    assert optimum.error_bound >= 0
    average = problem.horizon is None and problem.discount == 1
    assert optimum.average_cost == (optimum.cost if average else None)
    assert optimum.expected_cost == (None if average else optimum.cost)
    assert isinstance(optimum.exactness, Exactness)
    text = repr(optimum)
    assert text.startswith(f"Optimum({'average' if average else 'expected'}_cost={optimum.cost:.8g}, error_")
    assert f"exactness='{optimum.exactness}'" in text


@pytest.mark.parametrize("env", sorted(jumpgym.ENVIRONMENTS))
def test_the_optimum_of_every_environment(env):
    name = env.split("/")[1].removesuffix("-v0")
    problem = as_problem(gym.make(env, horizon=SHORT.get(name, 10)))
    optimum = solve(problem)
    check(optimum, problem)
    on_grid = name in ("LoanBrackets", "MinInvestment", "SwitchedLQR")
    assert optimum.exactness == ("grid" if on_grid else "exact")


@pytest.mark.parametrize("problem", INFINITE, ids=lambda problem: type(problem).__name__)
def test_the_optimum_over_an_infinite_horizon(problem):
    optimum = solve(problem)
    check(optimum, problem)
    assert 0 < optimum.error_bound < 1e-4 * max(abs(optimum.cost), 1)


def test_an_upper_bound_says_so():
    A, B = 0.5 * np.eye(3)[None], np.ones((1, 3, 1))
    problem = SwitchedLQR(A=A, B=B, noise_covariance=0.1, initial_state=(1.0, 0.0, 0.0), horizon=3)
    optimum = solve(problem)
    assert optimum.exactness == Exactness.UPPER_BOUND
    assert "discretisation_error=nan, exactness='upper bound'" in repr(optimum)
