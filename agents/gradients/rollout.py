"""Differentiable rollouts of a hindsight problem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import prod
from typing import Any, NamedTuple

import torch

from jumpgym import HindsightProblem

from .. import arrays
from ..arrays import Array
from ..networks.gates import Choice, Gate, Groups, gumbel_noise, sampled_gate

Policy = Callable[[Array, Choice], tuple[Array, ...]]
"""From observations (m, n_obs) and a choice of gates to logits and gates (m, options) and quantities (m,
columns); where quantities are sampled, also to what was sampled, see ``Rollout.proposals``."""

Limits = Sequence[Any]
"""For each entry of a state the bound on the gradient with respect to it, a number or NumPy array, or
None."""


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
        states: the T + 1 states, from the one before the first period to the one after the last; a compiled
            rollout keeps only these two.
        noise: exogenous noise, shape (m, T, *noise_shape).
        gumbel: Gumbel noise that sampled the gates, shape (T, m, options); None for gates without it.
        proposals: quantities before their projection, shape (T, m, columns), or the network outputs that
            quantities follow from, shape (T, m, n), whichever is sampled; None if neither is.
        values: least learned cost to go of each state, shape (T, m); None for agents that search no actions.
    """

    observations: Array
    logits: Array
    gates: Array
    quantities: Array
    costs: Array
    final: Array
    states: Sequence[Any]
    noise: Array
    gumbel: Array | None = None
    proposals: Array | None = None
    values: Array | None = None

    def detached(self) -> Rollout:
        """Return the rollout as constants, through which no gradient passes."""
        constants = {
            name: arrays.detach(value)
            for name, value in self._asdict().items()
            if name != "states" and value is not None
        }
        states = [type(state)(*(arrays.detach(entry) for entry in state)) for state in self.states]
        return self._replace(**constants, states=states)


