"""MixedGradient: score-function gradients for the gate, pathwise gradients for the quantity."""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor, nn

from jumpgym import checks

from .base import Agent
from .estimators import credited, gae, leave_one_out, surrogate_loss, value_advantage
from .gates import entropy, gumbel_noise, log_prob, sampled_gate
from .networks import Value
from .policies import HybridPolicy, QuantityHead
from .rollout import Rollout, rollout
from .schedules import linear_until


class MixedGradient(Agent):
    """Hybrid-action policy gradient (Alvo, section 2.1).

    Gates are sampled; their parameters follow the score function. Quantities are deterministic; their
    gradient is pathwise. Both come from one surrogate loss, see ``estimators.surrogate_loss``.

    Args:
        env: environment id, environment or problem.
        cross_term: "full" is the unbiased gradient of eq. 8; "off" leaves out how earlier quantities change
            the probability of later gates (eq. 4 and 6): less variance, some bias in mid-training.
        advantage: "leave_one_out" (unbiased), "value" (unbiased, learned value) or "gae" (less variance, some
            bias).
        gae_lambda: of "gae".
        credit: "components" credits each gate with the components of the cost that it enters
            (``problem.layout.credit``), "total" with all. With one component they are the same. With many
            items components have far less variance (Schulman et al. 2015, "Gradient estimation using
            stochastic computation graphs", theorem 1). They are exact where a gate has no influence on later
            costs of the other components, as when each item's decisions follow from its own state. Where one
            network sees all items, or items share a resource, an item's gate also changes what later happens
            to the others, and this is left out: an approximation.
        entropy_bonus: cost units that the entropy of a gate in one period is worth at the start, annealed in
            a line to 0 at ``entropy_until`` of the training. It keeps the gate from settling on "always
            order" before the levels are right. None takes 40 % of ``cost_scale`` divided by the number of
            gates plus 1: for one gate 20 %.
        entropy_until: fraction of training in (0, 1].
        quantity_head: see ``HybridPolicy``.
        revival: weight, in units of ``cost_scale``, of the loss that revives heads which have lost their
            gradient, see ``HybridPolicy.revival``; annealed as the entropy bonus is.
        **settings: of every agent, see ``Agent``.

    Example:
        >>> from jumpgym.agents import MixedGradient
        >>> agent = MixedGradient("jumpgym/SetupCost-v0", seed=0).learn(total_timesteps=25_600)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    name = "MixedGradient"
    REVIVAL_EPISODES = 64

    def __init__(
        self,
        env: Any,
        *,
        cross_term: Literal["full", "off"] = "full",
        advantage: Literal["leave_one_out", "value", "gae"] = "leave_one_out",
        gae_lambda: float = 0.95,
        credit: Literal["components", "total"] = "components",
        entropy_bonus: float | None = None,
        entropy_until: float = 0.7,
        quantity_head: QuantityHead = "problem",
        revival: float = 1.0,
        **settings: Any,
    ) -> None:
        self.cross_term = checks.choice("cross_term", cross_term, ("full", "off"))
        self.advantage = checks.choice("advantage", advantage, ("leave_one_out", "value", "gae"))
        self.credit = checks.choice("credit", credit, ("components", "total"))
        self.gae_lambda = checks.number("gae_lambda", gae_lambda, low=0, high=1)
        self.entropy_bonus = (
            None if entropy_bonus is None else checks.number("entropy_bonus", entropy_bonus, low=0)
        )
        self.entropy_until = checks.number("entropy_until", entropy_until, low=1e-6, high=1)
        self.quantity_head = quantity_head
        self.revival = checks.number("revival", revival, low=0)
        super().__init__(env, **settings)

    def make_networks(self) -> dict[str, nn.Module]:
        """The policy, and the value where the advantage needs one."""
        self.policy = HybridPolicy(self.problem, self.hidden, self.quantity_head)
        if self.advantage == "leave_one_out":
            return {"policy": self.policy}
        self.value = Value(self.problem, self.hidden)
        return {"policy": self.policy, "value": self.value}

    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Episodes with sampled gates."""
        layout = self.problem.layout
        gumbel = gumbel_noise((noise.shape[1], len(noise), layout.options), self.generator, noise)
        gate = sampled_gate(gumbel, layout.gate_groups)
        return rollout(self.problem, self.policy, gate, state, noise, self._limits(noise))

    def loss(self, episodes: Rollout) -> Tensor:
        """Surrogate loss, less the entropy bonus, and the loss of the value."""
        logits = episodes.logits
        if self.cross_term == "off":
            logits, *_ = self.policy(episodes.observations.detach(), lambda logits: episodes.gates)
        groups = self.problem.layout.gate_groups
        advantages, value_loss = self._advantages(episodes)
        undecided = entropy(logits, groups)
        gates = undecided.shape[-1]
        typical = 0.4 * self.cost_scale / (1 + gates)
        start = typical if self.entropy_bonus is None else self.entropy_bonus
        bonus = linear_until(start, self.entropy_until, self.progress)
        self.logger.record("train/entropy", float(undecided.detach().mean()))
        revival = self.policy.revival(
            episodes.observations[:, : self.REVIVAL_EPISODES].detach(),
            episodes.gates[:, : self.REVIVAL_EPISODES],
            episodes.quantities[:, : self.REVIVAL_EPISODES].detach(),
        )
        return (
            surrogate_loss(episodes.costs, log_prob(logits, episodes.gates, groups), advantages)
            - bonus * undecided.sum(-1).sum(0).mean()
            + linear_until(self.revival, self.entropy_until, self.progress) * self.cost_scale * revival
            + value_loss
        )

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """The most probable regime of each gate, or a sampled one, and the quantities."""
        return self.policy.choose(observation, self.generator, deterministic)

    def _advantages(self, episodes: Rollout) -> tuple[Tensor, Tensor]:
        """Advantages of each gate (T, m, G) and the loss of the value, in units of cost."""
        costs, value_loss = episodes.costs.detach(), episodes.costs.new_zeros(())
        if self.advantage == "leave_one_out":
            advantages = leave_one_out(costs)
        else:
            values, error = self.value.fit(episodes.observations.detach(), costs)
            value_loss = error * self.cost_scale
            advantages = (
                value_advantage(costs, values)
                if self.advantage == "value"
                else gae(costs, values, self.gae_lambda)
            )
        enters = torch.as_tensor(self.problem.layout.credit, dtype=costs.dtype, device=costs.device)
        return credited(
            advantages, enters if self.credit == "components" else torch.ones_like(enters)
        ), value_loss
