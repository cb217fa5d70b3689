"""Rendering as text and as a chart."""

import sys
from itertools import pairwise

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled, ResetNeeded

import jumpgym

every_environment = pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)


@every_environment
@pytest.mark.parametrize("parameters", [{}, {"lead_time": 2, "unmet_demand": "lost"}])
def test_chart_is_an_image_that_follows_the_episode(env_id, parameters):
    env = gym.make(env_id, render_mode="rgb_array", **parameters)
    env.reset(seed=0)
    frames = [env.render()]
    for _ in range(3):
        env.step((1, [40.0]))
        frames.append(env.render())
    for frame in frames:
        assert (frame.dtype, frame.shape) == (np.uint8, frames[0].shape)
        assert frame.shape[2] == 3
        assert min(frame.shape[:2]) > 200
        assert frame.std() > 5  # something is drawn
    assert all((a != b).any() for a, b in pairwise(frames))
    np.testing.assert_array_equal(env.render(), frames[-1])
    env.reset(seed=0)
    np.testing.assert_array_equal(env.render(), frames[0])


@every_environment
def test_text_tells_the_state_and_the_periods(env_id):
    env = gym.make(env_id, render_mode="ansi", horizon=20, lead_time=1, initial_inventory=12.0)
    env.reset(seed=0, options={"noise": np.arange(20.0)})
    assert env.render() == "period 0 of 20   stock: 12.0   arrives in 0: 0.0   cost so far: 0.0\n"
    total = 0.0
    for _ in range(15):
        total -= env.step((0, [0.0]))[1]
    lines = env.render().splitlines()
    assert lines[0] == f"period 15 of 20   stock: {12 - 105:.1f}   arrives in 0: 0.0   cost so far: {total:.1f}"
    assert [line.split()[0] for line in lines[1:]] == ["period", *map(str, range(6, 16))]
    assert lines[-1].split()[4] == "14.0"  # the demand


def test_many_regimes_fit_on_the_chart():
    env = gym.make("jumpgym/TruckCapacity-v0", max_trucks=40, truck_capacity=3.0, render_mode="rgb_array")
    env.reset(seed=0)
    for regime in range(1, 40):
        env.step((regime, [3.0 * regime]))
    assert env.render().dtype == np.uint8


def test_without_a_render_mode_it_warns():
    env = gym.make("jumpgym/SetupCost-v0")
    env.reset(seed=0)
    with pytest.warns(UserWarning, match="render_mode"):
        assert env.unwrapped.render() is None


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_before_reset(mode):
    with pytest.raises(ResetNeeded, match="render"):
        gym.make("jumpgym/SetupCost-v0", render_mode=mode).unwrapped.render()


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    env = gym.make("jumpgym/SetupCost-v0", render_mode="rgb_array")
    env.reset(seed=0)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(DependencyNotInstalled, match=r'pip install "jumpgym\[baselines\]"'):
        env.render()


def test_rendering_leaves_pyplot_alone():
    monitored = "matplotlib.pyplot" in sys.modules
    env = gym.make("jumpgym/SetupCost-v0", render_mode="rgb_array")
    env.reset(seed=0)
    env.render()
    assert monitored or "matplotlib.pyplot" not in sys.modules
