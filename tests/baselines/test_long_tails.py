"""``solve`` where no lattice covers the tail of demand: against all decisions, formulas and simulation."""

import numpy as np
import pytest
import scipy.stats
from exhaustive import check_optimum, cost_of

from jumpgym import NotApplicable, RegimeTable, SingleItemInventory
from jumpgym.baselines import evaluate, solve
from jumpgym.baselines.exact import long_tails, single_item, single_item_position
from jumpgym.baselines.exact.lattice_demand import Expectation, demand_weights
from jumpgym.baselines.exact.long_tails import FourierExpectation, cut_weights, is_long_tailed
from jumpgym.baselines.policies.stationary import stationary_cost
from jumpgym.baselines.policies.two_level_policies import SSPolicy
from jumpgym.demand import as_demand
from jumpgym.problems.min_order import min_order
from jumpgym.problems.setup_cost import setup_cost
from jumpgym.problems.truck_capacity import truck_capacity

RARE = np.array([[1.0], [3.0], [1e6]]), np.array([0.4, 0.6 - 1e-5, 1e-5])
"""Demand whose largest value is rare, and yet most of its mean."""

RARER = np.array([[0.0], [2.0], [3e5]]), np.array([0.5, 0.5 - 1e-6, 1e-6])


def distribution(demand):
    values, probabilities = demand
    return scipy.stats.rv_discrete(values=(values[:, 0], probabilities))


def inventory(lead_time=0, largest=4, demand=None, **parameters):
    demand = distribution(RARE) if demand is None else demand
    regimes = RegimeTable([0, 1, 3], [0, 3, largest], [0, 2, 5], [0, 0.5, 0.25], [lead_time] * 3)
    parameters = {"horizon": 3, "discount": 0.9, "holding_cost": 1, "shortage_cost": 6, **parameters}
    return SingleItemInventory(regimes, demand=demand, **parameters)


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
@pytest.mark.parametrize("lead_time", [0, 1, 2])
@pytest.mark.parametrize("start", [-5, 3])
def test_all_decisions(unmet_demand, lead_time, start):
    if unmet_demand == "lost":
        start = abs(start)
    problem = inventory(lead_time, unmet_demand=unmet_demand, initial_inventory=start)
    assert is_long_tailed(problem.demand)
    check_optimum(problem, [RARE] * 3, range(5))


def test_all_decisions_where_periods_differ():
    periods = [RARE, RARER, RARE]
    problem = inventory(lead_time=1, demand=[distribution(period) for period in periods])
    check_optimum(problem, periods, range(5))


def test_all_decisions_with_an_order_multiple():
    check_optimum(setup_cost(
        demand=distribution(RARE), order_multiple=2, max_order=4, fixed_cost=3, horizon=3, initial_inventory=1
    ), [RARE] * 3, [0, 2, 4])  # fmt: skip


@pytest.mark.parametrize("lead_time", [0, 1])
def test_costs_of_a_policy_are_those_of_all_paths(lead_time):
    problem = setup_cost(demand=distribution(RARE), max_order=5, fixed_cost=3, horizon=4, lead_time=lead_time)
    policy = SSPolicy(problem, 2.0, 6.0)
    assert stationary_cost(policy) == pytest.approx(cost_of(policy, problem, [RARE] * 4), rel=1e-9)


@pytest.mark.parametrize(
    "problem",
    [
        setup_cost(horizon=12, max_order=30),
        setup_cost(horizon=12, max_order=40, lead_time=2, discount=0.9, initial_inventory=-100),
        setup_cost(horizon=12, max_order=42, order_multiple=7),
        setup_cost(unmet_demand="lost", horizon=12),
        setup_cost(unmet_demand="lost", horizon=12, lead_time=1, demand=scipy.stats.nbinom(2, 0.2)),
        setup_cost(unmet_demand="lost", horizon=None),
        min_order(horizon=12, max_order=60),
        truck_capacity(horizon=12),
    ],
)
def test_ordinary_demand_costs_the_same_if_it_counts_as_long_tailed(problem, monkeypatch):
    expected = solve(problem).cost
    monkeypatch.setattr(long_tails, "LONG_TAIL", 0.0)
    monkeypatch.setattr(single_item_position, "MANY_POINTS", 0)
    assert solve(problem).cost == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("shape", [1.5, 2.0, 3.0])
