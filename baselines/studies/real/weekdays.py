"""The optimum if demand were independent, with a distribution for each day of the week."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from jumpgym import as_problem
from jumpgym.adapters.registry import make_env

from ...optimum import solve
from ...policy import Policy
from .series import HORIZON, MEMORY, TERMS, Series

UNIT = 10.0
"""Demand is rounded to multiples of so many units, so that the lattice of ``solve`` is small."""


class WeekdayOptimum(Policy):
    """Decides by the optimum for the day of the week on which the episode began.

    Args:
        series: the records, of a single item; the distributions are those of its earlier days.
    """

    def __init__(self, series: Series) -> None:
        earlier, _ = series.records()
        week = MEMORY["season"]
        weekday = (earlier.phase(week) + np.arange(len(earlier))) % week
        rounded = UNIT * np.round(earlier.values[:, 0] / UNIT)
        days = [_empirical(rounded[weekday == day]) for day in range(week)]
        terms = {**TERMS, **series.terms, **MEMORY}
        self.optima = [
            solve(
                as_problem(
                    make_env(
                        series.env, {**terms, "demand": [days[(first + t) % week] for t in range(HORIZON)]}
                    )
                )
            )
            for first in range(week)
        ]
        self.problem = as_problem(series.make(memory=True)[0])

    def decide(self, observation: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Regime (m,) and quantity (m,) of observations (m, n)."""
        state = self.problem.state_at(observation)
        first = (state.phase - state.period).astype(np.int64) % len(self.optima)
        regime, quantity = np.zeros(len(observation), dtype=np.int64), np.zeros(len(observation))
        for day, optimum in enumerate(self.optima):
            (regime[first == day], chosen), _ = optimum.predict(observation[first == day])
            quantity[first == day] = chosen[:, 0]
        return regime, quantity

    def __repr__(self) -> str:
        return f"WeekdayOptimum(expected_cost={np.mean([optimum.cost for optimum in self.optima]):.6g})"


def _empirical(values: NDArray[np.float64]) -> Any:
    different, counts = np.unique(values, return_counts=True)
    return scipy.stats.rv_discrete(values=(different, counts / len(values)))
