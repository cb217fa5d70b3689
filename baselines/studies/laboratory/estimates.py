"""Estimates of one gradient by every estimator of ``MixedGradient``, split into the parts of eq. 8."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem
from jumpgym.agents import MixedGradient
from jumpgym.agents.gradients.estimators import ESTIMATORS, pathwise_loss
from jumpgym.agents.gradients.rollout import Rollout

RELAXED = tuple(name for name, estimator in ESTIMATORS.items() if estimator.relaxed)

SPLIT = ("pathwise", "score", "cross")
"""The parts of an estimate, which add up to it.

``pathwise`` is the gradient of the costs with the gates held fixed. ``score`` is the gradient of the gates'
probabilities with the states held fixed. ``cross`` is the gradient of these probabilities through the states,
that is, through earlier quantities. Relaxations and enumeration differentiate a single cost; their whole
estimate counts as pathwise.
"""

PLAIN: dict[str, Any] = {"heads": 1, "cross_term": "full", "reheat": 0}
"""Settings of all agents here: the regimes of the problem, the whole gradient for any number of items, and
trainings in one phase, whose stages follow each other."""

ROUNDS = 15
"""Repetitions over which the time of an estimate is the median."""


def estimators(problem: HindsightProblem) -> dict[str, dict[str, Any]]:
    """Settings of ``MixedGradient`` by name, for every estimator that the problem allows."""
    assert problem.horizon is not None
    window = max(problem.horizon // 4, 1)
    plain = ("total_cost", "reward_to_go", "leave_one_out", "value", "normalised", "td", "gae")
    settings: dict[str, dict[str, Any]] = {name: {"estimator": name} for name in plain}
    settings["gae, no cross term"] = {"estimator": "gae", "cross_term": "off"}
    settings["branching"] = {"estimator": "branching"}
    settings[f"branching, {window} periods"] = {"estimator": "branching", "branch_window": window}
    if len(problem.layout.gates) > 1:
        for name in ("leave_one_out", "gae"):
            settings[f"{name}, total credit"] = {"estimator": name, "credit": "total"}
    settings |= {name: {"estimator": name} for name in RELAXED}
    if enumerable(problem):
        settings["enumeration"] = {"estimator": "enumeration"}
    return settings


def enumerable(problem: HindsightProblem) -> bool:
    """Whether there are few enough paths of the gates to compute the expectation over them exactly."""
    try:
        MixedGradient(problem, estimator="enumeration", batch_size=2, **PLAIN)
    except ValueError:
        return False
    return True


class Weights(NamedTuple):
    """The weights at a stage of training, which the agents of all estimators share.

    Attributes:
        networks: weights of policy and value.
        cost_scale: as in ``Agent``.
        iterations: elapsed iterations, which determine the temperature of relaxations.
    """

    networks: dict[str, Tensor]
    cost_scale: float
    iterations: int

    def agent(self, problem: HindsightProblem, seed: int = 0, **settings: Any) -> MixedGradient:
        """An agent with these weights, without the limit on the state's gradient, which would add a bias."""
        agent = MixedGradient(problem, seed=seed, state_gradient_limit=None, **{**PLAIN, **settings})
        names = agent.networks.state_dict()
        agent.networks.load_state_dict({name: self.networks[name] for name in names})
        agent.cost_scale, agent.iterations = self.cost_scale, self.iterations
        return agent


def sample(agents: Mapping[str, MixedGradient], count: int) -> dict[str, Tensor]:
    """Estimates of the gradient with respect to the policy's parameters, by name of the agent.

    All agents that sample their gates use the same episodes, which saves most of the simulation. Each
    relaxation and the enumeration use episodes of their own.

    Returns:
        For each agent an array of shape (count, parts, parameters); the parts are in the order of ``SPLIT``.
    """
    estimates: dict[str, list[Tensor]] = {name: [] for name in agents}
    separate = (*RELAXED, "enumeration")
    sampled = {name: agent for name, agent in agents.items() if agent.settings.estimator not in separate}
    for _ in range(count):
        if sampled:
            for name, parts in _split(sampled).items():
                estimates[name].append(parts)
        for name in agents.keys() - sampled.keys():
            whole = _flat(one_estimate(agents[name]))
            estimates[name].append(torch.stack([whole, torch.zeros_like(whole), torch.zeros_like(whole)]))
    return {name: torch.stack(parts) for name, parts in estimates.items()}


