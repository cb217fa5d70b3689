"""Inputs of every network: scaled observations and features of the time left."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jumpgym import SingleItemInventory


class Features(nn.Module):
    """Observations (..., n) to network inputs (..., dim).

    Stock and pipeline in multiples of the problem's level scale; of the period ``t`` the fraction gone by,
    ``exp(-r / 1.2)``, ``exp(-r / 4)`` and the indicators ``r = 0, ..., 5`` of the ``r`` periods that follow.
    Optimal policies change fast near the end of the horizon, and ``t / T`` alone cannot resolve that.

    Args:
        problem: the problem whose observations are mapped.
    """

    LAST_PERIODS = 6
    stock_scale: Tensor
    time_table: Tensor

    def __init__(self, problem: SingleItemInventory) -> None:
        super().__init__()
        period = torch.arange(problem.horizon + 1, dtype=torch.float32)
        left = problem.horizon - 1 - period
        indicators = [(left == r).float() for r in range(self.LAST_PERIODS)]
        columns = [period / problem.horizon, torch.exp(-left / 1.2), torch.exp(-left / 4), *indicators]
        self.register_buffer("time_table", torch.stack(columns, dim=-1))
        self.register_buffer("stock_scale", torch.tensor(1.0 / problem.level_scale))
        self.dim = len(problem.observation_low) - 1 + len(columns)

    def forward(self, observation: Tensor) -> Tensor:
        """Network inputs (..., dim) of observations (..., n)."""
        time = self.time_table[observation[..., -1].long()]
        return torch.cat([observation[..., :-1] * self.stock_scale, time], dim=-1)