@pytest.mark.parametrize("tail", [0.1, 1e-3, 1e-7])
def test_what_is_cut_of_a_lognormal(shape, tail):
    level = scipy.stats.lognorm(shape).isf(tail)
    (first, weights), beyond = cut_weights(as_demand(scipy.stats.lognorm(shape), 1), level / 2000, 2000)
    assert len(weights) == 2001 - first
    assert weights.min() >= 0
    # As the price of a call option (Black and Scholes 1973), but without an interest rate.
    mean, ratio = np.exp(shape**2 / 2), -np.log(level) / shape
    normal = scipy.stats.norm.cdf
    assert beyond == pytest.approx(mean * normal(ratio + shape) - level * normal(ratio), rel=2e-3)
    assert level / 2000 * weights @ (first + np.arange(2001 - first)) + beyond == pytest.approx(
        mean, rel=2e-4
    )
    assert weights[1000 - first :].sum() == pytest.approx(normal(-np.log(level / 2) / shape), rel=5e-3)


def test_fourier_transforms_give_the_same_expectations():
    generator = np.random.default_rng(0)
    for first, count, size in [(0, 1, 5), (2, 9, 30), (0, 700, 300)]:
        weights = first, generator.dirichlet(np.ones(count))
        product, transformed = Expectation(weights), FourierExpectation(weights)
        assert transformed.reach == product.reach
        below, f = generator.normal(size=(2, product.reach)), generator.normal(size=(2, size))
        np.testing.assert_allclose(transformed(below, f), product(below, f), atol=1e-12)


@pytest.mark.parametrize(
    "problem",
    [
        setup_cost(demand=scipy.stats.lognorm(1.5), horizon=10),
        setup_cost(demand=scipy.stats.lognorm(2), horizon=10, lead_time=1, initial_inventory=(-20, 60)),
        setup_cost(demand=scipy.stats.lognorm(2), horizon=10, unmet_demand="lost"),
        setup_cost(demand=scipy.stats.lognorm(2, scale=10), horizon=10),
        truck_capacity(demand=scipy.stats.lognorm(2), horizon=10),
        setup_cost(demand=scipy.stats.pareto(2.1), horizon=10),
    ],
)
def test_heavy_tails_are_resolved_and_simulation_agrees(problem):
    optimum = solve(problem)
    assert optimum.discretisation_error < 1e-3 * optimum.cost
    result = evaluate(optimum, problem, episodes=2**16, seed=1)
    assert abs(result.mean - optimum.cost) < 4 * result.standard_error + optimum.discretisation_error
    mean, standard_error = sampled_cost(optimum, problem)
    assert abs(mean - optimum.cost) < 4 * standard_error + optimum.discretisation_error
    assert standard_error < 0.015 * optimum.cost


def sampled_cost(policy, problem, paths=2**15, often=0.1):
    """Mean and standard error of a policy's cost, by importance sampling of demand from its tail.

    A demand is drawn from its upper quantiles, uniform in the logarithm of the probability beyond them, with
    probability ``often``. Ordinary simulation meets such demand so rarely that its standard error is wrong.
    """
    generator, shape, reach = np.random.default_rng(0), (paths, problem.horizon), np.log(1e13)
    beyond = generator.random(shape)
    beyond = np.where(generator.random(shape) < often, np.exp(-reach * generator.random(shape)), beyond)
    weight = np.prod(1 / (1 - often + often / (reach * beyond)), axis=1)
    demand = problem.demand.sample(1 - beyond)
    state = problem.initial_state(generator.random(paths))
    total = 0.0
    for period in range(problem.horizon):
        regime, quantity = policy.decide(problem.observe(state))
        carried = problem.carry_out(state, regime[:, None], quantity[:, None])
        state, cost = problem.step(state, carried.gate, carried.columns, demand[:, period])
        total += problem.discount**period * cost.sum(axis=-1)
    return (weight * total).mean(), (weight * total).std() / paths**0.5


def test_weights_of_demand_that_is_not_cut_are_the_usual_ones():
    demand = as_demand(scipy.stats.gamma(4, scale=5), 1)
    (first, weights), beyond = cut_weights(demand, 0.5, 10_000)
    usual = demand_weights(demand, 0.5)
    assert (first, beyond) == (usual[0], 0.0)
    np.testing.assert_allclose(weights, usual[1], atol=1e-11)


@pytest.mark.parametrize(
    ("parameters", "advice"), [({"max_order": 1e6}, "smaller orders"), ({"horizon": None}, "give a horizon")]
)
def test_what_is_too_wide_is_refused_with_advice(parameters, advice):
    with pytest.raises(NotApplicable, match=advice) as caught:
        solve(setup_cost(demand=scipy.stats.lognorm(2), **parameters))
    assert len(str(caught.value)) < 300


def test_a_long_computation_is_announced(monkeypatch, recwarn):
    solve(setup_cost(horizon=3))
    assert not recwarn
    monkeypatch.setattr(single_item, "LONG_SECONDS", 0.0)
    with pytest.warns(UserWarning, match="seconds"):
        solve(setup_cost(horizon=3))
