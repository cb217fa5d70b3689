"""``solve`` against published figures, brute force, finer lattices and simulation."""

import itertools

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
from stable_baselines3.common.evaluation import evaluate_policy

from jumpgym import RegimeTable, SingleItemInventory
from jumpgym.baselines.evaluation import evaluate
from jumpgym.baselines.exact.lattice import common_step
from jumpgym.baselines.exact.lattice_demand import demand_weights
from jumpgym.baselines.exact.window_minimum import window_argmin
from jumpgym.baselines.optimum import solve
from jumpgym.baselines.studies.published import BIJVANK, ZHENG_FEDERGRUEN, ZIPKIN
from jumpgym.demand import as_demand
from jumpgym.problems.min_order import min_order
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity


def average_cost(horizon=300, **parameters):
    long, longer = (solve(setup_cost(horizon=h, **parameters)).expected_cost for h in (horizon, 2 * horizon))
    return (longer - long) / horizon


@pytest.mark.parametrize("mean", [10, 20, 40, 60, 65])  # the tests of infinite horizons have them all
def test_zheng_federgruen(mean):
    *_, cost = ZHENG_FEDERGRUEN[mean]
    assert average_cost(demand=scipy.stats.poisson(mean)) == pytest.approx(cost, abs=6e-4)


@pytest.mark.parametrize(("fixed_cost", "cost"), [(64, 37.0644), (30, 27.15), (80, 40.8301)])
def test_setup_cost_with_lead_time_2(fixed_cost, cost):
    found = average_cost(demand=scipy.stats.poisson(10), fixed_cost=fixed_cost, lead_time=2)
    assert found == pytest.approx(cost, abs=6e-5)


@pytest.mark.parametrize(("lead_time", "shortage_cost"), [(L, p) for L in (1, 2) for p in ZIPKIN[L]])
def test_lost_sales_of_zipkin(lead_time, shortage_cost):
    found = average_cost(
        100, demand=scipy.stats.poisson(5), fixed_cost=0, lead_time=lead_time, shortage_cost=shortage_cost,
        unmet_demand="lost",
    )  # fmt: skip
    assert found == pytest.approx(ZIPKIN[lead_time][shortage_cost], abs=5.1e-3)


def test_lost_sales_with_a_fixed_cost_of_bijvank():
    found = average_cost(100, **{name: value for name, value in BIJVANK.items() if name != "horizon"})
    assert found == pytest.approx(11.46, abs=5.1e-3)


def brute_force(problem, quantities, demands, probabilities):
    """Least expected cost over all decisions (regime, quantity), by enumeration through ``problem.step``."""
    one_hot = np.eye(len(problem.regimes))
    known = {}

    def cost_to_go(state, period):
        if period == problem.horizon:
            return 0.0
        key = (period, *(np.asarray(entry).tobytes() for entry in state))
        if key in known:
            return known[key]
        costs = []
        for regime, quantity in itertools.product(range(len(problem.regimes)), quantities):
            if not problem.regimes.low[regime] <= quantity <= problem.regimes.high[regime]:
                continue
            expected = 0.0
            for demand, probability in zip(demands, probabilities, strict=True):
                gate = one_hot[regime]
                after, cost = problem.step(state, gate, quantity * gate, np.float64(demand))
                expected += probability * (cost.sum() + problem.discount * cost_to_go(after, period + 1))
            costs.append(expected)
        known[key] = min(costs)
        return known[key]

    return cost_to_go(problem.initial_state(np.asarray(0.5)), 0)


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
@pytest.mark.parametrize("lead_time", [0, 1, 2])
@pytest.mark.parametrize("start", [0.0, 3.0])
def test_brute_force(unmet_demand, lead_time, start):
    demands, probabilities = [1, 3], [0.4, 0.6]
    problem = SingleItemInventory(
        RegimeTable([0, 1, 3], [0, 3, 4], [0, 2, 5], [0, 0.5, 0.25], [lead_time] * 3),
        holding_cost=1, shortage_cost=6, demand=scipy.stats.rv_discrete(values=(demands, probabilities)),
        unmet_demand=unmet_demand, initial_inventory=start, horizon=3 + (lead_time == 2), discount=0.9,
    )  # fmt: skip
    # Quantities off the lattice do not help; with lead time 2 they would take too long.
    halves = np.arange(0, 4.5, 0.5) if lead_time <= 1 else np.arange(5.0)
    expected = brute_force(problem, halves, demands, probabilities)
    assert solve(problem).expected_cost == pytest.approx(expected, rel=1e-12)


