"""Policies meet environments: whose actions they are, what wrappers change, and in which units costs are."""

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import wrappers
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback, StopTrainingOnRewardThreshold
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from jumpgym import NotApplicable, as_problem
from jumpgym.agents import MixedGradient
from jumpgym.baselines import best_ss, evaluate, solve
from jumpgym.baselines.ppo import make_ppo
from jumpgym.baselines.sb3.learners import LEARNERS, make_learner
from jumpgym.wrappers import BoxAction, DiscreteLevel

SETUP = "jumpgym/SetupCost-v0"
pytestmark = pytest.mark.usefixtures("one_thread")


def make(**parameters):
    return gym.make(SETUP, horizon=10, **parameters)


def boxed(**parameters):
    return BoxAction(make(), **parameters)


@pytest.fixture(scope="module")
def ppo():
    return make_ppo("ppo-gate", make(), seed=0)


@pytest.fixture(scope="module")
def plain():
    return PPO("MlpPolicy", boxed(), n_steps=64, device="cpu")


@pytest.mark.parametrize(
    "env", [boxed(), boxed(normalize=False), make(), as_problem(make()), Monitor(boxed())]
)
def test_a_model_of_levels_is_refused_where_actions_mean_something_else(ppo, env):
    with pytest.raises(
        ValueError, match=r"acts in Box\(\[ 0. -2.\], \[1. 4.\].*takes (Box|Tuple)\("
    ) as error:
        evaluate(ppo, env, episodes=8)
    assert len(str(error.value)) <= 300


@pytest.mark.parametrize("env", [boxed(), boxed(normalize=False), make()])
@pytest.mark.filterwarnings("ignore:Evaluation environment is not wrapped")
def test_sb3s_evaluation_is_refused_as_well(ppo, env):
    with pytest.raises(ValueError, match=r"acts in Box\(\[ 0. -2.\].*but the environment takes"):
        evaluate_policy(ppo, env, n_eval_episodes=1)


def test_a_model_of_levels_is_refused_in_a_native_batch_of_quantities(ppo):
    other = make_ppo("ppo-box", make(), seed=0)
    with pytest.raises(ValueError, match="but the environment takes"):
        evaluate_policy(ppo, other.get_env(), n_eval_episodes=1)
    with pytest.raises(ValueError, match="but the environment takes"):
        evaluate(other, ppo.get_env(), episodes=8)


@pytest.mark.parametrize("make_policy", [MixedGradient, best_ss, solve])
def test_pairs_are_refused_where_actions_are_no_pairs(make_policy):
    policy = make_policy(make())
    with pytest.raises(ValueError, match=r"acts in Tuple\(.*takes Box\("):
        evaluate(policy, boxed(), episodes=8)
    with pytest.raises(ValueError, match=r"must be one of Box\(.*pairs \(regime, quantity\) are actions of"):
        evaluate_policy(policy, Monitor(boxed()), n_eval_episodes=1)
    larger = evaluate(policy, make(max_order=400), episodes=8)  # bounds may differ: quantities are in units
    assert np.isfinite(larger.mean)


def test_recording_wrappers_are_seen_through(plain):
    expected = evaluate(plain, boxed(), episodes=8).costs
    layered = Monitor(wrappers.RecordEpisodeStatistics(wrappers.TimeLimit(boxed(), 10)))
    for env in (layered, plain.get_env(), DummyVecEnv([lambda: layered])):
        np.testing.assert_array_equal(evaluate(plain, env, episodes=8).costs, expected)
    assert solve(layered).cost == solve(make()).cost
    assert as_problem(gym.make_vec(SETUP, 2, vectorization_mode="sync", horizon=10)).horizon == 10


@pytest.mark.parametrize("use", [solve, MixedGradient, best_ss, lambda env: evaluate(solve(make()), env)])
def test_a_limit_below_the_horizon_is_refused(use):
    with pytest.raises(ValueError, match=r"max_episode_steps=5 ends episodes before horizon=10.*horizon=5"):
        use(make(max_episode_steps=5))
    assert use(make(max_episode_steps=10))


