"""Perceptrons and learned values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem

from .features import Features


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


class Value(nn.Module):
    """Learned cost to go of observations, by component, in costs of the period that they are of.

    Standardised by the mean and spread of the first costs to go that it is fitted to. A component that hardly
    varied then is measured by a hundredth of the largest spread, lest it explode when it does vary.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, problem: HindsightProblem, hidden: Sequence[int]) -> None:
        super().__init__()
        self.features = Features(problem)
        components = problem.layout.credit.shape[1]
        self.net: nn.Module = mlp(self.features.dim, hidden, components)
        self.register_buffer("mean", torch.zeros(components))
        self.register_buffer("spread", torch.zeros(components))

    def forward(self, observations: Tensor) -> Tensor:
        """Values (..., C) of observations (..., n), differentiable in these but not in the parameters."""
        parameters = {name: parameter.detach() for name, parameter in self.net.named_parameters()}
        standardised = torch.func.functional_call(self.net, parameters, (self.features(observations),))
        return standardised * self.spread + self.mean

    def error(self, observations: Tensor, targets: Tensor) -> Tensor:
        """Mean squared error of fit to costs to go (..., C), in standardised units."""
        if not self.spread.any():
            every = tuple(range(targets.ndim - 1))
            spread = targets.std(every)
            self.mean = targets.mean(every)
            self.spread = torch.maximum(spread, 0.01 * spread.max()).clamp(min=1e-8)
        standardised = self.net(self.features(observations))
        return ((standardised - (targets - self.mean) / self.spread) ** 2).mean()
