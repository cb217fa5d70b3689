"""Gates of a hybrid action in flat arrays (..., options): sampled, relaxed, and their probabilities.

``groups`` are ``ActionLayout.gate_groups``: neighbouring gates with equally many regimes are treated at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from jumpgym.layout import Group, split

Groups = Sequence[Group]


Choice = Callable[[Tensor], Tensor]
"""From logits (..., options) to gate weights of that shape, for example sampled ones."""

Gate = Callable[[Tensor, int], Tensor]
"""From logits (..., options) and the period to gate weights (..., options)."""


def gumbel_noise(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard Gumbel noise of the dtype and device of ``like``."""
    uniforms = torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device)
    return -torch.log(-torch.log(uniforms.clamp(1e-20, 1 - 1e-7)))


def sampled_gate(gumbel: Tensor, groups: Groups) -> Gate:
    """One-hot gates sampled from the softmax of their logits, by the Gumbel-max trick.

    Args:
        gumbel: standard Gumbel noise of all periods, shape (T, m, options).
        groups: of the gates.
    """
    parts = [
        (group, split(gumbel, group), torch.eye(group.options, dtype=gumbel.dtype, device=gumbel.device))
        for group in groups
    ]

    def gate(logits: Tensor, period: int) -> Tensor:
        logits = logits.detach()
        return _flat(
            [one_hot[(split(logits, group) + noise[period]).argmax(-1)] for group, noise, one_hot in parts]
        )

    return gate


def relaxed_gate(gumbel: Tensor, groups: Groups, temperature: float, straight_through: bool) -> Gate:
    """Gumbel-softmax gates on noise (T, m, options): eq. 9 and 10; with ``straight_through`` eq. 12."""

    def gate(logits: Tensor, period: int) -> Tensor:
        perturbed = (logits + gumbel[period]) / temperature
        soft = [torch.softmax(split(perturbed, group), dim=-1) for group in groups]  # eq. 10
        if straight_through:  # eq. 12: hard forward, soft backward
            soft = [_hard(weights) + weights - weights.detach() for weights in soft]
        return _flat(soft)

    return gate


def log_prob(logits: Tensor, gates: Tensor, groups: Groups) -> Tensor:
    """``log p(a_t^S | S_t)`` of each gate, one-hot, (..., options) to (..., G)."""
    return torch.cat(
        [(torch.log_softmax(split(logits, group), -1) * split(gates, group)).sum(-1) for group in groups], -1
    )


def probabilities(logits: Tensor, groups: Groups) -> Tensor:
    """``p(k | S_t)`` of every option of each gate, (..., options) to (..., options)."""
    return _flat([torch.softmax(split(logits, group), -1) for group in groups])


def entropy(logits: Tensor, groups: Groups) -> Tensor:
    """Entropy of each gate, (..., options) to (..., G)."""
    log_p = [torch.log_softmax(split(logits, group), -1) for group in groups]
    return torch.cat([-(part.exp() * part).sum(-1) for part in log_p], -1)


def most_probable(logits: Tensor, groups: Groups) -> Tensor:
    """Regime of the largest logit of each gate, (..., options) to (..., G)."""
    return torch.cat([split(logits, group).argmax(-1) for group in groups], -1)


def _hard(weights: Tensor) -> Tensor:
    return torch.nn.functional.one_hot(weights.argmax(-1), weights.shape[-1]).to(weights.dtype)


def _flat(parts: list[Tensor]) -> Tensor:
    """Weights (..., count, options) of each group, one gate after the other."""
    return parts[0].flatten(-2) if len(parts) == 1 else torch.cat([part.flatten(-2) for part in parts], -1)
