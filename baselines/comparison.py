"""``jumpgym compare``: every method on every environment, in runs that survive an interruption."""

from __future__ import annotations

import os
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from jumpgym import ENVIRONMENTS, checks

from .methods import METHODS, REFERENCES
from .report import write_report
from .runs import CURVE_FACTOR, CURVE_START, Run, perform, read_record
from .workers import Failure, in_workers


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


PRESETS = {
    "quick": (Block(ENVIRONMENTS, tuple(METHODS), seeds=1, budget=15.0),),
    "standard": (
        Block(ENVIRONMENTS, tuple(METHODS), seeds=3, budget=20.0),
        Block(("jumpgym/SetupCost-v0",), tuple(METHODS), seeds=1, budget=100.0),
    ),
}
"""The comparisons by name."""

EPISODES = 16_384
"""Episodes of a final evaluation, unless said otherwise."""

FEWEST_EPISODES = 16

START_SECONDS, FINAL_SECONDS, POINT_SECONDS, REPORT_SECONDS = 6.0, 1.5, 0.3, 10.0
"""Wall seconds for the plan: start of the workers, final evaluation, one in training, tables and figures."""


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


def planned_seconds(runs: Sequence[Run], workers: int) -> float:
    """Wall seconds that runs are expected to take, tables and figures included."""
    seconds = sum(_run_seconds(run) for run in runs) / workers
    return seconds + (START_SECONDS if runs else 0.0) + REPORT_SECONDS


def _run_seconds(run: Run) -> float:
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
    workers = min(workers, max(len(missing), 1))
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{len(runs)} runs, {len(records)} of them in {folder} already; {len(missing)} to do in {workers} "
        f"processes, about {planned_seconds(missing, workers) / 60:.1f} minutes"
    )
    failures = {}
    with _progress(console, missing, workers) as finished:
        for (run, *_), result in in_workers(perform, [(run, folder, command) for run in missing], workers):
            if isinstance(result, Failure):
                failures[run] = result
                finished(run, "FAILED\n" + result)
            else:
                records[run] = result
                finished(run, _outcome(result))
    if any(run.method in METHODS for run in records):
        write_report([records[run] for run in runs if run in records], output)
        console.print(f"tables and figures are in {output}")
    if failures:
        names = ", ".join(run.name for run in failures)
        print(f"{len(failures)} runs failed; the same command repeats them: {names}", file=sys.stderr)
    return len(failures)


def _outcome(record: dict[str, Any]) -> str:
    row = record["row"]
    note = f"  {row['note']}" if row["note"] else ""
    return f"gap {row['gap_percent']:.3f} % (± {row['gap_se_percent']:.3f}){note}"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _progress(console: Console, runs: Sequence[Run], workers: int) -> Iterator[Any]:
    """A function to tell of each finished run; beside its lines a bar where there is a terminal."""
    left = list(runs)
    start = time.monotonic()
    bar = Progress(
        TextColumn("runs"),
        MofNCompleteColumn(),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        disable=not console.is_terminal,
    )

    def time_left() -> str:
        ahead = planned_seconds(left, workers)
        done = planned_seconds(runs, workers) - ahead
        if done:  # the machine may be slower than planned, or busy with other things
            ahead *= (time.monotonic() - start) / (done + START_SECONDS)
        return f"about {ahead / 60:.1f} minutes left"

    with bar:
        task = bar.add_task("", total=len(runs), left=time_left())

        def finished(run: Run, outcome: str) -> None:
            left.remove(run)
            console.print(f"[{len(runs) - len(left)}/{len(runs)}] {run.name}: {outcome}", markup=False)
            bar.update(task, advance=1, left=time_left())

        yield finished
