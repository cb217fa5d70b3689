"""Where the decisions of policies are recorded for pictures, and the decisions there; plain JSON values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem, as_problem

from ..evaluation import evaluate, requested

Chart = dict[str, Any]
"""``names`` and ``axes`` (values) of one or two entries of the observation, ``entries`` (their indices), and
``periods``; ``quantities`` and ``regimes`` (of each gate) are names, for people. All other entries are 0, or
the bound next to it."""

Drawn = dict[str, Any]
"""``regime`` of each gate and, on a single axis, each ``quantity``: by period, then gate or quantity, then
point of the chart.

They are those carried out, see ``HindsightProblem.admit``."""

EPISODES = 4096
"""Episodes that tell what a policy visits."""

LINE, MAP = 160, 48
"""About how many points there are on the axis of a line, and on each axis of a map."""

LOGARITHMIC = 20.0
"""Ratio of largest to least value, if both are positive, from which an axis is logarithmic."""


def chart_around(policy: Any, problem: HindsightProblem, seed: int) -> Chart:
    """The middle of the horizon and its last period but one, over what a policy visits and a margin.

    Drawn are the entries of the observation that the problem charts, at most two.

    Args:
        policy: for the problem.
        problem: with a horizon.
        seed: of the noise.
    """
    assert problem.horizon is not None
    charted = problem.charted or range(len(problem.observation_low) - 1)
    entries = [int(entry) for entry in charted][:2]
    visits = _Visits(policy, entries)
    evaluate(visits, problem, EPISODES, seed)
    seen = np.concatenate(visits.seen).astype(np.float64)
    if len(entries) == 1:
        axes = [_axis(seen[:, 0], 0.001, LINE, getattr(getattr(policy, "rule", None), "step", 0.0))]
    else:
        axes = [_axis(column, 0.01, MAP, 0.0) for column in seen.T]
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


def draw_on(chart: Chart, policy: Any, env: Any) -> Drawn:
    """Decisions of a policy for actions of ``env`` at all points of a chart.

    Args:
        chart: of ``chart_around``.
        policy: anything with a batched ``predict``.
        env: environment or problem.
    """
    problem = as_problem(env)
    grid = np.stack([axis.ravel() for axis in np.meshgrid(*chart["axes"], indexing="ij")], -1)
    low, high = problem.observation_low, problem.observation_high
    observation = np.tile(np.clip(0.0, low, high), (len(grid), 1))
    observation[:, chart["entries"]] = grid
    drawn: Drawn = {"regime": [], "quantity": []}
    for period in chart["periods"]:
        observation[:, -1] = period
        decision = requested(policy, env, observation.astype(np.float32))
        carried_out = problem.carry_out_at(observation, *decision)
        drawn["regime"].append(carried_out.regime.T.tolist())
        if len(chart["axes"]) == 1:
            drawn["quantity"].append(carried_out.quantity.T.tolist())
    return drawn


def _axis(seen: NDArray[np.float64], tail: float, count: int, step: float) -> NDArray[np.float64]:
    """Values, about ``count``, over those seen except the tails, and a margin; multiples of ``step``."""
    low, high = np.quantile(seen, [tail, 1 - tail])
    if low > 0 and high > LOGARITHMIC * low:
        return np.geomspace(low, high, count)
    if high == low:
        low, high = low - 1, high + 1
    margin = 0.15 * (high - low)
    if not step:
        return np.linspace(low - margin, high + margin, count)
    step *= np.ceil((high - low) / count / step)
    return step * np.arange(np.floor((low - margin) / step), np.ceil((high + margin) / step) + 1)


class _Visits:
    """A policy that keeps some entries of the observations at which it is asked."""

    def __init__(self, policy: Any, entries: list[int]) -> None:
        self.policy = policy
        self.entries = entries
        self.seen: list[NDArray[np.float32]] = []

    def predict(self, observation: Any, **kwargs: Any) -> Any:
        self.seen.append(observation[:, self.entries])
        return self.policy.predict(observation, **kwargs)
