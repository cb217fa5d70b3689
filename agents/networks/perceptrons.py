"""Perceptrons and learned values."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem

from .. import arrays
from ..arrays import Array
from ..training.allowance import spend
from .features import Features
from .mirror import frozen


class Tanh(nn.Module):
    """The hyperbolic tangent, see ``arrays.tanh``."""

    def forward(self, x: Array) -> Array:
        """Elementwise, any shape."""
        return arrays.tanh(x)


class Linear(nn.Linear):
    """A linear layer for PyTorch and JAX."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        spend(inputs * outputs + outputs, f"a layer of {inputs} by {outputs} weights")
        super().__init__(inputs, outputs, bias)

    def forward(self, x: Array) -> Array:
        """Outputs (..., outputs) of inputs (..., inputs)."""
        return arrays.linear(x, self.weight, self.bias)


def mlp(inputs: int, hidden: Sequence[int], outputs: int) -> nn.Sequential:
    """Layers with tanh in between; the last one starts small, so that outputs start near 0."""
    sizes = [inputs, *hidden]
    layers: list[nn.Module] = []
    for width, following in pairwise(sizes):
        layers += [Linear(width, following), Tanh()]
    last = Linear(sizes[-1], outputs)
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

    def forward(self, observations: Array) -> Array:
        """Values (..., C) of observations (..., n), differentiable in these but not in the parameters."""
        return frozen(self.net)(self.features(observations)) * self.spread + self.mean

    def error(self, observations: Array, targets: Array) -> Array:
        """Mean squared error of fit to costs to go (..., C), in standardised units."""
        xp, every = arrays.namespace(targets), tuple(range(targets.ndim - 1))
        unset = ~self.spread.any()
        spread = arrays.deviation(targets, every)
        spread = xp.clip(xp.maximum(spread, 0.01 * spread.max()), min=1e-8)
        self.mean = xp.where(unset, targets.mean(every), self.mean)
        self.spread = xp.where(unset, spread, self.spread)
        standardised = self.net(self.features(observations))
        return ((standardised - (targets - self.mean) / self.spread) ** 2).mean()
