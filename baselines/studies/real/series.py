"""The records of the study, and the problem that is made of each.

Everything here was chosen before any policy was judged on the later records.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import HindsightProblem, as_problem
from jumpgym.adapters.registry import make_env
from jumpgym.traces import Records, read

HORIZON = 28
"""Periods of an episode: four weeks."""

MEMORY = {"demand_history": 7, "season": 7}
"""What policies with a memory see beside the stocks: the demand of the last week, and the day of the week."""

TERMS = {
    "holding_cost": 1.0,
    "shortage_cost": 9.0,
    "unmet_demand": "lost",
    "lead_time": 1,
    "horizon": HORIZON,
}
"""What both problems have in common."""


@dataclass(frozen=True)
class Series:
    """Records of real demand, and the inventory problem that is made of them.

    Attributes:
        file: name of the file in the folder ``data``.
        env: environment id.
        split: first date of the later records.
        terms: parameters of the environment beside ``TERMS``.
        text: what the problem is, for the report.
    """

    file: str
    env: str
    split: str
    text: str
    terms: dict[str, Any] = field(default_factory=dict)

    def records(self) -> tuple[Records, Records]:
        """The earlier and the later records."""
        return _records(self.file).split(date=self.split)

    def make(self, memory: bool) -> tuple[Any, Any]:
        """The environments of the earlier and of the later records."""
        terms = {**TERMS, **self.terms, **(MEMORY if memory else {})}
        earlier, later = (make_env(self.env, {**terms, "demand": part}) for part in self.records())
        return earlier, later


@functools.cache
def _records(file: str) -> Records:
    with resources.as_file(resources.files(__package__) / "data" / file) as path:
        return read(path)


SERIES = {
    "bakery": Series(
        "bakery.csv",
        "jumpgym/SetupCost-v0",
        "2018-05-01",
        "one product of a bakery. A delivery costs 300, whatever its size, so that with constant demand one "
        "in two days would be cheapest",
        {"fixed_cost": 300.0, "max_order": 2000.0},
    ),
    "restaurant": Series(
        "restaurant.csv",
        "jumpgym/JointReplenishment-v0",
        "2015-04-01",
        "seven ingredients of a restaurant. Up to three trucks a day of 150 units and 75 each bring them, "
        "and each ingredient ordered costs 10",
        {"item_costs": 10.0, "truck_capacity": 150.0, "truck_cost": 75.0, "max_trucks": 3},
    ),
}
"""The series of the study by name."""


def all_windows(env: Any) -> tuple[Any, NDArray[np.float64]]:
    """Initial states (windows,) and noise (windows, horizon, *noise_shape) of every window of the records."""
    problem: HindsightProblem = as_problem(env)
    windows = len(problem.demand.first_periods)  # type: ignore[attr-defined]
    uniforms = np.zeros((windows, HORIZON, *problem.noise_shape))
    uniforms += ((np.arange(windows) + 0.5) / windows).reshape(-1, *(1,) * (uniforms.ndim - 1))
    return problem.begin(np.zeros((windows, *problem.start_shape)), uniforms)
