"""Orders in multiples: the optimum, classical policies and hindsight against all decisions."""

import itertools

import numpy as np
import pytest
import scipy.stats as st
from exhaustive import all_decisions, check_optimum, cost_of, least_cost, of_items, two_point

from jumpgym import CapacitatedLotSizing, JointReplenishment, NotApplicable, RegimeTable, SingleItemInventory
from jumpgym.baselines import SnQPolicy, best_classical, best_ss, hindsight_cost, solve
from jumpgym.baselines.hindsight.cost import hindsight_plan
from jumpgym.baselines.policies.lot_policies import best_snq
from jumpgym.baselines.policies.stationary import exact_cost, stationary_cost, stationary_costs
from jumpgym.baselines.policies.two_level_policies import SSPolicy
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.setup_cost import setup_cost

VALUES, SHARES = [0, 1, 3], [0.3, 0.3, 0.4]
DEMAND = st.rv_discrete(values=(VALUES, SHARES))
PERIOD = np.array(VALUES, dtype=float)[:, None], np.array(SHARES)
COSTS = {"holding_cost": 1, "shortage_cost": 6, "discount": 0.9}


def single(lead_times, multiple, unmet_demand, **parameters):
    regimes = RegimeTable([0, 1, 5], [0, 5, 10], [0, 2, 5], [0, 0.5, 0.25], lead_times)
    return SingleItemInventory(
        regimes, demand=DEMAND, order_multiple=multiple, unmet_demand=unmet_demand,
        **{"horizon": 3, "initial_inventory": 1.0, **COSTS, **parameters},
    )  # fmt: skip


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
@pytest.mark.parametrize("lead_times", [(0, 0, 0), (1, 1, 1), (2, 2, 2), (0, 0, 1), (0, 1, 2)])
@pytest.mark.parametrize("multiple", [1.5, 5])
def test_one_item_is_as_cheap_as_all_multiples(unmet_demand, lead_times, multiple):
    problem = single(lead_times, multiple, unmet_demand)
    optimum = solve(problem)
    demand = [PERIOD] * problem.horizon
    expected = least_cost(problem, all_decisions(problem, np.arange(0, 11, multiple)), demand)
    assert optimum.discretisation_error == 0
    assert optimum.expected_cost == pytest.approx(expected, rel=1e-9)
    assert cost_of(optimum, problem, demand) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("parameters", [{"lead_time": 1}, {"unmet_demand": "lost"}])
def test_a_multiple_that_dwarfs_demand_costs_what_all_multiples_cost(parameters):
    """The lattice must reach as far as an order, and what lies below it depends on the multiple."""
    problem = setup_cost(demand=DEMAND, order_multiple=9, fixed_cost=3, horizon=7, max_order=18, **parameters)
    expected = least_cost(problem, all_decisions(problem, [0, 9, 18]), [PERIOD] * 7)
    assert solve(problem).expected_cost == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("multiple", [2, 3])
@pytest.mark.parametrize(
    "parameters",
    [{"unmet_demand": "backlog", "lead_time": 1}, {"breakpoints": (4,), "unit_costs": (1.0, 0.75)}],
)
def test_a_budget_is_as_cheap_as_all_multiples(multiple, parameters):
    problem = BudgetDiscount(**{
        "budget": 4, "breakpoints": (), "unit_costs": (1.0,), "income": 1, "max_order": 6, "horizon": 4,
        "demand": DEMAND, "holding_cost": 0.25, "shortage_cost": 3, "order_multiple": multiple, **parameters,
    })  # fmt: skip
    optimum = solve(problem)
    demand = [PERIOD] * 4
    expected = least_cost(problem, all_decisions(problem, np.arange(0, 7, multiple)), demand)
    assert optimum.expected_cost == pytest.approx(expected, rel=1e-9)
    assert cost_of(optimum, problem, demand) == pytest.approx(expected, rel=1e-9)


