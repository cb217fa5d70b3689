"""Observations and rewards of order 1, from scales that are known beforehand."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import TimeAwareObservation
from suite import every_environment

from jumpgym.wrappers import BoxAction, DictAction, NormalizeScale, VectorNormalizeScale

NATIVE = {"vectorization_mode": "vector_entry_point"}


@every_environment
def test_observations_and_rewards_are_of_order_1(env_id):
    """Under random actions, whatever the unit of money or of goods."""
    env = NormalizeScale(gym.make(env_id))
    env.action_space.seed(0)
    observations, rewards = [env.reset(seed=0)[0]], []
    while len(rewards) < 200:
        observation, reward, terminated, _, _ = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        rewards.append(reward)
        observations.append(env.reset()[0] if terminated else observation)
    assert 0.1 < np.abs(rewards).mean() < 50  # SwitchedLQR is unstable without control
    assert 0.01 < np.median(np.abs(observations)) < 20


@every_environment
def test_scaled_values_are_the_plain_ones_in_other_units(env_id):
    plain, scaled = gym.make(env_id), NormalizeScale(gym.make(env_id))
    plain.action_space.seed(0)
    problem = plain.unwrapped.problem
    scale = np.append(problem.observation_scale[:-1], problem.horizon)
    np.testing.assert_allclose(scaled.reset(seed=1)[0] * scale, plain.reset(seed=1)[0], rtol=1e-5)
    for _ in range(3):
        action = plain.action_space.sample()
        expected, step = plain.step(action), scaled.step(action)
        np.testing.assert_allclose(step[0] * scale, expected[0], rtol=1e-5)
        assert step[1] * scaled.cost_unit == pytest.approx(expected[1], rel=1e-9)
        assert step[2:4] == expected[2:4]


def test_the_unit_does_not_depend_on_the_unit_of_money():
    yen, euro = (
        NormalizeScale(
            gym.make("jumpgym/SetupCost-v0", fixed_cost=64.0 * f, holding_cost=f, shortage_cost=9.0 * f)
        )
        for f in (160.0, 1.0)
    )
    assert yen.cost_unit == pytest.approx(160 * euro.cost_unit)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
@every_environment
def test_a_batch_is_scaled_as_single_environments(env_id, mode):
    sync, native = (
        gym.make_vec(env_id, 2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}, horizon=3),
        gym.make_vec(env_id, 2, **NATIVE, autoreset_mode=mode, horizon=3),
    )
    sync, native = VectorNormalizeScale(sync), VectorNormalizeScale(native)
    single = NormalizeScale(gym.make(env_id, horizon=3))
    native.action_space.seed(0)
    first, _ = native.reset(seed=[3, 4])
    np.testing.assert_array_equal(first, sync.reset(seed=[3, 4])[0])
    assert native.single_observation_space == single.observation_space
    np.testing.assert_array_equal(first[0], single.reset(seed=3)[0])
    for _ in range(3):
        action = native.action_space.sample()
        expected, step = sync.step(action), native.step(action)
        for part, other in zip(step[:4], expected[:4], strict=True):
            np.testing.assert_allclose(part, other, rtol=1e-5, atol=1e-6)
        assert native.observation_space.contains(step[0])
    assert step[2].all()
    if mode == "SameStep":
        np.testing.assert_allclose(
            *(np.stack(infos["final_obs"]) for *_, infos in (step, expected)), rtol=1e-5
        )
        assert native.single_observation_space.contains(step[-1]["final_obs"][0])


def test_it_goes_with_action_wrappers_on_either_side_and_through_a_specification():
    inside, outside = (
        BoxAction(NormalizeScale(gym.make("jumpgym/SetupCost-v0"))),
        NormalizeScale(BoxAction(gym.make("jumpgym/SetupCost-v0"))),
    )
    again = gym.make(EnvSpec.from_json(outside.spec.to_json()))
    action = np.array([1.0, -0.5], dtype=np.float32)
    rewards = []
    for env in (inside, outside, again):
        env.reset(seed=0)
        rewards.append(env.step(action)[1])
    assert rewards == [rewards[0]] * 3


def test_other_observations_are_refused():
    message = "NormalizeScale needs the observations of a jumpgym environment as they are"
    for env in (gym.make("CartPole-v1"), TimeAwareObservation(DictAction(gym.make("jumpgym/SetupCost-v0")))):
        with pytest.raises(TypeError, match=message):
            NormalizeScale(env)
    with pytest.raises(TypeError, match=f"Vector{message}"):
        VectorNormalizeScale(gym.make_vec("CartPole-v1", 2, vectorization_mode="sync"))
