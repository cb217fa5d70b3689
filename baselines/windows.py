"""How many windows of recorded noise an evaluation rests on, and the standard errors that follow."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem
from jumpgym.adapters.recordings import recorded_noise


class Windows(NamedTuple):
    """The windows of recorded noise that episodes replay.

    Attributes:
        distinct: number of different windows; neighbouring ones overlap.
        disjoint: the largest number of windows of which no two overlap.
    """

    distinct: int
    disjoint: int

    def __str__(self) -> str:
        return f"{self.distinct:,} distinct window{'s' * (self.distinct > 1)} ({self.disjoint:,} disjoint)"


def windows_of(problem: HindsightProblem, periods: int) -> Windows | None:
    """The windows of so many periods that episodes of a problem replay; None if it has no recorded noise."""
    recorded = recorded_noise(problem)
    if recorded is None:
        return None
    starts = recorded[1].first_periods
    if problem.horizon is None:  # a window goes on with the first period after the last
        return Windows(len(starts), len(starts) * (problem.season or 1) // periods)
    stride = int(starts[1] - starts[0]) if len(starts) > 1 else periods
    return Windows(len(starts), -(-len(starts) // -(-periods // stride)))


def standard_error(values: NDArray[np.float64], windows: Windows | None = None) -> float:
    """Standard error of a mean over episodes.

    Args:
        values: one for each episode; shape (episodes,).
        windows: the windows that episodes replay; None for independent episodes.

    Returns:
        The standard error; NaN for a single episode, or fewer than two disjoint windows. Windows that overlap
        are not independent. So the error is that of the block bootstrap (Künsch 1989, Ann. Statist. 17,
        1217): that of the mean of as many independent windows as there are disjoint ones, corrected for small
        samples. The error from drawing episodes among the windows is added.
    """
    if len(values) < 2:
        return float("nan")
    deviation = float(values.std(ddof=1))
    if windows is None:
        return float(deviation / np.sqrt(len(values)))
    if windows.disjoint < 2:
        return float("nan")
    return float(deviation * np.sqrt(1 / (windows.disjoint - 1) + 1 / len(values)))
