"""Problems without an end: published average costs, hand-computed ones, brute force, and bounds."""

import numpy as np
import pytest
import scipy.stats

from jumpgym import RegimeTable, SingleItemInventory
from jumpgym.baselines import (
    FullTruckPolicy,
    SSPolicy,
    best_classical,
    best_ss,
    stationary_cost,
)
from jumpgym.baselines.optimum import solve
from jumpgym.baselines.policies.lot_policies import CappedSSPolicy, SnQPolicy
from jumpgym.baselines.policies.stationary import stationary_costs
from jumpgym.baselines.studies.published import BIJVANK, ZHENG_FEDERGRUEN, ZIPKIN, zipkin
from jumpgym.problems.min_order import min_order
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity


def orders_below(optimum, level):
    """Positions from -40 to ``level``, whether the policy orders there, and how far up."""
    positions = np.arange(-40.0, level + 1)
    observation = np.zeros((len(positions), len(optimum.problem.observation_low)))
    observation[:, 0] = positions
    regime, quantity = optimum.decide(observation)
    return positions, regime == 1, positions + quantity


@pytest.mark.parametrize("mean", ZHENG_FEDERGRUEN)
def test_zheng_federgruen(mean):
    s, S, cost = ZHENG_FEDERGRUEN[mean]
    problem = setup_cost(horizon=None, demand=scipy.stats.poisson(mean))
    optimum = solve(problem)
    assert optimum.average_cost == pytest.approx(cost, abs=5.1e-4)
    assert optimum.error_bound < 1e-5
    assert optimum.expected_cost is None
    assert stationary_cost(SSPolicy(problem, s, S)) == pytest.approx(optimum.average_cost, abs=1e-5)
    if mean in (65, 75):  # s is tied
        return
    positions, ordered, up_to = orders_below(optimum, S)
    np.testing.assert_array_equal(ordered, positions <= s)
    np.testing.assert_array_equal(up_to[ordered], S)


@pytest.mark.parametrize(
    ("fixed_cost", "s", "S", "cost"), [(64, 26, 62, 37.0644), (30, 28, 52, 27.15), (80, 26, 65, 40.8301)]
)
def test_setup_cost_with_lead_time_2(fixed_cost, s, S, cost):
    problem = setup_cost(horizon=None, demand=scipy.stats.poisson(10), fixed_cost=fixed_cost, lead_time=2)
    optimum = solve(problem)
    assert optimum.average_cost == pytest.approx(cost, abs=6e-5)
    positions, ordered, up_to = orders_below(optimum, S)
    np.testing.assert_array_equal(ordered, positions <= s)
    np.testing.assert_array_equal(up_to[ordered], S)


# With a lead time of 4 and shortage costs of 19 and 39 they agree too, but take 3 s each.
@pytest.mark.parametrize(
    ("lead_time", "shortage_cost"), [(L, p) for L in ZIPKIN for p in ZIPKIN[L] if L < 4 or p < 19]
)
def test_lost_sales_of_zipkin(lead_time, shortage_cost):
    optimum = solve(zipkin(lead_time, shortage_cost))
    assert optimum.average_cost == pytest.approx(ZIPKIN[lead_time][shortage_cost], abs=5.1e-3)
    assert optimum.error_bound < 1e-5


def test_lost_sales_with_a_fixed_cost_of_bijvank():
    problem = setup_cost(**BIJVANK)
    assert solve(problem).average_cost == pytest.approx(11.46, abs=5.1e-3)
    assert stationary_cost(SSPolicy(problem, 17, 23)) == pytest.approx(11.62, abs=5.1e-3)
    # 11.5552 and 11.4974, which print as 11.56 and 11.50
    assert stationary_cost(SnQPolicy(problem, 17, 7)) == pytest.approx(11.56, abs=5.1e-3)
    assert stationary_cost(CappedSSPolicy(problem, 17, 23, 7)) == pytest.approx(11.50, abs=5.1e-3)
    best = best_ss(problem)
    assert (best.s, best.S) == (17, 23)
    for family, around in ((SnQPolicy, (17, 7)), (CappedSSPolicy, (17, 23, 7))):
        steps = np.array(np.meshgrid(*[[-1, 0, 1]] * len(around))).reshape(len(around), -1).T
        policies = [family(problem, *(np.array(around) + step).tolist()) for step in steps]
        assert stationary_costs(policies).argmin() == len(steps) // 2  # the centre


