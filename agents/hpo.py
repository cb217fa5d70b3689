"""HPO: a clipped loss of the gates over several epochs, and pathwise gradients in the first epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jumpgym import HindsightProblem, checks

from .gradients import estimators
from .gradients.rollout import Rollout, sampled_rollout
from .networks.gates import entropy, log_prob
from .networks.perceptrons import Value, mlp
from .networks.policies import HybridPolicy
from .windows import WindowedAgent, WindowSettings


class Decisions(NamedTuple):
    """N decisions of the simulated episodes, without gradient.

    Attributes:
        observations: shape (N, n).
        gates: one-hot, shape (N, options).
        log_prob: log-probability of each gate when it was sampled, shape (N, G).
        advantages: advantage of each gate, shape (N, G).
        returns: costs to go to which the value is fitted, shape (N, C).
    """

    observations: Tensor
    gates: Tensor
    log_prob: Tensor
    advantages: Tensor
    returns: Tensor

    def at(self, indices: Tensor) -> Decisions:
        """Return the decisions at these indices."""
        return Decisions(*(entry[indices] for entry in self))


class SeparateNetworks(HybridPolicy):
    """A policy whose gates and quantities share no weights: steps on the gates leave quantities alone.

    Args:
        problem, hidden: see ``HybridPolicy``.
    """

    def __init__(self, problem: HindsightProblem, hidden: Sequence[int]) -> None:
        super().__init__(problem, hidden, "problem")
        if self.heads is None:  # with several coupled gates, the networks are separate already
            inputs = self.features.dim
            self.net = mlp(inputs, hidden, self.own)
            self.heads = mlp(inputs + self.layout.options, hidden, len(self.layout.low))


@dataclass(frozen=True, kw_only=True)
class HPOSettings(WindowSettings):
    """Settings of ``HPO``, beside those of ``WindowSettings`` and ``AgentSettings``.

    The loss whose gradient ``max_grad_norm`` bounds is here a mean over periods.

    Args:
        gamma: discount of the costs to go that the gates are credited with.
        gae_lambda: lambda of the generalised advantage, in [0, 1].
        clip: relative change of a gate's probability beyond which it is not rewarded.
        epochs: number of epochs over the data of an iteration, including the first.
        entropy_bonus: initial weight of the mean entropy of a gate, in units of the standard deviation of a
            gate's advantage; it changes linearly to ``final_entropy_bonus``.
        final_entropy_bonus: weight at the end of the training.
        credit: "total" credits each gate with the whole cost, "components" with the components that it
            enters; see ``MixedGradientSettings``.
        batch_size, learning_rate, max_grad_norm: see ``AgentSettings``.
    """

    gamma: float = 0.93
    gae_lambda: float = 0.96
    clip: float = 0.16
    epochs: int = 5
    entropy_bonus: float = 0.01
    final_entropy_bonus: float = 0.001
    credit: estimators.Credit = "total"
    batch_size: int = 128
    learning_rate: float = 1e-3
    max_grad_norm: float = 5.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(checks.number, "gamma", "gae_lambda", low=0, high=1)
        self._check(checks.number, "clip", low=1e-6, high=1)
        self._check(checks.integer, "epochs", low=1)
        self._check(checks.number, "entropy_bonus", "final_entropy_bonus", low=0)
        self._check(checks.choice, "credit", allowed=("components", "total"))


class HPO(WindowedAgent):
    """Hybrid policy optimisation, as published (Alvo, Russo and Kanoria 2026, arXiv 2605.14297).

    An iteration simulates one batch of episodes and learns from it in several epochs. The first epoch takes
    one step on the whole batch, along the pathwise gradient of the cost and the score-function gradient of
    the gates, including its cross term through the states. Each later epoch takes steps on four minibatches
    of decisions, for the gates and the value only: PPO's clipped probability ratio of each gate, with
    advantages normalised in each minibatch. The epochs end early once the gates have moved by ``TARGET_KL``.

    The following is taken from the authors' code (github.com/MatiasAlvo/hybrid-rl, hybrid_main.yml and
    hybrid_wrapper.py): all defaults, the batch of 128 episodes, the four minibatches, the divergence that
    ends the epochs, the weight of the value, costs in units of their standard deviation in the batch,
    separate networks for gates and quantities, and the credit of each gate with the whole cost. The
    following differs: the form of the quantities, the inputs of the networks and the revival of dead heads
    (``HybridPolicy.revival``) are those of our other agents; the learning rate falls along a cosine instead
    of being constant; the norm of the gradient is bounded over all networks, not for each. The authors leave
    the first and the last 20 of 100 periods out of every loss, to learn a stationary policy; here all periods
    count, since the end belongs to the problem, or a learned value closes the window.

    The gates look ahead with the discount ``gamma``, whatever the discount of the problem. With an infinite
    horizon, windows are closed by the value for this discount. Both bias the gradient of the expected cost
    unless ``gamma`` is the discount of the problem.

    Args:
        env, device: see ``Agent``.
        **settings: see ``HPOSettings``, ``WindowSettings`` and ``AgentSettings``.

    Example:
        >>> from jumpgym.agents import HPO
        >>> agent = HPO("jumpgym/SetupCost-v0", seed=0).learn(total_timesteps=12_800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    MINIBATCHES, TARGET_KL, VALUE_WEIGHT = 4, 0.015, 0.13

    Settings = HPOSettings
    settings: HPOSettings
    value: Value

    def __init__(self, env: Any, *, device: str | torch.device = "cpu", **settings: Any) -> None:
        super().__init__(env, device=device, **settings)
        with self.seeded():
            self.policy = SeparateNetworks(self.problem, self.settings.hidden)
            self.value = Value(self.problem, self.settings.hidden)
        self.build(policy=self.policy, value=self.value, windows=self.windows)

    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Simulate episodes with sampled gates."""
        return sampled_rollout(self.problem, self.policy, state, noise, self.generator, self._limits(noise))

    def iterate(self) -> None:
        """Run one iteration: simulate, a step on the whole loss, then epochs on gates and value only."""
        episodes = self.simulate(*self.start())
        decisions = self.decisions(episodes)
        self.descend(self.loss(episodes, decisions))
        for _ in range(1, self.settings.epochs):
            if not self._epoch(decisions):
                break
        self.finish(episodes)

    def loss(self, episodes: Rollout, decisions: Decisions | None = None) -> Tensor:
        """Return the loss of the first epoch: mean cost, with the losses of gates, value and revival."""
        decisions = decisions or self.decisions(episodes)
        periods, unit = len(episodes.costs), self._unit(episodes)
        pathwise = estimators.pathwise_loss(episodes.costs, self.closing(episodes)) / (periods * unit)
        revival = self.revival_loss(episodes) / periods
        gates, _ = self.gate_loss(episodes.logits.flatten(0, 1), decisions)
        return (pathwise + gates + revival) * self.cost_scale

    def gate_loss(self, logits: Tensor, decisions: Decisions) -> tuple[Tensor, float]:
        """Return the loss of the gates and the value, and the divergence of the gates from the old ones.

        Args:
            logits: of the present policy, shape (N, options).
            decisions: N decisions of the old policy.

        Returns:
            the loss, in standard deviations of the advantages, and the estimated Kullback-Leibler divergence.
        """
        chosen, groups = self.settings, self.problem.layout.gate_groups
        log_ratio = log_prob(logits, decisions.gates, groups) - decisions.log_prob
        advantages = estimators.normalised(decisions.advantages[None])[0]
        mean_entropy = entropy(logits, groups).mean()
        self.logger.record("train/entropy", float(mean_entropy.detach()))
        bonus = chosen.entropy_bonus + self.progress * (chosen.final_entropy_bonus - chosen.entropy_bonus)
        value_error = self.value.error(decisions.observations, decisions.returns)
        loss = (
            clipped_loss(log_ratio, advantages, chosen.clip)
            - bonus * mean_entropy
            + 0.5 * self.VALUE_WEIGHT * value_error
        )
        log_ratio = log_ratio.detach()
        return loss, float((log_ratio.exp() - 1 - log_ratio).mean())

    def decisions(self, episodes: Rollout) -> Decisions:
        """Return the T m decisions of the episodes, with their advantages."""
        logits = episodes.logits.detach()
        advantages, returns = self.advantages_and_returns(episodes)
        log_p = log_prob(logits, episodes.gates, self.problem.layout.gate_groups)
        entries = (
            episodes.observations.detach(),
            episodes.gates,
            log_p,
            estimators.credited(advantages, self.problem.layout, self.settings.credit),
            returns,
        )
        return Decisions(*(entry.flatten(0, 1) for entry in entries))

    def advantages_and_returns(self, episodes: Rollout) -> tuple[Tensor, Tensor]:
        """Return generalised advantages (T, m, C), and the costs to go that follow from them."""
        costs = episodes.costs.detach() / self.discounts(episodes.costs)
        values = self.value(episodes.observations.detach())
        closing = self.value(episodes.final.detach()) if self.infinite_horizon else 0.0
        advantages = estimators.gae(costs, values, self.settings.gae_lambda, closing, self.settings.gamma)
        return advantages, advantages + values

    def _epoch(self, decisions: Decisions) -> bool:
        """Take steps on minibatches; return False as soon as the gates have moved too far."""
        count = len(decisions.observations)
        order = torch.randperm(count, generator=self.generator, device=self.generator.device)
        for indices in order.tensor_split(self.MINIBATCHES):
            batch = decisions.at(indices)
            logits, _, _ = self.policy(batch.observations, lambda logits, gates=batch.gates: gates)
            loss, divergence = self.gate_loss(logits, batch)
            self.descend(loss * self.cost_scale)
            if divergence > self.TARGET_KL:
                return False
        return True

    def _unit(self, episodes: Rollout) -> Tensor:
        """Return the standard deviation of the cost of a period, over periods and episodes."""
        return episodes.costs.detach().sum(-1).std().clamp(min=1e-8)


def clipped_loss(log_ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """Return ``max(r A, clip(r, 1 - eps, 1 + eps) A)``, mean over decisions and gates (Schulman et al. 2017).

    Args:
        log_ratio: ``log p(a) - log p_old(a)`` of each gate, shape (N, G).
        advantages: excess of the cost over the expected cost, shape (N, G).
        clip: eps.
    """
    ratio = log_ratio.exp()
    return torch.maximum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
