import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

import jumpgym
from jumpgym import as_problem
from jumpgym.baselines import best_classical, evaluate, solve
from jumpgym.baselines.evaluation import decide, draw
from jumpgym.baselines.ppo import make_ppo
from jumpgym.baselines.runs import Reference
from jumpgym.wrappers import BoxAction

SETUP_COST = "jumpgym/SetupCost-v0"


@pytest.mark.parametrize("env", jumpgym.ENVIRONMENTS)
def test_same_seed_same_costs_and_another_seed_others(env):
    policy = best_classical(env)
    costs = evaluate(policy, env, 64, seed=3).costs
    np.testing.assert_array_equal(costs, evaluate(policy, as_problem(env), 64, seed=3).costs)
    assert not np.array_equal(costs, evaluate(policy, env, 64, seed=4).costs)


@pytest.mark.parametrize("env", jumpgym.ENVIRONMENTS)
def test_costs_of_two_policies_pair(env):
    optimum, classical = evaluate(solve(env), env), evaluate(best_classical(env), env)
    difference = classical.costs - optimum.costs
    apart = np.hypot(optimum.standard_error, classical.standard_error)
    assert difference.std() / np.sqrt(len(difference)) < apart
    assert difference.mean() > 0


@pytest.mark.parametrize("env", jumpgym.ENVIRONMENTS)
def test_mean_of_the_optimum_is_its_expected_cost(env):
    optimum = solve(env)
    result = evaluate(optimum, env, 4096)
    assert abs(result.mean - optimum.expected_cost) < 4 * result.standard_error


def test_actions_of_a_wrapper_are_decoded():
    class Box:
        def predict(self, observation, **kwargs):
            return np.stack([np.ones(len(observation)), 30 - observation[:, 0]], -1), None

    env = BoxAction(gym.make(SETUP_COST))
    regime, quantity = decide(Box(), env, np.array([[10.0, 0.0], [40.0, 0.0]], dtype=np.float32))
    assert regime.tolist() == [1, 1]
    assert quantity.tolist() == [20.0, 0.0]


def test_episodes_must_be_positive():
    with pytest.raises(ValueError, match="episodes=0 must be an integer of at least 1"):
        evaluate(solve(SETUP_COST), SETUP_COST, 0)


def test_ppo_with_seed_0_does_not_train_on_the_noise_of_the_evaluation():
    problem = as_problem(SETUP_COST)
    model = make_ppo("ppo-gate", SETUP_COST, seed=0)
    model.learn(total_timesteps=1)
    vec_env = model.get_env().venv
    _, noise = draw(problem, vec_env.num_envs, 0)
    vec_env.seed(0)
    vec_env.reset()
    assert not np.array_equal(vec_env._noise, noise)


def test_the_reference_has_no_gap_to_itself():
    reference = Reference(SETUP_COST)
    gap = reference.gap(reference.optimum, SETUP_COST, 32)
    assert gap.gap_percent == gap.gap_se_percent == 0
    assert gap.mean_cost == evaluate(reference.optimum, SETUP_COST, 32).mean


def test_policies_are_recorded_where_the_optimum_goes():
    reference = Reference(SETUP_COST)
    orders = reference.orders(reference.optimum, SETUP_COST)
    assert orders["periods"] == (25, 48)
    assert orders["stocks"][0] < 0 < 60 < orders["stocks"][-1]
    middle = dict(zip(orders["stocks"], orders["quantities"][0], strict=True))
    assert middle[0.0] == 62
    assert middle[30.0] == 0


def test_the_package_imports_neither_torch_nor_sb3():
    code = "import sys, jumpgym.baselines; assert not {'torch', 'stable_baselines3'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
