"""``solve_investment`` against closed forms, enumeration and simulation; constant fractions."""

import itertools

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from jumpgym import NotApplicable
from jumpgym.baselines.exact.investment import solve_investment
from jumpgym.baselines.policies.investment_policies import (
    ConstantFractionPolicy,
    best_constant_fraction,
    kelly_fractions,
)
from jumpgym.problems.min_investment import MinInvestment

COIN = scipy.stats.rv_discrete(values=([-0.4, 0.6], [0.5, 0.5]))
WILD = scipy.stats.rv_discrete(values=([-0.8, 0.1, 1.5], [0.4, 0.3, 0.3]))


def simulate(problem, policy, episodes=20_000):
    rng = np.random.default_rng(0)
    vehicles = len(problem.min_investment)
    state = problem.initial_state(rng.random(episodes))
    noise = problem.noise(rng.random((episodes, problem.horizon, vehicles)))
    for t in range(problem.horizon):
        regime, amount = policy.decide(problem.observe(state).astype(np.float32).astype(float))
        assert regime.shape == amount.shape == ((episodes,) if vehicles == 1 else (episodes, vehicles))
        shape = (episodes, vehicles)
        action = problem.layout.flat(regime.reshape(shape), amount.reshape(shape))
        state, cost = problem.step(state, *action, noise[:, t])
    return problem.discount ** (problem.horizon - 1) * cost[:, 0]


def brute_force(problem, outcomes, points):
    """Expected utility by enumeration of amounts on a grid, and of all outcomes (returns, probability)."""
    vehicles = len(problem.min_investment)

    def value(wealth, period):
        if period == problem.horizon:
            return np.log(wealth) if problem.utility == "log" else wealth
        factor = 1.0 if period == problem.horizon - 1 else problem.discount
        best = np.full(wealth.shape, -np.inf)
        for held in itertools.product((0, 1), repeat=vehicles):
            which = np.flatnonzero(held)
            free = wealth - sum(problem.min_investment[i] + problem.entry_costs[i] for i in which)
            for shares in itertools.product(np.linspace(0, 1, points), repeat=len(which)):
                if sum(shares) > 1 + 1e-12:
                    continue
                amounts = [
                    problem.min_investment[i]
                    + np.minimum(share * free, problem.max_investment[i] - problem.min_investment[i])
                    for i, share in zip(which, shares, strict=True)
                ]
                cash = wealth - sum(amounts) - problem.entry_costs[which].sum()
                total = 0.0
                for returns, probability in outcomes:
                    after = np.maximum(cash, 1e-9) * (1 + problem.risk_free)
                    after = after + sum(a * (1 + returns[i]) for a, i in zip(amounts, which, strict=True))
                    total = total + probability * value(np.where(free >= 0, after, 1.0), period + 1)
                best = np.maximum(best, np.where(free >= 0, factor * total, -np.inf))
        return best

    return float(value(np.array([problem.initial_wealth[0]]), 0)[0])


def test_without_jumps_log_utility_is_kelly_in_each_period():
    problem = MinInvestment(min_investment=0.0, entry_costs=0.0, returns=COIN, horizon=6, risk_free=0.02)

    def growth(f):
        return -0.5 * (np.log(1.02 + f * (0.6 - 0.02)) + np.log(1.02 + f * (-0.4 - 0.02)))

    found = scipy.optimize.minimize_scalar(growth, bounds=(0, 1), method="bounded", options={"xatol": 1e-10})
    assert 0.1 < found.x < 0.9
    wealth = np.linspace(5, 15, 100_001)
    optimum = solve_investment(problem)
    assert optimum.expected_cost == pytest.approx(6 * found.fun - np.log(wealth).mean(), abs=2e-5)
    _, amount = optimum.decide(np.array([[8.0, 0.0], [12.0, 5.0]]))
    np.testing.assert_allclose(amount, found.x * np.array([8.0, 12.0]), rtol=0.02)
    np.testing.assert_allclose(kelly_fractions(problem), found.x, atol=0.05)  # from a sample


