"""Learning: budgets, callbacks, Stable-Baselines3 around it, and that it learns."""

import os
import subprocess
import sys

import gymnasium as gym
import numpy as np
import pytest

from jumpgym.agents import GumbelSoftmax, MixedGradient, SmoothedCost
from jumpgym.baselines import evaluate, solve
from jumpgym.problems.setup_cost import setup_cost

SETUP = "jumpgym/SetupCost-v0"
ITERATION = 8 * 50

# Agents train on the batched problem, which is no VecEnv as SB3's evaluation environment is.
OTHER_TYPE = pytest.mark.filterwarnings("ignore:Training and eval env are not of the same type")


def new(cls=MixedGradient, **settings):
    return cls(SETUP, batch_size=8, hidden=(8,), **settings)


def monitored():
    from stable_baselines3.common.monitor import Monitor

    return Monitor(gym.make(SETUP))


def test_a_budget_is_needed():
    with pytest.raises(ValueError, match="learn: give total_timesteps, cpu_seconds, or both"):
        new().learn()


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({"total_timesteps": 0}, "total_timesteps=0 must be an integer of at least 1"),
        ({"cpu_seconds": 0}, "cpu_seconds=0.0 must be a finite number"),
        ({"cpu_seconds": float("inf")}, "cpu_seconds=inf must be a finite number"),
        ({"total_timesteps": 1, "log_interval": 0}, "log_interval=0 must be an integer of at least 1"),
    ],
)
def test_a_bad_budget_is_refused(budget, message):
    with pytest.raises(ValueError, match=message):
        new().learn(**budget)


def test_time_steps_are_transitions_and_the_first_limit_stops(ticking):
    agent = new().learn(2 * ITERATION + 1)
    assert (agent.iterations, agent.num_timesteps) == (3, 3 * ITERATION)
    agent = new().learn(2 * ITERATION, cpu_seconds=1000)
    assert agent.iterations == 2
    agent = new().learn(10**12, cpu_seconds=0.02)
    assert agent.progress == 1
    assert 0.02 <= agent.clock.elapsed < 0.03
    elapsed = agent.clock.elapsed
    ticking.now += 10
    assert agent.clock.elapsed == elapsed


def test_a_budget_that_is_over_at_once_trains_nothing(ticking):
    class Late(list):
        def __iter__(self):
            ticking.now += 1  # as whatever else takes time before the first iteration
            return super().__iter__()

    agent = new()
    agent.race.legs = lambda agent: Late([1.0])
    assert agent.learn(cpu_seconds=0.5).iterations == 0