def test_constant_demand_by_hand():
    one = scipy.stats.rv_discrete(values=([1], [1.0]))
    # Order 8 every 8 periods, at a fixed cost of 28 and a holding cost of 7 + 6 + ... + 0 = 28. The optimal
    # chain is periodic, which defeats plain value iteration.
    optimum = solve(setup_cost(horizon=None, demand=one, shortage_cost=1e6, fixed_cost=28))
    assert optimum.average_cost == pytest.approx(7, abs=1e-6)
    # Trucks of 13 for a demand of 13 keep the residue of the start: stock 20 after orders, 7 after demand.
    thirteen = scipy.stats.rv_discrete(values=([13], [1.0]))
    trucks = truck_capacity(
        horizon=None, demand=thirteen, truck_capacity=13, truck_cost=30, initial_inventory=7
    )
    assert stationary_cost(FullTruckPolicy(trucks, 20, 13)) == pytest.approx(37, rel=1e-12)
    other = truck_capacity(
        horizon=None, demand=thirteen, truck_capacity=13, truck_cost=30, initial_inventory=(0, 6)
    )
    assert stationary_cost(FullTruckPolicy(other, 20, 13)) == pytest.approx(30 + 3, rel=1e-12)


def brute_force(problem, quantities, demands, probabilities, span):
    """Discounted cost by value iteration over states and actions, through ``problem.step`` alone."""
    one_hot = np.eye(len(problem.regimes))
    actions = [
        (one_hot[k], q)
        for k in range(len(problem.regimes))
        for q in quantities
        if problem.regimes.low[k] <= q <= problem.regimes.high[k]
    ]
    low, high = span
    stock = np.arange(low, high + 1.0)
    kept = type(problem.initial_state(np.asarray(0.5)))(stock, np.zeros((len(stock), 0)), 0 * stock)
    costs, following = [], []
    for gate, quantity in actions:
        outcomes = [
            problem.step(
                kept, np.tile(gate, (len(stock), 1)), np.tile(quantity * gate, (len(stock), 1)), d + 0 * stock
            )
            for d in demands
        ]
        costs.append(sum(p * o[1].sum(-1) for p, o in zip(probabilities, outcomes, strict=True)))
        following.append(
            [np.clip(np.round(o[0].inventory - low), 0, high - low).astype(int) for o in outcomes]
        )
    value = np.zeros(len(stock))
    for _ in range(600):
        value = np.min(
            [
                c + problem.discount * sum(p * value[j] for p, j in zip(probabilities, to, strict=True))
                for c, to in zip(costs, following, strict=True)
            ],
            axis=0,
        )
    return value[-low]


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
def test_discounted_cost_is_that_of_brute_force(unmet_demand):
    demands, probabilities = [1, 3], [0.4, 0.6]
    problem = SingleItemInventory(
        RegimeTable([0, 1, 3], [0, 3, 4], [0, 2, 5], [0, 0.5, 0.25], [0] * 3),
        holding_cost=1, shortage_cost=6, demand=scipy.stats.rv_discrete(values=(demands, probabilities)),
        unmet_demand=unmet_demand, horizon=None, discount=0.9,
    )  # fmt: skip
    optimum = solve(problem)
    span = (-30 if unmet_demand == "backlog" else 0), 30
    expected = brute_force(problem, range(5), demands, probabilities, span)
    assert optimum.expected_cost == pytest.approx(expected, abs=optimum.error_bound + 1e-9)
    assert optimum.error_bound < 1e-4
    assert optimum.average_cost is None


