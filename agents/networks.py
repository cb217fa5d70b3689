"""Networks of the agents: observation to gate logits and one quantity per regime."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from jumpgym import SingleItemInventory, checks

from .estimators import cost_to_go
from .features import Features

QuantityHead = Literal["order_up_to", "bounded_order_up_to", "raw"]


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Layers with tanh in between; the last one starts small, so that outputs start near 0."""
    sizes = [inputs, *hidden]
    layers: list[nn.Module] = []
    for width, following in pairwise(sizes):
        layers += [nn.Linear(width, following), nn.Tanh()]
    last = nn.Linear(sizes[-1], outputs)
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.zero_()
    return nn.Sequential(*layers, last)


class HybridPolicy(nn.Module):
    """Gate logits and quantities, (..., K) each, of observations (..., n), for K regimes.

    Args:
        problem: an inventory problem with K regimes.
        hidden: widths of the hidden layers.
        quantity_head: ``"order_up_to"``: a level y(s) per regime, quantity = y - inventory position,
            projected on the regime's interval; ``"bounded_order_up_to"``: the same with the level bounded by
            a sigmoid; ``"raw"``: the quantity itself, by a sigmoid inside the interval.
    """

    LOGIT_SCALE = 5.0
    low: Tensor
    high: Tensor

    def __init__(
        self, problem: SingleItemInventory, hidden: Sequence[int], quantity_head: QuantityHead
    ) -> None:
        super().__init__()
        self.quantity_head = checks.choice(
            "quantity_head", quantity_head, ("order_up_to", "bounded_order_up_to", "raw")
        )
        self.problem = problem
        self.features = Features(problem)
        self.level_scale = problem.level_scale
        self.regimes = len(problem.regimes)
        self.net = mlp(self.features.dim, hidden, 2 * self.regimes)
        self.register_buffer("low", torch.tensor(problem.regimes.low, dtype=torch.float32))
        self.register_buffer("high", torch.tensor(problem.regimes.high, dtype=torch.float32))

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Gate logits and quantities of every regime."""
        out = self.net(self.features(observation))
        logits, head = out[..., : self.regimes], out[..., self.regimes :]
        return self.LOGIT_SCALE * logits, self._quantity(observation, head)

    def _quantity(self, observation: Tensor, head: Tensor) -> Tensor:
        if self.quantity_head == "raw":
            return self.low + (self.high - self.low) * torch.sigmoid(head)
        bounded = self.quantity_head == "bounded_order_up_to"
        level = self.level_scale * (2 * torch.sigmoid(head) if bounded else 1 + head)
        quantity = level - self.problem.position(observation)[..., None]
        return torch.clamp(quantity, self.low, self.high)


class QuantityPolicy(nn.Module):
    """One undecomposed quantity (...,), an order-up-to level less the inventory position; may be negative."""

    low: Tensor
    high: Tensor

    def __init__(self, problem: SingleItemInventory, hidden: Sequence[int]) -> None:
        super().__init__()
        self.problem = problem
        self.features = Features(problem)
        self.net = mlp(self.features.dim, hidden, 1)
        self.register_buffer("low", torch.tensor(problem.regimes.low, dtype=torch.float32))
        self.register_buffer("high", torch.tensor(problem.regimes.high, dtype=torch.float32))

    def forward(self, observation: Tensor) -> Tensor:
        """Quantity of every observation."""
        level = self.problem.level_scale * (1 + self.net(self.features(observation))[..., 0])
        return level - self.problem.position(observation)


class Value(nn.Module):
    """Learned cost to go of observations, discounted to the first period.

    Standardised by the mean and spread of the first costs to go that it is fitted to.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, problem: SingleItemInventory, hidden: Sequence[int]) -> None:
        super().__init__()
        self.features = Features(problem)
        self.net = mlp(self.features.dim, hidden, 1)
        self.register_buffer("mean", torch.tensor(0.0))
        self.register_buffer("spread", torch.tensor(0.0))

    def fit(self, observations: Tensor, costs: Tensor) -> tuple[Tensor, Tensor]:
        """Values (T, m) of observations (T, m, n), not differentiable, and the mean squared error of the fit.

        The error is in standardised units; ``costs`` (T, m) are discounted to the first period.
        """
        target = cost_to_go(costs)
        if self.spread == 0:
            self.mean, self.spread = target.mean(), target.std().clamp(min=1e-8)
        standardised = self.net(self.features(observations))[..., 0]
        error = ((standardised - (target - self.mean) / self.spread) ** 2).mean()
        return (standardised * self.spread + self.mean).detach(), error
