"""Inputs of every network: scaled observations and features of the time left."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from jumpgym import HindsightProblem

from ..arrays import indices, namespace


class Features(nn.Module):
    """Turn observations (..., n) into network inputs (..., dim).

    Each entry is divided by the problem's ``observation_scale``. For each of the problem's ``thresholds`` an
    indicator says whether it is reached, since optimal decisions jump there, and a network of smooth inputs
    takes long to learn where.

    With a finite horizon T, the period t is replaced by the elapsed fraction ``t / T`` and, for the number r
    of periods that follow, by ``exp(-r / 1.2)``, ``exp(-r / 4)`` and indicators of ``r = 0, ..., 5``. Optimal
    policies change fast near the end of the horizon, which ``t / T`` alone cannot resolve.

    Args:
        problem: the problem whose observations are transformed.
    """

    LAST_PERIODS = 6
    inverse_scale: Tensor
    entries: Tensor
    thresholds: Tensor
    time_table: Tensor

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__()
        self.timed = problem.horizon is not None
        scales = problem.observation_scale[:-1] if self.timed else problem.observation_scale
        self.register_buffer("inverse_scale", torch.tensor(1.0 / scales, dtype=torch.float32))
        entries, thresholds = zip(*problem.thresholds, strict=True) if problem.thresholds else ((), ())
        self.register_buffer("entries", torch.tensor(entries, dtype=torch.int64), persistent=False)
        self.register_buffer("thresholds", torch.tensor(thresholds, dtype=torch.float32), persistent=False)
        self.dim = len(scales) + len(thresholds)
        if problem.horizon is not None:
            self.register_buffer("time_table", self._times(problem.horizon))
            self.dim += self.time_table.shape[-1]

    def _times(self, horizon: int) -> Tensor:
        period = torch.arange(horizon + 1, dtype=torch.float32)
        remaining = horizon - 1 - period
        indicators = [(remaining == r).float() for r in range(self.LAST_PERIODS)]
        columns = [period / horizon, torch.exp(-remaining / 1.2), torch.exp(-remaining / 4), *indicators]
        return torch.stack(columns, dim=-1)

    def forward(self, observation: Tensor) -> Tensor:
        """Network inputs (..., dim) of observations (..., n)."""
        xp, entries = namespace(observation), observation[..., self.entries]
        reached = xp.ones_like(entries) * (entries >= self.thresholds)
        if not self.timed:
            return xp.concat([observation * self.inverse_scale, reached], axis=-1)
        time = self.time_table[indices(observation[..., -1])]
        return xp.concat([observation[..., :-1] * self.inverse_scale, reached, time], axis=-1)
