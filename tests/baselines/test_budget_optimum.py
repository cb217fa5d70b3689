"""``solve_budget`` against brute force, ample money, and simulation; ``BudgetPolicy``."""

import numpy as np
import pytest
import scipy.stats

from jumpgym.baselines.evaluation import evaluate
from jumpgym.baselines.exact.budget import solve_budget
from jumpgym.baselines.exact.single_item import solve_single_item
from jumpgym.baselines.policies.budget_policies import BudgetPolicy, best_budget_policy
from jumpgym.problems.budget_discount import BudgetDiscount

DEMAND = scipy.stats.rv_discrete(values=([1, 3], [0.4, 0.6]))


def brute_force(problem, step):
    """Least expected cost over all orders in multiples of ``step``, by enumeration of ``problem.step``."""
    brackets = problem.brackets
    options = [
        (regime, quantity)
        for regime in range(len(brackets))
        for quantity in np.arange(0, brackets.high[-1] + step / 2, step)
        if brackets.low[regime] <= quantity <= brackets.high[regime]
    ]
    eye = np.eye(len(brackets))
    known = {}

    def cost_to_go(state):
        if state.period == problem.horizon:
            return 0.0
        key = tuple(
            np.round(np.append(np.append(state.pipeline, state.inventory), [state.money, state.period]), 9)
        )
        if key not in known:
            costs = []
            for regime, quantity in options:
                expected = 0.0
                for demand, probability in zip([1.0, 3.0], [0.4, 0.6], strict=True):
                    after, cost = problem.step(state, eye[regime], quantity * eye[regime], np.asarray(demand))
                    expected += probability * (cost.sum() + problem.discount * cost_to_go(after))
                costs.append(expected)
            known[key] = min(costs)
        return known[key]

    return cost_to_go(problem.initial_state(np.asarray(0.5)))


def tiny(**parameters):
    return BudgetDiscount(**{
        "budget": 4, "breakpoints": (4,), "unit_costs": (2.0, 1.5), "income": 1, "holding_cost": 0.25,
        "shortage_cost": 3, "demand": DEMAND, "horizon": 4, "max_order": 6, **parameters,
    })  # fmt: skip


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"unmet_demand": "backlog", "leftover_value": 0.5, "discount": 0.9},
        {"unmet_demand": "backlog", "lead_time": 1, "initial_inventory": 2},
        {"budget": 7, "income": 2.5, "leftover_value": 1.9, "horizon": 3},
        {"breakpoints": (2, 5), "unit_costs": (2.0, 1.5, 1.0), "budget": 5},
    ],
)
def test_brute_force(parameters):
    problem = tiny(**parameters)
    optimum = solve_budget(problem)
    # What exceeds the money is cut to an order between the multiples of the step, so that brute force is
    # restricted to orders that the money pays for, and may be better without.
    whole = brute_force(Payable(problem), 0.5)
    assert optimum.rule.step == 0.5
    assert optimum.expected_cost == pytest.approx(whole, rel=1e-9)
    assert brute_force(problem, 0.5) <= whole + 1e-12
    assert brute_force(problem, 0.5) == pytest.approx(whole, rel=0.05)


class Payable:
    """The problem, at a prohibitive cost of what the money does not pay for."""

    def __init__(self, problem):
        self.problem = problem

    def __getattr__(self, name):
        return getattr(self.problem, name)

    def step(self, state, gate, quantity, noise):
        price = float((gate * quantity) @ self.problem.brackets.unit_cost)
        after, cost = self.problem.step(state, gate, quantity, noise)
        return after, cost + (1e6 if price > state.money + 1e-9 else 0.0)


@pytest.mark.parametrize("max_order", [6, 2])
def test_one_price_is_exact_and_cuts_are_free(max_order):
    """Also where the largest order binds."""
    problem = tiny(breakpoints=(), unit_costs=(1.0,), income=1.0, max_order=max_order)
    optimum = solve_budget(problem)
    assert (optimum.rule.step, optimum.discretisation_error) == (1, 0)
    assert optimum.expected_cost == pytest.approx(brute_force(problem, 0.25), rel=1e-12)


def test_ample_money_is_inventory_control():
    problem = BudgetDiscount(
        budget=200, income=0, breakpoints=(40,), unit_costs=(1.0, 1.0), unmet_demand="backlog", lead_time=2,
        initial_inventory=7, horizon=5,
    )  # fmt: skip
    optimum = solve_budget(problem)
    expected = solve_single_item(problem.stock).expected_cost
    assert optimum.expected_cost == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    "parameters",
    [
        {"horizon": 10, "budget": 30.0},
        {"horizon": 5, "income": 12.0, "initial_inventory": (0, 30)},
        {"horizon": 6, "demand": scipy.stats.gamma(4, scale=2.5)},
    ],
)
def test_policy_costs_what_solve_expects(parameters):
    problem = BudgetDiscount(**parameters)
    optimum = solve_budget(problem)
    result = evaluate(optimum, problem, seed=1)
    slack = 4 * result.standard_error + optimum.discretisation_error
    assert abs(result.mean - optimum.expected_cost) < slack
    assert optimum.discretisation_error < 0.02 * optimum.expected_cost


@pytest.mark.parametrize("discount", [1.0, 0.9])
def test_without_an_end(discount):
    problem = tiny(horizon=None, discount=discount, income=2.5)
    optimum = solve_budget(problem)
    if discount < 1:
        long = solve_budget(tiny(horizon=120, discount=discount, income=2.5)).expected_cost
        assert optimum.expected_cost == pytest.approx(long, abs=1e-4)
    else:
        result = evaluate(optimum, problem, episodes=64, seed=1, warm_up=100, periods=1000)
        assert abs(result.mean - optimum.average_cost) < 4 * result.standard_error
    assert optimum.error_bound < 1e-5


def test_policy_saves_for_the_breakpoint():
    problem = BudgetDiscount()
    policy = BudgetPolicy(problem, reorder=(0, 5, 10), S=35)
    observations = [[10, 32, 0], [10, 31, 0], [5, 31, 0], [5, 17, 0], [0, 17, 0], [11, 99, 0], [-9, 99, 0]]
    regime, quantity = policy.decide(np.array(observations, dtype=float))
    assert list(zip(regime.tolist(), quantity.tolist(), strict=True)) == [
        (3, 40), (0, 0), (2, 30), (0, 0), (1, np.nextafter(20, 0)), (0, 0), (3, 44),
    ]  # fmt: skip


def test_classical_lies_above_the_optimum():
    problem = BudgetDiscount(horizon=10)
    policy = best_budget_policy(problem)
    result = evaluate(policy, problem, seed=3)
    assert result.mean > solve_budget(problem).expected_cost
    always = evaluate(BudgetPolicy(problem, reorder=(30, 30, 30), S=30), problem, seed=3)
    assert result.mean < 0.9 * always.mean


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"demand": np.ones((3, 50))}, "traces"),
        ({"lead_time": 1}, "lead_time=1"),
        ({"horizon": None, "unmet_demand": "backlog"}, "horizon=None"),
    ],
)
def test_unsupported_problems_are_named(parameters, message):
    with pytest.raises(NotImplementedError, match=message):
        solve_budget(BudgetDiscount(**parameters))
