"""Compiled simulation against stepping in NumPy on the same noise."""

import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

import jumpgym

jax = pytest.importorskip("jax", reason="JAX is not installed")
jnp = jax.numpy
from jumpgym.simulation import CompiledRollout  # noqa: E402


def decision(xp, layout, observation, shift):
    """Any decision that depends on the observation: some regime of each gate, and quantities for all."""
    total = xp.round(xp.abs(observation).sum(-1) + shift)[:, None]
    regimes = total % xp.asarray(layout.gates)
    options = xp.concatenate([xp.arange(count) for count in layout.gates])
    gate_of = np.repeat(np.arange(len(layout.gates)), layout.gates)
    weights = (regimes[:, gate_of] == options) * 1.0
    return weights, 7.0 + shift + 0.3 * observation[:, :1] * xp.ones(len(layout.low))


def costs_by_numpy(problem, state, noise, shift):
    total = 0.0
    for period in range(noise.shape[1]):
        weights, quantities = decision(np, problem.layout, problem.observe(state), shift)
        quantities = np.clip(quantities, problem.layout.low, problem.layout.high)
        state, costs = problem.step(state, weights, quantities, noise[:, period])
        total = total + problem.discount**period * costs.sum(-1)
    return total


def start_and_noise(problem, episodes, periods):
    rng = np.random.default_rng(0)
    state = problem.initial_state(rng.random((episodes, *problem.start_shape)))
    return state, problem.noise(rng.random((episodes, periods, *problem.noise_shape)))


@pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)
def test_costs_are_those_of_stepping_in_numpy(env_id):
    env = gym.make(env_id, horizon=5)
    problem = env.unwrapped.problem
    state, noise = start_and_noise(problem, 20, 5)
    with jax.enable_x64(True):
        rollout = CompiledRollout(env, lambda *arguments: decision(jnp, problem.layout, *arguments))
        costs = rollout.replay(state, noise, 1.0)
        assert costs.shape == (20,)
        np.testing.assert_allclose(costs, costs_by_numpy(problem, state, noise, 1.0), rtol=1e-9)


def order_up_to(observation, reorder, level):
    order = observation[:, 0] < reorder
    return jnp.stack([~order, order], -1) * 1.0, (level - observation[:, :1]) * jnp.ones(2)


def test_fresh_noise_has_the_distribution_of_the_problem_and_follows_from_the_seed():
    problem = jumpgym.as_problem("jumpgym/SetupCost-v0")
    rollout = CompiledRollout(problem, order_up_to)
    costs = np.asarray(rollout(4000, 3, 15.0, 62.0))
    np.testing.assert_array_equal(costs, rollout(4000, 3, 15.0, 62.0))
    assert not np.array_equal(costs, rollout(4000, 4, 15.0, 62.0))
    state, noise = start_and_noise(problem, 4000, 50)
    replayed = np.asarray(rollout.replay(state, noise, 15.0, 62.0))
    error = np.hypot(costs.std(), replayed.std()) / 4000**0.5
    assert abs(costs.mean() - replayed.mean()) < 4 * error


def test_costs_are_discounted_without_an_end_and_differentiable_in_the_arguments():
    problem = gym.make(
        "jumpgym/SetupCost-v0", horizon=None, discount=0.9, max_episode_steps=9
    ).unwrapped.problem
    state, noise = start_and_noise(problem, 50, 6)
    with jax.enable_x64(True):
        rollout = CompiledRollout(problem, lambda *a: decision(jnp, problem.layout, *a), periods=6)
        np.testing.assert_allclose(
            rollout.replay(state, noise, 2.0), costs_by_numpy(problem, state, noise, 2.0), rtol=1e-9
        )
        mean = CompiledRollout(problem, order_up_to, periods=6)
        slope = jax.grad(lambda level: mean.replay(state, noise, 15.0, level).mean())(62.3)
        ends = [float(mean.replay(state, noise, 15.0, 62.3 + step).mean()) for step in (-1e-5, 1e-5)]
        assert float(slope) == pytest.approx((ends[1] - ends[0]) / 2e-5, rel=1e-4)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match=r"the policy returned quantities of shape \(3, 1\); .* \(3, 2\)"):
        CompiledRollout("jumpgym/SetupCost-v0", lambda x: (jnp.zeros((3, 2)), x[:, :1]))(3)
    with pytest.raises(ValueError, match="periods=9 is for problems with an infinite horizon"):
        CompiledRollout("jumpgym/SetupCost-v0", order_up_to, periods=9)
    endless = gym.make("jumpgym/SetupCost-v0", horizon=None, max_episode_steps=9)
    with pytest.raises(ValueError, match="give the periods to simulate"):
        CompiledRollout(endless, order_up_to)
    with pytest.raises(ValueError, match=r"noise of shape \(3, 4\) must have shape \('episodes', 50\)"):
        CompiledRollout("jumpgym/SetupCost-v0", order_up_to).replay((), np.zeros((3, 4)))


def test_without_jax_it_says_what_to_install():
    script = (
        "import sys; sys.modules['jax'] = None\n"
        "from jumpgym.simulation import CompiledRollout\n"
        "try: CompiledRollout('jumpgym/SetupCost-v0', None)\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert "needs jax, which is not installed: pip install 'jumpgym[compiled]'" in run.stdout