def _split(agents: Mapping[str, MixedGradient]) -> dict[str, Tensor]:
    """The parts (3, parameters) of each agent's estimate from the same episodes."""
    agent = next(iter(agents.values()))
    episodes = agent.simulate(*agent.start())
    parameters = list(agent.policy.parameters())
    pathwise = _flat(_gradients(pathwise_loss(episodes.costs), parameters))
    weights = torch.stack([_logit_gradient(agent, episodes) for agent in agents.values()])
    through_states = _products(episodes.logits, parameters, weights)
    detached, *_ = agent.policy(episodes.observations.detach(), lambda logits: episodes.gates)
    score = _products(detached, parameters, weights)
    return {
        name: torch.stack(
            [
                pathwise,
                of_gates,
                total - of_gates if agent.settings.cross_term == "full" else torch.zeros_like(of_gates),
            ]
        )
        for (name, agent), of_gates, total in zip(agents.items(), score, through_states, strict=True)
    }


def _logit_gradient(agent: MixedGradient, episodes: Rollout) -> Tensor:
    """Gradient (T, m, options) of the score loss in the logits, in which alone the estimators differ."""
    logits = episodes.logits.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(agent.score(episodes, logits, agent.closing(episodes)), logits)
    return gradient


def _products(logits: Tensor, parameters: list[nn.Parameter], weights: Tensor) -> Tensor:
    """Products (E, parameters) of the Jacobian of the logits with weights (E, T, m, options), all at once."""
    gradients = torch.autograd.grad(
        logits, parameters, weights, is_grads_batched=True, allow_unused=True, retain_graph=True
    )
    flat = [
        (torch.zeros_like(p).expand(len(weights), *p.shape) if g is None else g).flatten(1)
        for g, p in zip(gradients, parameters, strict=True)
    ]
    return torch.cat(flat, 1)


def one_estimate(agent: MixedGradient) -> list[Tensor]:
    """The gradient of the surrogate loss on new episodes, as in training, by parameter."""
    episodes = agent.simulate(*agent.start())
    loss = agent.surrogate(episodes, agent.gate_logits(episodes))
    return _gradients(loss, list(agent.policy.parameters()))


def _gradients(loss: Tensor, parameters: list[nn.Parameter]) -> list[Tensor]:
    return list(torch.autograd.grad(loss, parameters, retain_graph=True, materialize_grads=True))


def _flat(gradients: list[Tensor]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])


def relative_times(agents: Mapping[str, MixedGradient], unit: str) -> tuple[float, dict[str, float]]:
    """CPU seconds of an estimate of the agent ``unit``, and those of all agents in multiples of it.

    They are medians over ``ROUNDS`` rounds in which the agents take turns, since the machine may be busy.
    """
    seconds: dict[str, list[float]] = {name: [] for name in agents}
    for _ in range(ROUNDS):
        for name, agent in agents.items():
            start = time.process_time()
            one_estimate(agent)
            seconds[name].append(time.process_time() - start)
    base = np.array(seconds[unit])
    return float(np.median(base)), {name: float(np.median(times / base)) for name, times in seconds.items()}


def largest_state_gradient(agent: MixedGradient) -> float:
    """Largest gradient of a loss with respect to a state, in the units of ``state_gradient_limit``."""
    episodes = agent.simulate(*agent.start())
    loss = agent.surrogate(episodes, agent.gate_logits(episodes)) / agent.cost_scale
    scaled = [
        (entry, torch.as_tensor(scale, dtype=entry.dtype))
        for state in episodes.states[1:]
        for entry, scale in zip(state, agent.problem.state_scale, strict=True)
        if scale is not None and entry.requires_grad
    ]
    gradients = torch.autograd.grad(loss, [entry for entry, _ in scaled], materialize_grads=True)
    pairs = zip(gradients, scaled, strict=True)
    largest = max((float((g * scale).abs().max()) for g, (_, scale) in pairs if g.numel()), default=0.0)
    return largest * agent.settings.batch_size
