import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy

import jumpgym
from jumpgym import NotApplicable, as_problem
from jumpgym.baselines.evaluation import evaluate
from jumpgym.baselines.optimum import solve
from jumpgym.baselines.ppo import METHODS, BudgetedPPO, Cosine, make_ppo, ppo_hyperparameters

SETUP_COST = "jumpgym/SetupCost-v0"


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def trained():
    return make_ppo("ppo-gate", SETUP_COST, seed=0).learn(total_timesteps=128_000)


FROM_QUANTITIES = {"ppo-level", "ppo-quantity", "ppo-box"}
"""Methods that leave the regime to the quantity."""


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("env_id", jumpgym.ENVIRONMENTS)
def test_every_method_runs_on_every_environment(name, env_id):
    settings = {"n_envs": 4, "n_steps": 5, "batch_size": 20, "n_epochs": 2}
    env = gym.make(env_id, horizon=6)
    if env_id == "jumpgym/SwitchedLQR-v0" and name in FROM_QUANTITIES:
        message = "SwitchedLQR: the regime does not follow from the quantity; actions need both"
        with pytest.raises(NotApplicable, match=message):
            make_ppo(name, env, seed=0, hyperparameters=settings)
        return
    model = make_ppo(name, env, seed=0, hyperparameters=settings)
    before = [p.detach().clone() for p in model.policy.parameters()]
    model.learn(total_timesteps=40)
    after = list(model.policy.parameters())
    assert all(torch.isfinite(p).all() for p in after)
    assert any((a != b).any() for a, b in zip(before, after, strict=True))
    costs = evaluate(model, model.get_env(), episodes=8).costs
    assert np.all(np.isfinite(costs))
    assert np.ptp(costs) > 0


def test_short_training_gets_below_two_per_cent(trained):
    gap = evaluate(trained, trained.get_env(), episodes=2048).mean / solve(SETUP_COST).expected_cost - 1
    assert gap < 0.02


def test_evaluations_agree(trained):
    rewards, lengths = evaluate_policy(
        trained, trained.get_env(), n_eval_episodes=1024, deterministic=True, return_episode_rewards=True
    )
    costs = evaluate(trained, trained.get_env(), episodes=4096)
    error = 3 * costs.standard_error  # 1,024 against 4,096 episodes: sqrt(5) times the smaller error
    assert -np.mean(rewards) == pytest.approx(costs.mean, abs=4 * error)
    assert set(lengths) == {50}


def test_loads_in_a_fresh_process(trained, tmp_path):
    trained.save(tmp_path / "model.zip")
    observation = np.stack([np.linspace(-50, 100, 64), np.arange(64) % 50], axis=1).astype(np.float32)
    np.save(tmp_path / "observation.npy", observation)
    code = (
        "import numpy as np; from stable_baselines3 import PPO\n"
        "model, observation = PPO.load('model.zip', device='cpu'), np.load('observation.npy')\n"
        "action, _ = model.predict(observation, deterministic=True)\n"
        "np.save('action.npy', action)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    expected, _ = trained.predict(observation, deterministic=True)
    assert np.array_equal(np.load(tmp_path / "action.npy"), expected)


def test_training_goes_on_after_loading(trained, tmp_path):
    trained.save(tmp_path / "model.zip")
    loaded = BudgetedPPO.load(tmp_path / "model.zip", env=trained.get_env(), device="cpu")
    loaded.learn(total_timesteps=6400, reset_num_timesteps=False)
    assert loaded.num_timesteps == trained.num_timesteps + 6400
    assert isinstance(PPO.load(tmp_path / "model.zip", device="cpu").lr_schedule.value_schedule, Cosine)


class BusyCallback(BaseCallback):
    """Spends time while the clock is paused, and keeps the learning rates."""

    def __init__(self, time):
        super().__init__()
        self.time, self.rates = time, []

    def _on_step(self):
        return True

    def _on_rollout_end(self):
        self.rates.append(self.model.lr_schedule(self.model._current_progress_remaining))
        with self.model.clock.pause():
            self.time.now += 10


def test_cpu_budget_stops_training_and_anneals_the_learning_rate(ticking):
    small = {"n_envs": 16, "n_steps": 25, "batch_size": 200, "n_epochs": 2}  # 20 rollouts in the budget
    model = make_ppo("ppo-gate", SETUP_COST, seed=0, hyperparameters=small)
    callback = BusyCallback(ticking)
    model.learn(cpu_seconds=0.5, callback=callback)
    assert 0.5 <= model.clock.elapsed < 0.51
    assert np.all(np.diff(callback.rates) <= 0)
    assert callback.rates[-1] < 0.2 * callback.rates[0]


@pytest.mark.parametrize("budget", [{}, {"total_timesteps": 10, "cpu_seconds": 1.0}])
def test_one_budget_is_needed(budget):
    with pytest.raises(ValueError, match="one budget"):
        make_ppo("ppo-gate", SETUP_COST).learn(**budget)


def test_same_seed_same_model():
    first, second, third = (
        make_ppo("ppo-level", SETUP_COST, seed=seed).learn(total_timesteps=6400) for seed in (1, 1, 2)
    )
    costs = [evaluate(m, m.get_env(), episodes=64).mean for m in (first, second, third)]
    assert costs[0] == costs[1] != costs[2]


def test_hyperparameters_by_environment_over_defaults():
    assert ppo_hyperparameters("ppo-gate", gym.make(SETUP_COST)) == ppo_hyperparameters(
        "ppo-gate", SETUP_COST
    )
    assert "n_envs" in ppo_hyperparameters("ppo-gate", as_problem(SETUP_COST))


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="ppo-gate"):
        make_ppo("ppo-gates", SETUP_COST)