TRUCKS = {"item_costs": [1, 2], "truck_capacity": 4, "max_trucks": 2, "truck_cost": 4}


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (JointReplenishment, {**TRUCKS, "order_multiple": [2, 3]}),
        (JointReplenishment, {**TRUCKS, "order_multiple": 2, "lead_time": 1}),
        (JointReplenishment, {**TRUCKS, "order_multiple": 2, "full_trucks": True, "unmet_demand": "lost"}),
        (CapacitatedLotSizing, {"capacity": 7, "setup_times": 1, "order_multiple": [2, 1.5]}),
    ],
)
def test_two_items_are_as_cheap_as_all_multiples(make, parameters):
    pair = two_point(0, 2, 0.4), two_point(1, 2, 0.6)
    problem = make(
        demand=[st.rv_discrete(values=(values.ravel(), weights)) for values, weights in pair], horizon=3,
        initial_inventory=np.array([1.0, 0.0]), **COSTS, **parameters,
    )  # fmt: skip
    orders = [np.arange(0, 9, multiple) for multiple in problem.order_multiple]
    check_optimum(problem, [of_items(*pair)] * 3, *orders)


def test_the_long_run_is_what_long_horizons_tend_to():
    parameters = {"demand": st.poisson(5), "order_multiple": 12, "fixed_cost": 16}
    average = solve(setup_cost(horizon=None, **parameters)).average_cost
    long, longer = (solve(setup_cost(horizon=horizon, **parameters)).expected_cost for horizon in (100, 150))
    assert average == pytest.approx((longer - long) / 50, rel=1e-6)
    assert average > solve(setup_cost(horizon=None, **{**parameters, "order_multiple": 1})).average_cost + 0.1


def test_a_long_run_that_depends_on_the_start_is_refused():
    certain = {"demand": 8.0, "order_multiple": 4, "horizon": None}
    with pytest.raises(NotApplicable, match="multiples of 4, so the average cost depends on the start"):
        solve(setup_cost(initial_inventory=3, **certain))
    with pytest.raises(NotApplicable, match="of item 0 with horizon=None is not supported"):
        solve(JointReplenishment(items=1, initial_inventory=3, max_trucks=2, **certain))
    assert solve(setup_cost(initial_inventory=4, **certain)).average_cost == pytest.approx(28)


@pytest.mark.parametrize("policy", [(SSPolicy, 0, 3), (SnQPolicy, 0, 4)])
def test_the_cost_of_a_policy_is_exact(policy):
    kind, *levels = policy
    problem = setup_cost(demand=DEMAND, order_multiple=2, fixed_cost=3, horizon=4, max_order=20)
    built = kind(problem, *levels)
    assert exact_cost(built) == pytest.approx(cost_of(built, problem, [PERIOD] * 4), rel=1e-9)


def test_the_best_lots_are_those_of_an_exhaustive_search():
    problem = setup_cost(demand=DEMAND, order_multiple=3, fixed_cost=16, horizon=None, max_order=30)
    best = best_snq(problem)
    tried = [SnQPolicy(problem, s, Q) for s, Q in itertools.product(range(5), range(3, 25, 3))]
    assert stationary_cost(best) == pytest.approx(stationary_costs(tried).min(), rel=1e-6)
    assert exact_cost(best_classical(problem)) <= stationary_cost(best) + 1e-9
    with pytest.raises(ValueError, match="Q=4 must be a multiple of order_multiple=3"):
        SnQPolicy(problem, 3, 4)


def test_lots_are_optimal_without_a_setup_cost():
    """Veinott (1965)."""
    problem = setup_cost(demand=DEMAND, order_multiple=4, fixed_cost=0, horizon=None, max_order=20)
    assert stationary_cost(best_snq(problem)) == pytest.approx(solve(problem).average_cost, rel=1e-6)
    assert stationary_cost(best_ss(problem)) >= solve(problem).average_cost - 1e-6


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
@pytest.mark.parametrize("lead_time", [0, 1])
@pytest.mark.parametrize("trace", [[0.0, 2.5, 3.0, 1.0], [3.5, 0.0, 4.0, 0.5]])
def test_hindsight_is_the_best_of_all_plans(unmet_demand, lead_time, trace):
    problem = single((lead_time,) * 3, 2, unmet_demand, horizon=4, shortage_cost=2)
    trace = np.array(trace)
    demand = [(np.array([[value]]), np.ones(1)) for value in trace]
    expected = least_cost(problem, all_decisions(problem, np.arange(0, 11, 2)), demand)
    assert hindsight_cost(problem, trace) == pytest.approx(expected, rel=1e-6)
    plan, state, total = hindsight_plan(problem, trace), problem.initial_state(np.asarray(0.5)), 0.0
    for period, value in enumerate(trace):
        gate, columns = problem.layout.flat(plan.regime[period], plan.quantity[period])
        state, cost = problem.step(state, gate, columns, value)
        total += 0.9**period * cost.sum()
    assert total == pytest.approx(expected, rel=1e-6)
