"""GumbelSoftmax: relaxed gates, with pathwise gradients for gates and quantities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor

from jumpgym import checks

from . import arrays
from .base import Agent
from .gradients.rollout import Policy, Rollout, sampled_rollout
from .networks.gates import Choice, relaxed_gate
from .networks.policies import HybridPolicy, QuantityHead
from .settings import AgentSettings
from .training.schedules import inverse_time

TEMPERATURE, DECAY, COLDEST = 1.0, 0.02, 0.05


def temperature_after(
    iterations: int, start: float = TEMPERATURE, decay: float = DECAY, coldest: float = COLDEST
) -> float:
    """Return the temperature ``start / (1 + decay * iterations)`` (eq. 11), but at least ``coldest``."""
    return inverse_time(start, decay, coldest, iterations)


def guarded(policy: HybridPolicy) -> Policy:
    """Return the policy with gates that take the state as a constant, lest relaxed gates explode."""

    def forward(observation: Tensor, choice: Choice) -> tuple[Tensor, Tensor, Tensor]:
        logits, weights, _ = policy(arrays.detach(observation), choice)
        *_, quantity = policy(observation, lambda logits: weights)
        return logits, weights, quantity

    return forward


@dataclass(frozen=True, kw_only=True)
class GumbelSoftmaxSettings(AgentSettings):
    """Settings of ``GumbelSoftmax``, beside those of ``AgentSettings``.

    Args:
        form: "plain" is the method of the note: gates see the state with its gradient, levels are unbounded,
            and gradients are not limited. It diverges: once the logits are steep, back-propagation through
            state, logit and soft gate multiplies the gradient by about quantity * slope / (4 temperature) in
            each period. "guarded" bounds the levels by a sigmoid, hides the state's gradient from the gates,
            and limits the gradient of the state.
        temperature: initial temperature, tau_0 of eq. 11, greater than 0.
        temperature_decay: beta of eq. 11, per iteration; 0 keeps the temperature fixed.
        min_temperature: lower bound of the temperature.
        straight_through: whether training samples hard gates, with the gradient of the soft ones (eq. 12).
    """

    form: Literal["guarded", "plain"] = "guarded"
    temperature: float = TEMPERATURE
    temperature_decay: float = DECAY
    min_temperature: float = COLDEST
    straight_through: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check(checks.choice, "form", allowed=("guarded", "plain"))
        if self.temperature == 0:
            raise ValueError(
                "temperature=0 is the hard gate, through which no gradient passes: use MixedGradient, or a "
                "temperature of at least 1e-06"
            )
        self._check(checks.number, "temperature", low=1e-6)
        self._check(checks.number, "temperature_decay", low=0)
        self._check(checks.number, "min_temperature", low=0, high=self.temperature)
        self._check(checks.choice, "straight_through", allowed=(False, True))


class GumbelSoftmax(Agent):
    """Gumbel-softmax hybrid-action RL (Alvo, section 2.2), for any number of gates and regimes.

    Training simulates relaxed gates and follows the pathwise gradient of their cost, which is biased for the
    problem with hard gates. Decisions take hard gates (eq. 13; with K regimes the largest weight of a gate).

    Args:
        env, device, engine: see ``Agent``.
        **settings: see ``GumbelSoftmaxSettings`` and ``AgentSettings``.
    """

    Settings = GumbelSoftmaxSettings
    settings: GumbelSoftmaxSettings

    def __init__(
        self, env: Any, *, device: str | torch.device = "cpu", engine: str = "auto", **settings: Any
    ) -> None:
        super().__init__(env, device=device, engine=engine, **settings)
        self.guarded = self.settings.form == "guarded"
        with self.seeded():
            head: QuantityHead = "bounded" if self.guarded else "problem"
            self.policy = HybridPolicy(self.problem, self.settings.hidden, head)
        self.build(policy=self.policy)

    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Simulate episodes with relaxed gates at the temperature of this iteration."""
        chosen = self.settings
        temperature = temperature_after(
            self.iterations, chosen.temperature, chosen.temperature_decay, chosen.min_temperature
        )
        self.logger.record("train/temperature", temperature)
        relaxed = partial(relaxed_gate, temperature=temperature, straight_through=chosen.straight_through)
        policy = guarded(self.policy) if self.guarded else self.policy
        limits = self.limits if self.guarded else None
        return sampled_rollout(self.problem, policy, state, noise, self.generator, limits, relaxed)

    def loss(self, episodes: Rollout) -> Tensor:
        """Return the mean cost of the relaxed episodes."""
        return episodes.costs.sum(-1).sum(0).mean()
