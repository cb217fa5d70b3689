"""Classical searches find their optimum at any scale of demand; heavy tails are refused or simulated."""

import time

import numpy as np
import pytest
import scipy.stats as st

from jumpgym import NotApplicable, as_problem
from jumpgym.adapters.registry import make_env
from jumpgym.baselines import best_classical, best_ss, jump_ignoring, solve, stationary_cost
from jumpgym.baselines.policies.stationary import search_steps, stationary_costs
from jumpgym.baselines.policies.two_level_policies import SSPolicy


def exhaustive(problem, levels):
    """The least cost of all (s, S) policies with both parameters among ``levels``."""
    pairs = [(s, S) for s in levels for S in levels if s <= S]
    return min(stationary_costs([SSPolicy(problem, s, S) for s, S in pairs]))


@pytest.mark.parametrize("mean", [0.3, 4, 30])
def test_the_best_ss_policy_is_that_of_exhaustive_search_on_integers(mean):
    problem = as_problem(
        make_env("SetupCost", {"demand": st.poisson(mean), "horizon": 6, "fixed_cost": 20.0})
    )
    levels = np.arange(-2, round(3 * mean) + 12, max(round(mean / 10), 1))
    assert stationary_cost(best_ss(problem)) <= exhaustive(problem, levels) * 1.001


@pytest.mark.parametrize(
    ("demand", "fixed_cost"),
    [(st.uniform(19.9, 0.2), 1.0), (st.uniform(995_000, 10_000), 1e6), (st.gamma(1 / 4, scale=4), 2.0)],
    ids=["cv 0.003", "mean 1e6", "cv 2"],
)
def test_the_best_ss_policy_is_near_the_optimum_at_any_scale(demand, fixed_cost):
    problem = as_problem(
        make_env(
            "SetupCost",
            {"demand": demand, "fixed_cost": fixed_cost, "max_order": 20 * demand.mean(), "horizon": 6},
        )
    )
    policy = best_ss(problem)
    cost, optimum = stationary_cost(policy), solve(problem)
    # Over a finite horizon the optimum changes with the period, so (s, S) policies lie above it by a little.
    assert cost <= optimum.cost * 1.03
    moved = [
        SSPolicy(problem, policy.s + a * demand.std(), policy.S + b * demand.std())
        for a in (-0.2, 0, 0.2)
        for b in (-0.2, 0, 0.2)
        if policy.s + a * demand.std() <= policy.S + b * demand.std()
    ]
    assert cost <= min(stationary_costs(moved)) * 1.001


def test_the_order_up_to_level_is_that_of_the_newsvendor_where_demand_hardly_varies():
    demand = st.uniform(19.9, 0.2)
    problem = as_problem(
        make_env("SetupCost", {"demand": demand, "fixed_cost": 0.0, "max_order": 400.0, "horizon": 5})
    )
    assert pytest.approx(demand.ppf(0.9), abs=0.02) == jump_ignoring(problem).S


@pytest.mark.parametrize(
    ("env_id", "demand"),
    [("SetupCost", [0.0] * 12), ("MinOrder", 0), ("TruckCapacity", 0), ("QuantityDiscount", 0)],
)
def test_an_item_without_demand_is_never_ordered(env_id, demand):
    problem = as_problem(make_env(env_id, {"demand": demand, "initial_inventory": 2.0, "horizon": 5}))
    for policy in (best_classical(problem), jump_ignoring(problem)):
        _, quantity = policy.decide(np.concatenate([[2.0], np.zeros(len(problem.observation_low) - 1)])[None])
        assert quantity.tolist() == [0.0]


@pytest.mark.parametrize(
    ("env_id", "parameters"),
    [
        ("SetupCost", {"max_order": 1e6}),
        ("SetupCost", {"horizon": None}),
        ("OrderSizeLeadTime", {}),
        ("BudgetDiscount", {}),
        ("JointReplenishment", {}),
        ("CapacitatedLotSizing", {}),
        ("LoanBrackets", {}),
    ],
)
@pytest.mark.parametrize("text", ["lognorm(3.0)", "pareto(1.5)", "lognorm(2.5, scale=0.9)"])
def test_solve_refuses_heavy_tails_within_seconds(env_id, parameters, text):
    name = "cash_need" if env_id == "LoanBrackets" else "demand"
    env = as_problem(make_env(env_id, {name: text, **parameters}))
    start = time.perf_counter()
    with pytest.raises(NotApplicable) as caught:
        solve(env)
    assert time.perf_counter() - start < 2
    assert len(str(caught.value)) <= 300
    if env_id in ("JointReplenishment", "CapacitatedLotSizing"):
        assert "states" in str(caught.value)
    else:
        assert f"{name}: its values span" in str(caught.value)


def test_classical_policies_are_compared_by_simulation_where_a_tail_is_too_heavy():
    parameters = {"demand": "lognorm(3.0)", "horizon": 6, "max_order": 1e7}
    problem = as_problem(make_env("SetupCost", parameters))
    assert search_steps(problem)[0] is None
    assert np.isfinite(stationary_cost(SSPolicy(problem, 100.0, 200.0)))
