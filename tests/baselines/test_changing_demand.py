"""Problems with a distribution of demand for each period: classical policies, hindsight, the optimum."""

import numpy as np
import pytest
import scipy.stats as st
from exhaustive import all_decisions, check_optimum, cost_of, least_cost, of_items, two_point

from jumpgym import (
    CapacitatedLotSizing,
    JointReplenishment,
    JointReplenishmentEnv,
    LoanBracketsEnv,
    NotApplicable,
    RegimeTable,
    SetupCostEnv,
    SingleItemInventory,
    as_problem,
)
from jumpgym.baselines import best_classical, hindsight_cost, solve
from jumpgym.baselines.evaluation import draw, evaluate
from jumpgym.baselines.policies.stationary import exact_cost
from jumpgym.baselines.policies.two_level_policies import SSPolicy
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.setup_cost import setup_cost

PERIODS = [st.poisson(2), st.poisson(8), st.poisson(1)]
FIRST = [two_point(0, 1, 0.5), two_point(1, 3, 0.4), two_point(0, 2, 0.7), two_point(2, 3, 0.2)]
SECOND = [two_point(1, 2, 0.6), two_point(0, 1, 0.9), two_point(2, 2, 0.5), two_point(0, 2, 0.5)]
COSTS = {"holding_cost": 1, "shortage_cost": 6, "discount": 0.9}


def distributions(periods):
    return [
        st.rv_discrete(values=(values.ravel(), weights)) if np.ptp(values) else float(values[0, 0])
        for values, weights in periods
    ]


def regimes(*lead_times):
    return RegimeTable([0, 1, 3], [0, 3, 4], [0, 2, 5], [0, 0.5, 0.25], lead_times)


def single(*lead_times, periods=FIRST[:3], **parameters):
    demand = distributions(periods)
    return SingleItemInventory(
        regimes(*lead_times), demand=demand, horizon=len(demand), **{**COSTS, **parameters}
    )


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
@pytest.mark.parametrize(
    "lead_times", [(0, 0, 0), (1, 1, 1), (2, 2, 2), (0, 0, 1), (1, 1, 2), (0, 0, 2)]
)  # fmt: skip
def test_one_item_is_as_cheap_as_all_decisions(unmet_demand, lead_times):
    periods = FIRST[: 3 + (max(lead_times) == 2)]
    problem = single(*lead_times, periods=periods, unmet_demand=unmet_demand, initial_inventory=1.0)
    optimum = solve(problem)
    expected = least_cost(problem, all_decisions(problem, np.arange(5.0)), periods)
    assert optimum.expected_cost == pytest.approx(expected, rel=1e-9)
    assert cost_of(optimum, problem, periods) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("lead_time", [0, 1])
def test_the_order_of_the_periods_matters(lead_time):
    given, turned = (single(*[lead_time] * 3, periods=periods) for periods in (FIRST, FIRST[::-1]))
    assert abs(solve(given).expected_cost - solve(turned).expected_cost) > 0.1


@pytest.mark.parametrize("parameters", [{}, {"unmet_demand": "backlog", "lead_time": 1}])
def test_a_budget_is_as_cheap_as_all_decisions(parameters):
    problem = BudgetDiscount(
        budget=4, breakpoints=(), unit_costs=(1.0,), income=1, max_order=6, horizon=4,
        demand=distributions(FIRST), holding_cost=0.25, shortage_cost=3, **parameters,
    )  # fmt: skip
    optimum = solve(problem)
    expected = least_cost(problem, all_decisions(problem, np.arange(7.0)), FIRST)
    assert optimum.expected_cost == pytest.approx(expected, rel=1e-9)
    assert cost_of(optimum, problem, FIRST) == pytest.approx(expected, rel=1e-9)


TRUCKS = {"item_costs": [1, 2], "truck_capacity": 2, "max_trucks": 2, "truck_cost": 4}


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (JointReplenishment, TRUCKS),
        (JointReplenishment, {**TRUCKS, "lead_time": 1}),
        (JointReplenishment, {**TRUCKS, "full_trucks": True, "unmet_demand": "lost"}),
        (CapacitatedLotSizing, {"capacity": 4, "setup_times": 1, "unmet_demand": "lost"}),
    ],
)
def test_two_items_are_as_cheap_as_all_decisions(make, parameters):
    first, second = FIRST[:3], [SECOND[0]] * 3
    problem = make(
        demand=[distributions(first), distributions(second)[0]], horizon=3,
        initial_inventory=np.array([1.0, 0.0]), **COSTS, **parameters,
    )  # fmt: skip
    demand = [of_items(*pair) for pair in zip(first, second, strict=True)]
    check_optimum(problem, demand, np.arange(5.0), np.arange(5.0))


def test_equal_periods_are_one_distribution():
    demand = st.poisson(4)
    for make, several in ((setup_cost, [demand] * 8), (JointReplenishment, [[demand] * 8, demand])):
        one = make(demand=demand if make is setup_cost else [demand, demand], horizon=8, lead_time=1)
        each = make(demand=several, horizon=8, lead_time=1)
        assert solve(each).expected_cost == pytest.approx(solve(one).expected_cost, rel=1e-12)


def test_continuous_demand_by_period_costs_what_is_simulated():
    demand = [st.gamma(20, scale=1 + (t % 3)) for t in range(6)]
    problem = setup_cost(demand=demand, horizon=6, lead_time=1)
    optimum, result = solve(problem), evaluate(solve(problem), problem, 4096, seed=1)
    assert abs(result.mean - optimum.expected_cost) < 4 * result.standard_error
    assert result.standard_error < 0.01 * result.mean


@pytest.mark.parametrize("parameters", [{}, {"lead_time": 2}, {"lead_time": 1, "unmet_demand": "lost"}])
def test_the_cost_of_a_classical_policy_is_exact(parameters):
    problem = setup_cost(demand=distributions(FIRST), horizon=4, fixed_cost=3, max_order=20, **parameters)
    policy = SSPolicy(problem, s=1, S=4)
    assert exact_cost(policy) == pytest.approx(cost_of(policy, problem, FIRST), rel=1e-9)


def test_what_solve_refuses_is_named():
    with pytest.raises(ValueError, match=r"demand: a list of 3 distributions.* needs a finite horizon"):
        solve(SetupCostEnv(demand=PERIODS, horizon=None))
    with pytest.raises(NotApplicable, match="cash_need: a distribution for each period is not supported"):
        solve(LoanBracketsEnv(cash_need=[st.norm(1), st.norm(2)], horizon=2))


@pytest.mark.parametrize("make", [SetupCostEnv, JointReplenishmentEnv])
def test_no_classical_policy_costs_less_than_hindsight(make):
    items = {"items": 2} if make is JointReplenishmentEnv else {}
    env = make(demand=[PERIODS, PERIODS] if items else PERIODS, horizon=3, **items)
    start, noise = draw(as_problem(env), 8, 0)
    bounds = hindsight_cost(env, noise, start)
    costs = evaluate(best_classical(env), env, 8).costs
    assert np.all(costs >= bounds - 1e-6 * np.abs(bounds))
    assert costs.mean() < 10 * bounds.mean()
