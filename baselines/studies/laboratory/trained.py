"""Policies at three stages of training, and a value function fitted to each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from jumpgym import as_problem
from jumpgym.agents import MixedGradient
from jumpgym.agents.networks.perceptrons import Value

from .estimates import PLAIN, Weights

STAGES = {"start": 0, "middle": 15, "near the optimum": 400}
"""Iterations of the default agent at each stage; at the last one its training is complete."""

TRAINING: dict[str, Any] = {"batch_size": 256, "learning_rate": 3e-3, "max_grad_norm": 0.2}
"""Settings of the training: large batches and small steps, so that few iterations make the stages."""

FITTING = 200
"""Steps of Adam to fit the value, each on new episodes."""


def stages(env: Any, seed: int, iterations: dict[str, int]) -> dict[str, Weights]:
    """The default agent, except for ``PLAIN`` and ``TRAINING``, at given iterations of one training.

    The value is fitted to each frozen policy.

    Args:
        env: environment or problem with a finite horizon.
        seed: of the training.
        iterations: of each stage, increasing; the last number is the length of the training.
    """
    agent = MixedGradient(env, seed=seed, **PLAIN, **TRAINING)
    weights_of = {name: _weights(agent) for name, count in iterations.items() if count == 0}

    def keep(agent: MixedGradient) -> None:
        for name, count in iterations.items():
            if count == agent.iterations:
                weights_of[name] = _weights(agent)

    total = max(iterations.values()) * agent.settings.batch_size * agent.periods
    if total > 0:
        agent.learn(total, callback=keep)
    return {name: fitted(env, weights, seed) for name, weights in weights_of.items()}


def _weights(agent: MixedGradient) -> Weights:
    networks = {name: tensor.clone() for name, tensor in agent.networks.state_dict().items()}
    return Weights(networks, agent.cost_scale, agent.iterations)


def fitted(env: Any, weights: Weights, seed: int) -> Weights:
    """The weights with a new value, fitted to the costs to go of the frozen policy with sampled gates."""
    agent = weights.agent(as_problem(env), seed, batch_size=TRAINING["batch_size"])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        value = Value(agent.problem, agent.settings.hidden)
    optimizer = torch.optim.Adam(value.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, FITTING)
    for _ in range(FITTING):
        optimizer.zero_grad()
        value.error(*_costs_to_go(agent)).backward()
        optimizer.step()
        schedule.step()
    networks = {f"value.{name}": tensor for name, tensor in value.state_dict().items()}
    return weights._replace(networks={**weights.networks, **networks})


def _costs_to_go(agent: MixedGradient) -> tuple[Tensor, Tensor]:
    """Observations (T, m, n) and costs to go (T, m, C) of new episodes, discounted to their period."""
    with torch.no_grad():
        episodes = agent.simulate(*agent.start())
        costs = agent.costs_to_go(episodes)
    return episodes.observations, costs / agent.discounts(costs)


def explained(agent: MixedGradient) -> float:
    """Share of the variance of costs to go within a period that the value explains, on new episodes.

    The rest is future noise and the error of the value.
    """
    observations, costs = _costs_to_go(agent)
    assert agent.value is not None
    with torch.no_grad():
        error = ((costs - agent.value(observations)) ** 2).mean()
    return float(1 - error / ((costs - costs.mean(1, keepdim=True)) ** 2).mean())
