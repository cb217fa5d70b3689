"""The decisions of policies on a grid of observations, for pictures; as plain values that JSON can hold."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem, as_problem

from ..evaluation import decoder, evaluate, requested

Chart = dict[str, Any]
"""The grid on which decisions are sampled.

It varies one or two entries of the observation: ``entries`` holds their indices, ``names`` their names and
``axes`` their values. All other entries are 0, or the bound nearest to 0. ``periods`` are the periods, out of
``horizon``, in which decisions are sampled. ``quantities`` and ``regimes`` (of each gate) are names for
legends."""

Sampled = dict[str, Any]
"""The sampled decisions, as the environment carries them out (see ``HindsightProblem.admit``).

``regime`` is indexed by period, gate and point of the grid; ``quantity`` by period, quantity and point. With
two axes there are no quantities."""

EPISODES = 4096
"""Number of episodes that determine the range of the observations."""

LINE, MAP = 160, 48
"""Approximate number of points on the axis of a line, and on each axis of a map."""

LOGARITHMIC = 20.0
"""Least ratio of the largest to the smallest value, both positive, for which an axis is logarithmic."""


def chart_around(policy: Any, problem: HindsightProblem, seed: int) -> Chart:
    """The grid over the observations that a policy meets, and a margin around them.

    Its axes are the entries of the observation that the problem names in ``charted``, at most two. Its
    periods are the middle of the horizon and the last period but one.

    Args:
        policy: a policy for the problem.
        problem: a problem with a finite horizon.
        seed: seed of the noise.
    """
    assert problem.horizon is not None
    charted = problem.charted or range(len(problem.observation_low) - 1)
    entries = [int(entry) for entry in charted][:2]
    recorder = _Recorder(policy, entries)
    evaluate(recorder, problem, EPISODES, seed)
    observed = np.concatenate(recorder.observed).astype(np.float64)
    if len(entries) == 1:
        axes = [_axis(observed[:, 0], 0.001, LINE, getattr(getattr(policy, "rule", None), "step", 0.0))]
    else:
        axes = [_axis(column, 0.01, MAP, 0.0) for column in observed.T]
    limits = zip(axes, problem.observation_low[entries], problem.observation_high[entries], strict=True)
    return {
        "entries": entries,
        "names": [problem.observation_names[entry] for entry in entries],
        "axes": [axis[(axis >= low) & (axis <= high)].tolist() for axis, low, high in limits],
        "quantities": list(problem.quantity_names),
        "regimes": [list(names) for names in problem.regime_names],
        "periods": [problem.horizon // 2, max(problem.horizon - 2, 0)],
        "horizon": problem.horizon,
    }


def sample_decisions(chart: Chart, policy: Any, env: Any) -> Sampled:
    """The decisions of a policy at all points of a chart.

    Args:
        chart: see ``chart_around``.
        policy: anything with a batched ``predict`` that returns actions of ``env``.
        env: environment or problem.
    """
    problem = as_problem(env)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*chart["axes"], indexing="ij")], -1)
    low, high = problem.observation_low, problem.observation_high
    observation = np.tile(np.clip(0.0, low, high), (len(grid), 1))
    observation[:, chart["entries"]] = grid
    sampled: Sampled = {"regime": [], "quantity": []}
    decode = decoder(env)
    for period in chart["periods"]:
        observation[:, -1] = period
        decision = requested(policy, decode, observation.astype(np.float32))
        carried_out = problem.carry_out_at(observation, *decision)
        sampled["regime"].append(carried_out.regime.T.tolist())
        if len(chart["axes"]) == 1:
            sampled["quantity"].append(carried_out.quantity.T.tolist())
    return sampled


def _axis(observed: NDArray[np.float64], tail: float, count: int, step: float) -> NDArray[np.float64]:
    """About ``count`` values that cover the observed ones, without their tails, and a margin.

    Args:
        observed: shape (m,).
        tail: share of the observed values that is cut at each end.
        count: number of values.
        step: distance of which the values are multiples; 0 for none.
    """
    low, high = np.quantile(observed, [tail, 1 - tail])
    if low > 0 and high > LOGARITHMIC * low:
        return np.geomspace(low, high, count)
    if high == low:
        low, high = low - 1, high + 1
    margin = 0.15 * (high - low)
    if not step:
        return np.linspace(low - margin, high + margin, count)
    step *= np.ceil((high - low) / count / step)
    return step * np.arange(np.floor((low - margin) / step), np.ceil((high + margin) / step) + 1)


class _Recorder:
    """Wraps a policy, and records some entries of the observations that it is given."""

    def __init__(self, policy: Any, entries: list[int]) -> None:
        self.policy = policy
        self.entries = entries
        self.observed: list[NDArray[np.float32]] = []

    def predict(self, observation: Any, **kwargs: Any) -> Any:
        self.observed.append(observation[:, self.entries])
        return self.policy.predict(observation, **kwargs)