@pytest.mark.parametrize("lead_time", [0, 2])
@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
def test_discounted_cost_is_the_limit_of_long_horizons(unmet_demand, lead_time):
    parameters = dict(
        demand=scipy.stats.poisson(4), fixed_cost=10, discount=0.8, initial_inventory=3,
        unmet_demand=unmet_demand, lead_time=lead_time, max_order=30,
    )  # fmt: skip
    endless = solve(setup_cost(horizon=None, **parameters))
    assert endless.expected_cost == pytest.approx(
        solve(setup_cost(horizon=90, **parameters)).expected_cost, rel=1e-6
    )
    policy = SSPolicy(setup_cost(horizon=None, **parameters), 5 + 4 * lead_time, 16 + 4 * lead_time)
    ends = SSPolicy(setup_cost(horizon=90, **parameters), policy.s, policy.S)
    assert stationary_cost(policy) == pytest.approx(stationary_cost(ends), rel=1e-7)
    assert stationary_cost(policy) > endless.expected_cost


@pytest.mark.parametrize(
    "problem",
    [
        truck_capacity(horizon=None),
        min_order(horizon=None),
        setup_cost(horizon=None, max_order=21),
        setup_cost(horizon=None, demand=scipy.stats.gamma(4, scale=5)),
        setup_cost(horizon=None, lead_time=1, unmet_demand="lost", demand=scipy.stats.poisson(8)),
        setup_cost(horizon=None, lead_time=40),
    ],
)
def test_simulation_of_the_optimal_policy(problem):
    optimum = solve(problem)
    rng = np.random.default_rng(5)
    copies, warm_up, periods = 256, 200, 400
    state = problem.initial_state(rng.random(copies))
    noise = problem.noise(rng.random((copies, warm_up + periods)))
    one_hot = np.eye(len(problem.regimes))
    costs = np.zeros((copies, warm_up + periods))
    for period in range(warm_up + periods):
        regime, quantity = optimum.decide(problem.observe(state))
        gate = one_hot[regime]
        state, cost = problem.step(state, gate, quantity[:, None] * gate, noise[:, period])
        costs[:, period] = cost.sum(-1)
    means = costs[:, warm_up:].mean(1)
    standard_error = means.std(ddof=1) / np.sqrt(copies)
    slack = 4 * standard_error + optimum.discretisation_error + optimum.error_bound
    assert abs(means.mean() - optimum.average_cost) < slack


@pytest.mark.parametrize(
    "problem",
    [setup_cost(horizon=None, discount=0.95), min_order(horizon=None), truck_capacity(horizon=None)],
)
def test_best_classical_lies_above_the_optimum(problem):
    optimum = solve(problem)
    cost = optimum.average_cost if problem.discount == 1 else optimum.expected_cost
    assert cost - optimum.error_bound <= stationary_cost(best_classical(problem)) < 1.02 * cost


def test_search_finds_the_best_ss_of_all():
    problem = setup_cost(horizon=None, demand=scipy.stats.poisson(4), fixed_cost=12, shortage_cost=5)
    costs = stationary_costs([SSPolicy(problem, s, S) for s in range(-3, 7) for S in range(s, 20)])
    assert stationary_cost(best_ss(problem)) == pytest.approx(costs.min(), rel=1e-12)


def test_demand_that_no_policy_keeps_up_with():
    with pytest.raises(ValueError, match="orders of at most 18 a period cannot keep up"):
        solve(setup_cost(horizon=None, max_order=18))
    assert solve(setup_cost(horizon=None, max_order=18, shortage_cost=0)).average_cost == pytest.approx(
        0, abs=1e-6
    )


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (setup_cost(horizon=None, unmet_demand="lost", lead_time=5), "lead_time=5 .* horizon=None"),
        (setup_cost(horizon=None, demand=np.ones(50)), "traces"),
    ],
)
def test_unsupported_problems_are_named(problem, message):
    with pytest.raises(NotImplementedError, match=message):
        solve(problem)
