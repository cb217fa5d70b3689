"""GumbelSoftmax: relaxed gates, pathwise gradients for gate and quantity both."""

from __future__ import annotations

from typing import Any, Literal

from torch import Tensor, nn

from jumpgym import checks

from .base import Agent
from .gradients.rollout import Policy, Rollout, rollout
from .networks.gates import gumbel_noise, relaxed_gate
from .networks.policies import Choice, HybridPolicy, QuantityHead
from .training.schedules import inverse_time

TEMPERATURE, DECAY, COLDEST = 1.0, 0.02, 0.05


def guarded(policy: HybridPolicy) -> Policy:
    """The policy with gates that see the state without its gradient, so that relaxed gates do not explode."""

    def forward(observation: Tensor, choice: Choice) -> tuple[Tensor, Tensor, Tensor]:
        logits, weights, _ = policy(observation.detach(), choice)
        *_, quantity = policy(observation, lambda logits: weights)
        return logits, weights, quantity

    return forward


class GumbelSoftmax(Agent):
    """Gumbel-softmax hybrid-action RL (Alvo, section 2.2), for any number of gates and regimes.

    Training simulates relaxed gates and follows the pathwise gradient of their cost, which is biased for the
    hard problem. Decisions use the hard gate (eq. 13; with K regimes the largest weight of each gate).

    Args:
        env: environment id, environment or problem.
        form: "plain" is the note's: gates see the state with its gradient, levels are unbounded, gradients
            not limited. It diverges: once the logits are steep, back-propagation through state, logit and
            soft gate multiplies by about quantity * slope / (4 temperature) each period. "guarded" bounds the
            levels by a sigmoid, detaches the state that the gate sees, and limits the state's gradient.
        temperature: tau_0 of eq. 11, greater than 0.
        temperature_decay: beta of eq. 11, by iteration; 0 keeps the temperature fixed.
        min_temperature: the annealed temperature stays above it.
        straight_through: sample hard gates in training, with the gradient of the soft ones (eq. 12).
        **settings: of every agent, see ``Agent``.
    """

    name = "GumbelSoftmax"

    def __init__(
        self,
        env: Any,
        *,
        form: Literal["guarded", "plain"] = "guarded",
        temperature: float = TEMPERATURE,
        temperature_decay: float = DECAY,
        min_temperature: float = COLDEST,
        straight_through: bool = False,
        **settings: Any,
    ) -> None:
        self.form = checks.choice("form", form, ("guarded", "plain"))
        if temperature == 0:
            raise ValueError(
                "temperature=0 is the hard gate, through which no gradient passes: use MixedGradient, or a "
                "temperature of at least 1e-06"
            )
        self.temperature = checks.number("temperature", temperature, low=1e-6)
        self.temperature_decay = checks.number("temperature_decay", temperature_decay, low=0)
        self.min_temperature = checks.number("min_temperature", min_temperature, low=0, high=self.temperature)
        self.straight_through = checks.choice("straight_through", straight_through, (False, True))
        super().__init__(env, **settings)

    def make_networks(self) -> dict[str, nn.Module]:
        """The policy."""
        head: QuantityHead = "bounded" if self.form == "guarded" else "problem"
        self.policy = HybridPolicy(self.problem, self.hidden, head)
        return {"policy": self.policy}

    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Episodes with relaxed gates at the present temperature."""
        tau = self.temperature_after(
            self.iterations, self.temperature, self.temperature_decay, self.min_temperature
        )
        self.logger.record("train/temperature", tau)
        layout = self.problem.layout
        gumbel = gumbel_noise((noise.shape[1], len(noise), layout.options), self.generator, noise)
        gate = relaxed_gate(gumbel, layout.gate_groups, tau, self.straight_through)
        limits = self._limits(noise) if self.form == "guarded" else None
        policy: Policy = guarded(self.policy) if self.form == "guarded" else self.policy
        return rollout(self.problem, policy, gate, state, noise, limits)

    @staticmethod
    def temperature_after(
        iterations: int, start: float = TEMPERATURE, decay: float = DECAY, coldest: float = COLDEST
    ) -> float:
        """Temperature ``start / (1 + decay * iterations)`` (eq. 11), at least ``coldest``."""
        return inverse_time(start, decay, coldest, iterations)

    def loss(self, episodes: Rollout) -> Tensor:
        """Mean cost of the relaxed episodes."""
        return episodes.costs.sum(-1).sum(0).mean()

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """The hard gates (eq. 13) and their quantities."""
        return self.policy.choose(observation, self.generator, deterministic)
