"""SmoothedCost: the naive benchmark that smooths the jumps and does not decompose the action."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem, NotApplicable, checks

from .base import Agent
from .gradients.rollout import Rollout, rollout
from .networks.gates import Gate
from .networks.policies import Choice, QuantityPolicy


class Membership(nn.Module):
    """Regimes that follow from undecomposed quantities: smooth weights, or hard indices.

    Args:
        problem: with ``boundaries`` along ``drivers``.
        steepness: of the sigmoids, in 1 / (driver at quantities of their usual scale).
    """

    def __init__(self, problem: HindsightProblem, steepness: float) -> None:
        super().__init__()
        assert problem.boundaries is not None
        self.problem = problem
        layout = problem.layout
        last = layout.columns(np.array(layout.gates) - 1)
        typical = np.abs(problem.drivers(problem.quantity_scale[last]))
        slopes = steepness / np.where(typical > 0, typical, 1.0)
        self.counts = [group.count for group in layout.gate_groups]
        start = 0
        for index, count in enumerate(self.counts):
            gates = slice(start, start + count)
            ends = np.stack(problem.boundaries[gates])
            for name, array in (("ends", ends), ("slopes", slopes[gates, None])):
                self.register_buffer(
                    f"{name}{index}", torch.tensor(array, dtype=torch.float32), persistent=False
                )
            start += count

    def _differences(self, quantity: Tensor) -> list[tuple[Tensor, Tensor]]:
        """For each group of gates driver less boundary, (..., count, options - 1), and the slopes."""
        drivers = torch.split(self.problem.drivers(quantity), self.counts, -1)
        return [
            (part[..., None] - getattr(self, f"ends{index}"), getattr(self, f"slopes{index}"))
            for index, part in enumerate(drivers)
        ]

    def forward(self, quantity: Tensor) -> Tensor:
        """Weights (..., options) of quantities (..., n); those of each gate sum to 1."""
        weights = []
        for difference, slope in self._differences(quantity):
            above = torch.sigmoid(slope * difference)
            edge = (*above.shape[:-1], 1)
            weight = torch.cat([above.new_ones(edge), above], -1) - torch.cat(
                [above, above.new_zeros(edge)], -1
            )
            weights.append(weight.flatten(-2))
        return torch.cat(weights, -1)

    def hard(self, quantity: Tensor) -> Tensor:
        """Regimes (..., G) of quantities (..., n); a boundary belongs to the regime below it."""
        return torch.cat([(part > 0).sum(-1) for part, _ in self._differences(quantity)], -1)


class SmoothedCost(Agent):
    """Undecomposed quantities on a cost with steep, smooth jumps (Alvo, section 2, first benchmark).

    A quantity's membership in the regimes is a difference of sigmoids around the regimes' boundaries; only
    pathwise gradients are used. Decisions use the hard membership. Expected to fail: the gradient near a jump
    says nothing about the far side.

    Args:
        env: environment id, environment or problem; its regimes must follow from its quantities.
        steepness: of the sigmoids, in 1 / (units / ``quantity_scale``): the larger, the nearer to the jump.
        **settings: of every agent, see ``Agent``.

    Raises:
        NotApplicable: if the regimes of the problem do not follow from its quantities.
    """

    name = "SmoothedCost"

    def __init__(self, env: Any, *, steepness: float = 50.0, **settings: Any) -> None:
        self.steepness = checks.number("steepness", steepness, low=1e-6)
        super().__init__(env, **settings)

    def make_networks(self) -> dict[str, nn.Module]:
        """The policy, one level for each quantity; and the membership, which has no parameters."""
        self.policy = QuantityPolicy(self.problem, self.hidden)
        self.membership = Membership(self.problem, self.steepness)
        return {"policy": self.policy, "membership": self.membership}

    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Episodes under the smoothed membership."""
        gate: Gate = lambda logits, period: logits  # noqa: E731
        return rollout(self.problem, self._forward, gate, state, noise, self._limits(noise))

    def loss(self, episodes: Rollout) -> Tensor:
        """Mean cost of the smoothed episodes."""
        return episodes.costs.sum(-1).sum(0).mean()

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """The regimes that the quantities belong to, and the quantities projected on them."""
        quantity = self.policy(observation)
        regime = self.membership.hard(quantity)
        return regime, self._placed(quantity).gather(-1, self.policy.quantities.columns(regime))

    def _forward(self, observation: Tensor, choice: Choice) -> tuple[Tensor, Tensor, Tensor]:
        quantity = self.policy(observation)
        weights = self.membership(quantity)
        return weights, choice(weights), self._placed(quantity)

    def _placed(self, quantity: Tensor) -> Tensor:
        """Quantities (..., n) projected on the interval of every regime, (..., columns)."""
        return self.policy.quantities.project(self.policy.placed(quantity))

    @classmethod
    def _supported(cls, env: Any) -> HindsightProblem:
        problem = super()._supported(env)
        if problem.boundaries is None:
            raise NotApplicable(
                f"{cls.name}: the regimes of {type(problem).__name__} do not follow from its quantities, so "
                "they cannot be smoothed; use MixedGradient or GumbelSoftmax"
            )
        return problem