def test_lattice_holds_half_integer_trucks():
    problem = truck_capacity(truck_capacity=14.5)
    optimum = solve(problem)
    assert optimum.rule.step == 0.5
    assert optimum.discretisation_error == 0
    # A further value of demand, of probability 0, asks for a finer lattice.
    values, probabilities = problem.demand.values, problem.demand.probabilities
    finer = scipy.stats.rv_discrete(values=(np.append(values, 10.125), np.append(probabilities, 0.0)))
    refined = solve(truck_capacity(truck_capacity=14.5, demand=finer))
    assert refined.rule.step == 0.125
    assert refined.expected_cost == pytest.approx(optimum.expected_cost, rel=1e-9)


def test_continuous_demand():
    optimum = solve(setup_cost(demand=scipy.stats.gamma(20), initial_inventory=(0, 60)))
    assert optimum.expected_cost / 50 == pytest.approx(48.555, rel=5e-4)
    assert 0 < optimum.discretisation_error < 0.01


@pytest.mark.parametrize(
    "problem",
    [
        setup_cost(),
        min_order(),
        truck_capacity(),
        truck_capacity(unmet_demand="lost", unit_cost=0.5, discount=0.95),
        setup_cost(lead_time=3, initial_inventory=70),
        setup_cost(lead_time=60, horizon=50),
        truck_capacity(unmet_demand="lost", lead_time=1),
        setup_cost(unmet_demand="lost", lead_time=2, demand=scipy.stats.poisson(6), initial_inventory=9),
        setup_cost(demand=scipy.stats.gamma(4, scale=5), initial_inventory=(-30, 60)),
        min_order(min_order=35, fixed_cost=0, max_order=35.5, initial_inventory=-200),
        setup_cost(initial_inventory=800, horizon=60),
        setup_cost(max_order=18),
        setup_cost(holding_cost=0),
    ],
)
def test_policy_costs_what_solve_expects(problem):
    optimum = solve(problem)
    result = evaluate(optimum, problem, episodes=4096, seed=1)
    slack = 4 * result.standard_error + optimum.discretisation_error + 1e-9 * optimum.expected_cost
    assert abs(result.mean - optimum.expected_cost) < slack


def test_no_shortage_cost_means_no_order():
    optimum = solve(setup_cost(shortage_cost=0))
    assert optimum.expected_cost == 0
    assert optimum.predict(np.array([-300.0, 4]))[0][0] == 0


def test_large_numbers_and_long_horizons():
    scaled = solve(setup_cost(fixed_cost=6400, demand=scipy.stats.poisson(2000), max_order=20000))
    # Demand of 100 times the mean is relatively steadier, so cheaper than 100 times the default.
    assert 0.7 * 246_314 < scaled.expected_cost < 246_314
    deterministic = scipy.stats.rv_discrete(values=([1], [1.0]))
    # Order 8 every 8 periods, at a fixed cost of 28 and a holding cost of 7 + 6 + ... + 0 = 28.
    long = solve(setup_cost(demand=deterministic, shortage_cost=1e6, fixed_cost=28, horizon=1000))
    assert long.expected_cost == pytest.approx(1000 / 8 * (28 + 28), rel=2e-3)