def rollout(
    problem: HindsightProblem,
    policy: Policy,
    gate: Gate,
    state: Any,
    noise: Array,
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
    return rollout_by_period(problem, lambda period: policy, gate, state, noise, limits)


def rollout_by_period(
    problem: HindsightProblem,
    policy_at: Callable[[int], Policy],
    gate: Gate,
    state: Any,
    noise: Array,
    limits: Limits | None = None,
    cuts: Array | None = None,
) -> Rollout:
    """Simulate m episodes with a policy that depends on the period, for example on noise drawn for it.

    Args:
        problem, gate, state, noise, limits: as in ``rollout``.
        policy_at: from the period to the policy.
        cuts: for each period whether the gradient stops at the state before it, (T,). None: it never does.
    """
    episodes, periods = noise.shape[:2]
    bounds = [*(limits or ()), *[None] * len(state)]

    def step(state: Any, period: int) -> tuple[Any, tuple[Array, ...]]:
        if cuts is not None:
            state = type(state)(*(arrays.cut(entry, cuts[period]) for entry in state))
        entries = [
            entry if bound is None else arrays.limited(entry, bound / episodes)
            for entry, bound in zip(state, bounds, strict=False)
        ]
        state = type(state)(*entries)
        observation = problem.observe(state)
        logits, weights, quantity, *proposal = policy_at(period)(observation, at_period(gate, period))
        following, cost = problem.step(state, weights, quantity, noise[:, period])
        return following, (observation, logits, weights, quantity, cost, *proposal)

    states, outputs = arrays.scan(step, state, periods, noise)
    observations, logits, gates, quantities, costs, *proposals = outputs
    return Rollout(
        observations,
        logits,
        gates,
        quantities,
        costs * discounts(problem, periods, noise),
        problem.observe(states[-1]),
        states,
        noise,
        proposals=proposals[0] if proposals else None,
    )


def sampled_rollout(
    problem: HindsightProblem,
    policy: Policy,
    state: Any,
    noise: Array,
    generator: Any,
    limits: Limits | None = None,
    gate_from: Callable[[Array, Groups], Gate] = sampled_gate,
    deviation: Any = None,
) -> Rollout:
    """Draw Gumbel noise and simulate m episodes with the gates that it samples.

    Args:
        problem, policy, state, noise, limits: as in ``rollout``.
        generator: of the Gumbel noise.
        gate_from: makes the gates from Gumbel noise (T, m, options) and ``layout.gate_groups``; by default
            one-hot samples of the softmax of the logits.
        deviation: standard deviation of normal noise on the outputs for the quantities, independent for each
            decision and column, which the policy then takes as ``noise``. None for no noise.
    """
    layout = problem.layout
    gumbel = gumbel_noise((noise.shape[1], len(noise), layout.options), generator, noise)
    gate = gate_from(gumbel, layout.gate_groups)
    if deviation is None:
        return rollout(problem, policy, gate, state, noise, limits)._replace(gumbel=gumbel)
    normal = arrays.normal((noise.shape[1], len(noise), len(layout.low)), generator, noise)
    noisy: Callable[..., tuple[Array, ...]] = policy

    def policy_at(period: int) -> Policy:
        return partial(noisy, noise=deviation * normal[period])

    return rollout_by_period(problem, policy_at, gate, state, noise, limits)._replace(gumbel=gumbel)


def stochastic_rollout(
    problem: HindsightProblem,
    policy: Callable[[Array, Choice, Array], tuple[Array, ...]],
    state: Any,
    noise: Array,
    generator: Any,
) -> Rollout:
    """Simulate m episodes with sampled gates and quantities, without gradient.

    Args:
        problem, state, noise: as in ``rollout``.
        policy: from observations (m, n_obs), a choice of gates, and uniforms (m, n) that sample the
            quantities, to logits, gates, quantities and what was sampled, see ``Policy``.
        generator: of the Gumbel noise and the uniforms.
    """
    layout = problem.layout
    shape = (noise.shape[1], len(noise))
    gumbel = gumbel_noise((*shape, layout.options), generator, noise)
    uniforms = arrays.uniform((*shape, len(layout.quantity_gate)), generator, noise)

    def policy_at(period: int) -> Policy:
        return lambda observation, choice: policy(observation, choice, uniforms[period])

    with torch.no_grad():
        gate = sampled_gate(gumbel, layout.gate_groups)
        episodes = rollout_by_period(problem, policy_at, gate, state, noise)
    return episodes._replace(gumbel=gumbel).detached()


def at_period(gate: Gate, period: int) -> Choice:
    """Return the gate of one period: a function from logits to weights, (..., options)."""
    return lambda logits: gate(logits, period)


def discounts(problem: HindsightProblem, periods: int, like: Array) -> Array:
    """Return ``discount^t`` for t < periods, shape (periods, 1, 1), in the dtype and device of ``like``."""
    powers = [problem.discount**period for period in range(periods)]
    return arrays.constant(powers, like)[:, None, None]


def draw(
    problem: HindsightProblem,
    episodes: int,
    periods: int,
    generator: Any,
    begin: Callable[[Any, Array], tuple[Any, Array]] | None = None,
) -> tuple[Any, Array]:
    """Draw initial states and noise (episodes, periods, *noise_shape); see ``arrays.uniform``.

    Args:
        problem: the problem.
        episodes: number of episodes.
        periods: number of periods.
        generator: of the uniforms.
        begin: makes states and noise of uniforms; None for ``problem.begin``.
    """
    begin = begin or problem.begin
    start_size, noise_size = prod(problem.start_shape), prod(problem.noise_shape)
    shape = (episodes, start_size + periods * noise_size)
    uniforms = arrays.uniform(shape, generator)
    return begin(
        uniforms[:, :start_size].reshape(episodes, *problem.start_shape),
        uniforms[:, start_size:].reshape(episodes, periods, *problem.noise_shape),
    )
