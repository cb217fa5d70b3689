"""Every registered environment, as Gymnasium and Stable-Baselines3 see it."""

import pickle
import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
import scipy.stats
from gymnasium.envs.registration import EnvSpec
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from gymnasium.utils.env_checker import data_equivalence as equal
from stable_baselines3.common.env_checker import check_env as check_env_sb3

import jumpgym
from jumpgym.wrappers import BoxAction

every_environment = pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)


def rollout(env_id, steps, seed):
    env = gym.make(env_id)
    env.action_space.seed(seed)
    outputs = [env.reset(seed=seed)]
    for _ in range(steps):
        outputs.append(env.step(env.action_space.sample()))
        if outputs[-1][2]:
            outputs.append(env.reset())
    return outputs


def run_fresh(code):
    """Run in a process that has imported nothing."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


@every_environment
def test_gymnasium_check_env(env_id):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*symmetric and normalized")  # our quantities are in units
        check_env(gym.make(env_id, render_mode="ansi").unwrapped)


@every_environment
@pytest.mark.parametrize("parameters", [{}, {"lead_time": 2, "unmet_demand": "lost"}])
def test_sb3_check_env_on_the_box_view(env_id, parameters):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=".*symmetric and normalized")
        check_env_sb3(BoxAction(gym.make(env_id, **parameters)))


@every_environment
def test_two_rollouts_with_one_seed_are_equal_and_others_differ(env_id):
    first, second, other = rollout(env_id, 50, 3), rollout(env_id, 50, 3), rollout(env_id, 50, 4)
    assert all(equal(a, b, exact=True) for a, b in zip(first, second, strict=True))
    assert not equal(first[1], other[1])


@every_environment
def test_the_horizon_terminates_and_observations_stay_in_bounds(env_id):
    env = gym.make(env_id, horizon=7, lead_time=1, demand=scipy.stats.gamma(0.5, scale=40))
    env.action_space.seed(0)
    observation, info = env.reset(seed=0)
    assert info == {}
    for period in range(1, 8):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert env.observation_space.contains(observation)
        assert observation[-1] == period
        assert reward <= 0
        assert (terminated, truncated) == (period == 7, False)
        assert set(info) == {"regime", "quantity", "noise"}


@every_environment
def test_returned_observations_are_not_reused(env_id):
    env = gym.make(env_id)
    first, _ = env.reset(seed=0)
    kept = first.copy()
    env.step((1, [35.0]))
    np.testing.assert_array_equal(first, kept)


@every_environment
def test_pickling_before_and_after_a_step_keeps_the_future(env_id):
    env = gym.make(env_id)
    pickle.loads(pickle.dumps(env))
    env.reset(seed=1)
    env.step((1, [20.0]))
    copy = pickle.loads(pickle.dumps(env))
    for _ in range(5):
        assert equal(env.step((1, [20.0])), copy.step((1, [20.0])), exact=True)
    assert equal(env.reset(), copy.reset(), exact=True)


@every_environment
def test_specification_travels_through_json(env_id):
    spec = BoxAction(gym.make(env_id, shortage_cost=19.0, lead_time=1)).spec
    again = gym.make(EnvSpec.from_json(spec.to_json()))
    assert isinstance(again, BoxAction)
    assert again.unwrapped.problem.shortage_cost == 19.0
    assert again.unwrapped.problem.max_lead_time == 1


@every_environment
def test_make_without_an_import_in_a_fresh_process(env_id):
    code = f"import gymnasium; e = gymnasium.make('jumpgym:{env_id}'); e.reset(); print(e.step((0, [0]))[4])"
    assert "'regime': 0" in run_fresh(code)


def test_importing_the_package_imports_no_learning_library():
    code = "import sys, jumpgym, jumpgym.wrappers; print(*sys.modules)"
    assert {"torch", "stable_baselines3", "matplotlib"}.isdisjoint(run_fresh(code).split())


@every_environment
def test_an_unknown_keyword_is_named_with_those_allowed(env_id):
    with pytest.raises(TypeError, match=r"unknown parameter fixed_costs=3; allowed are .*holding_cost"):
        gym.make(env_id, fixed_costs=3)
    with pytest.raises(TypeError, match=r"unknown parameter fixed_costs=3; allowed are .*holding_cost"):
        gym.make_vec(env_id, 2, vectorization_mode="vector_entry_point", fixed_costs=3)


@every_environment
def test_step_outside_an_episode(env_id):
    env = gym.make(env_id, horizon=1)
    with pytest.raises(ResetNeeded, match="before reset"):
        env.step((0, [0.0]))
    env.reset(seed=0)
    env.step((0, [0.0]))
    with pytest.raises(ResetNeeded, match="after the end"):
        env.step((0, [0.0]))


@every_environment
@pytest.mark.parametrize(
    ("action", "message"),
    [
        ((99, [1.0]), r"regime=99 must be an integer in \[0, \d\]"),
        ((-1, [1.0]), r"regime=-1 must be an integer"),
        ((0.5, [1.0]), r"regime=0\.5 must be an integer"),
        ((float("nan"), [1.0]), r"regime=nan must be an integer"),
        ((float("inf"), [1.0]), r"regime=inf must be an integer"),
        (("one", [1.0]), r"action=\('one', \[1\.0\]\) must be one regime index"),
        (([0, 1], [1.0]), "must be one regime index and one quantity"),
        ((1, [1.0, 2.0]), "must be one regime index and one quantity"),
        ((1, ["much"]), "must be one regime index and one quantity"),
        ((1, [float("nan")]), "quantity is NaN"),
        ((1, None), "quantity is NaN"),
        (1, r"action=1 must be a pair \(regime, quantity\)"),
        (None, r"action=None must be a pair"),
        ((1, [1.0], 2), "must be a pair"),
    ],
)
def test_a_bad_action_is_refused_and_changes_nothing(env_id, action, message):
    env = gym.make(env_id)
    before, _ = env.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        env.step(action)
    np.testing.assert_array_equal(env.unwrapped.observation, before)


@every_environment
def test_a_quantity_outside_its_regime_is_projected_and_reported(env_id):
    env = gym.make(env_id)
    regimes = env.unwrapped.problem.regimes
    for regime in range(len(regimes)):
        for asked, applied in (
            (-5.0, regimes.low[regime]),
            (1e9, regimes.high[regime]),
            (np.inf, regimes.high[regime]),
        ):
            env.reset(seed=0)
            info = env.step((np.array([regime]), np.array([asked])))[4]
            assert (info["regime"], info["quantity"]) == (regime, applied)


@every_environment
def test_the_noise_option_replays_a_trace(env_id):
    env = gym.make(env_id, horizon=4)
    trace = [3.0, 0.0, 50.0, 7.0]
    env.reset(seed=0, options={"noise": trace})
    assert [env.step((0, [0.0]))[4]["noise"] for _ in range(4)] == trace
    for noise, message in (
        ([1.0, 2.0], r"noise of shape \(2,\) must have shape"),
        (np.ones((2, 4)), r"noise of shape \(2, 4\) must have shape \(4,\)"),
        ([1.0, np.nan, 1.0, 1.0], "must be finite"),
        ([1.0, -1.0, 1.0, 1.0], "at least 0"),
        ([1e9] * 4, "exceeds"),
    ):
        with pytest.raises(ValueError, match=message):
            env.reset(options={"noise": noise})
    with pytest.raises(ValueError, match="unknown option 'trace'; allowed are 'noise'"):
        env.reset(options={"trace": trace})
