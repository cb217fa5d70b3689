"""Networks of the agents: observation to gate logits and one quantity per regime."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn

from jumpgym import SingleItemInventory, checks

from .estimators import cost_to_go
from .features import Features

QuantityHead = Literal["order_up_to", "bounded_order_up_to", "raw"]


class _Tanh(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        y = torch.mul(x, 2).sigmoid_().mul_(2).sub_(1)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return torch.ops.aten.tanh_backward(gradients[0], ctx.saved_tensors[0])


class Tanh(nn.Module):
    """``tanh(x) = 2 sigmoid(2 x) - 1``: on the CPU torch's sigmoid is some 10 times faster than its tanh."""

    def forward(self, x: Tensor) -> Tensor:
        """Elementwise, any shape."""
        return _Tanh.apply(x)


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Layers with tanh in between; the last one starts small, so that outputs start near 0."""
    sizes = [inputs, *hidden]
    layers: list[nn.Module] = []
    for width, following in pairwise(sizes):
        layers += [nn.Linear(width, following), Tanh()]
    last = nn.Linear(sizes[-1], outputs)
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.zero_()
    return nn.Sequential(*layers, last)


def _register_scales(policy: nn.Module, problem: SingleItemInventory) -> None:
    # The level scale belongs to what was learnt, and travels with the weights; the intervals of the regimes
    # belong to the problem that the policy acts in.
    regimes = problem.regimes
    policy.register_buffer("level_scale", torch.tensor(problem.level_scale, dtype=torch.float32))
    policy.register_buffer("low", torch.tensor(regimes.low, dtype=torch.float32), persistent=False)
    policy.register_buffer("high", torch.tensor(regimes.high, dtype=torch.float32), persistent=False)


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
    ALIVE = 0.05
    level_scale: Tensor
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
        self.regimes = len(problem.regimes)
        self.net = mlp(self.features.dim, hidden, 2 * self.regimes)
        _register_scales(self, problem)

    def forward(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Gate logits and quantities of every regime."""
        out = self.net(self.features(observation))
        logits, head = out[..., : self.regimes], out[..., self.regimes :]
        return self.LOGIT_SCALE * logits, self._quantity(observation, head)

    def _quantity(self, observation: Tensor, head: Tensor) -> Tensor:
        if self.quantity_head == "raw":
            return self.low + (self.high - self.low) * torch.sigmoid(head)
        return torch.clamp(self._unprojected(observation, head), self.low, self.high)

    def _unprojected(self, observation: Tensor, head: Tensor) -> Tensor:
        bounded = self.quantity_head == "bounded_order_up_to"
        level = self.level_scale * (2 * torch.sigmoid(head) if bounded else 1 + head)
        return level - self.problem.position(observation)[..., None]

    def revival(self, observations: Tensor, gates: Tensor, quantities: Tensor) -> Tensor:
        """Loss that draws the heads without a gradient back to their intervals; 0 while all have one.

        Where an order-up-to level puts the quantity outside the regime's interval, the projection has no
        gradient; a head for which this happens in (nearly) all orders that the gate gave to it stays there
        for good, say at "exactly the minimum order". The loss is the squared distance to the interval in
        units of the level scale, summed over periods, mean over episodes; it fades as the share of orders
        inside the interval reaches ``ALIVE``. It leaves the state's gradient alone: observations (T, m, n),
        gates and quantities (T, m, K) are taken as constants.
        """
        inside = (quantities > self.low) & (quantities < self.high)
        alive = (gates * inside).sum((0, 1)) / gates.sum((0, 1)).clamp(min=1.0)
        dead = torch.where(self.high > self.low, (1 - alive / self.ALIVE).clamp(min=0.0), 0.0)
        if self.quantity_head == "raw" or not dead.any():
            return torch.zeros((), dtype=gates.dtype, device=gates.device)
        head = self.net(self.features(observations))[..., self.regimes :]
        quantity = self._unprojected(observations, head)
        distance = (quantity - torch.clamp(quantity, self.low, self.high)) / self.level_scale
        return (dead * gates * distance**2).sum((0, 2)).mean()


class QuantityPolicy(nn.Module):
    """One undecomposed quantity (...,), an order-up-to level less the inventory position; may be negative."""

    level_scale: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, problem: SingleItemInventory, hidden: Sequence[int]) -> None:
        super().__init__()
        self.problem = problem
        self.features = Features(problem)
        self.net = mlp(self.features.dim, hidden, 1)
        _register_scales(self, problem)

    def forward(self, observation: Tensor) -> Tensor:
        """Quantity of every observation."""
        level = self.level_scale * (1 + self.net(self.features(observation))[..., 0])
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
