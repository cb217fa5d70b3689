from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common.distributions import kl_divergence
from stable_baselines3.common.evaluation import evaluate_policy

import jumpgym
from jumpgym import NotApplicable, as_problem
from jumpgym.baselines.evaluation import evaluate
from jumpgym.baselines.optimum import solve
from jumpgym.baselines.runs import methods
from jumpgym.baselines.sb3.budgeted import BudgetedTRPO
from jumpgym.baselines.sb3.learners import LEARNERS, UnitLevelView, make_learner
from jumpgym.problems.setup_cost import setup_cost

SETUP_COST = "jumpgym/SetupCost-v0"
JOINT = "jumpgym/JointReplenishment-v0"
ON_POLICY, OFF_POLICY = ("a2c", "trpo"), ("ddpg", "td3", "sac")
NAMES = ON_POLICY + OFF_POLICY
SMALL: dict[str, dict[str, int]] = {
    "a2c": {"n_envs": 4, "n_steps": 5},
    "trpo": {"n_envs": 4, "n_steps": 25, "batch_size": 50, "sub_sampling_factor": 1},
}
SMALL |= {
    name: {"n_envs": 4, "learning_starts": 20, "gradient_steps": 1, "batch_size": 16} for name in OFF_POLICY
}


pytestmark = pytest.mark.usefixtures("one_thread")


def small(name, env, seed=0, **kwargs):
    return make_learner(name, env, seed, SMALL[name] | kwargs)


@pytest.mark.parametrize(
    ("name", "env_id"),
    [
        (names[number % len(names)], env_id)
        for number, env_id in enumerate(jumpgym.ENVIRONMENTS)
        for names in (ON_POLICY, OFF_POLICY)
    ],
)
def test_learners_run_on_every_environment(name, env_id):
    """Each environment with one learner on policy and one off policy, which view actions differently."""
    model = small(name, gym.make(env_id, horizon=6))
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(total_timesteps=100)
    after = list(model.policy.parameters())
    assert all(torch.isfinite(p).all() for p in after)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    costs = evaluate(model, model.get_env(), episodes=8).costs
    assert np.all(np.isfinite(costs))
    assert np.ptp(costs) > 0


SHORT = {
    "a2c": ({}, 128_000, 0.2),
    "trpo": ({}, 128_000, 0.2),
    **{name: ({"n_envs": 64, "learning_starts": 2000, "batch_size": 64}, 12_000, 0.4) for name in OFF_POLICY},
}
"""Settings, transitions, and the gap to the optimum that they get below; to order always costs 50 % more."""


@pytest.mark.parametrize("name", NAMES)
def test_a_short_training_learns_when_to_order(name):
    settings, transitions, largest = SHORT[name]
    model = make_learner(name, SETUP_COST, seed=0, hyperparameters=settings)
    model.learn(transitions)
    gap = evaluate(model, model.get_env(), episodes=512).mean / solve(SETUP_COST).expected_cost - 1
    assert gap < largest


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("env_id", [SETUP_COST, JOINT])
def test_a_checkpoint_of_the_method_holds_the_policy(name, env_id, tmp_path):
    model = small(name, env_id)
    model.learn(total_timesteps=100)
    # Loading builds the networks of sb3.yml: so they must be those of the model.
    method = methods.method(name)
    method.save(model, tmp_path / "model.zip")
    kind, loaded = methods.load(tmp_path / "model.zip", env_id)
    rng = np.random.default_rng(0)
    space = model.observation_space
    observation = rng.uniform(0, 60, (64, space.shape[0])).astype(np.float32)
    observation[:, -1] = rng.integers(0, 50, 64)
    first, second = (m.predict(observation, deterministic=True)[0] for m in (model, loaded))
    assert kind == name
    assert np.array_equal(first, second)
    assert np.ptp(first, axis=0).max() > 0
    assert loaded.num_timesteps == model.num_timesteps
    other = "jumpgym/SwitchedLQR-v0"
    with pytest.raises(ValueError, match="does not fit the environment"):
        methods.load(tmp_path / "model.zip", other)


@pytest.mark.parametrize("name", NAMES)
def test_the_method_trains_on_a_budget_and_calls_back(name):
    method = methods.method(name)
    model, steps = small(name, SETUP_COST), []
    method.train(model, lambda model: steps.append(model.num_timesteps), total_timesteps=100)
    assert steps == list(range(4, 101, 4))
    assert model.clock.elapsed > 0


@pytest.mark.parametrize("name", ["td3", "trpo"])
def test_cpu_budget_stops_training_and_anneals_the_learning_rate(name, ticking):
    model, rates = small(name, SETUP_COST), []

    def on_step(local, _):
        rates.append(model.lr_schedule(model._current_progress_remaining))
        with model.clock.pause():
            ticking.now += 10
        return True

    model.learn(cpu_seconds=0.5, callback=on_step)
    assert 0.5 <= model.clock.elapsed < 0.51
    assert np.all(np.diff(rates) <= 0)
    assert rates[-1] < 0.2 * rates[0]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("budget", [{}, {"total_timesteps": 10, "cpu_seconds": 1.0}])
def test_one_budget_is_needed(name, budget):
    with pytest.raises(ValueError, match="one budget"):
        small(name, SETUP_COST).learn(**budget)


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_model(name):
    models = [small(name, SETUP_COST, seed).learn(total_timesteps=100) for seed in (1, 1, 2)]
    first, second, third = (torch.cat([p.flatten() for p in m.policy.parameters()]) for m in models)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


