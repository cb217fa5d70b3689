"""What keeps a policy with sampled gates exploring, beside the gradient of the cost."""

from __future__ import annotations

from torch import Tensor

from ..networks.policies import HybridPolicy
from ..training.schedules import linear_until
from .rollout import Rollout

REVIVAL_EPISODES = 64
"""Episodes that are enough to see whether a head is dead."""


def revival_loss(policy: HybridPolicy, episodes: Rollout) -> Tensor:
    """``HybridPolicy.revival`` of some of the episodes."""
    parts = (episodes.observations, episodes.gates, episodes.quantities)
    return policy.revival(*(part[:, :REVIVAL_EPISODES].detach() for part in parts))


def entropy_weight(
    bonus: float | None, cost_scale: float, gates: int, until: float, progress: float
) -> float:
    """Weight of the entropy of a gate, in units of cost; it falls in a line to 0 at progress ``until``.

    Args:
        bonus: at the start; None: ``0.4 cost_scale / (1 + gates)``.
        cost_scale: magnitude of the cost of a period.
        gates: number of gates.
        until: share of the training.
        progress: of the training, in [0, 1].
    """
    start = 0.4 * cost_scale / (1 + gates) if bonus is None else bonus
    return linear_until(start, until, progress)
