"""Discounts and free shipping: the optimum against brute force, and the classical policy."""

import functools

import numpy as np
import pytest
import scipy.stats

from jumpgym.baselines.evaluation import evaluate
from jumpgym.baselines.optimum import solve
from jumpgym.baselines.policies.discount_policies import DiscountPolicy, best_discount_policy
from jumpgym.baselines.policies.stationary import stationary_cost, stationary_costs
from jumpgym.problems.free_shipping import free_shipping
from jumpgym.problems.min_order import min_order
from jumpgym.problems.order_size_lead_time import order_size_lead_time
from jumpgym.problems.quantity_discount import quantity_discount

DEMANDS, PROBABILITIES = [1, 3], [0.4, 0.6]
TINY = {
    "demand": scipy.stats.rv_discrete(values=(DEMANDS, PROBABILITIES)),
    "shortage_cost": 6.0,
    "max_order": 6.0,
    "horizon": 4,
    "discount": 0.9,
}


def brute_force(problem, price, quantities):
    """Least expected cost over all order quantities, whose cost is written out in ``price``; lead time 0."""

    @functools.cache
    def cost_to_go(period, stock):
        if period == problem.horizon:
            return 0.0
        costs = []
        for quantity in quantities:
            cost = price(quantity)
            for demand, probability in zip(DEMANDS, PROBABILITIES, strict=True):
                net = stock + quantity - demand
                left = net if problem.unmet_demand == "backlog" else max(net, 0)
                now = problem.holding_cost * max(net, 0) + problem.shortage_cost * max(-net, 0)
                cost += probability * (now + problem.discount * cost_to_go(period + 1, left))
            costs.append(cost)
        return min(costs)

    return cost_to_go(0, problem.initial_inventory[0])


def all_units(quantity):
    return quantity * (3 if quantity < 2 else 2 if quantity < 5 else 1.25) + 2 * (quantity > 0)


def incremental(quantity):
    units = 3 * min(quantity, 2) + 2 * min(max(quantity - 2, 0), 3) + 1.25 * max(quantity - 5, 0)
    return units + 2 * (quantity > 0)


def shipping(quantity):
    return 0.5 * quantity + 4 * (0 < quantity < 4)


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
@pytest.mark.parametrize("price", [all_units, incremental, shipping])
def test_brute_force(price, unmet_demand):
    own = {"unmet_demand": unmet_demand, **TINY}
    if price is shipping:
        problem = free_shipping(shipping_fee=4, free_from=4, unit_cost=0.5, **own)
    else:
        problem = quantity_discount(
            breakpoints=(2, 5), unit_costs=(3, 2, 1.25), fixed_cost=2, schedule=price.__name__, **own
        )
    # Off the lattice too, and just below the breakpoints.
    quantities = np.concatenate([np.arange(0, 6.5, 0.5), [1.999, 3.999, 4.999]]).tolist()
    expected = brute_force(problem, price, quantities)
    optimum = solve(problem)
    assert optimum.discretisation_error == 0
    assert optimum.expected_cost == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    "problem",
    [
        quantity_discount(),
        quantity_discount(schedule="incremental", fixed_cost=20, lead_time=2),
        free_shipping(free_from=60.5),
        free_shipping(unmet_demand="lost", demand=scipy.stats.gamma(4, scale=5)),
    ],
)
def test_policy_costs_what_solve_expects(problem):
    optimum = solve(problem)
    result = evaluate(optimum, problem, episodes=2048, seed=1)
    slack = 4 * result.standard_error + optimum.discretisation_error
    assert abs(result.mean - optimum.expected_cost) < slack


def test_orders():
    problem = quantity_discount(breakpoints=(30, 60), unit_costs=(3, 2.5, 2), max_order=100)
    policy = DiscountPolicy(problem, s=20, S=40, window=12)
    positions = np.array([21, 20, 19.9, 12, 10, 5, -8, -9, -12, -70])
    regime, quantity = policy.order(positions)
    np.testing.assert_allclose(quantity, [0, 30, 30, 30, 30, 35, 60, 60, 60, 100])
    assert regime.tolist() == [0, 2, 2, 2, 2, 2, 3, 3, 3, 3]
    # A full window never pays the worst price; none is the (s, S) policy.
    assert DiscountPolicy(problem, 20, 40, 30).order(positions)[1].tolist()[1:3] == [30, 30]
    np.testing.assert_allclose(DiscountPolicy(problem, 20, 40, 0).order(positions)[1][:4], [0, 20, 20.1, 28])


def test_search_finds_the_best_of_all():
    problem = free_shipping(
        demand=scipy.stats.poisson(4), shipping_fee=6, free_from=9, horizon=12, shortage_cost=5
    )
    everything = [
        DiscountPolicy(problem, s, S, window)
        for s in range(-4, 10)
        for S in range(s, 20)
        for window in range(0, 10)
    ]
    best = best_discount_policy(problem)
    costs = stationary_costs(everything)
    assert stationary_cost(best) == pytest.approx(costs.min(), rel=1e-12)
    assert solve(problem).expected_cost <= costs.min() < 1.05 * solve(problem).expected_cost


def test_cost_is_that_of_simulation():
    policy = DiscountPolicy(quantity_discount(), 19, 34, 29)
    result = evaluate(policy, policy.problem, seed=2)
    assert abs(result.mean - stationary_cost(policy)) < 4 * result.standard_error


def test_ignoring_the_jump_is_costly():
    """The figures in the docstrings: the best (s, S) policy, which ignores the breakpoints."""
    for problem, excess in ((quantity_discount(), 0.074), (free_shipping(), 0.120)):
        policies = [DiscountPolicy(problem, s, S, 0) for s in range(15, 21) for S in range(40, 52)]
        assert stationary_costs(policies).min() / solve(problem).expected_cost - 1 == pytest.approx(
            excess, abs=6e-4
        )


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="adjoining brackets"):
        DiscountPolicy(min_order(), 0, 10, 1)
    with pytest.raises(ValueError, match="with one lead time"):
        DiscountPolicy(order_size_lead_time(), 0, 10, 1)
    with pytest.raises(ValueError, match=r"window=-1\.0 must be"):
        DiscountPolicy(free_shipping(), 0, 10, -1)
    with pytest.raises(ValueError, match=r"S=-5\.0 must be"):
        DiscountPolicy(free_shipping(), 0, -5, 1)
