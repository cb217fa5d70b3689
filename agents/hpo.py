"""HPO: a clipped loss of the gates over several epochs, and pathwise gradients in the first epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from jumpgym import HindsightProblem, checks

from . import arrays
from .arrays import Array
from .gradients import estimators
from .gradients.clipping import Decisions, clipped_loss, minibatches
from .gradients.rollout import Rollout, sampled_rollout
from .networks.gates import entropy, log_prob
from .networks.perceptrons import Value, mlp
from .networks.policies import HybridPolicy
from .windows import WindowedAgent, WindowSettings


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
        env, device, engine: see ``Agent``.
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

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        with self.seeded():
            self.policy = SeparateNetworks(self.problem, self.settings.hidden)
            self.value = Value(self.problem, self.settings.hidden)
        self.build(policy=self.policy, value=self.value, windows=self.windows)

    def simulate(self, state: Any, noise: Array) -> Rollout:
        """Simulate episodes with sampled gates."""
        return sampled_rollout(self.problem, self.policy, state, noise, self.generator, self.limits)

    def iterate(self) -> None:
        """Run one iteration: simulate, a step on the whole loss, then epochs on gates and value only."""
        begin = self.start()

        def first_epoch() -> tuple[Array, tuple[Rollout, Decisions]]:
            episodes = self.simulate(*begin)
            decisions = self.decisions(episodes)
            return self.loss(episodes, decisions), (episodes, decisions)

        episodes, decisions = self.descend(first_epoch)
        self.later_epochs(decisions)
        self.finish(episodes)

    def later_epochs(self, decisions: Decisions) -> None:
        """Take steps on minibatches for gates and value, until the gates have moved by ``TARGET_KL``."""
        if self.settings.epochs > 1:
            count, epochs = len(decisions.gates), self.settings.epochs - 1
            batches = minibatches(count, self.MINIBATCHES, epochs, self.generator)
            self.repeat(lambda indices: self._step(decisions.at(indices)), batches)

    def loss(self, episodes: Rollout, decisions: Decisions | None = None) -> Array:
        """Return the loss of the first epoch: mean cost, with the losses of gates, value and revival."""
        decisions = decisions or self.decisions(episodes)
        periods, unit = len(episodes.costs), self._unit(episodes)
        pathwise = estimators.pathwise_loss(episodes.costs, self.closing(episodes)) / (periods * unit)
        revival = self.revival_loss(episodes) / periods
        gates, _ = self.gate_loss(arrays.flatten(episodes.logits, 2), decisions)
        return (pathwise + gates + revival) * self.cost_scale

    def gate_loss(self, logits: Array, decisions: Decisions) -> tuple[Array, Array]:
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
        self.logger.record("train/entropy", arrays.number(mean_entropy))
        bonus = chosen.entropy_bonus + self.progress * (chosen.final_entropy_bonus - chosen.entropy_bonus)
        value_error = self.value.error(decisions.observations, decisions.returns)
        loss = (
            clipped_loss(log_ratio, advantages, chosen.clip)
            - bonus * mean_entropy
            + 0.5 * self.VALUE_WEIGHT * value_error
        )
        log_ratio = arrays.detach(log_ratio)
        return loss, (arrays.namespace(log_ratio).exp(log_ratio) - 1 - log_ratio).mean()

    def decisions(self, episodes: Rollout) -> Decisions:
        """Return the T m decisions of the episodes, with their advantages."""
        logits = arrays.detach(episodes.logits)
        advantages, returns = self.advantages_and_returns(episodes)
        log_p = log_prob(logits, episodes.gates, self.problem.layout.gate_groups)
        entries = (
            arrays.detach(episodes.observations),
            episodes.gates,
            log_p,
            estimators.credited(advantages, self.problem.layout, self.settings.credit),
            returns,
        )
        return Decisions(*(arrays.flatten(entry, 2) for entry in entries))

    def advantages_and_returns(self, episodes: Rollout) -> tuple[Array, Array]:
        """Return generalised advantages (T, m, C), and the costs to go that follow from them."""
        costs = arrays.detach(episodes.costs) / self.discounts(episodes.costs)
        values = self.value(arrays.detach(episodes.observations))
        closing = self.value(arrays.detach(episodes.final)) if self.infinite_horizon else 0.0
        advantages = estimators.gae(costs, values, self.settings.gae_lambda, closing, self.settings.gamma)
        return advantages, advantages + values

    def _step(self, batch: Decisions) -> Array:
        """Take a step on a minibatch; return whether the gates are still near enough to the old ones."""

        def objective() -> tuple[Array, Array]:
            logits, _, _ = self.policy(batch.observations, lambda logits: batch.gates)
            loss, divergence = self.gate_loss(logits, batch)
            return loss * self.cost_scale, divergence

        return self.descend(objective, ("policy.net", "policy.follow", "value")) <= self.TARGET_KL

    def _unit(self, episodes: Rollout) -> Array:
        """Return the standard deviation of the cost of a period, over periods and episodes."""
        total = arrays.detach(episodes.costs).sum(-1)
        return arrays.namespace(total).clip(arrays.deviation(total, (0, 1)), min=1e-8)
