"""Riccati solutions, sequences, receding horizon and grid against optimisers, enumeration, simulation."""

import itertools

import numpy as np
import pytest
import scipy.optimize

from jumpgym import NotApplicable
from jumpgym.baselines import Exactness
from jumpgym.baselines.exact.switched_lqr import solve_lqr, solve_on_grid
from jumpgym.baselines.policies.switched_lqr_policies import (
    RecedingHorizonPolicy,
    SequencePolicy,
    best_fixed_mode,
)
from jumpgym.problems.switched_lqr import SwitchedLQR


def random_problem(seed=0, **changes):
    rng = np.random.default_rng(seed)
    parameters = {
        "A": rng.normal(size=(2, 3, 3)) / 2,
        "B": rng.normal(size=(2, 3, 2)),
        "Q": np.diag([1.0, 2.0, 0.5]),
        "R": np.array([np.eye(2), 0.3 * np.eye(2)]),
        "mode_costs": (0.0, 0.2),
        "terminal_cost": 2.0,
        "noise_covariance": 0.0,
        "initial_state": (2.0, -1.0, 1.0),
        "max_control": 100.0,
        "horizon": 4,
        "discount": 0.9,
    }
    return SwitchedLQR(**{**parameters, **changes})


def open_loop_cost(problem, modes, controls):
    x, total = problem.initial_low, 0.0
    for t, (k, u) in enumerate(zip(modes, controls, strict=True)):
        cost = x @ problem.Q[k] @ x + u @ problem.R[k] @ u + problem.mode_costs[k]
        x = problem.A[k] @ x + problem.B[k] @ u
        cost += x @ problem.terminal_cost @ x if t == problem.horizon - 1 else 0.0
        total += problem.discount**t * cost
    return total


def simulate(problem, policy, episodes=20_000, seed=0):
    rng = np.random.default_rng(seed)
    state = problem.initial_state(rng.random((episodes, *problem.start_shape)))
    noise = problem.noise(rng.random((episodes, problem.horizon, *problem.noise_shape)))
    total = np.zeros(episodes)
    for t in range(problem.horizon):
        mode, control = policy.decide(problem.observe(state))
        gate, quantity = problem.layout.flat(mode[:, None], control.reshape(episodes, -1))
        state, cost = problem.step(state, gate, quantity, noise[:, t])
        total += problem.discount**t * cost[:, 0]
    return total


def test_without_noise_every_sequence_against_a_numerical_optimiser():
    problem = random_problem(seed=3)
    best = np.inf
    for modes in itertools.product((0, 1), repeat=4):

        def cost(flat, modes=modes):
            return open_loop_cost(problem, modes, flat.reshape(4, 2))

        found = scipy.optimize.minimize(cost, np.zeros(8), method="BFGS", options={"gtol": 1e-9})
        policy = SequencePolicy(problem, modes)
        assert policy.expected_cost == pytest.approx(found.fun, rel=1e-7)
        best = min(best, found.fun)
    optimum = solve_lqr(problem)
    assert optimum.exactness is Exactness.EXACT
    assert optimum.expected_cost == pytest.approx(best, rel=1e-7)
    assert RecedingHorizonPolicy(problem).best_sequence().expected_cost == pytest.approx(best, rel=1e-7)
    assert simulate(problem, optimum, episodes=1)[0] == pytest.approx(best, rel=1e-7)
    assert best_fixed_mode(problem).expected_cost > 1.001 * best  # so that the sequence matters


def test_expected_cost_with_noise_and_a_box_of_initial_states_is_the_simulated_one():
    box = ((-2.0, -1.0, 0.0), (1.0, 3.0, 0.0))
    problem = random_problem(noise_covariance=0.3 * np.eye(3) + 0.1, initial_state=box)
    for modes in (0, (0, 1, 1, 0)):
        policy = SequencePolicy(problem, modes)
        costs = simulate(problem, policy)
        assert abs(costs.mean() - policy.expected_cost) < 4 * costs.std() / len(costs) ** 0.5


