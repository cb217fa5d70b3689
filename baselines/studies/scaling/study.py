"""The runs of the scaling study: n items that share nothing, learned by several methods in equal CPU time."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from jumpgym import checks

from ..records import CONTENT, FAILURE, Record, read_record, train_and_record
from ..runs import do_missing
from .methods import METHODS
from .report import write_scaling
from .separate_items import MOST_ITEMS, SeparateOptima

ITEMS = (1, 2, 5, 10, 20, 50, 100)
"""Numbers of items of the study."""

EPISODES = 16_384
"""Episodes of each final evaluation."""

BUDGET = 120.0
"""CPU seconds of each training."""

START_SECONDS = 15.0
"""Wall seconds of a run besides its training, for the estimate: start, and solving the items."""

POINT_SECONDS, FINAL_SECONDS = 0.05, 0.1
"""Wall seconds per item, for the estimate: each evaluation during training, and the final one."""


@dataclass(frozen=True)
class ScalingRun:
    """Definition of a run; two runs with equal settings are the same.

    Attributes:
        items: number of items.
        method: one of ``METHODS``.
        seed: of networks and training noise.
        budget: CPU seconds of training.
        episodes: of the final evaluation.
    """

    items: int
    method: str
    seed: int
    budget: float
    episodes: int

    def path(self, folder: Path) -> Path:
        """File of its record."""
        return folder / f"n{self.items}_{self.method}_seed{self.seed}_{self.budget:g}s.json"


@functools.lru_cache(maxsize=1)
def reference(items: int) -> SeparateOptima:
    """The reference for a number of items; the last one stays in memory."""
    return SeparateOptima(items)


def perform(run: ScalingRun, folder: Path, command: str) -> Record:
    """Do a run, write its record into ``folder``, and return it."""
    measure = reference(run.items)
    method = METHODS[run.method]
    model = method.make(measure.problem, run.seed)
    return train_and_record(
        run.path(folder), asdict(run), method, model, measure, run.budget, run.episodes, command
    )


def all_records(folder: Path, content: Sequence[str] = CONTENT) -> list[Record]:
    """The records of all runs in a folder, in order, without those that are damaged or of another version.

    Args:
        folder: of the records.
        content: what they have beside settings and origin: ``CONTENT``, or ``FAILURE`` for runs that failed.
    """
    order = {name: position for position, name in enumerate(METHODS)}
    records = [r for path in folder.glob("*.json") if (r := read_record(path, content=content)) is not None]
    settings = ScalingRun.__dataclass_fields__.keys()
    records = [r for r in records if r["settings"].keys() == settings and r["settings"]["method"] in order]

    def place(record: Record) -> tuple[float, ...]:
        run = ScalingRun(**record["settings"])
        return run.budget, run.items, order[run.method], run.seed

    return sorted(records, key=place)


def plan(
    items: Sequence[int] | None = None,
    methods: Sequence[str] | None = None,
    seeds: int = 3,
    budget: float = BUDGET,
    episodes: int = EPISODES,
) -> list[ScalingRun]:
    """The runs of a study.

    Args:
        items: numbers of items; None for ``ITEMS``.
        methods: names of ``METHODS``; None for all.
        seeds: number of seeds, 0, 1, ...
        budget: CPU seconds of each training.
        episodes: of each final evaluation.

    Raises:
        ValueError, TypeError: naming the option, its value and what is allowed.
    """
    for number in items or ():
        checks.integer("--items", number, low=1, high=MOST_ITEMS)
    for name in methods or ():
        checks.choice("--methods", name, tuple(METHODS))
    checks.integer("--seeds", seeds, low=1)
    if checks.number("--budget", budget) <= 0:
        raise ValueError(f"--budget={budget!r} must be a number of CPU seconds greater than 0")
    checks.integer("--episodes", episodes, low=16)
    runs = [
        ScalingRun(number, name, seed, float(budget), episodes)
        for number in items or ITEMS
        for seed in range(seeds)
        for name in methods or METHODS
    ]
    return list(dict.fromkeys(runs))


def planned_seconds(run: ScalingRun) -> float:
    """Wall seconds that a run is expected to take in a process of its own."""
    points = np.ceil(np.log(max(run.budget, 1.0)) / np.log(1.4))
    evaluation = points * POINT_SECONDS + FINAL_SECONDS * run.episodes / EPISODES
    return run.budget + START_SECONDS + run.items * evaluation


def scale(runs: Sequence[ScalingRun], output: Path, workers: int | None = None, command: str = "") -> int:
    """Do the runs that ``output`` does not hold yet, and write tables and pictures of all that it then holds.

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

    def estimate(missing: Sequence[ScalingRun], workers: int) -> str:
        minutes = sum(map(planned_seconds, missing)) / min(workers, max(len(missing), 1)) / 60
        return f"about {minutes:.1f} minutes"

    def report(folder: Path) -> str:
        records, failures = all_records(folder), all_records(folder, FAILURE)
        if records:
            write_scaling(records, failures, output)
        return f"tables and pictures are in {output}" if records else ""

    return do_missing(
        runs,
        output,
        workers,
        command,
        perform=perform,
        read=lambda run, folder: read_record(run.path(folder), asdict(run)),
        estimate=estimate,
        outcome=lambda record: f"gap {record['row']['gap_percent']:.3f} % {record['row']['note']}",
        report=report,
    )
