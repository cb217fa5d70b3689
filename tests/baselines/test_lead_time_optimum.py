"""Order-size lead times: the optimum against brute force, ``solve`` and simulation; the two-index policy."""

import functools

import numpy as np
import pytest
import scipy.stats

from jumpgym import RegimeTable, SingleItemInventory
from jumpgym.baselines.evaluation import evaluate
from jumpgym.baselines.exact.lead_times import solve_lead_times
from jumpgym.baselines.optimum import solve
from jumpgym.baselines.policies.lead_time_policies import TwoIndexPolicy, best_two_index
from jumpgym.baselines.policy import Policy
from jumpgym.problems.order_size_lead_time import order_size_lead_time
from jumpgym.problems.setup_cost import setup_cost

DEMANDS, PROBABILITIES = [0, 2, 3], [0.3, 0.3, 0.4]


def tiny(lead_times, unmet_demand="backlog", **parameters):
    return SingleItemInventory(
        RegimeTable([0, 0, 2], [0, 2, 5], [0, 2, 3], [0, 0.5, 0.25], lead_times),
        demand=scipy.stats.rv_discrete(values=(DEMANDS, PROBABILITIES)), holding_cost=1, shortage_cost=7,
        **{"unmet_demand": unmet_demand, "horizon": 4, "discount": 0.9, **parameters},
    )  # fmt: skip


def brute_force(problem, quantities):
    """Least expected cost over all decisions, written out on its own: stock and the whole pipeline."""
    regimes = problem.regimes
    choices = [
        (r, q) for r in range(len(regimes)) for q in quantities if regimes.low[r] <= q <= regimes.high[r]
    ]

    @functools.cache
    def cost_to_go(period, stock, pipeline):
        if period == problem.horizon:
            return 0.0
        costs = []
        for regime, quantity in choices:
            under_way = [*pipeline, 0]
            under_way[regimes.lead_time[regime]] += quantity
            cost = regimes.fixed_cost[regime] + regimes.unit_cost[regime] * quantity
            for demand, probability in zip(DEMANDS, PROBABILITIES, strict=True):
                net = stock + under_way[0] - demand
                left = net if problem.unmet_demand == "backlog" else max(net, 0)
                now = problem.holding_cost * max(net, 0) + problem.shortage_cost * max(-net, 0)
                later = cost_to_go(period + 1, left, tuple(under_way[1:]))
                cost += probability * (now + problem.discount * later)
            costs.append(cost)
        return min(costs)

    return cost_to_go(0, problem.initial_inventory[0], (0,) * problem.max_lead_time)


@pytest.mark.parametrize("unmet_demand", ["backlog", "lost"])
@pytest.mark.parametrize(
    "lead_times", [(0, 0, 1), (0, 0, 2), (1, 1, 2), (0, 1, 2), (2, 1, 0), (1, 1, 1), (0, 1, 3)]
)
def test_brute_force(unmet_demand, lead_times):
    problem = tiny(lead_times, unmet_demand, initial_inventory=2.0)
    assert solve_lead_times(problem).expected_cost == pytest.approx(brute_force(problem, range(6)), rel=1e-12)


def test_quantities_off_the_lattice_do_not_help():
    problem = tiny((0, 0, 2), horizon=3)
    optimum = solve_lead_times(problem)
    assert optimum.discretisation_error == 0
    assert optimum.expected_cost == pytest.approx(brute_force(problem, np.arange(0, 5.5, 0.5)), rel=1e-12)


def test_brute_force_sees_the_lead_time():
    """The oracle would notice lead times of the wrong regimes."""
    assert brute_force(tiny((0, 0, 2)), range(6)) < brute_force(tiny((0, 2, 2)), range(6)) - 0.1


