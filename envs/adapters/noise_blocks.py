"""The noise of an episode, and the blocks in which the noise of an infinite horizon is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problem import HindsightProblem

BLOCK = 256
"""Periods of noise that a stationary problem draws at once."""


def draw_uniforms(
    problem: HindsightProblem, rng: np.random.Generator, *batch: int, periods: int = BLOCK
) -> NDArray[np.float64]:
    """The uniforms of ``draw_noise``."""
    return rng.random((*batch, problem.horizon or periods, *problem.noise_shape))


def draw_noise(
    problem: HindsightProblem, rng: np.random.Generator, *batch: int, periods: int = BLOCK
) -> NDArray[np.float64]:
    """Noise (*batch, periods, *noise_shape): of the whole horizon, if there is one."""
    noise: NDArray[np.float64] = problem.noise(draw_uniforms(problem, rng, *batch, periods=periods))
    return noise


def block_length(problem: HindsightProblem, periods: int) -> int:
    """How many periods of noise to draw, so that ``periods`` are left from any phase of the season on.

    With an infinite horizon and a season these are whole seasons.
    """
    if problem.horizon is not None or problem.season is None:
        return periods
    return -(-(periods + problem.season - 1) // problem.season) * problem.season


def from_phase(
    problem: HindsightProblem, state: Any, noise: NDArray[np.float64], periods: int | None = None
) -> NDArray[np.float64]:
    """The part of drawn noise that begins in the phase of a state; all of it with a finite horizon.

    Args:
        problem: the problem.
        state: with the batch axes (...,), of at most one axis.
        noise: of whole seasons, shape (..., drawn, *noise_shape).
        periods: number of periods to return; None for all that are left from any phase on.
    """
    if problem.horizon is not None or problem.season is None:
        return noise
    phase = problem.phase(state)
    axis = phase.ndim
    count = noise.shape[axis] - problem.season + 1 if periods is None else periods
    row = phase[..., None] + np.arange(count)
    return noise[row] if axis == 0 else noise[np.arange(len(noise))[:, None], row]