def test_importing_jax_does_not_count_as_training():
    pytest.importorskip("jax", reason="JAX is not installed")
    code = (
        "from jumpgym.agents import MixedGradient\n"
        f"agent = MixedGradient({SETUP!r}, batch_size=8, hidden=(8,), engine='jax').learn(cpu_seconds=0.3)\n"
        "assert agent.iterations > 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "JUMPGYM_ENGINE": "jax"})


def test_a_function_stops_training_by_false_alone():
    seen = []

    def note(agent):
        seen.append(agent.iterations)

    agent = new().learn(100 * ITERATION, callback=[note, lambda agent: agent.iterations < 3])
    assert seen == [1, 2, 3]
    assert agent.iterations == 3


def test_a_callback_that_is_none_is_refused_before_training():
    agent = new()
    with pytest.raises(TypeError, match="callback=5 must be a function of the agent or an SB3 callback"):
        agent.learn(ITERATION, callback=[5])
    assert agent.num_timesteps == 0


def test_sb3_checkpoint_callback(tmp_path):
    from stable_baselines3.common.callbacks import CheckpointCallback

    agent = new().learn(4 * ITERATION, callback=CheckpointCallback(2, str(tmp_path / "new"), "agent"))
    names = {path.name for path in (tmp_path / "new").iterdir()}
    assert names == {"agent_800_steps.zip", "agent_1600_steps.zip"}
    loaded = MixedGradient.load(tmp_path / "new" / "agent_1600_steps.zip", SETUP)
    assert loaded.predict([3, 4], deterministic=True) == agent.predict([3, 4], deterministic=True)


@OTHER_TYPE
def test_sb3_evaluation_and_its_child_callbacks(tmp_path):
    from stable_baselines3.common.callbacks import CallbackList, EvalCallback, StopTrainingOnRewardThreshold

    stop = StopTrainingOnRewardThreshold(reward_threshold=-1e9, verbose=0)
    evaluation = EvalCallback(
        monitored(),
        callback_on_new_best=stop,
        n_eval_episodes=2,
        eval_freq=2,
        log_path=str(tmp_path),
        best_model_save_path=str(tmp_path),
        verbose=0,
    )
    seen = []
    agent = new()
    agent.learn(10 * ITERATION, callback=[CallbackList([evaluation]), lambda agent: seen.append(agent)])
    assert len(seen) == agent.iterations == 2
    assert agent.logger.values["eval/mean_reward"] == evaluation.last_mean_reward < 0
    assert np.load(tmp_path / "evaluations.npz")["timesteps"].tolist() == [2 * ITERATION]
    best = MixedGradient.load(tmp_path / "best_model.zip", SETUP)
    assert best.num_timesteps == 2 * ITERATION


@OTHER_TYPE
def test_evaluation_does_not_change_training():
    from stable_baselines3.common.callbacks import EvalCallback

    evaluation = EvalCallback(monitored(), n_eval_episodes=1, eval_freq=1, verbose=0)
    watched, alone = new().learn(3 * ITERATION, callback=evaluation), new().learn(3 * ITERATION)
    for a, b in zip(watched.networks.parameters(), alone.networks.parameters(), strict=True):
        assert a.equal(b)


@pytest.mark.parametrize("cls", [MixedGradient, GumbelSoftmax, SmoothedCost])
def test_sb3_evaluates_an_agent_as_we_do(cls):
    from stable_baselines3.common.evaluation import evaluate_policy

    agent = new(cls).learn(3 * ITERATION)
    mean, _ = evaluate_policy(agent, monitored(), n_eval_episodes=30)
    ours = evaluate(agent, SETUP, episodes=2000)
    assert abs(-mean - ours.mean) < 5 * ours.costs.std() / 30**0.5


@pytest.mark.parametrize("iterations", [2, 23])
def test_tensorboard_gets_every_scalar(tmp_path, iterations):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = tmp_path / "board"
    agent = new(tensorboard_log=log).learn(iterations * ITERATION, log_interval=10)
    events = EventAccumulator(str(log)).Reload()
    tags = events.Tags()["scalars"]
    assert {"rollout/cost", "train/loss", "train/gradient_norm", "train/entropy"} <= set(tags)
    costs = events.Scalars("rollout/cost")
    expected = [n for n in range(1, iterations + 1) if n % 10 == 0 or n == iterations]
    assert [cost.step for cost in costs] == [n * ITERATION for n in expected]
    assert costs[-1].value == pytest.approx(agent.logger.values["rollout/cost"])
    agent.save(tmp_path / "agent.zip")
    assert MixedGradient.load(tmp_path / "agent.zip", SETUP).settings.tensorboard_log == os.fspath(log)


def test_the_progress_bar_reaches_its_end(capsys):
    new().learn(15 * ITERATION, progress_bar=True)
    shown = capsys.readouterr().err
    assert "MixedGradient" in shown
    assert "100%" in shown
    assert "cost=" in shown


def test_mixed_gradient_learns_the_setup_cost_problem_and_does_not_always_order():
    problem = setup_cost()
    agent = MixedGradient(problem, seed=0).learn(total_timesteps=400_000)
    result = evaluate(agent, problem, episodes=4096)
    assert result.mean < 1.02 * solve(problem).expected_cost
    stock = np.linspace(-20, 80, 101)
    (ordered, _), _ = agent.predict(np.stack([stock, np.full(101, 20.0)], -1), deterministic=True)
    assert ordered[0] == 1
    assert ordered[-1] == 0
    # Share of periods with an order, sampled as in training: the optimum orders in about a third.
    gates = agent.simulate(*agent.start()).gates
    assert 0.2 < float(gates[..., 1].mean()) < 0.6
