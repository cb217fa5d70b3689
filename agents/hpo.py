"""HPO: a clipped loss of the gate over several epochs, and pathwise gradients in the first."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from jumpgym import checks

from .gradients import estimators
from .gradients.exploration import revival_loss
from .gradients.rollout import Rollout, rollout
from .networks.gates import entropy, gumbel_noise, log_prob, sampled_gate
from .networks.perceptrons import mlp
from .networks.policies import HybridPolicy
from .windows import WindowedAgent


class Decisions(NamedTuple):
    """N decisions that were made, without gradient.

    Attributes:
        observations: shape (N, n).
        gates: one-hot, shape (N, options).
        log_prob: of each gate when it was drawn, shape (N, G).
        advantages: of each gate, shape (N, G).
        returns: cost to go that the value is fitted to, shape (N, C).
    """

    observations: Tensor
    gates: Tensor
    log_prob: Tensor
    advantages: Tensor
    returns: Tensor

    def at(self, indices: Tensor) -> Decisions:
        """Some of the decisions."""
        return Decisions(*(entry[indices] for entry in self))


class SeparateNetworks(HybridPolicy):
    """A policy whose gates and quantities share no weights, so that steps on the gate leave quantities alone.

    Args:
        problem, hidden, quantity_head: see ``HybridPolicy``.
    """

    def __init__(self, problem: Any, hidden: Any, quantity_head: Any) -> None:
        super().__init__(problem, hidden, quantity_head)
        if self.heads is None:  # of one gate; several have networks of their own
            inputs = self.features.dim
            self.net = mlp(inputs, hidden, self.own)
            self.heads = mlp(inputs + self.layout.options, hidden, len(self.layout.low))


class HPO(WindowedAgent):
    """Hybrid policy optimisation at its published settings (Alvo, Russo and Kanoria 2026, arXiv 2605.14297).

    An iteration simulates one batch of episodes and learns from it in several epochs. The first takes one
    step on the whole batch down the pathwise gradient of the cost, and, through the states, the
    score-function gradient of the gates with its cross term. The later ones take steps on four minibatches of
    decisions each, on gates and value alone: PPO's clipped ratios of each gate's probability, advantages
    normalised in each minibatch, until the gates have moved by ``TARGET_KL``.

    From the authors' code (github.com/MatiasAlvo/hybrid-rl, hybrid_main.yml and hybrid_wrapper.py) are all
    defaults, the batch of 128 episodes, the four minibatches, the divergence at which epochs end, the weight
    of the value, the costs in units of their standard deviation in the batch, the separate networks of gates
    and quantities, and the credit: each gate with the summed cost. Other here: the form of quantities and
    the network's inputs are those of our other agents, with the revival of dead quantities
    (``HybridPolicy.revival``); the learning rate falls by a cosine, theirs is constant; the norm of the
    gradient is bounded over all networks, not for each. Theirs leaves out the first and the last 20 of 100
    periods from every loss, to learn a stationary policy; here the end belongs to the problem, or a learned
    value closes the window (see ``WindowedAgent``), and all periods count.

    The gates look ahead by ``gamma`` whatever the discount of the problem, and a problem without an end has
    its windows closed by the value of that discount: both are biased for the expected cost unless ``gamma``
    is the discount of the problem.

    Args:
        env: environment id, environment or problem.
        gamma: discount of the costs to go that gates are credited with.
        gae_lambda: of the generalised advantage.
        clip: bound on the change of a gate's probability that pays, as a share.
        epochs: over the data of an iteration, with the first.
        entropy_bonus: weight of the mean entropy of a gate, in units of the standard deviation of a
            gate's advantage, at the start; it falls in a line to ``final_entropy_bonus``.
        final_entropy_bonus: at the end of the training.
        credit: "total" credits each gate with the summed cost, "components" with the components that it
            enters, see ``MixedGradient``.
        batch_size, learning_rate, max_grad_norm, **settings: of every agent, see ``WindowedAgent``; the loss,
            of which the gradient's norm is bounded, is here the mean over periods.

    Example:
        >>> from jumpgym.agents import HPO
        >>> agent = HPO("jumpgym/SetupCost-v0", seed=0).learn(total_timesteps=12_800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    name = "HPO"
    MINIBATCHES, TARGET_KL, VALUE_WEIGHT = 4, 0.015, 0.13

    def __init__(
        self,
        env: Any,
        *,
        gamma: float = 0.93,
        gae_lambda: float = 0.96,
        clip: float = 0.16,
        epochs: int = 5,
        entropy_bonus: float = 0.01,
        final_entropy_bonus: float = 0.001,
        credit: estimators.Credit = "total",
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        max_grad_norm: float = 5.0,
        **settings: Any,
    ) -> None:
        self.gamma = checks.number("gamma", gamma, low=0, high=1)
        self.gae_lambda = checks.number("gae_lambda", gae_lambda, low=0, high=1)
        self.clip = checks.number("clip", clip, low=1e-6, high=1)
        self.epochs = checks.integer("epochs", epochs, low=1)
        self.entropy_bonus = checks.number("entropy_bonus", entropy_bonus, low=0)
        self.final_entropy_bonus = checks.number("final_entropy_bonus", final_entropy_bonus, low=0)
        self.credit = checks.choice("credit", credit, ("components", "total"))
        super().__init__(
            env, batch_size=batch_size, learning_rate=learning_rate, max_grad_norm=max_grad_norm, **settings
        )

    def make_networks(self) -> dict[str, nn.Module]:
        """The policy and the value."""
        self.policy = SeparateNetworks(self.problem, self.hidden, "problem")
        networks = {"policy": self.policy, **self.window_networks()}
        if "value" not in networks:
            networks["value"] = self.value = self.make_value()
        return networks

    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Episodes with sampled gates."""
        layout = self.problem.layout
        gumbel = gumbel_noise((noise.shape[1], len(noise), layout.options), self.generator, noise)
        gate = sampled_gate(gumbel, layout.gate_groups)
        return rollout(self.problem, self.policy, gate, state, noise, self._limits(noise))

    def iterate(self) -> None:
        """One iteration: simulate, one step on all that follows from it, then epochs on the gates alone."""
        episodes = self.simulate(*self.start())
        decisions = self.decisions(episodes)
        self.descend(self.loss(episodes, decisions))
        for _ in range(1, self.epochs):
            if not self._epoch(decisions):
                break
        self.finish(episodes)

    def loss(self, episodes: Rollout, decisions: Decisions | None = None) -> Tensor:
        """Loss of the first epoch: mean cost of a period, and the losses of gates, value and revival."""
        decisions = decisions or self.decisions(episodes)
        periods, unit = len(episodes.costs), self._unit(episodes)
        pathwise = estimators.pathwise_loss(episodes.costs, self.closing(episodes)) / (periods * unit)
        revival = revival_loss(self.policy, episodes) / periods
        gates, _ = self.gate_loss(episodes.logits.flatten(0, 1), decisions)
        return (pathwise + gates + revival) * self.cost_scale

    def gate_loss(self, logits: Tensor, decisions: Decisions) -> tuple[Tensor, float]:
        """Loss of the gates and of the value, and how far the gates are from those that decided.

        Args:
            logits: as they are now, shape (N, options).
            decisions: N of them.

        Returns:
            the loss, in standard deviations of the advantages, and the estimated Kullback-Leibler divergence.
        """
        groups = self.problem.layout.gate_groups
        log_ratio = log_prob(logits, decisions.gates, groups) - decisions.log_prob
        advantages = estimators.normalised(decisions.advantages[None])[0]
        undecided = entropy(logits, groups).mean()
        self.logger.record("train/entropy", float(undecided.detach()))
        bonus = self.entropy_bonus + self.progress * (self.final_entropy_bonus - self.entropy_bonus)
        value_error = self.value.error(decisions.observations, decisions.returns)
        loss = (
            clipped_loss(log_ratio, advantages, self.clip)
            - bonus * undecided
            + 0.5 * self.VALUE_WEIGHT * value_error
        )
        log_ratio = log_ratio.detach()
        return loss, float((log_ratio.exp() - 1 - log_ratio).mean())

    def decisions(self, episodes: Rollout) -> Decisions:
        """All decisions of the episodes, (T m), with their advantages."""
        logits = episodes.logits.detach()
        advantages, returns = self.advantages_and_returns(episodes)
        log_p = log_prob(logits, episodes.gates, self.problem.layout.gate_groups)
        entries = (
            episodes.observations.detach(),
            episodes.gates,
            log_p,
            estimators.credited(advantages, self.problem.layout, self.credit),
            returns,
        )
        return Decisions(*(entry.flatten(0, 1) for entry in entries))

    def advantages_and_returns(self, episodes: Rollout) -> tuple[Tensor, Tensor]:
        """Generalised advantages and the costs to go that follow from them, (T, m, C), by component."""
        costs = episodes.costs.detach() / self.discounts(episodes.costs, len(episodes.costs))
        values = self.value(episodes.observations.detach())
        closing = self.value(episodes.final.detach()) if self.endless else 0.0
        advantages = estimators.gae(costs, values, self.gae_lambda, closing, self.gamma)
        return advantages, advantages + values

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """The most probable regime of each gate, or a sampled one, and the quantities."""
        return self.policy.choose(observation, self.generator, deterministic)

    def _epoch(self, decisions: Decisions) -> bool:
        """Steps on minibatches; False as soon as the gates have moved too far."""
        count = len(decisions.observations)
        order = torch.randperm(count, generator=self.generator, device=self.generator.device)
        for indices in order.tensor_split(self.MINIBATCHES):
            some = decisions.at(indices)
            logits, _, _ = self.policy(some.observations, lambda logits, gates=some.gates: gates)
            loss, divergence = self.gate_loss(logits, some)
            self.descend(loss * self.cost_scale)
            if divergence > self.TARGET_KL:
                return False
        return True

    def _unit(self, episodes: Rollout) -> Tensor:
        """Standard deviation of the cost of a period, over periods and episodes."""
        return episodes.costs.detach().sum(-1).std().clamp(min=1e-8)


def clipped_loss(log_ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """``max(r A, clip(r, 1 - eps, 1 + eps) A)``, mean over decisions and gates (Schulman et al. 2017, PPO).

    Args:
        log_ratio: ``log p(a) - log p_old(a)`` of each gate, shape (N, G).
        advantages: how much costlier than expected, shape (N, G).
        clip: eps.
    """
    ratio = log_ratio.exp()
    return torch.maximum(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