@pytest.mark.parametrize(
    "parameters",
    [
        {"lead_time": 0},
        {"lead_time": 2, "discount": 0.95, "initial_inventory": -7.0},
        {"lead_time": 1, "unmet_demand": "lost", "initial_inventory": 25.0},
        {"lead_time": 0, "unmet_demand": "lost"},
    ],
)
def test_equal_lead_times_are_those_of_solve(parameters):
    problem = setup_cost(demand=scipy.stats.poisson(5), fixed_cost=16, horizon=20, **parameters)
    expected = solve(problem).expected_cost
    assert solve_lead_times(problem).expected_cost == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    "parameters",
    [
        {"lead_times": (0, 1)},
        {"lead_times": (1, 3)},
        {"lead_times": (0, 1, 2), "breakpoints": (4.0, 9.0), "horizon": 20},
        {"lead_times": (0, 2), "unmet_demand": "lost", "initial_inventory": 12.0, "horizon": 15},
        {"lead_times": (3, 4), "initial_inventory": (0.0, 30.0), "discount": 0.97},
        {"lead_times": (1, 2), "demand": scipy.stats.gamma(4, scale=1.25), "horizon": 20},
    ],
)
def test_policy_costs_what_is_expected(parameters):
    problem = order_size_lead_time(**{"demand": scipy.stats.poisson(5), **parameters})
    optimum = solve_lead_times(problem)
    result = evaluate(optimum, problem, episodes=4096, seed=1)
    slack = 4 * result.standard_error + optimum.discretisation_error
    assert abs(result.mean - optimum.expected_cost) < slack
    assert result.standard_error < 0.02 * result.mean


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"demand": np.ones((3, 50))}, "traces are not supported"),
        ({"horizon": None}, "horizon=None is not supported"),
        ({"lead_times": (0, 30)}, r"lead_time=\[0, 0, 30\] of the regimes is not supported"),
    ],
)
def test_what_is_not_supported_is_named(parameters, message):
    with pytest.raises(NotImplementedError, match=message):
        solve_lead_times(order_size_lead_time(**parameters))


def test_ignoring_the_jump_is_costly():
    """The figure in the docstring: the best constant order-up-to level in every period."""

    class OrderUpTo(Policy):
        problem = order_size_lead_time()

        def __init__(self, level):
            self.level = level

        def decide(self, observation):
            quantity = np.clip(self.level - problem.position(observation), 0, 100)
            return problem.regimes.membership(quantity), quantity

    problem = OrderUpTo.problem
    levels = [evaluate(OrderUpTo(level), problem, 512).mean for level in (46, 47, 48)]
    optimum = evaluate(solve_lead_times(problem), problem, 512).mean
    assert 0.29 < min(levels) / optimum - 1 < 0.33


def test_two_index_orders():
    problem = order_size_lead_time(breakpoints=(8.0,), lead_times=(1, 3))
    policy = TwoIndexPolicy(problem, urgent=20, low=15, s=40, S=50)
    # stock, arrives in 0, 1 (all urgent), 2 (not urgent), period
    observations = np.array([
        [10.0, 4.0, 0.0, 0.0, 3.0],  # full position 14: at or below low
        [10.0, 0.0, 6.0, 9.0, 3.0],  # urgent 16, full 25
        [5.0, 0.0, 0.0, 41.0, 3.0],  # urgent 5, full 46: not beyond S
        [21.0, 0.0, 0.0, 10.0, 3.0],  # urgent 21, full 31
        [30.0, 11.0, 0.0, 0.0, 3.0],  # full 41
    ])  # fmt: skip
    regime, quantity = policy.decide(observations)
    assert regime.tolist() == [2, 1, 1, 2, 0]
    assert quantity.tolist() == [36, 8, 4, 19, 0]


def test_best_two_index_is_close_to_the_optimum_and_not_below():
    problem = order_size_lead_time(demand=scipy.stats.poisson(4), breakpoints=(3.0,), fixed_cost=4, horizon=8)
    optimum, best = solve_lead_times(problem), best_two_index(problem)
    excess = evaluate(best, problem, 2048, seed=7).costs - evaluate(optimum, problem, 2048, seed=7).costs
    assert -3 * excess.std() / 2048**0.5 < excess.mean() < 0.08 * optimum.expected_cost


def test_two_index_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"s=10\.0 must be a finite number in \[20, 1e\+12\]"):
        TwoIndexPolicy(order_size_lead_time(), urgent=0, low=20, s=10, S=50)
    with pytest.raises(ValueError, match="first with the shortest lead time"):
        TwoIndexPolicy(tiny((2, 2, 0)), urgent=0, low=20, s=30, S=50)
