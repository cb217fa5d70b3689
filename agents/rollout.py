"""Differentiable rollouts of a hindsight problem."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jumpgym import HindsightProblem

Gate = Callable[[Tensor, int], Tensor]
"""From logits (..., K) and the period to gate weights (..., K)."""


class Rollout(NamedTuple):
    """T periods of m episodes, connected to the policy's parameters through states and quantities.

    Attributes:
        observations: shape (T, m, n).
        logits: of the gate, shape (T, m, K).
        gates: weights that were applied, shape (T, m, K).
        quantities: of every regime, shape (T, m, K).
        costs: discounted to the first period, shape (T, m).
    """

    observations: Tensor
    logits: Tensor
    gates: Tensor
    quantities: Tensor
    costs: Tensor


def rollout(
    problem: HindsightProblem,
    policy: Callable[[Tensor], tuple[Tensor, Tensor]],
    gate: Gate,
    state: Any,
    noise: Tensor,
    state_gradient_limit: float | None = None,
) -> Rollout:
    """Simulate m episodes.

    Args:
        problem: what is simulated.
        policy: from observations (m, n) to logits and quantities, (m, K) each.
        gate: chooses the gate weights.
        state: initial states, with one batch axis.
        noise: shape (m, horizon).
        state_gradient_limit: bound on the gradient of a mean loss with respect to the state of one episode,
            times m. Back-propagation multiplies by the policy's slope in each period; where that exceeds 1,
            gradients explode in single episodes and ruin the mean. None leaves the gradient as it is.
    """
    observations, logits, gates, quantities, costs = [], [], [], [], []
    limit = None if state_gradient_limit is None else state_gradient_limit / len(noise)
    for period in range(problem.horizon):
        if limit is not None:
            for entry in state:
                if entry.requires_grad:
                    entry.register_hook(lambda gradient: gradient.clamp(-limit, limit))
        observation = problem.observe(state)
        period_logits, quantity = policy(observation)
        weights = gate(period_logits, period)
        state, cost = problem.step(state, weights, quantity, noise[:, period])
        observations.append(observation)
        logits.append(period_logits)
        gates.append(weights)
        quantities.append(quantity)
        costs.append(problem.discount**period * cost.sum(-1))
    return Rollout(*map(torch.stack, (observations, logits, gates, quantities, costs)))


def gumbel_noise(shape: tuple[int, ...], generator: torch.Generator, like: Tensor) -> Tensor:
    """Standard Gumbel noise of the dtype and device of ``like``."""
    uniforms = torch.rand(shape, generator=generator, dtype=like.dtype, device=like.device)
    return -torch.log(-torch.log(uniforms.clamp(1e-20, 1 - 1e-7)))


def sampled_gate(gumbel: Tensor) -> Gate:
    """One-hot gates sampled from the softmax of the logits, by the Gumbel-max trick on noise (T, m, K)."""
    one_hot = torch.eye(gumbel.shape[-1], dtype=gumbel.dtype, device=gumbel.device)
    return lambda logits, period: one_hot[(logits.detach() + gumbel[period]).argmax(-1)]


def choose(
    policy: Callable[[Tensor], tuple[Tensor, Tensor]],
    observation: Tensor,
    generator: torch.Generator,
    deterministic: bool,
) -> tuple[Tensor, Tensor]:
    """Regime (m,) and its quantity (m,) for observations (m, n): the most probable one, or a sampled one."""
    logits, quantity = policy(observation)
    if not deterministic:
        logits = logits + gumbel_noise(tuple(logits.shape), generator, logits)
    regime = logits.argmax(-1)
    return regime, quantity.gather(-1, regime[:, None])[:, 0]