def test_a_limit_below_the_horizon_of_a_native_batch_is_refused():
    with pytest.raises(ValueError, match="max_episode_steps=5 ends episodes before horizon=10"):
        solve(gym.make_vec(SETUP, 2, horizon=10, max_episode_steps=5))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda env: wrappers.FrameStackObservation(env, 2),
        wrappers.NormalizeObservation,
        wrappers.TimeAwareObservation,
        lambda env: VecNormalize(DummyVecEnv([lambda: env]), norm_obs=True),
    ],
)
def test_changed_observations_are_refused(wrap):
    env = wrap(make())
    with pytest.raises(ValueError, match="changes observations, which solve, evaluate and the agents do not"):
        solve(env)


class Bonus(gym.Wrapper):
    def step(self, action):
        observation, reward, *rest = self.env.step(action)
        return observation, reward + 1, *rest


@pytest.mark.parametrize(
    ("wrap", "message"),
    [
        (wrappers.NormalizeReward, "NormalizeReward changes rewards"),
        (lambda env: wrappers.TransformReward(env, abs), "TransformReward changes rewards"),
        (Bonus, "Bonus may change rewards"),
        (
            lambda env: VecNormalize(DummyVecEnv([lambda: env]), norm_obs=False),
            "VecNormalize changes rewards",
        ),
    ],
)
def test_changed_rewards_are_ignored_with_a_warning(wrap, message):
    with pytest.warns(UserWarning, match=message) as caught:
        assert solve(wrap(make())).cost == solve(make()).cost
    assert caught[0].filename == __file__


def test_actions_changed_by_others_are_refused(plain):
    model = PPO("MlpPolicy", wrappers.RescaleAction(boxed(), -2, 2), n_steps=64, device="cpu")
    with pytest.raises(
        ValueError, match="RescaleAction changes actions in a way that cannot be seen through"
    ):
        evaluate(model, model.get_env(), episodes=8)


@pytest.mark.filterwarnings("error")
def test_wrappers_of_actions_may_lie_around_wrappers_of_rewards():
    DiscreteLevel(wrappers.TransformReward(make(), abs))


@pytest.mark.parametrize("name", LEARNERS)
def test_what_sb3_reports_is_in_units_of_cost(name):
    model = make_learner(name, make(), seed=0, n_envs=50)
    mean, _ = evaluate_policy(model, model.get_env(), n_eval_episodes=200)
    costs = evaluate(model, model.get_env(), episodes=2000).costs
    assert -mean == pytest.approx(costs.mean(), abs=5 * costs.std() / 200**0.5)


def test_a_threshold_in_units_of_cost_does_not_stop_at_once(ppo):
    def learnt(threshold):
        stop = StopTrainingOnRewardThreshold(threshold)
        callback = EvalCallback(ppo.get_env(), callback_on_new_best=stop, eval_freq=1, verbose=0)
        return make_ppo("ppo-gate", make(), n_envs=4, n_steps=5, batch_size=20).learn(40, callback)

    assert learnt(-1.0).num_timesteps == 40
    assert learnt(-1e9).num_timesteps == 4


def test_keywords_of_sb3_reach_the_model(tmp_path):
    model = make_ppo(
        "ppo-gate",
        make(),
        device="auto",
        policy_kwargs={"net_arch": [7], "ortho_init": False},
        tensorboard_log=str(tmp_path),
        verbose=1,
        n_envs=4,
        n_steps=5,
        batch_size=20,
    )
    assert model.policy.net_arch == [7]
    assert not model.policy.ortho_init
    assert model.verbose == 1
    model.learn(20, tb_log_name="run")
    assert (tmp_path / "run_1").is_dir()


def test_learners_train_without_a_horizon_on_episodes_of_limited_length():
    limited = gym.make(SETUP, horizon=None, max_episode_steps=20)
    model = make_ppo("ppo-gate", limited, seed=0, n_envs=16, n_steps=40, batch_size=160).learn(640)
    assert model.gamma == 0.99
    mean, _ = evaluate_policy(model, model.get_env(), n_eval_episodes=16)  # ends
    assert np.isfinite(mean)
    assert make_ppo("ppo-gate", limited, gamma=0.95).gamma == 0.95
    with pytest.raises(NotApplicable, match="max_episode_steps=200"):
        make_ppo("ppo-gate", as_problem(limited))


def test_an_environment_that_never_ends_is_made_with_a_warning():
    with pytest.warns(UserWarning, match="never return; give gym.make a limit") as caught:
        gym.make(SETUP, horizon=None)
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error")
def test_environments_that_end_are_made_without_a_warning():
    gym.make(SETUP)
    gym.make(SETUP, horizon=None, max_episode_steps=9)
    gym.make_vec(SETUP, 2, horizon=None)
