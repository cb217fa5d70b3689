"""Noise of an infinite horizon that goes on in the phase of the season in which a state is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..problem import HindsightProblem


def block_length(problem: HindsightProblem, periods: int) -> int:
    """Periods of noise to draw for so many from any phase on: whole seasons, where there is no horizon."""
    if problem.horizon is not None or problem.season is None:
        return periods
    return -(-(periods + problem.season - 1) // problem.season) * problem.season


def from_phase(
    problem: HindsightProblem, state: Any, noise: NDArray[np.float64], periods: int | None = None
) -> NDArray[np.float64]:
    """The part of noise that goes on where a state is in its season; all of it where there is a horizon.

    Args:
        problem: the problem.
        state: with the batch axes (...,), of at most one axis.
        noise: of whole seasons, shape (..., drawn, *noise_shape).
        periods: how many to return; None for all that are left after any phase.
    """
    if problem.horizon is not None or problem.season is None:
        return noise
    phase = problem.phase(state)
    axis = phase.ndim
    count = noise.shape[axis] - problem.season + 1 if periods is None else periods
    row = phase[..., None] + np.arange(count)
    return noise[row] if axis == 0 else noise[np.arange(len(noise))[:, None], row]
