"""RLlib's PPO on our Tuple action space: the gap to the optimum after equal CPU time.

RLlib (new API stack) trains in this process on our native batch, with the hyperparameters of our ``ppo-gate``
as far as it has them, the inputs of our agents and rewards in units of a typical cost: 128 copies of 50
steps, minibatches of 1280, 5 epochs, 2x64 tanh without shared layers, gamma 1, lambda 0.9, clip 0.2, learning
rate 3e-3 falling as a cosine over the budget, no entropy bonus, no KL loss, no clipping of the value loss.
Of 4 sizes of batch and minibatch, and 5 or 8 epochs, this did best in 20 CPU seconds. Ray's start and the
building of the algorithm are not counted; the CPU time of Ray's other processes while it trains is.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env

from jumpgym import as_problem
from jumpgym.baselines import evaluate, solve
from jumpgym.baselines.runs.methods import METHODS
from jumpgym.baselines.sb3.learners import typical_cost

from .rllib_env import LEVEL, QUANTITY, RLlibPolicy, make_batch
from .rows import GAP, Row, Settings, compared

PART = "RLlib"
ENV = "jumpgym/SetupCost-v0"
OURS = ("mixed", "ppo-gate")
NUM_ENVS, STEPS, MINIBATCH, EPOCHS, LEARNING_RATE = 128, 50, 1280, 5, 3e-3
TRAINING_SEEDS = 1000
"""The first of them: Gymnasium draws the stream that ``evaluate`` draws from the same seed."""

Trained = tuple[float, int]
"""Gap in per cent, and the transitions of the training."""


def config(meaning: str, seed: int) -> PPOConfig:
    """PPO as set up here.

    Args:
        meaning: of the Box entry of the action, see ``rllib_env.Actions``.
        seed: of networks, exploration and noise.
    """
    scale = 1 / typical_cost(as_problem(ENV))
    register_env("peers", lambda context: make_batch(ENV, context["num_envs"], meaning, scale))
    return (
        PPOConfig()
        .environment("peers")
        .env_runners(
            num_env_runners=0,
            num_envs_per_env_runner=NUM_ENVS,
            rollout_fragment_length=STEPS,
            gym_env_vectorize_mode="vector_entry_point",
        )
        .learners(num_learners=0)
        .training(
            train_batch_size_per_learner=NUM_ENVS * STEPS,
            minibatch_size=MINIBATCH,
            num_epochs=EPOCHS,
            lr=LEARNING_RATE,
            gamma=1.0,
            lambda_=0.9,
            clip_param=0.2,
            entropy_coeff=0.0,
            use_kl_loss=False,
            vf_clip_param=math.inf,
            vf_loss_coeff=0.5,
            grad_clip=0.5,
            grad_clip_by="global_norm",
        )
        .rl_module(
            model_config=DefaultModelConfig(
                fcnet_hiddens=[64, 64], fcnet_activation="tanh", vf_share_layers=False
            )
        )
        .debugging(seed=TRAINING_SEEDS + seed, log_level="ERROR")
        .reporting(min_time_s_per_iteration=0, min_sample_timesteps_per_iteration=0)
    )


def set_learning_rate(algorithm: Any, rate: float) -> None:
    """Set it for the next iteration; RLlib's own schedules go by transitions, whose number is not known."""

    def apply(learner: Any) -> None:
        for _, optimizer in learner.get_optimizers_for_module("default_policy"):
            for group in optimizer.param_groups:
                group["lr"] = rate

    algorithm.learner_group.foreach_learner(apply)


def train_rllib(meaning: str, seed: int, budget: float) -> tuple[RLlibPolicy, int]:
    """RLlib's policy after a budget of CPU seconds, and the transitions it took."""
    algorithm = config(meaning, seed).build_algo()
    try:
        start, iterations = family_cpu_seconds(), 0
        while (elapsed := family_cpu_seconds() - start) < budget:
            set_learning_rate(algorithm, LEARNING_RATE * (1 + math.cos(math.pi * elapsed / budget)) / 2)
            algorithm.train()
            iterations += 1
        policy = RLlibPolicy(algorithm.get_module(), as_problem(ENV), meaning)
        return policy, iterations * NUM_ENVS * STEPS
    finally:
        algorithm.stop()


def family_cpu_seconds() -> float:
    """CPU seconds of this process and of all that descend from it and live."""
    parents, used = {}, {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            stat = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has just ended
            continue
        parents[int(entry.name)], used[int(entry.name)] = int(stat[1]), int(stat[11]) + int(stat[12])
    total = 0.0
    for process in used:
        ancestor = process
        while ancestor in parents and ancestor != os.getpid():
            ancestor = parents[ancestor]
        if ancestor == os.getpid() and process != ancestor:
            total += used[process] / os.sysconf("SC_CLK_TCK")
    return total + time.process_time()


class Comparison:
    """Gaps of all learners, each trained with each seed.

    Args:
        settings: how much is measured.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.problem = as_problem(ENV)
        self.optimum = solve(self.problem)
        self.best = evaluate(self.optimum, self.problem, settings.episodes).costs

    def gap(self, policy: Any, env: Any) -> float:
        """Per cent that a policy costs more than the optimum on the same noise."""
        costs = evaluate(policy, env, self.settings.episodes).costs
        return float(100 * np.mean(costs - self.best) / self.optimum.expected_cost)

    def rllib(self, meaning: str, seed: int) -> Trained:
        """RLlib's PPO."""
        policy, transitions = train_rllib(meaning, seed, self.settings.budget)
        return self.gap(policy, self.problem), transitions

    def ours(self, name: str, seed: int) -> Trained:
        """One of our learners."""
        model = METHODS[name].make(ENV, seed)
        METHODS[name].train(model, lambda model: None, cpu_seconds=self.settings.budget)
        return self.gap(model, model.get_env()), model.num_timesteps

    def rows(self) -> list[Row]:
        """Each form of RLlib's action against each of our learners."""
        trained: dict[str, list[Trained]] = {name: [] for name in (QUANTITY, LEVEL, *OURS)}
        for seed in range(self.settings.seeds):
            for name, results in trained.items():
                train = self.ours if name in OURS else self.rllib
                results.append(train(name, seed))
        return [self._row(meaning, name, trained) for meaning in (QUANTITY, LEVEL) for name in OURS]

    def _row(self, meaning: str, name: str, trained: dict[str, list[Trained]]) -> Row:
        gaps = [(theirs[0], ours[0]) for theirs, ours in zip(trained[meaning], trained[name], strict=True)]
        theirs, ours = (_list(side) for side in zip(*gaps, strict=True))
        steps = [round(np.mean([result[1] for result in trained[side]])) for side in (meaning, name)]
        note = (
            f"after {self.settings.budget:g} CPU s each; transitions in that time {steps[0]:,} and "
            f"{steps[1]:,}; gaps of the seeds {theirs} and {ours}"
        )
        sides = f"PPO on Tuple(gate, {meaning})", name
        return compared(PART, "SetupCost-v0", sides, GAP, gaps, note)


def _list(values: Any) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


def jobs(settings: Settings) -> dict[str, Callable[[], list[Row]]]:
    """What is compared, by name."""

    def work() -> list[Row]:
        ray.init(num_cpus=1, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
        try:
            return Comparison(settings).rows()
        finally:
            ray.shutdown()

    return {"SetupCost-v0": work}
