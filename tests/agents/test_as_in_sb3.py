"""What agents share with SB3's models: callbacks, logging, devices, pickling, and torch's default type."""

import copy
import inspect
import io
import pickle

import gymnasium as gym
import numpy as np
import pytest
import torch
from stable_baselines3.common import callbacks as sb3
from stable_baselines3.common.monitor import Monitor

from jumpgym import agents, as_problem
from jumpgym.agents import MixedGradient, Reinforce, SmoothedCost
from jumpgym.problems.setup_cost import setup_cost

SETUP = "jumpgym/SetupCost-v0"
PROBLEM = setup_cost(horizon=10)
BATCH = 8
ITERATION = BATCH * PROBLEM.horizon
EVERY_AGENT = pytest.mark.parametrize(
    "cls", [cls for name in agents.__all__ if not inspect.isabstract(cls := getattr(agents, name))]
)


def new(cls=MixedGradient, env=PROBLEM, **settings):
    return cls(env, batch_size=BATCH, hidden=(8,), **settings)


def weights(agent):
    return torch.cat([p.detach().flatten() for p in agent.networks.parameters()])


class Witness(sb3.BaseCallback):
    """Notes the order of the calls, and the time steps and locals at each step."""

    def __init__(self):
        super().__init__()
        self.calls, self.steps = [], []

    def _on_training_start(self):
        self.calls.append("training_start")
        assert self.training_env.reset().shape == (self.training_env.num_envs, 2)

    def _on_rollout_start(self):
        self.calls.append("rollout_start")

    def _on_step(self):
        self.calls.append("step")
        assert len(self.locals["infos"]) == self.training_env.num_envs
        assert self.locals["self"] is self.model
        self.steps.append((self.num_timesteps, self.locals["dones"].sum()))

    def _on_rollout_end(self):
        self.calls.append("rollout_end")

    def _on_training_end(self):
        self.calls.append("training_end")


def test_callbacks_see_an_iteration_as_a_step_of_all_its_transitions():
    witness = Witness()
    new().learn(2 * ITERATION, callback=witness)
    rollout = ["rollout_start", "step", "rollout_end"]
    assert witness.calls == ["training_start", *rollout, *rollout, "training_end"]
    assert witness.steps == [(ITERATION, BATCH), (2 * ITERATION, BATCH)]


def test_an_infinite_horizon_has_no_end_of_an_episode():
    witness = Witness()
    stationary = setup_cost(horizon=None)

    class OneEntry(Witness):
        def _on_training_start(self):
            assert self.training_env.reset().shape == (self.training_env.num_envs, 1)

    witness = OneEntry()
    new(env=stationary, window=10).learn(2 * ITERATION, callback=witness)
    assert witness.steps == [(ITERATION, 0), (2 * ITERATION, 0)]


def evaluation(**keywords):
    env = Monitor(gym.make(SETUP, horizon=10))
    return sb3.EvalCallback(env, n_eval_episodes=2, eval_freq=1, verbose=0, **keywords)


CALLBACKS = {
    "CallbackList": lambda path: sb3.CallbackList([Witness(), Witness()]),
    "CheckpointCallback": lambda path: sb3.CheckpointCallback(1, str(path), save_replay_buffer=True),
    "ConvertCallback": lambda path: sb3.ConvertCallback(lambda own, others: own["self"].iterations < 3),
    "EvalCallback": lambda path: evaluation(best_model_save_path=str(path), log_path=str(path)),
    "EveryNTimesteps": lambda path: sb3.EveryNTimesteps(2 * ITERATION, sb3.StopTrainingOnMaxEpisodes(1)),
    "LogEveryNTimesteps": lambda path: sb3.LogEveryNTimesteps(ITERATION),
    "ProgressBarCallback": lambda path: sb3.ProgressBarCallback(),
    "StopTrainingOnMaxEpisodes": lambda path: sb3.StopTrainingOnMaxEpisodes(1),
    "StopTrainingOnNoModelImprovement": lambda path: evaluation(
        callback_after_eval=sb3.StopTrainingOnNoModelImprovement(0)
    ),
    "StopTrainingOnRewardThreshold": lambda path: evaluation(
        callback_on_new_best=sb3.StopTrainingOnRewardThreshold(-1e9)
    ),
}
"""A way to make each of SB3's callbacks."""

ITERATIONS = {"ConvertCallback": 3, "StopTrainingOnMaxEpisodes": 10, "StopTrainingOnRewardThreshold": 1}
"""After how many iterations those that stop the training do so; an episode of each of the copies takes 10."""


def shipped():
    classes = (c for _, c in inspect.getmembers(sb3, inspect.isclass) if issubclass(c, sb3.BaseCallback))
    return {cls.__name__ for cls in classes if not inspect.isabstract(cls)} - {"EventCallback"}


