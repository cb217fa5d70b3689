"""Episodes replayed from their initial state and noise; seeds of each copy; attributes of the copies."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import data_equivalence as equal
from gymnasium.vector import VectorEnv
from gymnasium.wrappers import TimeAwareObservation
from suite import STATIONARY, class_of, every_environment, variant

from jumpgym.adapters.noise_blocks import BLOCK

NATIVE = {"vectorization_mode": "vector_entry_point"}
SETUP_COST = "jumpgym/SetupCost-v0"


def episode(env, options=None, seed=None):
    """Observations, rewards and noise of an episode with sampled actions, always the same."""
    env.action_space.seed(0)
    observation, _ = env.reset(seed=seed, options=options)
    observations, rewards, noise, over = [observation], [], [], False
    while not over:
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        over = np.any(terminated | truncated)
        observations.append(observation)
        rewards.append(reward)
        noise.append(info["noise"])
    return observations, rewards, np.array(noise)


def random_start(env_id):
    """Parameters under which the initial state is random, where there are such."""
    return variant(env_id, initial_inventory=(3.3, 7.7), initial_wealth=(5.1, 20.3), horizon=5)


@every_environment
def test_an_episode_is_replayed_bit_by_bit(env_id):
    env = gym.make(env_id, **random_start(env_id))
    original = episode(env, seed=1)
    start = env.unwrapped.initial_state
    episode(env, seed=2)  # something else in between
    again = episode(env, {"initial_state": start, "noise": original[2]})
    assert equal(again, original, exact=True)
    np.testing.assert_array_equal(env.unwrapped.initial_state, start)


@every_environment
def test_a_batch_is_replayed_bit_by_bit_and_row_by_row(env_id):
    envs = gym.make_vec(env_id, 3, **NATIVE, **random_start(env_id), autoreset_mode="Disabled")
    original = episode(envs, seed=1)
    start, noise = envs.initial_state, np.moveaxis(original[2], 0, 1)
    again = episode(envs, {"initial_state": start, "noise": noise}, seed=5)
    assert equal(again, original, exact=True)
    mask = np.array([False, True, False])
    others = envs.initial_state + 0.0
    envs.reset(options={"initial_state": start[::-1].copy(), "reset_mask": mask})
    others[1] = start[1]
    np.testing.assert_array_equal(envs.initial_state, others)


def test_the_options_leave_later_episodes_as_they_are():
    plain, replayed = (gym.make("jumpgym/MinInvestment-v0", horizon=4) for _ in range(2))
    plain.reset(seed=0)
    replayed.reset(seed=0, options={"initial_state": [50.0, 0.0], "noise": np.zeros((4, 2))})
    assert replayed.unwrapped.initial_state.tolist() == [50.0, 0.0]
    assert equal(plain.reset(), replayed.reset(), exact=True)
    assert equal(episode(plain), episode(replayed), exact=True)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1.0], r"initial_state of shape \(1,\) must have shape \(2,\): an observation"),
        ([np.nan, 0.0], r"initial_state: .*=nan must be in \["),
        ([1e9, 0.0], r"initial_state: .*=1e\+09 must be in \[-3050, 10000\]"),
        ([5.0, 3.0], r"initial_state: period=3 must be in \[0, 0\]"),
        ("empty", "initial_state='empty' must be numbers"),
    ],
)
def test_initial_states_that_cannot_be(state, message):
    env = gym.make(SETUP_COST)
    envs = gym.make_vec(SETUP_COST, 2, **NATIVE)
    before = env.reset(seed=0)[0], envs.reset(seed=0)[0]
    with pytest.raises(ValueError, match=message):
        env.reset(options={"initial_state": state})
    with pytest.raises(ValueError, match="initial_state"):
        envs.reset(options={"initial_state": [[5.0, 0.0], state]})
    assert equal((env.unwrapped.observation, envs._observe()), before)


def test_a_bad_row_is_named():
    envs = gym.make_vec(SETUP_COST, 2, **NATIVE)
    with pytest.raises(ValueError, match=r"initial_state of environment 1: .*=1e\+09 must be in"):
        envs.reset(options={"initial_state": [[5.0, 0.0], [1e9, 0.0]]})


def test_there_is_no_initial_state_before_reset():
    for env in (gym.make(SETUP_COST).unwrapped, gym.make_vec(SETUP_COST, 2, **NATIVE)):
        with pytest.raises(ResetNeeded):
            _ = env.initial_state


def both_with_seeds(env_id, **parameters):
    """Sync and native batches whose copies were seeded one by one."""
    sync = gym.make_vec(env_id, 3, vectorization_mode="sync", **parameters)
    native = gym.make_vec(env_id, 3, **NATIVE, **parameters)
    native.action_space.seed(0)
    np.testing.assert_array_equal(*(envs.reset(seed=[7, 7, 11])[0] for envs in (sync, native)))
    return sync, native


def assert_equal_steps(sync, native, count):
    for _ in range(count):
        action = native.action_space.sample()
        expected, step = sync.step(action), native.step(action)
        np.testing.assert_allclose(step[0], expected[0], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(step[1], expected[1], rtol=1e-9, atol=1e-9)


@every_environment
def test_copies_with_seeds_of_their_own_equal_single_environments(env_id):
    """Over several episodes, of which the copies begin the second at different times."""
    sync, native = both_with_seeds(env_id, **random_start(env_id))
    assert_equal_steps(sync, native, 2)
    mask = np.array([True, False, False])
    again = [envs.reset(seed=[3, 4, None], options={"reset_mask": mask.copy()})[0] for envs in (sync, native)]
    np.testing.assert_array_equal(*again)
    assert_equal_steps(sync, native, 12)


def test_copies_without_a_horizon_draw_further_noise_from_their_own_seeds():
    assert_equal_steps(*both_with_seeds(SETUP_COST, horizon=None, max_episode_steps=900), BLOCK + 5)


def test_seeds_of_the_batch_and_of_the_copies():
    envs = gym.make_vec(SETUP_COST, 2, **NATIVE, initial_inventory=(0, 30))
    shared = envs.reset(seed=3)[0]
    own = envs.reset(seed=np.array([3, 3]))[0]
    assert own[0, 0] == own[1, 0]
    assert envs.reset()[0][0, 0] != own[0, 0]
    np.testing.assert_array_equal(envs.reset(seed=3)[0], shared)  # and back
    with pytest.raises(ValueError, match="seed: 3 seeds must be 2, one for each environment"):
        envs.reset(seed=[1, 2, 3])
    with pytest.raises(TypeError, match=r"seed=0\.5 must be an integer"):
        envs.reset(seed=[1, 0.5])
    with pytest.raises(TypeError, match="seed='3' must be a sequence"):
        envs.reset(seed="3")


def test_calls_and_attributes_of_the_copies():
    sync, native = (
        gym.make_vec(SETUP_COST, 2, vectorization_mode=mode, render_mode="ansi")
        for mode in ("sync", "vector_entry_point")
    )
    for envs in (sync, native):
        envs.reset(seed=[4, 5])
        envs.step(([1, 1], [[10.0], [20.0]]))
    assert native.autoreset_mode == sync.autoreset_mode  # TorchRL reads it
    for name in ("action_space", "observation_space", "initial_state", "render_mode"):
        assert equal(native.get_attr(name), sync.get_attr(name)), name
        assert equal(native.call(name), sync.call(name)), name
    assert native.call("render") == sync.call("render") == native.render()
    for envs in (sync, native):
        envs.set_attr("label", "a")
        assert envs.get_attr("label") == ("a", "a")
        envs.set_attr("label", ["b", "b"])
        assert envs.get_attr("label") == ("b", "b")
        with pytest.raises(ValueError, match=r"label|values"):
            envs.set_attr("label", ["a", "b", "c"])
    with pytest.raises(ValueError, match="the values must be equal, since the copies share attributes"):
        native.set_attr("label", ["a", "b"])
    with pytest.raises(ValueError, match=r"call\('step'\): the copies of a native batch have no methods"):
        native.call("step", None)
    with pytest.raises(AttributeError):
        native.get_attr("nothing")


@every_environment
def test_libraries_that_look_at_the_direct_bases_find_gymnasiums(env_id):
    assert gym.Env in class_of(env_id).__bases__  # skrl guesses its wrapper from them
    assert VectorEnv in type(gym.make_vec(env_id, 2, **NATIVE)).__bases__


@every_environment
def test_the_specification_says_how_long_an_episode_is(env_id):
    env = gym.make(env_id, horizon=4)
    assert env.spec.max_episode_steps == 4
    assert gym.spec(env_id).max_episode_steps is None  # it depends on the parameters
    timed = TimeAwareObservation(env)
    timed.action_space.seed(0)
    timed.reset(seed=0)
    for period in range(1, 5):
        observation, _, terminated, truncated, _ = timed.step(timed.action_space.sample())
        assert observation[-1] == period
        assert (terminated, truncated) == (period == 4, False)
    assert gym.make(env_id, horizon=4, max_episode_steps=3).spec.max_episode_steps == 3
    if env_id in STATIONARY:
        assert gym.make(env_id, horizon=None).spec.max_episode_steps is None
        assert gym.make(env_id, horizon=None, max_episode_steps=9).spec.max_episode_steps == 9
    assert gym.make(env.spec).unwrapped.problem.horizon == 4
