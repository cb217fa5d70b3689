"""SmoothedCost: the naive benchmark that smooths the jumps and does not decompose the action."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import checks

from .base import Agent
from .networks import QuantityPolicy
from .rollout import Gate, Rollout, rollout


class SmoothedCost(Agent):
    """One undecomposed quantity on a cost with steep, smooth jumps (Alvo, section 2, first benchmark).

    The quantity's membership in the regimes is a difference of sigmoids around the regimes' boundaries; only
    pathwise gradients are used. Decisions use the hard membership. Expected to fail: the gradient near a jump
    says nothing about the far side.

    Args:
        env: environment id, environment or problem.
        steepness: of the sigmoids, in 1 / (units / ``level_scale``): the larger, the nearer to the jump.
        **settings: of every agent, see ``Agent``.
    """

    name = "SmoothedCost"

    def __init__(self, env: Any, *, steepness: float = 50.0, **settings: Any) -> None:
        self.steepness = checks.number("steepness", steepness, low=1e-6)
        super().__init__(env, **settings)

    def make_networks(self) -> dict[str, nn.Module]:
        """The policy: one order-up-to level."""
        self.policy = QuantityPolicy(self.problem, self.hidden)
        return {"policy": self.policy}

    def simulate(self, state: Any, noise: Tensor) -> Rollout:
        """Episodes under the smoothed membership."""
        gate: Gate = lambda weights, period: weights  # noqa: E731
        return rollout(self.problem, self._forward, gate, state, noise, self._limit())

    def loss(self, episodes: Rollout) -> Tensor:
        """Mean cost of the smoothed episodes."""
        return episodes.costs.sum(0).mean()

    def decide(self, observation: Tensor, deterministic: bool) -> tuple[Tensor, Tensor]:
        """The regime that the quantity belongs to, and the quantity projected on it."""
        quantity = self.policy(observation)
        regime = torch.searchsorted(self._boundaries(quantity), quantity)
        return regime, torch.clamp(quantity, self.policy.low[regime], self.policy.high[regime])

    def _forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        quantity = self.policy(observation)
        return self.membership(quantity), torch.clamp(quantity[..., None], self.policy.low, self.policy.high)

    def membership(self, quantity: Tensor) -> Tensor:
        """Smooth weights of the regimes (..., K), which sum to 1, of undecomposed quantities (...,)."""
        slope = self.steepness / self.problem.level_scale
        above = torch.sigmoid(slope * (quantity[..., None] - self._boundaries(quantity)))
        one, none = torch.ones_like(above[..., :1]), torch.zeros_like(above[..., :1])
        return torch.cat([one, above], -1) - torch.cat([above, none], -1)

    def _boundaries(self, like: Tensor) -> Tensor:
        return torch.as_tensor(self.problem.regimes.boundaries, dtype=like.dtype, device=like.device)