def test_all_callbacks_of_sb3_are_tested():
    assert shipped() == CALLBACKS.keys()


@pytest.mark.filterwarnings("ignore:Training and eval env are not of the same type")
@pytest.mark.filterwarnings("ignore:rich is experimental")
@pytest.mark.parametrize("name", CALLBACKS)
def test_a_callback_of_sb3_works_on_agents(name, tmp_path):
    agent = new().learn(11 * ITERATION, callback=CALLBACKS[name](tmp_path))
    assert agent.iterations == ITERATIONS.get(name, 11 if "Improvement" not in name else agent.iterations)
    if name == "CheckpointCallback":
        assert len(list(tmp_path.iterdir())) == 11
    if name == "EvalCallback":
        assert MixedGradient.load(tmp_path / "best_model", PROBLEM).iterations > 0


@pytest.mark.filterwarnings("ignore:rich is experimental")
def test_sb3s_progress_bar_counts_time_steps():
    bar = sb3.ProgressBarCallback()
    new().learn(4 * ITERATION, callback=bar)
    assert bar.pbar.n == bar.pbar.total == 4 * ITERATION
    new().learn(cpu_seconds=0.01, callback=sb3.ProgressBarCallback())  # the number of time steps is unknown


def test_a_function_of_sb3s_locals_and_globals_is_a_callback():
    seen = []

    def old_style(locals_, globals_):
        seen.append(locals_["self"].num_timesteps)
        return len(seen) < 2

    assert new().learn(9 * ITERATION, callback=old_style).iterations == 2
    assert seen == [ITERATION, 2 * ITERATION]
    with pytest.raises(TypeError, match="must be a function of the agent or an SB3 callback"):
        new().learn(ITERATION, callback="stop")


def test_verbose_prints_the_latest_values_and_silence_is_the_default(capsys):
    new(verbose=1).learn(4 * ITERATION, log_interval=2)
    shown = capsys.readouterr().out
    assert shown.count("rollout/cost") == 2
    assert f"{4 * ITERATION:,}" in shown
    new().learn(ITERATION)
    assert capsys.readouterr().out == ""
    with pytest.raises(ValueError, match="verbose=3"):
        new(verbose=3)


def test_trainings_are_numbered_in_tensorboards_folder(tmp_path):
    agent = new(tensorboard_log=tmp_path)
    for _ in range(2):
        agent.learn(ITERATION, tb_log_name="mixed")
    agent.learn(ITERATION, tb_log_name="mixed", reset_num_timesteps=False)
    assert agent.logger.get_dir() == str(tmp_path / "mixed_2")
    assert {path.name for path in tmp_path.iterdir()} == {"mixed_1", "mixed_2"}
    assert len(list((tmp_path / "mixed_2").iterdir())) == 2


def test_recorded_means_are_those_since_the_last_dump():
    logger = new().logger
    for value in (1.0, 2.0, 6.0):
        logger.record_mean("x", value)
    assert logger.values["x"] == 3
    logger.dump(1)
    logger.record_mean("x", 5.0)
    assert logger.values["x"] == 5


def test_the_device_auto_is_one_of_this_machine():
    assert new(device="auto").device.type == ("cuda" if torch.cuda.is_available() else "cpu")


@EVERY_AGENT
def test_pickles_and_copies_go_on_training_as_the_agent_would(cls, tmp_path):
    agent = new(cls).learn(ITERATION)
    buffer = io.BytesIO()
    torch.save(agent, buffer)
    buffer.seek(0)
    copies = [
        pickle.loads(pickle.dumps(agent)),
        copy.deepcopy(agent),
        torch.load(buffer, weights_only=False),
    ]
    agent.learn(ITERATION, reset_num_timesteps=False)
    for other in copies:
        assert other.logger.values.keys() <= agent.logger.values.keys()
        assert repr(other).startswith(f"{cls.__name__}(")
        other.learn(ITERATION, reset_num_timesteps=False)
        assert torch.equal(weights(other), weights(agent))


@EVERY_AGENT
def test_torchs_default_type_changes_nothing(cls):
    observation = PROBLEM.observe(PROBLEM.initial_state(np.zeros(PROBLEM.start_shape))).astype(np.float32)
    single = new(cls).learn(ITERATION)
    torch.set_default_dtype(torch.float64)
    try:
        double = new(cls).learn(ITERATION)
        assert double.predict(observation, deterministic=True) == single.predict(
            observation, deterministic=True
        )
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert weights(double).dtype == torch.float32
    assert torch.equal(weights(single), weights(double))


@pytest.mark.parametrize("cls", [MixedGradient, Reinforce, SmoothedCost])
def test_the_environment_of_an_agent_carries_its_problem(cls):
    agent = new(cls)
    assert as_problem(agent.get_env()) is agent.problem
