"""Gates of a hybrid action in flat arrays (..., options): sampled, relaxed, and their probabilities.

``groups`` are ``ActionLayout.gate_groups``: neighbouring gates with equally many regimes are treated at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jumpgym.layout import Group, split

from .. import arrays
from ..arrays import Array, namespace

Groups = Sequence[Group]


Choice = Callable[[Array], Array]
"""From logits (..., options) to gate weights of that shape, for example sampled ones."""

Gate = Callable[[Array, int], Array]
"""From logits (..., options) and the period to gate weights (..., options)."""


def gumbel_noise(shape: tuple[int, ...], generator: Any, like: Array) -> Array:
    """Standard Gumbel noise of the dtype and device of ``like``."""
    xp = namespace(like)
    uniforms = xp.clip(arrays.uniform(shape, generator, like), 1e-20, 1 - 1e-7)
    return -xp.log(-xp.log(uniforms))


def sampled_gate(gumbel: Array, groups: Groups) -> Gate:
    """One-hot gates sampled from the softmax of their logits, by the Gumbel-max trick.

    Args:
        gumbel: standard Gumbel noise of all periods, shape (T, m, options).
        groups: of the gates.
    """

    def gate(logits: Array, period: int) -> Array:
        perturbed = arrays.detach(logits) + gumbel[period]
        parts = [(split(perturbed, group).argmax(-1), group.options) for group in groups]
        return _flat([arrays.one_hot(regime, options, gumbel) for regime, options in parts])

    return gate


def relaxed_gate(gumbel: Array, groups: Groups, temperature: Any, straight_through: bool) -> Gate:
    """Gumbel-softmax gates on noise (T, m, options): eq. 9 and 10; with ``straight_through`` eq. 12."""

    def gate(logits: Array, period: int) -> Array:
        perturbed = (logits + gumbel[period]) / temperature
        soft = [arrays.softmax(split(perturbed, group)) for group in groups]  # eq. 10
        if straight_through:  # eq. 12: hard forward, soft backward
            soft = [_hard(weights) + weights - arrays.detach(weights) for weights in soft]
        return _flat(soft)

    return gate


def log_prob(logits: Array, gates: Array, groups: Groups) -> Array:
    """``log p(a_t^S | S_t)`` of each gate, one-hot, (..., options) to (..., G)."""
    parts = [(arrays.log_softmax(split(logits, group)) * split(gates, group)).sum(-1) for group in groups]
    return namespace(logits).concat(parts, axis=-1)


def probabilities(logits: Array, groups: Groups) -> Array:
    """``p(k | S_t)`` of every option of each gate, (..., options) to (..., options)."""
    return _flat([arrays.softmax(split(logits, group)) for group in groups])


def entropy(logits: Array, groups: Groups, log_weight: Array | None = None) -> Array:
    """Entropy of each gate, (..., options) to (..., G).

    With the logarithms (options,) of weights w it is ``-sum_k p_k log(p_k / w_k)``, which is largest where
    the probabilities are in proportion to the weights.
    """
    xp = namespace(logits)
    parts = []
    for group in groups:
        log_p = arrays.log_softmax(split(logits, group))
        log_ratio = log_p if log_weight is None else log_p - split(log_weight, group)
        parts.append(-(xp.exp(log_p) * log_ratio).sum(-1))
    return xp.concat(parts, axis=-1)


def most_probable(logits: Array, groups: Groups) -> Array:
    """Regime of the largest logit of each gate, (..., options) to (..., G)."""
    return namespace(logits).concat([split(logits, group).argmax(-1) for group in groups], axis=-1)


def _hard(weights: Array) -> Array:
    return arrays.one_hot(weights.argmax(-1), weights.shape[-1], weights)


def _flat(parts: list[Array]) -> Array:
    """Weights (..., count, options) of each group, one gate after the other."""
    merged = [arrays.flatten_last(part) for part in parts]
    return merged[0] if len(merged) == 1 else namespace(merged[0]).concat(merged, axis=-1)
