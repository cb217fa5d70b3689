"""HybridPPO: PPO for gates and quantities, without any gradient of the simulator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem, checks

from . import arrays
from .arrays import Array
from .gradients import estimators
from .gradients.clipping import Decisions, clipped_loss, minibatches
from .gradients.rollout import Rollout, at_period, stochastic_rollout
from .networks.distributions import Gaussian
from .networks.features import Features
from .networks.gates import (
    Choice,
    entropy,
    gumbel_noise,
    log_prob,
    most_probable,
    probabilities,
    sampled_gate,
)
from .networks.perceptrons import Value, mlp
from .networks.policies import Quantities
from .windows import WindowedAgent, WindowSettings


class GaussianPolicy(nn.Module):
    """One network for the logits of all gates and the mean outputs for the quantities in every regime.

    Outputs are sampled from a Gaussian around their means, with a learned standard deviation for each column,
    and ``problem.quantity_from`` turns them into quantities: for an inventory, they are order-up-to levels.

    Args:
        problem: the problem to decide on.
        hidden: widths of the hidden layers.
        deviation: initial standard deviation of the outputs.
    """

    LOGIT_SCALE = 5.0
    owner: Tensor
    reach: Tensor

    def __init__(self, problem: HindsightProblem, hidden: Sequence[int], deviation: float) -> None:
        super().__init__()
        self.layout = layout = problem.layout
        columns = len(layout.low)
        self.features = Features(problem)
        self.quantities = Quantities(problem)
        self.net = mlp(self.features.dim, hidden, layout.options + columns)
        self.log_deviation = nn.Parameter(torch.full((columns,), math.log(deviation)))
        counts = torch.tensor([layout.gates[gate] for gate in layout.quantity_gate])
        owner = torch.repeat_interleave(torch.arange(len(counts)), counts)
        self.register_buffer("owner", owner, persistent=False)
        # Outputs are unbounded, except where the interval is a point, so that there is nothing to decide.
        free = self.quantities.low < self.quantities.high
        self.register_buffer("reach", torch.where(free, math.inf, 0.0), persistent=False)

    def forward(self, observation: Array) -> tuple[Array, Array]:
        """Logits (..., options) of all gates, and mean outputs (..., columns), of observations (..., n)."""
        out = self.net(self.features(observation))
        return self.LOGIT_SCALE * out[..., : self.layout.options], out[..., self.layout.options :]

    def outputs(self, means: Array) -> Gaussian:
        """Return the distribution of the outputs (..., columns) in every regime."""
        deviation = arrays.namespace(means).exp(self.log_deviation)
        return Gaussian(means, deviation, -self.reach, self.reach)

    def chosen_outputs(self, means: Array, weights: Array) -> Gaussian:
        """Return the distribution of the outputs (..., n) in the regimes of weights (..., options)."""
        columns = self.columns(weights)
        deviation = arrays.namespace(means).exp(self.log_deviation)[columns]
        return Gaussian(arrays.gather(means, columns), deviation, -self.reach[columns], self.reach[columns])

    def columns(self, weights: Array) -> Array:
        """Return the column of each quantity (..., n) in the regimes that weights (..., options) chose."""
        return self.quantities.columns(most_probable(weights, self.layout.gate_groups))

    def quantity(self, observation: Array, output: Array) -> Array:
        """Return the quantities (..., columns), within their intervals, of outputs (..., n)."""
        return self.quantities.project(self.quantities(observation, output[..., self.owner]))


@dataclass(frozen=True, kw_only=True)
class HybridPPOSettings(WindowSettings):
    """Settings of ``HybridPPO``, beside those of ``WindowSettings`` and ``AgentSettings``.

    The loss whose gradient ``max_grad_norm`` bounds is measured in standard deviations of the advantages.

    Args:
        gae_lambda: lambda of the generalised advantage, in [0, 1].
        clip: relative change of a decision's probability beyond which it is not rewarded.
        epochs: number of epochs over the data of an iteration.
        minibatch_size: number of decisions in a step; fewer if an iteration has no more.
        deviation: initial standard deviation of the network's outputs for the quantities; it is learnt.
        entropy_bonus: weight of the entropy of a decision, in standard deviations of the advantages.
        batch_size, learning_rate, hidden, max_grad_norm: see ``AgentSettings``.
    """

    gae_lambda: float = 0.9
    clip: float = 0.2
    epochs: int = 3
    minibatch_size: int = 320
    deviation: float = 0.37
    entropy_bonus: float = 0.0
    batch_size: int = 64
    learning_rate: float = 5e-3
    hidden: Sequence[int] = (32, 32)
    max_grad_norm: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(checks.number, "gae_lambda", low=0, high=1)
        self._check(checks.number, "clip", low=1e-6, high=1)
        self._check(checks.integer, "epochs", low=1)
        self._check(checks.integer, "minibatch_size", low=2)
        self._check(checks.number, "deviation", low=1e-6)
        self._check(checks.number, "entropy_bonus", low=0)


class HybridPPO(WindowedAgent):
    """Proximal policy optimisation (Schulman et al. 2017) on the engines of the other agents.

    An ablation: it has the network, the inputs and the distribution of Stable-Baselines3's ``ppo-gate`` of
    ``jumpgym compare``, and the engine, the value and the learning rate of ``MixedGradient``. So it shows
    what the gradient of the simulator gains apart from what the engine gains.

    An iteration simulates one batch of episodes, and takes steps on minibatches of their decisions in several
    epochs. The probability of a decision is that of its gates times the density of the network's outputs for
    the quantities in the regimes chosen; a quantity that its regime leaves no choice does not enter. Its
    ratio is clipped, and each decision is credited with the whole cost, by the generalised advantage,
    normalised in each minibatch.

    Args:
        env, device, engine: see ``Agent``.
        **settings: see ``HybridPPOSettings``, ``WindowSettings`` and ``AgentSettings``.

    Example:
        >>> from jumpgym.agents import HybridPPO
        >>> agent = HybridPPO("jumpgym/SetupCost-v0", seed=0).learn(total_timesteps=12_800)
        >>> (regime, quantity), _ = agent.predict([-5.0, 3.0], deterministic=True)
    """

    VALUE_WEIGHT = 0.5

    Settings = HybridPPOSettings
    settings: HybridPPOSettings
    policy: GaussianPolicy  # type: ignore[assignment]  # ``decide`` is overridden
    value: Value

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        chosen = self.settings
        with self.seeded():
            self.policy = GaussianPolicy(self.problem, chosen.hidden, chosen.deviation)
            self.value = Value(self.problem, chosen.hidden)
        self.build(policy=self.policy, value=self.value, windows=self.windows)

    def simulate(self, state: Any, noise: Array) -> Rollout:
        """Simulate episodes with sampled gates and outputs, without gradient."""

        def policy(observation: Array, choice: Choice, uniforms: Array) -> tuple[Array, ...]:
            logits, means = self.policy(observation)
            weights = choice(logits)
            output = self.policy.chosen_outputs(means, weights).sample(uniforms)
            return logits, weights, self.policy.quantity(observation, output), output

        return stochastic_rollout(self.problem, policy, state, noise, self.generator)

    def iterate(self) -> None:
        """Run one iteration: simulate, then take a step on each minibatch of each epoch."""
        episodes = self.simulate(*self.start())
        decisions = self.decisions(episodes)
        count = len(decisions.gates)
        parts = max(1, count // self.settings.minibatch_size)
        batches = minibatches(count, parts, self.settings.epochs, self.generator)
        self.repeat(lambda indices: self._step(decisions.at(indices)), batches)
        self.finish(episodes)

    def decisions(self, episodes: Rollout) -> Decisions:
        """Return the T m decisions of the episodes, with their advantages."""
        closing = arrays.detach(self.closing(episodes))
        advantages = self.advantages(episodes, closing, "gae", self.settings.gae_lambda)
        returns = advantages / self.discounts(advantages) + self.value(episodes.observations)
        log_p, _ = self.log_prob(episodes.observations, episodes.gates, episodes.proposals)
        entries = (
            episodes.observations,
            episodes.gates,
            arrays.detach(log_p),
            advantages.sum(-1, keepdims=True),
            self.centred(returns),
            episodes.proposals,
        )
        return Decisions(*(arrays.flatten(entry, 2) for entry in entries))

    def log_prob(self, observations: Array, gates: Array, outputs: Array) -> tuple[Array, Array]:
        """Return the log-probability (..., 1) of decisions, and the entropy (..., 1) of the policy.

        Args:
            observations: shape (..., n_obs).
            gates: one-hot, shape (..., options).
            outputs: what was sampled in the regimes chosen, shape (..., n).
        """
        groups = self.problem.layout.gate_groups
        logits, means = self.policy(observations)
        of_gates = log_prob(logits, gates, groups).sum(-1, keepdims=True)
        of_outputs = self.policy.chosen_outputs(means, gates).log_prob(outputs).sum(-1, keepdims=True)
        chances = probabilities(logits, groups)[..., self.policy.quantities.option]
        of_every_regime = (chances * self.policy.outputs(means).entropy()).sum(-1, keepdims=True)
        return of_gates + of_outputs, entropy(logits, groups).sum(-1, keepdims=True) + of_every_regime

    def loss(self, episodes: Rollout) -> Array:
        """Return the loss of all decisions under the policy that took them, where every ratio is 1."""
        return self.decision_loss(self.decisions(episodes))

    def decision_loss(self, decisions: Decisions) -> Array:
        """Return the clipped loss of decisions, with the losses of the entropy and of the value."""
        chosen = self.settings
        log_p, entropies = self.log_prob(decisions.observations, decisions.gates, decisions.proposals)
        mean_entropy = entropies.mean()
        self.logger.record("train/entropy", arrays.number(mean_entropy))
        advantages = estimators.normalised(decisions.advantages[None])[0]
        return (
            clipped_loss(log_p - decisions.log_prob, advantages, chosen.clip)
            - chosen.entropy_bonus * mean_entropy
            + self.VALUE_WEIGHT * self.value.error(decisions.observations, decisions.returns)
        ) * self.cost_scale

    def decide(self, observation: Array, deterministic: bool) -> tuple[Array, Array]:
        """Return the most probable regimes and the quantities of the mean outputs, or sample both."""
        groups = self.problem.layout.gate_groups
        logits, means = self.policy(observation)
        noise = torch.zeros_like(logits)
        if not deterministic:
            noise = gumbel_noise(logits.shape, self.generator, logits)
        weights = at_period(sampled_gate(noise[None], groups), 0)(logits)
        outputs, columns = self.policy.chosen_outputs(means, weights), self.policy.columns(weights)
        if deterministic:
            output = outputs.centre()
        else:
            output = outputs.sample(arrays.uniform(columns.shape, self.generator, logits))
        quantity = arrays.gather(self.policy.quantity(observation, output), columns)
        return most_probable(weights, groups), quantity

    def _step(self, batch: Decisions) -> bool:
        """Take a step on a minibatch; return True, since the next one always follows."""
        self.descend(lambda: (self.decision_loss(batch), None))
        return True
