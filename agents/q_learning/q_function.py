"""The parts of fitted Q: hybrid actions as joint regimes and levels, the network q, its search, the actor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem, NotApplicable

from ..networks.features import Features
from ..networks.perceptrons import mlp
from ..networks.policies import Quantities

MAX_JOINT_REGIMES = 256
LARGEST_LEVEL = 8.0


class JointRegimes(nn.Module):
    """Hybrid actions as a joint regime, one of R combinations of the gates' regimes, and n levels.

    A level is a dimensionless quantity: the output that ``problem.quantity_from`` turns into the quantity.
    For an inventory it stands for an order-up-to level. The quantity must be a linear, increasing function of
    the output, as in all problems of jumpgym; its slope may depend on the observation. Where the slope is 0,
    in a regime that admits nothing, the level is the quantity in units of its scale.

    Args:
        problem: whose actions are meant.

    Raises:
        NotApplicable: if there are more than ``MAX_JOINT_REGIMES`` joint regimes.
    """

    one_hot: Tensor
    regimes: Tensor
    columns: Tensor
    owner: Tensor

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__()
        layout = problem.layout
        count = int(np.prod([float(options) for options in layout.gates]))
        if count > MAX_JOINT_REGIMES:
            raise NotApplicable(
                f"fitted Q compares all combinations of the gates' regimes, and gates={layout.gates} have "
                f"{count}; at most {MAX_JOINT_REGIMES} are allowed; use MixedGradient or HPO, which decide "
                "each gate by itself"
            )
        self.quantities = Quantities(problem)
        regimes = np.array(list(product(*map(range, layout.gates))))
        columns = layout.columns(regimes)
        one_hot = np.zeros((count, layout.options))
        np.put_along_axis(one_hot, layout.gate_start + regimes, 1.0, -1)
        owner = np.repeat(np.eye(columns.shape[1]), [layout.gates[gate] for gate in layout.quantity_gate], 0)
        for name, array in (("one_hot", one_hot), ("owner", owner)):
            self.register_buffer(name, torch.tensor(array, dtype=torch.float32), persistent=False)
        for name, indices in (("regimes", regimes), ("columns", columns)):
            self.register_buffer(name, torch.tensor(indices), persistent=False)
        free = (layout.low < layout.high)[columns]
        self.free = [np.flatnonzero(free[:, j]).tolist() for j in range(columns.shape[1])]
        """For each quantity the joint regimes in which it is not fixed by its interval."""

    def line(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Offset and slope, (..., columns) each, of quantity = offset + slope * level."""
        q = self.quantities
        zero = observation.new_zeros(*observation.shape[:-1], len(q.low))
        offset = q(observation, zero)
        slope = q(observation, zero + 1) - offset
        return offset, torch.where(slope > 1e-6 * q.scale, slope, q.scale)

    def interval(self, observation: Tensor) -> tuple[Tensor, Tensor]:
        """Least and largest levels (..., R, n) in each joint regime, of observations (..., n_obs).

        Cut at +-``LARGEST_LEVEL`` where the regime's interval goes on: sensible levels are of order 1.
        """
        offset, slope = self.line(observation)
        low, high = (self.quantities.low - offset) / slope, (self.quantities.high - offset) / slope
        cut_low = torch.minimum(low.clamp(min=-LARGEST_LEVEL), high)
        cut_high = torch.maximum(high.clamp(max=LARGEST_LEVEL), low)
        return cut_low[..., self.columns], cut_high[..., self.columns]

    def action(self, observation: Tensor, regime: Tensor, level: Tensor) -> tuple[Tensor, Tensor]:
        """Gates (..., options) and projected quantities (..., columns) of joint regimes and levels (..., n).

        Quantities of regimes that are not chosen are 0.
        """
        columns = self.columns[regime]
        offset, slope = (part.gather(-1, columns) for part in self.line(observation))
        low, high = self.quantities.low[columns], self.quantities.high[columns]
        quantity = torch.clamp(offset + slope * level, low, high)
        placed = quantity.new_zeros(*quantity.shape[:-1], len(self.quantities.low))
        return self.one_hot[regime], placed.scatter(-1, columns, quantity)

    def level(self, observation: Tensor, gates: Tensor, quantities: Tensor) -> Tensor:
        """Levels (..., n) of one-hot gates (..., options) and quantities (..., columns)."""
        offset, slope = self.line(observation)
        return gates[..., self.quantities.option] * (quantities - offset) / slope @ self.owner


