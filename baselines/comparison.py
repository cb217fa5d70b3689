"""``jumpgym compare``: every method on every environment, in runs that survive an interruption."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from jumpgym import ENVIRONMENTS, checks

from .methods import METHODS, REFERENCES
from .progress import planned_seconds, progress, reference_seconds
from .report import write_report
from .runs import (
    EPISODES,
    Run,
    applies,
    make_reference,
    perform,
    read_record,
    read_reference,
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


_STANDARD = ("mixed", "gumbel", "gumbel-plain", "smoothed", *(name for name in METHODS if "ppo" in name))
_SINGLE_ITEM = tuple(f"jumpgym/{name}-v0" for name in ("SetupCost", "MinOrder", "TruckCapacity"))

PRESETS = {
    "quick": (Block(ENVIRONMENTS, ("mixed", "ppo-gate"), seeds=1, budget=10.0),),
    "standard": (
        Block(_SINGLE_ITEM, _STANDARD, seeds=3, budget=20.0),
        Block(_SINGLE_ITEM[:1], _STANDARD, seeds=1, budget=100.0),
    ),
    "full": (Block(ENVIRONMENTS, tuple(METHODS), seeds=3, budget=8.0),),
}
"""The comparisons by name."""

FEWEST_EPISODES = 16


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
    workers = checks.integer("--workers", cores() if workers is None else workers, low=1)
    folder = output / "runs"
    check_writable(folder, "--output")
    records = {run: record for run in runs if (record := read_record(run, folder)) is not None}
    missing = [run for run in runs if run not in records]
    unsolved = {(run.env, run.episodes): reference_seconds(run.env) for run in missing}
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
    with Workers(workers) as pool, progress(console, missing, workers, solved) as tally:
        for (env, episodes, _), result in pool.each(make_reference, [(*key, folder) for key in first]):
            lost = []
            if isinstance(result, Failure):
                lost = [run for run in missing if (run.env, run.episodes) == (env, episodes)]
                failures += lost
            tally.solved(env, "FAILED\n" + result if lost else _described(result), lost)
        left = [(run, folder, command) for run in missing if run not in failures]
        for (run, *_), result in pool.each(perform, left):
            if isinstance(result, Failure):
                failures.append(run)
                tally.finished(run, "FAILED\n" + result)
            else:
                records[run] = result
                tally.finished(run, _outcome(result))
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


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
