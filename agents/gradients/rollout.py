"""Differentiable rollouts of a hindsight problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jumpgym import HindsightProblem

from ..networks.gates import Choice, Gate, Groups, gumbel_noise, sampled_gate

Policy = Callable[[Tensor, Choice], tuple[Tensor, Tensor, Tensor]]
"""From observations (m, n_obs) and a choice of gates to logits and gates (m, options) and quantities."""

Limits = Sequence[float | Tensor | None]
"""For each entry of a state the bound on the gradient with respect to it, which may be an array, or None."""


class Rollout(NamedTuple):
    """T periods of m episodes, connected to the policy's parameters through states and quantities.

    Attributes:
        observations: shape (T, m, n_obs).
        logits: of all gates, shape (T, m, options); (T, m, 0) if the gates do not follow from logits.
        gates: weights of the regimes, as ``problem.step`` took them: one-hot, unless gates are relaxed or
            smoothed; shape (T, m, options).
        quantities: each quantity in all regimes of its gate, as ``problem.step`` took them: within their
            intervals; shape (T, m, columns).
        costs: by component, discounted to the first period, shape (T, m, C).
        final: observation after the last period, shape (m, n_obs).
        states: the T + 1 states, from the one before the first period to the one after the last.
        noise: exogenous noise, shape (m, T, *noise_shape).
        gumbel: Gumbel noise that sampled the gates, shape (T, m, options); None for gates without it.
        proposals: quantities before their projection, shape (T, m, columns); None if they are not sampled.
        values: least learned cost to go of each state, shape (T, m); None for agents that search no actions.
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
    proposals: Tensor | None = None
    values: Tensor | None = None


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
        problem: the problem to simulate.
        policy: decides on gates and quantities; it is given ``gate`` of the period as its choice.
        gate: from logits (m, options) and the period to gate weights (m, options).
        state: initial states, with one batch axis.
        noise: shape (m, T, *noise_shape).
        limits: bounds on the gradient of the mean loss of m episodes with respect to the state of one of
            them, times m. Back-propagation multiplies by the policy's slope in each period; where that
            exceeds 1, gradients explode in single episodes and ruin the mean. None for no limits.
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
    return Rollout(
        torch.stack(observations),
        torch.stack(logits),
        torch.stack(gates),
        torch.stack(quantities),
        torch.stack(costs) * discounts(problem, periods, noise),
        problem.observe(state),
        states,
        noise,
    )


def sampled_rollout(
    problem: HindsightProblem,
    policy: Policy,
    state: Any,
    noise: Tensor,
    generator: torch.Generator,
    limits: Limits | None = None,
    gate_from: Callable[[Tensor, Groups], Gate] = sampled_gate,
) -> Rollout:
    """Draw Gumbel noise and simulate m episodes with the gates that it samples.

    Args:
        problem, policy, state, noise, limits: as in ``rollout``.
        generator: of the Gumbel noise.
        gate_from: makes the gates from Gumbel noise (T, m, options) and ``layout.gate_groups``; by default
            one-hot samples of the softmax of the logits.
    """
    layout = problem.layout
    gumbel = gumbel_noise((noise.shape[1], len(noise), layout.options), generator, noise)
    gate = gate_from(gumbel, layout.gate_groups)
    return rollout(problem, policy, gate, state, noise, limits)._replace(gumbel=gumbel)


def at_period(gate: Gate, period: int) -> Choice:
    """Return the gate of one period: a function from logits to weights, (..., options)."""
    return lambda logits: gate(logits, period)


def discounts(problem: HindsightProblem, periods: int, like: Tensor) -> Tensor:
    """Return ``discount^t`` for t < periods, shape (periods, 1, 1), in the dtype and device of ``like``."""
    powers = [problem.discount**period for period in range(periods)]
    return torch.tensor(powers, dtype=like.dtype, device=like.device)[:, None, None]


def draw(
    problem: HindsightProblem, episodes: int, periods: int, generator: torch.Generator
) -> tuple[Any, Tensor]:
    """Draw initial states and noise (episodes, periods, *noise_shape), on the device of the generator."""
    start_size, noise_size = prod(problem.start_shape), prod(problem.noise_shape)
    shape = (episodes, start_size + periods * noise_size)
    uniforms = torch.rand(shape, generator=generator, device=generator.device)
    return (
        problem.initial_state(uniforms[:, :start_size].reshape(episodes, *problem.start_shape)),
        problem.noise(uniforms[:, start_size:].reshape(episodes, periods, *problem.noise_shape)),
    )


def _clamp(limit: float | Tensor | None, episodes: int) -> Callable[[Tensor], Tensor] | None:
    if limit is None:
        return None
    bound = limit / episodes
    return partial(torch.clamp, min=-bound, max=bound)