def test_the_gains_are_a_minimum():
    problem = random_problem(noise_covariance=0.3)
    policy = SequencePolicy(problem, (0, 1, 1, 0))
    base = simulate(problem, policy, episodes=2000).mean()
    rng = np.random.default_rng(1)
    worse = 0
    for _ in range(5):
        policy.gains = policy.gains + 0.2 * rng.normal(size=policy.gains.shape)
        worse += simulate(problem, policy, episodes=2000).mean() > base
    assert worse == 5


def test_pruning_and_enumeration_agree_without_noise(monkeypatch):
    problem = random_problem(horizon=9)
    every = RecedingHorizonPolicy(problem)
    monkeypatch.setattr("jumpgym.baselines.exact.riccati.MAX_SEQUENCES", 1)
    pruned = RecedingHorizonPolicy(problem)
    assert solve_lqr(problem).exactness is Exactness.UPPER_BOUND
    rows, all_rows = (sum(len(value.c) for value in p.sequences.values) for p in (pruned, every))
    assert rows < all_rows / 4
    assert pruned.expected_cost == pytest.approx(every.expected_cost, rel=1e-6)


def test_receding_horizon_costs_no_more_than_its_bound_and_the_bound_than_the_best_sequence():
    problem = SwitchedLQR()
    policy = RecedingHorizonPolicy(problem)
    assert (
        policy.expected_cost < policy.best_sequence().expected_cost < best_fixed_mode(problem).expected_cost
    )
    costs = simulate(problem, policy)
    assert costs.mean() < policy.expected_cost - 4 * costs.std() / len(costs) ** 0.5


@pytest.mark.parametrize("dimension", [1, 2])
def test_grid_with_one_mode_is_the_regulator(dimension):
    problem = SwitchedLQR(
        A=1.1 * np.eye(dimension)[None] + 0.1,
        B=np.ones((1, dimension, 1)),
        R=0.5,
        terminal_cost=1.5,
        noise_covariance=0.1,
        initial_state=(-np.ones(dimension), 2 * np.ones(dimension)),
        max_control=10.0,
        horizon=4,
        discount=0.95,
    )
    grid = solve_on_grid(problem, points=41)
    exact = SequencePolicy(problem, 0)
    assert grid.expected_cost == pytest.approx(exact.expected_cost, rel=2e-4)
    observation = np.column_stack(
        [np.random.default_rng(0).uniform(-1, 1, (20, dimension)), np.full(20, 1.0)]
    )
    np.testing.assert_allclose(grid.decide(observation)[1], exact.decide(observation)[1], atol=0.02)


def test_grid_is_below_receding_horizon_and_is_what_simulation_says():
    problem = SwitchedLQR(horizon=5)
    grid = solve_on_grid(problem, points=41)
    assert grid.discretisation_error < 0.005 * grid.expected_cost
    costs, receding = simulate(problem, grid), simulate(problem, RecedingHorizonPolicy(problem))
    error = 4 * costs.std() / len(costs) ** 0.5
    assert abs(costs.mean() - grid.expected_cost) < error + grid.discretisation_error
    assert costs.mean() < receding.mean()


def test_the_best_single_mode_is_far_above_the_optimum_of_the_defaults():
    problem = SwitchedLQR()
    assert best_fixed_mode(problem).expected_cost == pytest.approx(29.37, abs=0.01)
    # The optimum, 8.16, lies below this bound.
    assert RecedingHorizonPolicy(problem).expected_cost < 9.0


def test_what_is_not_supported_says_what_to_do():
    with pytest.raises(ValueError, match=r"modes=\(0, 1\) must be a mode in \[0, 1\], or one for each of 4"):
        SequencePolicy(random_problem(), (0, 1))
    with pytest.raises(NotApplicable, match="must be a SwitchedLQR"):
        best_fixed_mode("jumpgym/SetupCost-v0")
    bound = solve_lqr(random_problem(noise_covariance=0.1))
    assert bound.exactness is Exactness.UPPER_BOUND
    assert np.isnan(bound.discretisation_error)
    box = random_problem(initial_state=((-1.0, 0.0, 0.0), (1.0, 1.0, 0.0)))
    assert 0 < solve_lqr(box).discretisation_error < 1e-3 * solve_lqr(box).cost
