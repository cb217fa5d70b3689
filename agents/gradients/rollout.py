"""Differentiable rollouts of a hindsight problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jumpgym import HindsightProblem

from ..networks.gates import Gate

Policy = Callable[[Tensor, Callable[[Tensor], Tensor]], tuple[Tensor, Tensor, Tensor]]

Limits = Sequence[float | Tensor | None]
"""For each entry of a state the bound on the gradient with respect to it, which may be an array, or None."""


class Rollout(NamedTuple):
    """T periods of m episodes, connected to the policy's parameters through states and quantities.

    Attributes:
        observations: shape (T, m, n).
        logits: of all gates, shape (T, m, options).
        gates: weights that were applied, shape (T, m, options).
        quantities: each in all regimes of its gate, shape (T, m, columns).
        costs: by component, discounted to the first period, shape (T, m, components).
        final: observation after the last period, shape (m, n).
        states: state before each period and, last, after the last one; T + 1 of them.
        noise: that was met, shape (m, T, *noise_shape).
        gumbel: noise by which the gates were drawn, (T, m, options), where the agent tells it.
    """

    observations: Tensor
    logits: Tensor
    gates: Tensor
    quantities: Tensor
    costs: Tensor
    final: Tensor
    states: Sequence[Any]
    noise: Tensor
    gumbel: Tensor | None = None


def rollout(
    problem: HindsightProblem,
    policy: Policy,
    gate: Gate,
    state: Any,
    noise: Tensor,
    limits: Limits | None = None,
) -> Rollout:
    """Simulate m episodes over the T periods of the noise.

    Args:
        problem: what is simulated.
        policy: from observations (m, n) and a function from logits to weights, to logits and weights
            (m, options) and quantities (m, columns).
        gate: chooses the gate weights.
        state: initial states, with one batch axis.
        noise: shape (m, T, *noise_shape).
        limits: bounds on the gradient of a mean loss with respect to the state of one episode, times m.
            Back-propagation multiplies by the policy's slope in each period; where that exceeds 1, gradients
            explode in single episodes and ruin the mean. None leaves the gradient as it is.
    """
    observations, logits, gates, quantities, costs, states = [], [], [], [], [], [state]
    episodes, periods = noise.shape[:2]
    clamps = [] if limits is None else [_clamp(limit, episodes) for limit in limits]
    for period in range(periods):
        for entry, clamp in zip(state, clamps, strict=False):
            if clamp is not None and entry.requires_grad:
                entry.register_hook(clamp)
        observation = problem.observe(state)
        period_logits, weights, quantity = policy(observation, at_period(gate, period))
        state, cost = problem.step(state, weights, quantity, noise[:, period])
        observations.append(observation)
        logits.append(period_logits)
        gates.append(weights)
        quantities.append(quantity)
        costs.append(cost)
        states.append(state)
    discounts = [problem.discount**period for period in range(periods)]
    factors = torch.tensor(discounts, dtype=noise.dtype, device=noise.device)[:, None, None]
    return Rollout(
        torch.stack(observations),
        torch.stack(logits),
        torch.stack(gates),
        torch.stack(quantities),
        torch.stack(costs) * factors,
        problem.observe(state),
        states,
        noise,
    )


def at_period(gate: Gate, period: int) -> Callable[[Tensor], Tensor]:
    """The gate of one period: from logits to weights, (..., options)."""
    return lambda logits: gate(logits, period)


def _clamp(limit: float | Tensor | None, episodes: int) -> Callable[[Tensor], Tensor] | None:
    if limit is None:
        return None
    bound = limit / episodes
    return partial(torch.clamp, min=-bound, max=bound)


def draw(
    problem: HindsightProblem, episodes: int, periods: int, generator: torch.Generator
) -> tuple[Any, Tensor]:
    """Fresh initial states and noise (episodes, periods, *noise_shape), on the device of the generator."""
    start, each = prod(problem.start_shape), prod(problem.noise_shape)
    shape = (episodes, start + periods * each)
    uniforms = torch.rand(shape, generator=generator, device=generator.device)
    return (
        problem.initial_state(uniforms[:, :start].reshape(episodes, *problem.start_shape)),
        problem.noise(uniforms[:, start:].reshape(episodes, periods, *problem.noise_shape)),
    )