def test_evaluations_agree():
    model = small("td3", SETUP_COST, n_envs=64).learn(total_timesteps=100)
    rewards, lengths = evaluate_policy(
        model, model.get_env(), n_eval_episodes=128, deterministic=True, return_episode_rewards=True
    )
    costs = evaluate(model, model.get_env(), episodes=1152)
    error = 3 * costs.standard_error  # 128 against 1,152 episodes: 3 times the smaller error
    assert -np.mean(rewards) == pytest.approx(costs.mean, abs=4 * error)
    assert set(lengths) == {50}


@pytest.mark.parametrize("env_id", [SETUP_COST, JOINT])
def test_trpo_measures_its_steps_by_the_kl_of_the_hybrid_distribution(env_id):
    old, new = (small("trpo", env_id, seed).policy for seed in (0, 1))
    observation = torch.full((4, old.observation_space.shape[0]), 30.0)
    observation[:, -1] = torch.arange(4)
    with torch.no_grad():
        for parameter in (new.log_std, new.action_net.weight):  # new networks differ too little
            parameter += 0.2 * torch.randn_like(parameter)
        p, q = old.get_distribution(observation), new.get_distribution(observation)
        kl = kl_divergence(p, q)
        events = p.distribution.sample((100_000,))
        difference = p.distribution.log_prob(events) - q.distribution.log_prob(events)
    error = difference.std(0) / len(events) ** 0.5
    assert torch.all(kl > 0)
    assert torch.all((difference.mean(0) - kl).abs() < 4 * error)
    # the other way round it is another number, or the test could not tell
    assert torch.any((difference.mean(0) - kl_divergence(q, p)).abs() > 4 * error)


def test_a_step_of_trpo_is_as_long_as_its_target():
    steps = []

    class Watched(BudgetedTRPO):
        def train(self):
            observations = torch.as_tensor(self.rollout_buffer.observations).flatten(0, 1)
            with torch.no_grad():
                before = self.policy.get_distribution(observations).distribution
                super_distribution = before.expand(before.batch_shape)
            super().train()
            with torch.no_grad():
                after = self.policy.get_distribution(observations).distribution
                steps.append(float(torch.distributions.kl_divergence(after, super_distribution).mean()))

    model = small("trpo", SETUP_COST, target_kl=0.02)
    model.__class__ = Watched
    model.learn(total_timesteps=500)
    assert len(steps) == 5
    assert max(steps) == pytest.approx(0.02, rel=0.5)
    assert max(steps) < 0.02 * 1.001


def test_levels_over_the_unit_interval_are_around_the_first_sensible_one():
    problem = as_problem(SETUP_COST)
    view = UnitLevelView(problem)
    assert view.space.low.tolist() == [0, -1]
    assert view.space.high.tolist() == [1, 1]
    observation = np.zeros((3, 2))
    regime, quantity = view.decode(observation, np.array([[0.9, -1.0], [0.6, 0.0], [0.2, 1.0]]))
    assert regime.tolist() == [[1], [1], [0]]
    np.testing.assert_allclose(quantity[:, 0], problem.level_scale * np.array([0, 1, 2]), atol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_memory_of_replay_is_modest(name):
    buffer: Any = getattr(make_learner(name, SETUP_COST), "replay_buffer", None)
    if name not in OFF_POLICY:
        assert buffer is None
        return
    arrays = (buffer.observations, buffer.next_observations, buffer.actions, buffer.rewards, buffer.dones)
    assert sum(array.nbytes for array in arrays) < 10e6


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ddpg", {"log_std_init": -1.0}, "ddpg has no log_std_init; allowed are action_noise, "),
        ("sac", {"logit_scale": 3.0}, "sac has no logit_scale; "),
        ("trpo", {"ent_coef": 0.01, "clip_range": 0.2}, "trpo has no clip_range, ent_coef; "),
        ("a2c", {"tau": 0.01}, "a2c has no tau; "),
        ("ppo-gate", {"clip_rang": 0.1}, r"no clip_rang; did you mean clip_range\? allowed are .*vf_coef$"),
        ("ppo-gate", {"activation": "tahn"}, "activation='tahn' must be one of 'tanh', 'relu'"),
        ("ppo-gate", {"reward_scale": "max"}, "reward_scale='max' must be a number"),
    ],
)
def test_a_mistyped_hyperparameter_is_an_error_of_its_own(name, settings, message):
    with pytest.raises((TypeError, ValueError), match=message) as error:
        make_learner(name, SETUP_COST, hyperparameters=settings)
    assert not isinstance(error.value, NotApplicable)


def test_an_unknown_learner_is_refused():
    with pytest.raises(ValueError, match=r"'dqn' must be one of .*'sac'"):
        make_learner("dqn", SETUP_COST)


@pytest.mark.parametrize("name", LEARNERS)
def test_a_problem_without_a_horizon_is_refused(name):
    with pytest.raises(NotApplicable, match="give a horizon"):
        make_learner(name, setup_cost(horizon=None))


@pytest.mark.parametrize(
    ("name", "actions"),
    [
        ("ppo-gate", [[0.0, 0.00015174], [0.0, -0.00112554], [1.0, 0.01285755]]),
        ("td3", [[0.51117253, 0.34376144], [0.50358391, 0.34937763], [0.50358391, 0.34937763]]),
    ],
)
def test_checkpoints_of_version_0_1_0_are_loaded_and_trained_further(name, actions):
    problem = as_problem(gym.make(SETUP_COST, horizon=10))
    path = Path(__file__).parent / "checkpoints" / f"{name}-0.1.0.zip"
    kind, model = methods.load(path, problem)
    assert kind == name
    observation = np.array([[10, 0], [50, 5], [-20, 9]], np.float32)
    np.testing.assert_allclose(model.predict(observation, deterministic=True)[0], actions, atol=1e-6)
    methods.method(name).train(model, lambda model: None, total_timesteps=120)
    assert model.num_timesteps == 120
    assert not np.allclose(model.predict(observation, deterministic=True)[0], actions, atol=1e-6)