def test_predict_shapes():
    problem = setup_cost()
    optimum = solve(problem)
    (regime, quantity), state = optimum.predict(np.array([-5.0, 3.0], dtype=np.float32), state="kept")
    assert (type(regime), quantity.shape, quantity.dtype, state) == (int, (1,), np.float32, "kept")
    batch = np.array([[-5.0, 3.0], [60.0, 10.0], [3.4, 49.0]], dtype=np.float32)
    (regimes, quantities), _ = optimum.predict(batch)
    assert (regimes.dtype, quantities.shape, quantities.dtype) == (np.int64, (3, 1), np.float32)
    assert (regimes[0], quantities[0, 0]) == (regime, quantity[0])
    assert regimes[1] == 0
    actions, _ = optimum.predict(batch, episode_start=np.ones(3, dtype=bool))
    assert len(actions) == 3
    assert actions[0][0] == regime
    with pytest.raises(ValueError, match="must have shape"):
        optimum.predict(np.zeros((1, 1, 2)))


def test_order_up_to_level_between_lattice_points():
    optimum = solve(setup_cost())
    on, between = (optimum.predict(np.array([x, 5.0]))[0] for x in (3.0, 3.3))
    assert between[0] == on[0] == 1
    assert 3.3 + between[1][0] == pytest.approx(3.0 + on[1][0], abs=1e-5)


@pytest.mark.parametrize("name", ["SetupCost", "MinOrder", "TruckCapacity"])
def test_sb3_evaluates_the_policy_on_the_tuple_environment(name):
    env = gym.make(f"jumpgym/{name}-v0")
    optimum = solve(env)
    env.reset(seed=3)
    mean, deviation = evaluate_policy(optimum, env, n_eval_episodes=30, warn=False)
    assert abs(float(np.mean(mean)) + optimum.expected_cost) < 5 * deviation / np.sqrt(30)


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (setup_cost(demand=np.ones((3, 50))), "traces"),
        (setup_cost(unmet_demand="lost", lead_time=3), "lead_time=3"),
    ],
)
def test_unsupported_problems_are_named(problem, message):
    with pytest.raises(NotImplementedError, match=message):
        solve(problem)


def test_unsupported_regimes_are_named():
    problem = SingleItemInventory(RegimeTable([5], [20], [0], [0], [0]), demand=scipy.stats.poisson(5))
    with pytest.raises(NotImplementedError, match=r"low\[0\]=5"):
        solve(problem)


class Variant(SingleItemInventory):
    """A family of its own, by the nearest base class that has a solver."""


def test_the_solver_of_a_problem_is_that_of_its_nearest_base_class():
    parameters = dict(demand=scipy.stats.poisson(5), horizon=5)
    variant = Variant(setup_cost().regimes, **parameters)
    assert solve(variant).expected_cost == solve(setup_cost(**parameters)).expected_cost


def test_what_is_no_problem_is_refused():
    with pytest.raises(TypeError, match="HindsightProblem"):
        solve(3)


def test_common_step():
    assert common_step([13, 26, 39]) == 13
    assert common_step([14.5, 29, 1]) == 0.5
    assert common_step([0.1, 35, 200]) == pytest.approx(0.1)
    assert common_step([1, np.pi]) is None


@pytest.mark.parametrize("step", [0.05, 0.5, 3.0])
@pytest.mark.parametrize("demand", [scipy.stats.gamma(4, scale=5), scipy.stats.poisson(20)])
def test_demand_weights_keep_the_mean(demand, step):
    first, weights = demand_weights(as_demand(demand, 1), step)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    assert step * (first + np.arange(len(weights))) @ weights == pytest.approx(demand.mean(), rel=1e-6)


@pytest.mark.parametrize(("size", "width"), [(1, 0), (7, 2), (50, 6), (50, 49), (50, 200)])
def test_window_argmin(size, width):
    values = np.random.default_rng(0).integers(0, 6, (3, size)).astype(float)
    slow = [[i + row[i : i + width + 1].argmin() for i in range(size)] for row in values]
    np.testing.assert_array_equal(window_argmin(values, width), slow)
