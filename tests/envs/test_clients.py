"""What Gymnasium's wrappers and other libraries do with an environment, without those libraries."""

import copy
import warnings

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces, wrappers
from gymnasium.utils.env_checker import data_equivalence as equal
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from suite import ENVIRONMENTS, STATIONARY, active, every_environment

from jumpgym.wrappers import BoxAction, BoxQuantity, DictAction, DiscreteLevel, DiscreteQuantity

BY_QUANTITY = sorted(set(ENVIRONMENTS) - {"jumpgym/SwitchedLQR-v0"})
"""Those whose regimes follow from the quantities."""


def first_step(env, action):
    env.reset(seed=3)
    return env.step(action)


@every_environment
def test_an_action_in_each_form_that_clients_send(env_id):
    env = gym.make(env_id)
    regime, quantity = active(env.unwrapped.problem)
    quantity = quantity.astype(np.float32)
    plain = first_step(env, (regime, quantity))
    row = np.concatenate([np.atleast_1d(regime), quantity], dtype=np.float32)
    gates = np.atleast_1d(regime).size
    for form in (
        (np.asarray(regime), quantity),  # RLlib: arrays, of one gate without an axis
        (np.atleast_1d(regime).astype(np.int32), quantity.astype(np.float64)),  # skrl
        [torch.as_tensor(regime), torch.as_tensor(quantity)],
        (row[:gates], row[gates:]),  # one row of floats
    ):
        assert equal(first_step(env, form), plain), form
    named = DictAction(env)
    assert equal(
        first_step(named, {"continuous": quantity, "discrete": np.asarray(regime)}), plain
    )  # TorchRL
    assert equal(first_step(BoxAction(env, normalize=False), row), plain)  # Stable-Baselines3


@every_environment
def test_a_batch_takes_columns_of_regimes(env_id):
    envs = gym.make_vec(env_id, 3, vectorization_mode="vector_entry_point")
    regime, quantity = active(envs.problem)
    columns = np.tile(np.atleast_1d(regime), (3, 1)), np.tile(quantity, (3, 1))  # skrl: (m, 1) with one gate
    batched = (np.full(3, regime) if np.ndim(regime) == 0 else columns[0]), columns[1]
    assert equal(first_step(envs, columns), first_step(envs, batched))


@every_environment
def test_actions_flatten_and_come_back(env_id):
    env = gym.make(env_id)
    env.action_space.seed(0)
    flat = spaces.flatten_space(env.action_space)
    layout = env.unwrapped.problem.layout
    assert flat.shape == (layout.options + len(layout.quantity_gate),)
    for _ in range(5):
        action = env.action_space.sample()
        row = spaces.flatten(env.action_space, action)
        assert flat.contains(row.astype(flat.dtype))
        again = spaces.unflatten(env.action_space, row)
        assert equal(first_step(env, again), first_step(env, action))


@every_environment
def test_gymnasium_wrappers_agree_with_the_plain_environment(env_id):
    plain = gym.make(env_id)
    stack = wrappers.RecordEpisodeStatistics(
        wrappers.NormalizeReward(wrappers.NormalizeObservation(wrappers.FlattenObservation(gym.make(env_id))))
    )
    assert stack.observation_space.shape == plain.observation_space.shape
    plain.action_space.seed(1)
    observation, _ = stack.reset(seed=1)
    assert plain.reset(seed=1)[0].shape == observation.shape
    total, terminated = 0.0, False
    while not terminated:
        action = plain.action_space.sample()
        _, reward, terminated, _, info = plain.step(action)
        scaled = stack.step(action)
        assert np.isfinite(scaled[0]).all()
        assert np.isfinite(scaled[1])
        assert scaled[2] == terminated
        total += reward
    assert info.keys() <= scaled[4].keys()
    assert scaled[4]["episode"]["l"] == plain.unwrapped.problem.horizon
    assert total == pytest.approx(-sum(costs_of_episode(env_id, 1)), rel=1e-9)


def costs_of_episode(env_id, seed):
    """The costs of the episode with sampled actions of that seed, by ``step`` of the problem itself."""
    env = gym.make(env_id)
    problem = env.unwrapped.problem
    env.action_space.seed(seed)
    env.reset(seed=seed)
    state, noise = env.unwrapped._state, env.unwrapped._noise
    for period in range(problem.horizon):
        regime, quantity = env.action_space.sample()
        regimes = np.atleast_1d(regime)
        gate, flat = problem.layout.flat(
            regimes, problem.layout.project(regimes, quantity.astype(np.float64))
        )
        state, costs = problem.step(state, gate, flat, noise[period])
        yield float(costs.sum())


@every_environment
def test_rescaled_actions_reach_both_ends(env_id):
    env = wrappers.RescaleAction(
        BoxAction(gym.make(env_id), normalize=False), np.float32(-1.0), np.float32(1.0)
    )
    layout = env.unwrapped.problem.layout
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message="Box (low|high)'s precision")
        for end, regimes in ((-1.0, 0), (1.0, np.array(layout.gates) - 1)):
            env.reset(seed=0)
            ends = np.full(env.action_space.shape, end, dtype=np.float32)
            regime, quantity = env.env.action(env.action(ends))
            np.testing.assert_array_equal(regime, np.broadcast_to(regimes, regime.shape))
            bound = layout.quantity_low if end < 0 else layout.quantity_high
            np.testing.assert_allclose(quantity, bound, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("env_id", STATIONARY)
def test_a_time_limit_truncates_what_has_no_horizon(env_id):
    env = gym.make(env_id, horizon=None, max_episode_steps=3)
    batch = DummyVecEnv([lambda: BoxAction(env)])
    batch.seed(0)
    batch.reset()
    action = np.stack([batch.action_space.sample()])
    for _ in range(2):
        assert not batch.step(action)[2].any()
    _, _, done, infos = batch.step(action)
    assert done.all()
    assert infos[0]["TimeLimit.truncated"]  # so that its agents bootstrap
    assert env.observation_space.contains(infos[0]["terminal_observation"])


@pytest.mark.parametrize("env_id", BY_QUANTITY)
@pytest.mark.parametrize("wrapper", [BoxQuantity, DiscreteQuantity, DiscreteLevel])
def test_sb3_check_env_on_other_views(env_id, wrapper):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(wrapper(gym.make(env_id)))


@every_environment
def test_normalised_batches_of_sb3(env_id):
    envs = VecNormalize(DummyVecEnv([lambda: BoxAction(gym.make(env_id, horizon=4))] * 2))
    envs.seed(0)
    envs.action_space.seed(0)
    observations, ended = envs.reset(), 0
    for _ in range(9):
        observations, rewards, dones, infos = envs.step(
            np.stack([envs.action_space.sample() for _ in range(2)])
        )
        assert np.isfinite(observations).all()
        assert np.isfinite(rewards).all()
        assert all(("terminal_observation" in info) == done for info, done in zip(infos, dones, strict=True))
        ended += dones.sum()
    assert ended == 4


@every_environment
def test_copies_live_on_their_own(env_id):
    env = DictAction(gym.make(env_id))
    env.action_space.seed(0)
    first_step(env, env.action_space.sample())
    copies = copy.deepcopy(env), cloudpickle.loads(cloudpickle.dumps(env))
    action = env.action_space.sample()
    ahead = copies[0].step(action)
    assert equal(copies[1].step(action), ahead)
    assert equal(env.step(action), ahead)  # what the copies did has left the original as it was