class QFunction(nn.Module):
    """``q(s, a; theta)``: expected cost from an observation, an action, and the best actions thereafter.

    ``q = intercept[t] + unit * net(features of s, one-hot gates, levels)``. No decision depends on the
    intercept, the cost to go that all states of period t share; it takes as many iterations as there are
    periods to be right, whereas the differences that the network learns need few.

    Args:
        problem: what is decided.
        actions: its joint regimes.
        hidden: widths of the hidden layers.
    """

    intercept: Tensor
    unit: Tensor

    def __init__(self, problem: HindsightProblem, actions: JointRegimes, hidden: Sequence[int]) -> None:
        super().__init__()
        assert problem.horizon is not None
        self.features = Features(problem)
        layout = problem.layout
        self.net = mlp(self.features.dim + layout.options + len(layout.quantity_gate), hidden, 1)
        self.actions = actions
        self.register_buffer("intercept", torch.zeros(problem.horizon + 1))
        self.register_buffer("unit", torch.zeros(()))

    def forward(self, observation: Tensor, gates: Tensor, level: Tensor) -> Tensor:
        """Values (...) of observations (..., n_obs), one-hot gates (..., options) and levels (..., n)."""
        shared = self.intercept[observation[..., -1].long()]
        inputs = torch.cat([self.features(observation), gates, level], -1)
        return shared + self.unit * self.net(inputs)[..., 0]

    def each(self, observation: Tensor, level: Tensor) -> Tensor:
        """Values (..., R) of each joint regime with its own levels (..., R, n)."""
        shape = level.shape[:-1]
        gates = self.actions.one_hot.expand(*shape, -1)
        return self(observation[..., None, :].expand(*shape, -1), gates, level)


CANDIDATES, ROUNDS, CHUNK = 11, 3, 1 << 15


def minimize(q: QFunction, observation: Tensor) -> tuple[Tensor, Tensor]:
    """The routine ``maximize`` of algorithm 20.1, for costs: the best levels in each joint regime.

    Each quantity in turn is searched on a regular grid over its interval, the others fixed; each of the next
    rounds has a grid over the neighbouring points of the last. With one quantity that finds the least value
    to ``(2 / (CANDIDATES - 1)) ** (ROUNDS - 1) / (CANDIDATES - 1)`` of the interval unless a narrower dip
    lies between the points; with several it is coordinate descent, which finds a local minimum.

    Args:
        q: what is minimised.
        observation: shape (m, n_obs).

    Returns:
        Values (m, R) and levels (m, R, n).
    """
    rows = max(1, CHUNK // (CANDIDATES * len(q.actions.one_hot)))
    parts = [_minimize(q, part) for part in observation.split(rows)]
    values, levels = zip(*parts, strict=True)
    return torch.cat(values), torch.cat(levels)


def _minimize(q: QFunction, observation: Tensor) -> tuple[Tensor, Tensor]:
    low, high = q.actions.interval(observation)
    level = torch.zeros_like(low).clamp(low, high)
    steps = torch.linspace(0, 1, CANDIDATES, device=level.device)
    lower, upper = low.clone(), high.clone()
    for _ in range(ROUNDS):
        for j, free in enumerate(q.actions.free):
            if not free:
                continue
            start, end = lower[:, free, j], upper[:, free, j]
            grid = start[..., None] + (end - start)[..., None] * steps  # (m, regimes, candidates)
            trial = level[:, free, None].repeat(1, 1, CANDIDATES, 1)
            trial[..., j] = grid
            gates = q.actions.one_hot[free, None].expand(*grid.shape, -1)
            observations = observation[:, None, None].expand(*grid.shape, -1)
            best = q(observations, gates, trial).argmin(-1, keepdim=True)
            level[:, free, j] = best_level = grid.gather(-1, best)[..., 0]
            spacing = (end - start) / (CANDIDATES - 1)
            lower[:, free, j] = torch.maximum(best_level - spacing, low[:, free, j])
            upper[:, free, j] = torch.minimum(best_level + spacing, high[:, free, j])
    return q.each(observation, level), level


class Actor(nn.Module):
    """Levels (..., R, n) of observations (..., n_obs), one for each quantity in each joint regime.

    They may lie outside the interval of the regime.

    Args:
        problem: what is decided.
        actions: its joint regimes.
        hidden: widths of the hidden layers.
    """

    def __init__(self, problem: HindsightProblem, actions: JointRegimes, hidden: Sequence[int]) -> None:
        super().__init__()
        self.shape = actions.columns.shape
        self.features = Features(problem)
        self.net = mlp(self.features.dim, hidden, self.shape.numel())

    def forward(self, observation: Tensor) -> Tensor:
        """Levels of all joint regimes."""
        return self.net(self.features(observation)).unflatten(-1, self.shape)
