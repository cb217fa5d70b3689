"""A learned cost to go of states and actions."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from jumpgym import HindsightProblem

from .. import arrays
from ..arrays import Array
from .features import Features
from .mirror import assign
from .perceptrons import Value, mlp
from .policies import Quantities


class ActionFeatures(nn.Module):
    """Observations, gate weights and quantities, side by side (..., n + options + columns), to inputs.

    A quantity enters as the level that ``problem.quantity_from`` makes it of, for an inventory the stock
    ordered up to in units of its scale. ``quantity_from`` must be linear in the level; where it has no
    slope, the quantity enters in multiples of its scale. Only quantities of the regimes that the gates chose
    count.

    Args:
        problem: whose actions are meant.
    """

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__()
        layout = problem.layout
        self.features = Features(problem)
        self.quantities = Quantities(problem)
        self.sizes = [len(problem.observation_low), layout.options, len(layout.low)]
        counts = [layout.gates[gate] for gate in layout.quantity_gate]
        owner = nn.functional.one_hot(torch.repeat_interleave(torch.tensor(counts))).float()
        self.owner: Array
        self.register_buffer("owner", owner, persistent=False)
        self.dim = self.features.dim + layout.options + len(counts)

    def forward(self, joined: Array) -> Array:
        """Network inputs (..., dim)."""
        xp, q = arrays.namespace(joined), self.quantities
        after, before = self.sizes[0], self.sizes[0] + self.sizes[1]
        observations, gates, quantities = joined[..., :after], joined[..., after:before], joined[..., before:]
        zero = xp.zeros_like(quantities)
        offset = q(observations, zero)
        slope = q(observations, zero + 1) - offset
        levels = (quantities - offset) / xp.where(slope > 1e-6 * q.scale, slope, q.scale)
        chosen = gates[..., q.option] * levels @ self.owner
        return xp.concat([self.features(observations), gates, chosen], axis=-1)


class Critic(Value):
    """Learned cost to go of observations and actions, by component, see ``Value`` and ``ActionFeatures``.

    Its unit follows the spread of the costs to go, which falls by orders of magnitude while a policy becomes
    sensible: what a quantity costs would be lost in the unit of the first. The last layer is rescaled so that
    the values stay what they were (van Hasselt et al. 2016, Pop-Art).

    Args:
        problem, hidden: see ``Value``.
    """

    SPREAD_UPDATE = 0.2

    def __init__(self, problem: HindsightProblem, hidden: Any) -> None:
        super().__init__(problem, hidden)
        features = ActionFeatures(problem)
        self.add_module("features", features)
        self.net = mlp(features.dim, hidden, problem.layout.credit.shape[1])

    def adapt(self, targets: Array) -> None:
        """Let the unit follow the spread of the targets (..., C); the values stay what they were."""
        xp = arrays.namespace(targets)
        least = 1e-3 * self.spread.max()
        spread = xp.maximum(arrays.deviation(targets, tuple(range(targets.ndim - 1))), least)
        ratio = 1 + self.SPREAD_UPDATE * (spread / self.spread - 1)
        assert isinstance(self.net, nn.Sequential)
        last = self.net[-1]
        assign(last, weight=last.weight / ratio[:, None], bias=last.bias / ratio)
        self.spread = self.spread * ratio
