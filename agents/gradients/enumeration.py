"""The exact expectation over gates, by enumeration: the oracle of the estimators on small problems."""

from __future__ import annotations

from math import prod
from typing import Any

import torch
from torch import Tensor

from jumpgym import HindsightProblem, NotApplicable

from ..networks.gates import Choice, log_prob
from .rollout import Policy

MOST_PATHS = 2**16
"""Paths of gates of one episode beyond which enumeration refuses."""


def check_paths(problem: HindsightProblem, periods: int) -> None:
    """NotApplicable if the gates of one episode have more than ``MOST_PATHS`` paths."""
    joint = prod(problem.layout.gates)
    if joint**periods > MOST_PATHS:
        raise NotApplicable(
            f"enumeration: {joint} choices of the gates in each of {periods} periods make more than "
            f"{MOST_PATHS:,} paths; use a shorter horizon, or the estimator 'branching', unbiased too"
        )


def expected_cost(problem: HindsightProblem, policy: Policy, state: Any, noise: Tensor) -> Tensor:
    """Expected discounted cost (m,) of each episode over all choices of the gates, given its noise.

    ``sum_paths prod_t p(a_t^S | S_t) sum_t c_t``, differentiable: its gradient is that of eq. 8 without
    any sampling of gates.

    Args:
        problem, policy, state: as in ``rollout``.
        noise: shape (m, T, *noise_shape).

    Raises:
        NotApplicable: if there are more than ``MOST_PATHS`` paths.
    """
    episodes, periods = noise.shape[:2]
    check_paths(problem, periods)
    layout = problem.layout
    choices = _joint_choices(problem, noise)[:, None]
    joint = len(choices)
    weight = noise.new_ones((1, episodes))
    state = type(state)(*(entry[None] for entry in state))
    expected = noise.new_zeros(episodes)
    for period in range(periods):
        paths = len(weight)
        state = type(state)(*(entry.repeat_interleave(joint, 0) for entry in state))
        gates = choices.repeat(paths, episodes, 1)
        logits, _, quantity = policy(problem.observe(state), _always(gates))
        weight = (
            weight.repeat_interleave(joint, 0) * log_prob(logits, gates, layout.gate_groups).sum(-1).exp()
        )
        state, cost = problem.step(state, gates, quantity, noise[:, period])
        expected = expected + problem.discount**period * (weight * cost.sum(-1)).sum(0)
    return expected


def _always(gates: Tensor) -> Choice:
    return lambda logits: gates


def _joint_choices(problem: HindsightProblem, like: Tensor) -> Tensor:
    """Weights (joint, options) of all joint choices of the gates."""
    gates = [torch.eye(options, dtype=like.dtype, device=like.device) for options in problem.layout.gates]
    indices = torch.cartesian_prod(*(torch.arange(options) for options in problem.layout.gates))
    indices = indices.reshape(-1, len(gates))
    return torch.cat([gate[indices[:, place]] for place, gate in enumerate(gates)], -1)
