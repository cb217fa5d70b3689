"""PPO's clipped loss, and the decisions and minibatches that it is computed on (Schulman et al. 2017)."""

from __future__ import annotations

from typing import Any, NamedTuple

from .. import arrays
from ..arrays import Array


class Decisions(NamedTuple):
    """N decisions of the simulated episodes, without gradient.

    Attributes:
        observations: shape (N, n).
        gates: one-hot, shape (N, options).
        log_prob: log-probability of each gate when it was sampled, shape (N, G); or of the whole decision,
            shape (N, 1).
        advantages: the advantage for each entry of ``log_prob``, in its shape.
        returns: costs to go to which the value is fitted, shape (N, C).
        proposals: what was sampled for the quantities, see ``Rollout``, (N, ...); None if they are not
            sampled.
    """

    observations: Array
    gates: Array
    log_prob: Array
    advantages: Array
    returns: Array
    proposals: Array | None = None

    def at(self, indices: Array) -> Decisions:
        """Return the decisions at these indices."""
        return Decisions(*(None if entry is None else entry[indices] for entry in self))


def clipped_loss(log_ratio: Array, advantages: Array, clip: float) -> Array:
    """Return ``max(r A, clip(r, 1 - eps, 1 + eps) A)``, mean over decisions and gates (Schulman et al. 2017).

    Args:
        log_ratio: ``log p(a) - log p_old(a)`` of each gate, shape (N, G).
        advantages: excess of the cost over the expected cost, shape (N, G).
        clip: eps.
    """
    xp = arrays.namespace(log_ratio)
    ratio = xp.exp(log_ratio)
    return xp.maximum(ratio * advantages, xp.clip(ratio, 1 - clip, 1 + clip) * advantages).mean()


def minibatches(count: int, parts: int, epochs: int, generator: Any) -> Array:
    """Return the indices of the minibatches of some epochs, shape (epochs * parts, count // parts).

    What is left over when the decisions do not divide evenly is left out of the epoch.

    Args:
        count: number of decisions.
        parts: number of minibatches in an epoch.
        epochs: at least 1; each has an order of its own.
        generator: see ``arrays.uniform``.
    """
    size = count // parts
    orders = [arrays.permutation(count, generator) for _ in range(epochs)]
    batches = [order[: size * parts].reshape(parts, size) for order in orders]
    return arrays.namespace(orders[0]).concat(batches, axis=0)