@pytest.mark.parametrize("discount", [1.0, 0.8])
def test_without_jumps_continuous_returns(discount):
    sigma, location = 0.3, 0.04  # 1 + return is lognormal
    problem = MinInvestment(
        min_investment=0.0,
        entry_costs=0.0,
        returns=scipy.stats.lognorm(sigma, loc=-1, scale=np.exp(location)),
        risk_free=0.01,
        horizon=5,
        initial_wealth=10.0,
        discount=discount,
    )
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    excess = np.exp(location + sigma * nodes) - 1.01

    def growth(f):
        return -float(np.log(1.01 + f * excess) @ weights / weights.sum())

    found = scipy.optimize.minimize_scalar(growth, bounds=(0, 1), method="bounded", options={"xatol": 1e-10})
    assert 0.1 < found.x < 0.98
    expected = discount**4 * (5 * found.fun - np.log(10.0))
    optimum = solve_investment(problem)
    assert optimum.expected_cost == pytest.approx(expected, abs=2e-5)
    assert problem.certainty_equivalent(optimum.cost) == pytest.approx(
        np.exp(-expected / discount**4), rel=1e-4
    )


@pytest.mark.parametrize(
    ("utility", "wealth"),
    [("log", 6.2), ("linear", 6.2), ("log", 9.0)],  # only by waiting for cash to grow, or at once
)
def test_one_vehicle_is_enumeration(utility, wealth):
    problem = MinInvestment(
        min_investment=6.0,
        entry_costs=0.3,
        max_investment=8.0,
        returns=WILD,
        risk_free=0.02,
        utility=utility,
        initial_wealth=wealth,
        horizon=2,
        discount=0.9,
    )
    outcomes = [((value,), probability) for value, probability in zip(WILD.xk, WILD.pk, strict=True)]
    expected = brute_force(problem, outcomes, 61)
    optimum = solve_investment(problem, points=800)
    # An enumeration on a grid is a lower bound of the optimum, by a little.
    assert -1e-4 <= -optimum.expected_cost - expected <= 1e-3
    costs = simulate(problem, optimum)
    assert abs(costs.mean() - optimum.expected_cost) < 4 * costs.std() / len(costs) ** 0.5 + 1e-4


def test_two_vehicles_are_enumeration():
    problem = MinInvestment(
        min_investment=(2.0, 4.0),
        entry_costs=(0.1, 0.2),
        returns=[COIN, WILD],
        initial_wealth=8.0,
        horizon=2,
    )
    outcomes = [
        ((a, b), p * q)
        for (a, p), (b, q) in itertools.product(
            zip(COIN.xk, COIN.pk, strict=True), zip(WILD.xk, WILD.pk, strict=True)
        )
    ]
    expected = brute_force(problem, outcomes, 9)
    assert 0 <= -solve_investment(problem).expected_cost - expected <= 4e-3


def test_defaults_are_what_simulation_says_and_above_constant_fractions():
    problem = MinInvestment()
    optimum = solve_investment(problem, points=100)
    costs = simulate(problem, optimum)
    error = 4 * costs.std() / len(costs) ** 0.5
    assert abs(costs.mean() - optimum.expected_cost) < error + optimum.discretisation_error
    assert optimum.discretisation_error < 1e-3 * abs(optimum.expected_cost)
    ignoring = simulate(problem, ConstantFractionPolicy(problem))
    assert problem.certainty_equivalent(ignoring.mean()) < 0.9 * problem.certainty_equivalent(optimum.cost)
    best = best_constant_fraction(problem)
    tuned = simulate(problem, best)
    assert ignoring.mean() - 0.05 > tuned.mean() > costs.mean()


def test_constant_fractions_by_hand():
    problem = MinInvestment()
    policy = ConstantFractionPolicy(problem, (0.5, 0.0), (6.0, 0.0))
    regime, amount = policy.decide(np.array([[5.0, 0.0], [10.0, 0.0]]))
    np.testing.assert_array_equal(regime, [[0, 0], [1, 0]])
    np.testing.assert_allclose(amount, [[0.0, 0.0], [5.0, 0.0]])
    with pytest.raises(ValueError, match=r"fractions=\(0\.5,\) must be 2 numbers"):
        ConstantFractionPolicy(problem, (0.5,))


def test_what_is_not_supported_is_named():
    with pytest.raises(NotImplementedError, match="3 vehicles"):
        solve_investment(MinInvestment(min_investment=(1, 2, 3), entry_costs=0.1, returns=COIN))
    traces = np.random.default_rng(0).uniform(-0.1, 0.2, (5, 10, 2))
    with pytest.raises(NotImplementedError, match="ItemTraces"):
        solve_investment(MinInvestment(returns=traces))
    with pytest.raises(NotApplicable, match="ConstantFractionPolicy is for MinInvestment"):
        ConstantFractionPolicy("jumpgym/SetupCost-v0")
