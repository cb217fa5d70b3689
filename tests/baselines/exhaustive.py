"""Oracles for small problems: the optimum by trying all decisions, and a policy's cost on all demand paths.

Both only use ``problem.step``. Demand is given by period, as pairs of values and probabilities.
"""

import itertools

import numpy as np
import pytest

from jumpgym.baselines import solve


def two_point(low, high, probability):
    """Values (2, 1) and probabilities (2,) of a period's demand."""
    return np.array([[low], [high]], dtype=float), np.array([probability, 1 - probability])


def of_items(*periods):
    """Values (k, n) and probabilities (k,) of a period of independent items, from those of each."""
    values = [np.concatenate(row) for row in itertools.product(*(values for values, _ in periods))]
    weights = [np.prod(row) for row in itertools.product(*(weights for _, weights in periods))]
    return np.array(values), np.array(weights)


def all_decisions(problem, *quantities):
    """Gate weights and columns of all regimes with all quantities, of a list for each quantity."""
    regimes = np.array(list(itertools.product(*(range(count) for count in problem.layout.gates))))
    orders = np.array(list(itertools.product(*quantities)))
    regime, quantity = np.repeat(regimes, len(orders), axis=0), np.tile(orders, (len(regimes), 1))
    decisions = problem.layout.flat(regime, problem.layout.project(regime, quantity))
    both = np.unique(np.concatenate(decisions, axis=1), axis=0)
    return both[:, : problem.layout.options], both[:, problem.layout.options :]


def least_cost(problem, decisions, demand):
    """The least expected cost of an episode over the given decisions in each state."""
    gate, columns = decisions
    start = problem.initial_state(np.full(problem.start_shape, 0.5))
    shapes = [np.shape(entry) for entry in start]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])[:-1]
    known = {}

    def to_go(entries, period):
        if period == problem.horizon:
            return 0.0
        if (period, entries) not in known:
            values, weights = demand[period]
            batch = (len(gate), len(values))
            parts = np.split(np.array(entries), ends)
            state = type(start)(
                *(np.broadcast_to(p.reshape(s), (*batch, *s)) for p, s in zip(parts, shapes, strict=True))
            )
            noise = np.broadcast_to(values.reshape(-1, *problem.noise_shape), (*batch, *problem.noise_shape))
            pairs = [np.broadcast_to(x[:, None], (*batch, x.shape[-1])) for x in (gate, columns)]
            after, cost = problem.step(state, *pairs, noise)
            rows = np.concatenate([entry.reshape(batch[0] * batch[1], -1) for entry in after], axis=-1)
            distinct, index = np.unique(rows.round(9), axis=0, return_inverse=True)
            later = np.array([to_go(tuple(row), period + 1) for row in distinct.tolist()])
            total = cost.sum(axis=-1) + problem.discount * later[index.reshape(batch)]
            known[period, entries] = (total @ weights).min()
        return known[period, entries]

    return to_go(tuple(np.concatenate([np.ravel(entry) for entry in start]).tolist()), 0)


def cost_of(policy, problem, demand):
    """The expected cost of a policy, from all paths of demand."""
    paths = np.array(list(itertools.product(*(values for values, _ in demand))))
    weights = np.array([np.prod(row) for row in itertools.product(*(weights for _, weights in demand))])
    state = problem.initial_state(np.full((len(paths), *problem.start_shape), 0.5))
    total = 0.0
    for period in range(problem.horizon):
        regime, quantity = policy.decide(problem.observe(state))
        batch = len(paths)
        carried = problem.carry_out(state, regime.reshape(batch, -1), quantity.reshape(batch, -1))
        noise = paths[:, period].reshape(batch, *problem.noise_shape)
        state, cost = problem.step(state, carried.gate, carried.columns, noise)
        total += problem.discount**period * (cost.sum(axis=-1) @ weights)
    return total


def check_optimum(problem, demand, *quantities):
    """Assert that ``solve`` finds the least cost over all decisions that are admitted, and its policy.

    Args:
        problem: the problem.
        demand: by period.
        quantities: that can be chosen, a list for each quantity.
    """
    gate, columns = all_decisions(problem, *quantities)
    whole = np.isclose(problem.admit(None, gate, columns)[1], columns).all(axis=1)
    optimum = solve(problem)
    expected = least_cost(problem, (gate[whole], columns[whole]), demand)
    assert optimum.expected_cost == pytest.approx(expected, rel=1e-9)
    assert cost_of(optimum, problem, demand) == pytest.approx(expected, rel=1e-9)
