"""The runs of the study of real demand, each recorded in a file, so that it can be continued."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jumpgym import as_problem, checks

from ...evaluation import simulated_costs
from ...policies.classical import best_classical
from ...runs.methods import method, one_thread
from ..records import FAILURE, Record, read_record, write_record
from ..runs import do_missing
from .policies import CLASSICAL, POLICIES, WEEKDAY
from .report import write_report
from .series import SERIES, all_windows
from .weekdays import WeekdayOptimum

BUDGET = 20.0
"""CPU seconds of each training."""

SEEDS = 3

SINGLE = "bakery"
"""The series of a single item."""

CONTENT = ("earlier", "later", "row")
"""What a record has beside its settings and its origin: the mean cost of a window on the earlier records, the
cost of each window of the later ones, and what the training took."""


@dataclass(frozen=True)
class RealRun:
    """Definition of a run; two runs with equal settings are the same.

    Attributes:
        series: one of ``SERIES``.
        policy: one of ``POLICIES``.
        seed: of networks and training noise; 0 for classical policies.
        budget: CPU seconds of training; 0 for classical policies.
    """

    series: str
    policy: str
    seed: int
    budget: float

    def path(self, folder: Path) -> Path:
        """File of its record."""
        return folder / f"{self.series}_{self.policy}_seed{self.seed}_{self.budget:g}s.json"


def plan(
    series: Sequence[str] | None = None,
    policies: Sequence[str] | None = None,
    seeds: int = SEEDS,
    budget: float = BUDGET,
) -> list[RealRun]:
    """The runs of a study.

    Args:
        series: names of ``SERIES``; None for all.
        policies: names of ``POLICIES``; None for all. The classical policy is always among them.
        seeds: number of seeds of each training, 0, 1, ...
        budget: CPU seconds of each training.

    Raises:
        ValueError, TypeError: naming the option, its value and what is allowed.
    """
    for name in series or ():
        checks.choice("--series", name, tuple(SERIES))
    for name in policies or ():
        checks.choice("--policies", name, tuple(POLICIES))
    checks.integer("--seeds", seeds, low=1)
    if checks.number("--budget", budget) <= 0:
        raise ValueError(f"--budget={budget!r} must be a number of CPU seconds greater than 0")
    names = [name for name in POLICIES if name in (policies or POLICIES) or name == CLASSICAL]
    return [
        RealRun(records, name, seed, float(budget) if learnt else 0.0)
        for records in dict.fromkeys(series or SERIES)
        for name in names
        if name != WEEKDAY or records == SINGLE
        for learnt in [POLICIES[name].method is not None]
        for seed in range(seeds if learnt else 1)
    ]


def read_run(run: RealRun, folder: Path) -> Record | None:
    """Return the record of a run; None if there is none, see ``records.read_record``."""
    return read_record(run.path(folder), asdict(run), CONTENT)


def perform(run: RealRun, folder: Path, command: str) -> Record:
    """Fit or train a policy on the earlier records, judge it on the later ones, and write the record."""
    one_thread()
    candidate = POLICIES[run.policy]
    earlier, later = SERIES[run.series].make(candidate.memory)
    start = time.process_time()
    row: dict[str, Any] = {"note": ""}
    if candidate.method is None:
        policy: Any
        if run.policy == WEEKDAY:
            policy = WeekdayOptimum(SERIES[run.series])
        else:
            policy = best_classical(as_problem(later if candidate.later else earlier))
        env: Any = earlier
        row |= {"policy": repr(policy), "cpu_seconds": time.process_time() - start, "transitions": 0}
    else:
        learner = method(candidate.method)
        policy = learner.make(earlier, run.seed, **candidate.settings)
        learner.train(policy, lambda model: None, cpu_seconds=run.budget)
        env = policy.get_env()
        row |= {"cpu_seconds": policy.clock.elapsed, "transitions": policy.num_timesteps}
        if getattr(policy, "validated", None) is not None:
            row |= {"validation_cost": policy.validated.cost, "validation_gap": policy.validated.gap}
    costs = [simulated_costs(policy, env, *all_windows(part)).costs for part in (earlier, later)]
    content = {"earlier": float(costs[0].mean()), "later": costs[1].tolist(), "row": row}
    return write_record(run.path(folder), asdict(run), command, content)


def study(runs: Sequence[RealRun], output: Path, workers: int | None = None, command: str = "") -> int:
    """Do the runs that ``output`` does not hold yet, and write table and picture of all of them.

    Args:
        runs: see ``plan``.
        output: folder for the tables and pictures; its subfolder ``runs`` holds the records.
        workers: worker processes; None for the number of cores.
        command: what was typed, for the records.

    Returns:
        How many runs failed.

    Raises:
        ValueError, TypeError: if ``output`` cannot be written, or ``workers`` is less than 1.
    """

    def estimate(missing: Sequence[RealRun], workers: int) -> str:
        minutes = sum(run.budget for run in missing) / 60
        return f"with {minutes:.0f} minutes of training; fitting classical policies takes minutes beside"

    def report(folder: Path) -> str:
        records = [record for run in runs if (record := read_run(run, folder)) is not None]
        recorded = (read_record(run.path(folder), asdict(run), FAILURE) for run in runs)
        failures = [failure for failure in recorded if failure is not None]
        return f"table and picture are in {output}" if write_report(records, failures, output) else ""

    return do_missing(
        runs,
        output,
        workers,
        command,
        perform=perform,
        read=read_run,
        estimate=estimate,
        outcome=lambda record: f"cost {record['earlier']:.6g} earlier, {np.mean(record['later']):.6g} later",
        report=report,
    )
