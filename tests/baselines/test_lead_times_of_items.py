"""Items with different lead times: a trajectory by hand, the optimum, classical policies and hindsight."""

import numpy as np
import pytest
import scipy.stats as st
from exhaustive import check_optimum, of_items, two_point

from jumpgym import CapacitatedLotSizing, JointReplenishment, JointReplenishmentEnv, NotApplicable
from jumpgym.baselines import best_classical, evaluate, jump_ignoring, solve
from jumpgym.baselines.applied.state import state_from
from jumpgym.baselines.hindsight.cost import hindsight_plan

PAIR = two_point(0, 2, 0.4), two_point(1, 2, 0.6)
TRUCKS = {"item_costs": [1, 2], "truck_capacity": 2, "max_trucks": 2, "truck_cost": 4}


def test_each_order_arrives_after_the_lead_time_of_its_item():
    env = JointReplenishmentEnv(lead_time=[0, 2], demand=np.ones((1, 4, 2)), horizon=4)
    env.reset(seed=0)
    # Stocks, what arrives in 0 and in 1 periods, each of both items, and the period.
    seen = [env.step(([1, 1, 1], quantity))[0] for quantity in ([5, 3], [0, 2], [0, 0])]
    np.testing.assert_array_equal(
        seen, [[4, -1, 0, 0, 0, 3, 1], [3, -2, 0, 3, 0, 2, 2], [2, 0, 0, 2, 0, 0, 3]]
    )
    assert env.observation_space.contains(seen[0])
    np.testing.assert_array_equal(env.observation_space.high[2:6], [0, 30, 0, 30])
    np.testing.assert_array_equal(env.unwrapped.problem.position(seen[0]), [4, 2])


def test_equal_lead_times_are_one_lead_time():
    one, each = (JointReplenishment(lead_time=lead_time, horizon=5) for lead_time in (2, [2, 2]))
    np.testing.assert_array_equal(one.observation_high, each.observation_high)
    np.testing.assert_array_equal(one.item_parameters, each.item_parameters)
    assert JointReplenishment(lead_time=[0, 2]).item_parameters.shape == (2, one.item_parameters.shape[1] + 1)


@pytest.mark.parametrize(
    ("make", "parameters"),
    [
        (JointReplenishment, {**TRUCKS, "lead_time": [0, 1]}),
        (JointReplenishment, {**TRUCKS, "lead_time": [2, 0], "truck_capacity": np.inf, "max_order": 3,
                              "max_trucks": 1}),
        (CapacitatedLotSizing, {"capacity": 4, "setup_times": 1, "lead_time": [1, 0]}),
    ],
)  # fmt: skip
def test_the_optimum_is_as_cheap_as_all_decisions(make, parameters):
    problem = make(
        demand=[st.rv_discrete(values=(values.ravel(), weights)) for values, weights in PAIR], horizon=3,
        initial_inventory=np.array([1.0, 0.0]), holding_cost=[1, 2], shortage_cost=[6, 9], discount=0.9,
        **parameters,
    )  # fmt: skip
    check_optimum(problem, [of_items(*PAIR)] * 3, np.arange(5.0), np.arange(5.0))


def test_policies_and_hindsight_know_the_lead_times():
    problem = CapacitatedLotSizing(lead_time=[0, 2], horizon=8)
    optimum = solve(problem)
    costs = [evaluate(policy, problem, 512, seed=1) for policy in (optimum, best_classical(problem))]
    assert abs(costs[0].mean - optimum.expected_cost) < 4 * costs[0].standard_error
    assert optimum.expected_cost < costs[1].mean < evaluate(jump_ignoring(problem), problem, 512, seed=1).mean
    noise = problem.noise(np.random.default_rng(0).random((8, 2)))
    plan, state, total = hindsight_plan(problem, noise), problem.initial_state(np.full(2, 0.5)), 0.0
    for period, demand in enumerate(noise):
        decision = problem.layout.flat(plan.regime[period], plan.quantity[period])
        state, cost = problem.step(state, *decision, demand)
        total += cost.sum()
    assert total == pytest.approx(plan.costs, rel=1e-6)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match=r"lead_time\[1\]=-1 must be an integer in"):
        JointReplenishment(lead_time=[0, -1])
    with pytest.raises(ValueError, match=r"number of items must be the same .*lead_time: 3, items: 2"):
        JointReplenishment(items=2, lead_time=[0, 1, 2])
    with pytest.raises(NotApplicable, match="lead_time=1 with unmet_demand='lost' is not supported"):
        solve(JointReplenishment(lead_time=[0, 1], unmet_demand="lost"))
    under_way = {"inventory": [1, 1], "pipeline": [[0, 1], [3, 1]]}
    with pytest.raises(ValueError, match="item 1 arrives in 1"):
        state_from(JointReplenishment(lead_time=[1, 2], horizon=3), under_way, period=0)
