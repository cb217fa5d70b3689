"""``solve_loans`` against brute force and simulation; ``LoanPolicy``."""

import numpy as np
import pytest
import scipy.stats

from jumpgym.baselines.evaluation import evaluate
from jumpgym.baselines.exact.loans import solve_loans
from jumpgym.baselines.policies import loan_policies
from jumpgym.baselines.policies.loan_policies import LoanPolicy, best_loan_policy
from jumpgym.problems.loan_brackets import LoanBrackets

NEEDS, PROBABILITIES = [-2.0, 1.0, 5.0], [0.3, 0.4, 0.3]
DEFAULTS = LoanBrackets()


@pytest.fixture(scope="module")
def optimum():
    """The optimum of ``DEFAULTS``."""
    return solve_loans(DEFAULTS)


def tiny(**parameters):
    return LoanBrackets(**{
        "brackets": ((1, 2), (6, 8)), "rates": (0.25, 0.125), "fees": (0, 1), "terms": (1, 2),
        "shortfall_cost": 0.75, "deposit_rate": 0.0625, "initial_cash": 1.0, "horizon": 3,
        "cash_need": scipy.stats.rv_discrete(values=(NEEDS, PROBABILITIES)), **parameters,
    })  # fmt: skip


def brute_force(problem):
    """Least expected cost over all loans in whole units, by enumeration through ``problem.step``."""
    loans, eye = problem.loans, np.eye(len(problem.loans))
    options = [
        (regime, amount)
        for regime in range(len(loans))
        for amount in np.arange(loans.low[regime], loans.high[regime] + 0.5)
    ]

    def cost_to_go(state):
        if state.period == problem.horizon:
            return 0.0
        costs = []
        for regime, amount in options:
            expected = 0.0
            for need, probability in zip(NEEDS, PROBABILITIES, strict=True):
                after, cost = problem.step(state, eye[regime], amount * eye[regime], np.asarray(need))
                expected += probability * (cost.sum() + problem.discount * cost_to_go(after))
            costs.append(expected)
        return min(costs)

    return cost_to_go(problem.initial_state(np.asarray(0.5)))


@pytest.mark.parametrize(
    "parameters",
    [{}, {"discount": 0.9, "initial_cash": -4.0}, {"terms": (2, 1), "initial_cash": -3.0}, {"terms": (1, 1)}],
)
def test_brute_force(parameters):
    problem = tiny(**parameters)
    optimum = solve_loans(problem)
    assert optimum.discretisation_error == 0
    assert optimum.expected_cost == pytest.approx(brute_force(problem), rel=1e-9)


def test_without_the_wholesale_bracket_it_costs_more():
    small = tiny(brackets=((1, 2),), rates=(0.25,), fees=(0,), terms=(1,), initial_cash=-6.0)
    assert solve_loans(small).expected_cost > solve_loans(tiny(initial_cash=-6.0)).expected_cost + 0.1


def check_simulated_cost(optimum):
    result = evaluate(optimum, optimum.problem, seed=1)
    slack = 4 * result.standard_error + optimum.discretisation_error
    assert abs(result.mean - optimum.expected_cost) < slack
    assert optimum.discretisation_error < 0.005 * abs(optimum.expected_cost)


def test_policy_costs_what_solve_expects(optimum):
    check_simulated_cost(optimum)


def test_policy_costs_what_solve_expects_with_other_parameters():
    need = scipy.stats.gamma(2, scale=3e4)
    problem = LoanBrackets(initial_cash=(-2e5, 1e5), cash_need=need, horizon=6, discount=0.95)
    check_simulated_cost(solve_loans(problem))


def test_optimum_uses_all_regimes(optimum):
    cash = np.array([3e5, 0.0, -6e4, -4e5])
    observation = np.stack([cash, 0 * cash, 0 * cash, 0 * cash + 5], axis=-1)
    regime, amount = optimum.decide(observation)
    assert regime[0] == 0
    assert set(regime.tolist()) == {0, 1, 2}
    assert np.all(DEFAULTS.loans.project(regime, amount) == amount)
    # What matters now is cash less what is due, however it is made up.
    shifted = observation + np.array([1e5, 1e5, 0, 0])
    np.testing.assert_array_equal(optimum.decide(shifted)[1], amount)


def test_loan_policy():
    policy = LoanPolicy(LoanBrackets(), s=0, S=50_000, thresholds=[200_000])
    cash = np.array([1.0, 0.0, -60_000, -149_000, -150_000, -900_000])
    observation = np.stack([cash + 7, 0 * cash + 7, 0 * cash, 0 * cash], axis=-1)
    regime, amount = policy.decide(observation)
    assert regime.tolist() == [0, 1, 1, 1, 2, 2]
    assert amount.tolist() == [0, 50_000, 100_000, 100_000, 500_000, 950_000]


def test_classical_lies_above_the_optimum(optimum, monkeypatch):
    monkeypatch.setattr(loan_policies, "EPISODES", 256)
    policy = best_loan_policy(DEFAULTS)
    best, found = (evaluate(p, DEFAULTS, seed=3) for p in (optimum, policy))
    gaps = found.costs - best.costs
    assert gaps.mean() > 4 * gaps.std() / np.sqrt(len(gaps))
    assert found.mean < 1.15 * best.mean


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"terms": (1, 3)}, r"terms=\[1, 3\]"),
        ({"horizon": None}, "horizon=None"),
        ({"cash_need": np.ones((2, 24))}, "traces"),
    ],
)
def test_unsupported_problems_are_named(parameters, message):
    with pytest.raises(NotImplementedError, match=message):
        solve_loans(LoanBrackets(**parameters))
