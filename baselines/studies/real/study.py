"""The runs of the study of real demand, each recorded in a file, so that it can be continued."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

import jumpgym
from jumpgym import as_problem, checks

from ...comparison.plans import cores
from ...comparison.workers import Failure, Workers
from ...evaluation import simulated_costs
from ...policies.classical import best_classical
from ...runs.files import check_writable, replace_file
from ...runs.methods import method, one_thread
from ...runs.provenance import hardware, versions
from .policies import CLASSICAL, POLICIES, WEEKDAY
from .report import write_report
from .series import SERIES, all_windows
from .weekdays import WeekdayOptimum

BUDGET = 20.0
"""CPU seconds of each training."""

SEEDS = 3

SINGLE = "bakery"
"""The series of a single item."""

Record = dict[str, Any]
"""The ``settings`` of a run; the mean cost of a window on the earlier records (``earlier``); the cost of each
window of the later ones (``later``); what the training took (``row``); and its origin."""


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
    wanted = [name for name in POLICIES if name in (policies or POLICIES) or name == CLASSICAL]
    return [
        RealRun(records, name, seed, float(budget) if learnt else 0.0)
        for records in dict.fromkeys(series or SERIES)
        for name in wanted
        if name != WEEKDAY or records == SINGLE
        for learnt in [POLICIES[name].method is not None]
        for seed in range(seeds if learnt else 1)
    ]


def read_record(run: RealRun, folder: Path) -> Record | None:
    """The record of a run; None if it is missing, damaged, or of other settings or another version."""
    try:
        record: Record = json.loads(run.path(folder).read_bytes())
        same = record["settings"] == asdict(run) and record["version"] == jumpgym.__version__
        return record if same and {"earlier", "later", "row", "command"} <= record.keys() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


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
    record = {
        "settings": asdict(run),
        "version": jumpgym.__version__,
        "earlier": float(costs[0].mean()),
        "later": costs[1].tolist(),
        "row": row,
        "versions": versions(),
        "hardware": hardware(),
        "command": command,
    }
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(run.path(folder), json.dumps(record).encode())
    return record


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
    workers = checks.integer("--workers", cores() if workers is None else workers, low=1)
    folder = output / "runs"
    check_writable(folder, "--output")
    missing = [run for run in runs if read_record(run, folder) is None]
    console = Console(highlight=False, soft_wrap=True)
    seconds = sum(run.budget for run in missing)
    console.print(
        f"{len(runs)} runs, {len(runs) - len(missing)} of them in {folder} already; {len(missing)} to do in "
        f"{workers} processes, with {seconds / 60:.0f} minutes of training; fitting classical policies takes "
        "minutes beside"
    )
    failures, finished = [], len(runs) - len(missing)
    with Workers(workers) as pool:
        for (run, *_), result in pool.run_all(perform, [(run, folder, command) for run in missing]):
            finished += 1
            if isinstance(result, Failure):
                failures.append(run)
                outcome = "FAILED\n" + result
            else:
                outcome = f"cost {result['earlier']:.6g} earlier, {np.mean(result['later']):.6g} later"
            console.print(f"[{finished}/{len(runs)}] {run.path(folder).stem}: {outcome}", markup=False)
    records = [record for run in runs if (record := read_record(run, folder)) is not None]
    if write_report(records, output):
        console.print(f"table and picture are in {output}")
    if failures:
        names = ", ".join(run.path(folder).stem for run in failures)
        print(f"{len(failures)} runs failed; the same command repeats them: {names}", file=sys.stderr)
    return len(failures)
