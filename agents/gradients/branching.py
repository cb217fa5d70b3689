"""Branching: what each option of each gate would have cost from the visited state, on the same noise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import accumulate
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jumpgym import HindsightProblem

from ..networks.gates import sampled_gate
from .rollout import Policy, Rollout, at_period

FORCED = 1e9
"""Added to the Gumbel noise of the option that a branch takes: no logit comes near it."""


class Closing(NamedTuple):
    """What stands for the costs after a branch's last period.

    Attributes:
        window: periods of a branch; None: until the rollout ends.
        value: cost to go, (..., m), of observations (..., m, n), in costs of the period that they are of;
            None where nothing follows.
    """

    window: int | None = None
    value: Callable[[Tensor], Tensor] | None = None


def option_costs(
    problem: HindsightProblem,
    policy: Policy,
    episodes: Rollout,
    closing: Closing,
) -> Tensor:
    """Cost to go of every option of every gate, less that of the options taken, (T, m, options).

    From each visited state each gate in turn takes each of its other options; the policy goes on from there
    on the same noise and the same Gumbel noise of the gates, so that what has nothing to do with the option
    cancels in the difference. Gates that are decided after the branched one answer to its option. Unbiased
    where branches run to the end of the episode; a window shorter than that is as good as its value.

    All branches of all periods run side by side, in batches (branches, m): T (T + 1) / 2 periods of each
    option not taken, without gradient.

    Args:
        problem, policy: as in ``rollout``.
        episodes: what ``rollout`` gave with ``sampled_gate(gumbel)`` on ``noise``.
        gumbel: shape (T, m, options).
        noise: shape (m, T, *noise_shape).
        closing: of branches and of the episodes themselves.

    Returns:
        costs discounted to the first period of the episodes.
    """
    gumbel, noise = episodes.gumbel, episodes.noise
    assert gumbel is not None
    periods, m = gumbel.shape[:2]
    groups = problem.layout.gate_groups
    window = closing.window or periods
    taken = _window_costs(problem, episodes, closing)
    forced = [
        _alternatives(problem, gates, noise) for gates, noise in zip(episodes.gates, gumbel, strict=True)
    ]
    branches = len(forced[0].gumbel)  # branches that start in a period
    total = gumbel.new_zeros((periods, branches, m))
    running: Any = None
    with torch.no_grad():
        for period in range(periods):
            fresh = type(episodes.states[period])(
                *(entry.detach().expand(branches, *entry.shape) for entry in episodes.states[period])
            )
            first = max(0, period - window + 1)  # the first period whose branches still run
            state = fresh if running is None else _joined(running, fresh)
            shared = gumbel[period].expand((period - first) * branches, *gumbel.shape[1:])
            gate = sampled_gate(torch.cat([shared, forced[period].gumbel])[None], groups)
            _, weights, quantity = policy(problem.observe(state), at_period(gate, 0))
            state, cost = problem.step(state, weights, quantity, noise[:, period])
            discounted = problem.discount**period * cost.sum(-1)
            total[first : period + 1] += discounted.reshape(-1, branches, m)
            ending = period - first + 1 == window
            if closing.value is not None and (ending or period == periods - 1):
                closes = slice(None) if period == periods - 1 else slice(branches)
                ends = type(state)(*(entry[closes] for entry in state))
                value = problem.discount ** (period + 1) * closing.value(problem.observe(ends))
                total[first : period + 1 if period == periods - 1 else first + 1] += value.reshape(
                    -1, branches, m
                )
            running = type(state)(*(entry[branches:] for entry in state)) if ending else state
    costs = gumbel.new_zeros((periods, m, problem.layout.options))
    for period in range(periods):
        costs[period].scatter_(-1, forced[period].option.T, (total[period] - taken[period]).T)
    return costs


class _Alternatives(NamedTuple):
    """The options not taken in a period: Gumbel noise (each, m, options) that forces them; their places."""

    gumbel: Tensor
    option: Tensor


def _alternatives(problem: HindsightProblem, gates: Tensor, gumbel: Tensor) -> _Alternatives:
    """All options not taken of all gates, for gates and Gumbel noise (m, options) of a period."""
    layout, options = problem.layout, []
    for start, count in zip(accumulate(layout.gates, initial=0), layout.gates, strict=False):
        chosen = gates[:, start : start + count].argmax(-1)
        options += [start + (chosen + shift) % count for shift in range(1, count)]
    option = torch.stack(options)
    force = FORCED * torch.nn.functional.one_hot(option, layout.options).to(gumbel.dtype)
    return _Alternatives(gumbel + force, option)


def _window_costs(problem: HindsightProblem, episodes: Rollout, closing: Closing) -> Tensor:
    """Cost to go (T, m) of the options taken, with what closes the window."""
    costs = episodes.costs.detach().sum(-1)
    periods = len(costs)
    window = closing.window or periods
    until = torch.cat([torch.zeros_like(costs[:1]), costs.cumsum(0)])
    ends = [min(period + window, periods) for period in range(periods)]
    costs_to_go = until[ends] - until[:-1]
    if closing.value is None:
        return costs_to_go
    with torch.no_grad():
        observations = torch.cat([episodes.observations, episodes.final[None]]).detach()
        discounts = torch.tensor(
            [problem.discount**end for end in ends], dtype=costs.dtype, device=costs.device
        )
        return costs_to_go + discounts[:, None] * closing.value(observations)[ends]


def _joined(first: Any, second: Any) -> Any:
    return type(first)(*(torch.cat([a, b]) for a, b in zip(first, second, strict=True)))
