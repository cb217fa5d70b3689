"""``jumpgym compare``: every method on every environment, in runs that survive an interruption."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from jumpgym import ENVIRONMENTS, checks

from .methods import METHODS, REFERENCES
from .report import write_report
from .runs import (
    CURVE_FACTOR,
    CURVE_START,
    Run,
    applies,
    make_reference,
    perform,
    read_record,
    read_reference,
    short,
)
from .workers import Failure, Workers


@dataclass(frozen=True)
class Block:
    """Runs of a comparison: each environment with each method and each seed.

    Attributes:
        envs: environment ids.
        methods: names of ``METHODS``.
        seeds: number of seeds, 0, 1, ...
        budget: CPU seconds of training.
    """

    envs: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: int
    budget: float


_SINGLE_ITEM = tuple(f"jumpgym/{name}-v0" for name in ("SetupCost", "MinOrder", "TruckCapacity"))

PRESETS = {
    "quick": (Block(ENVIRONMENTS, ("mixed", "ppo-gate"), seeds=1, budget=10.0),),
    "standard": (
        Block(_SINGLE_ITEM, tuple(METHODS), seeds=3, budget=20.0),
        Block(_SINGLE_ITEM[:1], tuple(METHODS), seeds=1, budget=100.0),
    ),
    "suite": (Block(ENVIRONMENTS, tuple(METHODS), seeds=3, budget=20.0),),
}
"""The comparisons by name."""

EPISODES = 16_384
"""Episodes of a final evaluation, unless said otherwise."""

FEWEST_EPISODES = 16

START_SECONDS, FINAL_SECONDS, POINT_SECONDS, REPORT_SECONDS = 6.0, 1.5, 0.3, 2.0
"""Wall seconds for the plan: start of the workers, final evaluation, one in training, pictures by env."""

OWN_SECONDS = {
    "SetupCost-v0": (1.0, 1.0),
    "MinOrder-v0": (1.0, 1.0),
    "TruckCapacity-v0": (1.0, 1.0),
    "QuantityDiscount-v0": (1.0, 2.0),
    "FreeShipping-v0": (1.0, 1.0),
    "OrderSizeLeadTime-v0": (2.0, 7.0),
    "JointReplenishment-v0": (2.0, 48.0),
    "CapacitatedLotSizing-v0": (2.0, 4.0),
    "BudgetDiscount-v0": (12.0, 10.0),
    "LoanBrackets-v0": (5.0, 4.0),
    "MinInvestment-v0": (3.0, 2.0),
    "SwitchedLQR-v0": (12.0, 1.0),
}
"""Wall seconds for the plan, by environment: solving and evaluating the solution, and the best classical."""


def plan(
    preset: str,
    envs: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: int | None = None,
    budget: float | None = None,
    episodes: int = EPISODES,
) -> list[Run]:
    """The runs of a preset; what else is given replaces what its blocks say.

    The references of each environment are always among them.

    Raises:
        ValueError, TypeError: naming the option, its value and what is allowed.
    """
    blocks = PRESETS[checks.choice("--preset", preset, tuple(PRESETS))]
    for env in envs or ():
        checks.choice("--env", env, ENVIRONMENTS)
    for name in methods or ():
        checks.choice("--agents", name, tuple(METHODS))
    if seeds is not None:
        checks.integer("--seeds", seeds, low=1)
    if budget is not None and checks.number("--budget", budget) <= 0:
        raise ValueError(f"--budget={budget!r} must be a number of CPU seconds greater than 0")
    checks.integer("--episodes", episodes, low=FEWEST_EPISODES)
    runs = []
    for block in blocks:
        names = [*REFERENCES, *(methods or block.methods)]
        for seed in range(seeds or block.seeds):
            for env in envs or block.envs:
                for name in names:
                    learned = name in METHODS
                    spent = float(budget or block.budget) if learned else 0.0
                    runs.append(Run(env, name, seed if learned else 0, spent, episodes))
    return list(dict.fromkeys(runs))


def planned_seconds(runs: Sequence[Run], workers: int, solved: Collection[str] = ()) -> float:
    """Wall seconds that runs are expected to take, tables and figures included.

    Args:
        runs: to do.
        workers: processes.
        solved: environment ids whose references are there already.
    """
    seconds = sum(_run_seconds(run) for run in runs)
    seconds += sum(_reference_seconds(env) for env in {run.env for run in runs}.difference(solved))
    pictures = REPORT_SECONDS * len({run.env for run in runs})
    return seconds / workers + (START_SECONDS if runs else 0.0) + pictures


def _reference_seconds(env: str) -> float:
    return OWN_SECONDS[short(env)][0]


def _run_seconds(run: Run) -> float:
    if run.method == "classical":
        return OWN_SECONDS[short(run.env)][1]
    points, due = 0, CURVE_START
    while due < run.budget:
        points, due = points + 1, due * CURVE_FACTOR
    return run.budget + FINAL_SECONDS * run.episodes / EPISODES + POINT_SECONDS * points


def check_writable(folder: Path, name: str) -> None:
    """Make a folder and write a file in it, to know before anything is computed that it can be done.

    Args:
        folder: the folder.
        name: of the option that named it.

    Raises:
        ValueError: if it cannot be made or written.
    """
    probe = folder / f".{uuid.uuid4().hex}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise ValueError(
            f"{name}: {str(folder)!r} must be a folder that can be written: {error.strerror}"
        ) from error


def compare(runs: Sequence[Run], output: Path, workers: int | None = None, command: str = "") -> int:
    """Do the runs that ``output`` does not hold yet, and write the tables and figures of all.

    Args:
        runs: see ``plan``.
        output: folder for the tables and figures; its subfolder ``runs`` keeps records and checkpoints.
        workers: worker processes; None for the number of cores.
        command: what was typed, for the records.

    Returns:
        How many runs failed.

    Raises:
        ValueError, TypeError: if ``output`` cannot be written, or ``workers`` is none or negative.
    """
    workers = checks.integer("--workers", _cores() if workers is None else workers, low=1)
    folder = output / "runs"
    check_writable(folder, "--output")
    records = {run: record for run in runs if (record := read_record(run, folder)) is not None}
    missing = [run for run in runs if run not in records]
    unsolved = {(run.env, run.episodes): _reference_seconds(run.env) for run in missing}
    for key in list(unsolved):
        if read_reference(*key, folder) is not None:
            del unsolved[key]
    first = sorted(unsolved, key=unsolved.__getitem__, reverse=True)
    workers = min(workers, max(len(missing), 1))
    solved = {run.env for run in missing} - {env for env, _ in first}
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{len(runs)} runs, {len(records)} of them in {folder} already; {len(missing)} to do and "
        f"{len(first)} environments to solve in {workers} processes, about "
        f"{planned_seconds(missing, workers, solved) / 60:.1f} minutes"
    )
    failures: list[Run] = []
    with Workers(workers) as pool, _progress(console, missing, workers, solved) as progress:
        for (env, episodes, _), result in pool.each(make_reference, [(*key, folder) for key in first]):
            lost = []
            if isinstance(result, Failure):
                lost = [run for run in missing if (run.env, run.episodes) == (env, episodes)]
                failures += lost
            progress.solved(env, "FAILED\n" + result if lost else _described(result), lost)
        left = [(run, folder, command) for run in missing if run not in failures]
        for (run, *_), result in pool.each(perform, left):
            if isinstance(result, Failure):
                failures.append(run)
                progress.finished(run, "FAILED\n" + result)
            else:
                records[run] = result
                progress.finished(run, _outcome(result))
    if any(run.method in METHODS for run in records):
        write_report([records[run] for run in runs if run in records], output)
        console.print(f"tables and figures are in {output}")
    if failures:
        names = ", ".join(run.name for run in failures)
        print(f"{len(failures)} runs failed; the same command repeats them: {names}", file=sys.stderr)
    return len(failures)


def _described(reference: dict[str, Any]) -> str:
    note = f"  {reference['note']}" if reference["note"] else ""
    return f"{reference['kind']}: cost {reference['cost']:.6g}, {reference['exactness']}{note}"


def _outcome(record: dict[str, Any]) -> str:
    row = record["row"]
    if not applies(record):
        return str(row["note"])
    note = f"  {row['note']}" if row["note"] else ""
    return f"gap {row['gap_percent']:.3f} % (± {row['gap_se_percent']:.3f}){note}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Tally:
    """Tells of what is finished; beside its lines moves a bar where there is a terminal."""

    def __init__(
        self, console: Console, bar: Progress, runs: Sequence[Run], workers: int, solved: Collection[str]
    ) -> None:
        self._console, self._bar, self._workers = console, bar, workers
        self._left, self._solved = list(runs), set(solved)
        self._start, self._total = time.monotonic(), len(runs)
        self._planned = planned_seconds(runs, workers, solved)
        self._task = bar.add_task("", total=len(runs), left=self._time_left())

    def solved(self, env: str, outcome: str, lost: Sequence[Run]) -> None:
        """A reference was made, or was not, which lost some runs."""
        self._solved.add(env)
        self._console.print(f"solved {short(env)}: {outcome}", markup=False)
        self._advance(lost)

    def finished(self, run: Run, outcome: str) -> None:
        """A run was done."""
        place = self._total - len(self._left) + 1
        self._console.print(f"[{place}/{self._total}] {run.name}: {outcome}", markup=False)
        self._advance([run])

    def _advance(self, done: Sequence[Run]) -> None:
        for run in done:
            self._left.remove(run)
        self._bar.update(self._task, advance=len(done), left=self._time_left())

    def _time_left(self) -> str:
        ahead = planned_seconds(self._left, self._workers, self._solved)
        done = self._planned - ahead
        if done > 0:  # the machine may be slower than planned, or busy with other things
            ahead *= (time.monotonic() - self._start) / (done + START_SECONDS)
        return f"about {ahead / 60:.1f} minutes left"


@contextmanager
def _progress(
    console: Console, runs: Sequence[Run], workers: int, solved: Collection[str]
) -> Iterator[_Tally]:
    bar = Progress(
        TextColumn("runs"),
        MofNCompleteColumn(),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        yield _Tally(console, bar, runs, workers, solved)
