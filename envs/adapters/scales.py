"""Orders of magnitude of a problem, known before any training: of its observations, and of its cost."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..problem import HindsightProblem
from .boxes import observation_box
from .noise_blocks import draw_uniforms

EPISODES = 64
"""Episodes from which the typical cost is computed."""


class ObservationScale:
    """Observations divided by the problem's ``observation_scale``, and the period by the horizon.

    Args:
        problem: the problem that is observed.

    Attributes:
        space: the space of a scaled observation, (n,).
    """

    def __init__(self, problem: HindsightProblem) -> None:
        scale = problem.observation_scale.copy()
        if problem.horizon is not None:
            scale[-1] = problem.horizon
        self._scale = scale.astype(np.float32)
        box = observation_box(problem)
        self.space = spaces.Box(self.apply(box.low), self.apply(box.high), dtype=np.float32)

    def apply(self, observation: Any) -> NDArray[np.float32]:
        """Scaled observations (..., n), float32."""
        scaled: NDArray[np.float32] = np.asarray(observation, dtype=np.float32) / self._scale
        return scaled


def typical_cost(problem: HindsightProblem) -> float:
    """Mean absolute cost of a period under random regimes, each with its sensible first quantity."""
    layout, rng = problem.layout, np.random.default_rng(0)
    start_uniforms = rng.random((EPISODES, *problem.start_shape))
    state, noise = problem.begin(start_uniforms, draw_uniforms(problem, rng, EPISODES))
    total = 0.0
    for period in range(noise.shape[1]):
        regime = rng.integers(0, layout.gates, (EPISODES, len(layout.gates)))
        quantities = problem.quantity_from(problem.observe(state), np.zeros((EPISODES, len(layout.low))))
        decision = problem.carry_out(
            state, regime, np.take_along_axis(quantities, layout.columns(regime), -1)
        )
        state, costs = problem.step(state, decision.gate, decision.columns, noise[:, period])
        total += float(np.abs(costs.sum(-1)).mean())
    return max(total / noise.shape[1], 1e-8)
