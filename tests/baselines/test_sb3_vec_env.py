import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecMonitor

import jumpgym
from jumpgym import NotApplicable, as_problem
from jumpgym.adapters.views import BoxLevelView, BoxView
from jumpgym.baselines.sb3.vec_env import ProblemVecEnv, ScaledMonitor
from jumpgym.problems.setup_cost import setup_cost

COPIES = 3


def make(env_id="jumpgym/SetupCost-v0", **kwargs):
    problem = as_problem(env_id)
    return ProblemVecEnv(problem, COPIES, BoxView(problem, normalize=False), **kwargs)


@pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)
def test_same_trajectory_as_the_scalar_environment(env_id):
    vec_env = make(env_id)
    problem = vec_env.problem
    gates = len(problem.layout.gates)
    traces = problem.noise(np.random.default_rng(0).random((COPIES, problem.horizon, *problem.noise_shape)))
    vec_env.seed(5)
    vec_env.set_options([{"noise": trace} for trace in traces])
    observations = [vec_env.reset()]
    start = vec_env._state
    vec_env.action_space.seed(0)
    actions = [[vec_env.action_space.sample() for _ in range(COPIES)] for _ in range(problem.horizon)]
    steps = [vec_env.step(np.array(batch)) for batch in actions]
    observations += [step[0] for step in steps]
    for copy in range(COPIES):
        env = gym.make(env_id)
        env.reset(options={"noise": traces[copy]})
        env.unwrapped._state = type(start)(*(entry[copy] for entry in start))
        observation = env.unwrapped.observation
        for period, (_, rewards, dones, infos) in enumerate(steps):
            np.testing.assert_allclose(observation, observations[period][copy], rtol=1e-6)
            regimes, quantity = np.rint(actions[period][copy][:gates]), actions[period][copy][gates:]
            action = (int(regimes[0]) if gates == 1 else regimes.astype(int)), quantity
            observation, reward, terminated, truncated, info = env.step(action)
            assert rewards[copy] == pytest.approx(reward, rel=1e-6)
            assert dones[copy] == (terminated or truncated)
            np.testing.assert_array_equal(np.ravel(infos[copy]["regime"]), np.ravel(info["regime"]))
            np.testing.assert_allclose(np.ravel(infos[copy]["quantity"]), np.ravel(info["quantity"]), 1e-9)
        np.testing.assert_allclose(infos[copy]["terminal_observation"], observation, rtol=1e-6)


def test_levels_are_lifted_to():
    problem = as_problem("jumpgym/SetupCost-v0")
    view, level = BoxLevelView(problem), 50.0 / problem.level_scale - 1
    observation, action = np.array([[20.0, 0.0], [60.0, 0.0]]), np.array([[1.0, level], [0.0, level]])
    regime, quantity = view.decode(observation, action)
    assert regime.tolist() == [[1], [0]]
    np.testing.assert_allclose(quantity, [[30.0], [-10.0]], rtol=1e-12)
    assert view.space.shape == (2,)


def test_restarts_after_the_last_period():
    env = make(seed=0)
    env.reset()
    action = np.tile(np.array([1.0, 20.0], np.float32), (COPIES, 1))
    for period in range(env.problem.horizon):
        observation, _, dones, infos = env.step(action)
        assert dones.all() == dones.any() == (period == env.problem.horizon - 1)
        assert ("terminal_observation" in infos[0]) == dones[0]
    assert np.all(observation[:, -1] == 0)
    assert infos[0]["terminal_observation"][-1] == env.problem.horizon
    assert infos[0]["TimeLimit.truncated"] is False


def test_seeds():
    action = np.tile(np.array([1.0, 20.0], np.float32), (COPIES, 1))

    def rewards(**kwargs):
        env = make(**kwargs)
        env.reset()
        return np.array([env.step(action)[1] for _ in range(5)])

    assert np.array_equal(rewards(seed=1), rewards(seed=1))
    assert not np.array_equal(rewards(seed=1), rewards(seed=2))


def test_statistics_are_in_units_of_cost_where_rewards_are_scaled():
    action = np.tile(np.array([1.0, 20.0], np.float32), (COPIES, 1))
    scaled, plain = ScaledMonitor(make(seed=1), 0.01), VecMonitor(make(seed=1))
    for env in (scaled, plain):
        env.reset()
    for _ in range(50):
        (_, rewards, _, infos), (_, costs, _, expected) = scaled.step(action), plain.step(action)
        np.testing.assert_allclose(rewards, 0.01 * costs, rtol=1e-6)
    assert rewards.dtype == np.float32
    assert [info["episode"]["r"] for info in infos] == [info["episode"]["r"] for info in expected]


def test_monitor_counts_episodes():
    env = VecMonitor(make(seed=0))
    env.reset()
    action = np.zeros((COPIES, 2), np.float32)
    total = np.zeros(COPIES)
    for _ in range(50):
        _, rewards, _, infos = env.step(action)
        total += rewards
    assert [info["episode"]["l"] for info in infos] == [50] * COPIES
    assert [info["episode"]["r"] for info in infos] == pytest.approx(total.tolist(), rel=1e-5)


def test_attributes_and_methods():
    env = make()
    assert env.render_mode is None
    assert env.get_attr("render_mode") == [None] * COPIES
    assert env.env_is_wrapped(Monitor, indices=0) == [False]
    assert env.env_method("check_noise", np.zeros(50), indices=[1])[0].shape == (50,)
    env.set_attr("render_mode", "ansi")
    assert env.get_attr("render_mode", indices=0) == ["ansi"]
    with pytest.raises(ValueError, match="indices=0"):
        env.set_attr("render_mode", None, indices=0)
    with pytest.raises(AttributeError):
        env.get_attr("no_such_attribute")


def test_noise_for_some_copies_only_is_refused():
    env = make()
    env.set_options([{"noise": np.zeros(50)}, {}, {}])
    with pytest.raises(ValueError, match="all 3 copies or none"):
        env.reset()


def test_a_problem_without_a_horizon_is_refused():
    problem = setup_cost(horizon=None)
    with pytest.raises(NotApplicable, match="horizon=None: SB3's learners need episodes that end"):
        ProblemVecEnv(problem, COPIES, BoxView(problem, normalize=False))


def test_a_limit_truncates_episodes_without_a_horizon():
    limited = gym.make("jumpgym/SetupCost-v0", horizon=None, max_episode_steps=3)
    env = VecMonitor(ProblemVecEnv(limited, COPIES, BoxView(as_problem(limited), normalize=False)))
    env.reset()
    for period in range(3):
        observation, _, dones, infos = env.step(np.zeros((COPIES, 2), np.float32))
        assert dones.tolist() == [period == 2] * COPIES
    assert infos[0]["TimeLimit.truncated"]
    assert infos[0]["episode"]["l"] == 3
    assert infos[0]["terminal_observation"].shape == observation[0].shape == (1,)


def test_a_number_of_copies_below_one_is_refused():
    problem = as_problem("jumpgym/SetupCost-v0")
    with pytest.raises(ValueError, match="num_envs=0"):
        ProblemVecEnv(problem, 0, BoxView(problem, normalize=False))
