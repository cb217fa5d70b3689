"""``jumpgym compare``: runs methods on environments, and resumes where it was interrupted."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from jumpgym import checks

from ..report.formatting import counted
from ..report.headline import headline
from ..report.tables import tables_of
from ..report.write import PAGE, SUMMARY, write_report
from ..runs.files import check_writable
from ..runs.methods import REFERENCES
from ..runs.perform import make_reference, perform, read_reference
from ..runs.record import failure_of, keep_failure, read_failure, read_record, reason
from ..runs.run import Problem, Run
from ..runs.status import Status
from .cluster import make_workers
from .progress import planned_seconds, progress, reference_seconds
from .workers import Failure

CHECKPOINT_SECONDS = 60.0
"""Default number of CPU seconds of training between two checkpoints."""


def compare(
    runs: Sequence[Run],
    output: Path,
    workers: int | None = None,
    command: str = "",
    retry_failed: bool = False,
    engine: str = "local",
    address: str | None = None,
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> int:
    """Do the runs that are missing in ``output``, and write tables, figures and a page on all of them.

    It prints an estimate first, then each finished run with the time remaining, and at the end the headline.

    Args:
        runs: the runs, see ``plans.plan``.
        output: folder for the report; its subfolder ``runs`` holds records and checkpoints.
        workers: runs at a time; None for the number of cores.
        command: command line, for the records.
        retry_failed: True repeats runs that failed before.
        engine, address: where runs are done, see ``cluster.make_workers``.
        checkpoint_seconds: CPU seconds of training between two checkpoints.

    Returns:
        Number of failed runs.

    Raises:
        ValueError, TypeError: if ``output`` cannot be written, or another option is wrong.
    """
    checks.number("--checkpoint-seconds", checkpoint_seconds, low=0)
    pool = make_workers(engine, workers, address)
    folder = (output / "runs").resolve()
    check_writable(folder, "--output")
    records = {run: record for run in runs if (record := read_record(run, folder)) is not None}
    failures = {} if retry_failed else _failures([run for run in runs if run not in records], folder)
    missing = [run for run in runs if run not in records and run not in failures]
    unsolved = _unsolved(missing, folder)
    console = Console(highlight=False, soft_wrap=True)
    with pool:
        console.print(
            f"{counted(len(runs), 'run')}: {len(records)} already in {output / 'runs'}, "
            f"{len(missing)} to do; "
            f"{counted(len(unsolved), 'environment')} to solve; {pool.count} at a time; about "
            f"{planned_seconds(missing, pool.count, unsolved) / 60:.1f} minutes"
        )
        with progress(console, missing, pool.count, unsolved) as tally:
            for (problem, _), result in pool.run_all(
                make_reference, [(problem, folder) for problem in unsolved]
            ):
                failed = isinstance(result, Failure)
                lost = [run for run in missing if run.problem == problem] if failed else []
                failures |= _remember(lost, result, folder)
                tally.solved(problem, _failed(result) if failed else _described(result), lost)
            items = [(run, folder, command, checkpoint_seconds) for run in missing if run not in failures]
            for (run, *_), result in pool.run_all(perform, items):
                if isinstance(result, Failure):
                    failures |= _remember([run], result, folder)
                    tally.finished(run, _failed(result))
                else:
                    records[run] = result
                    tally.finished(run, _outcome(result))
    if any(run.method not in REFERENCES for run in records):
        finished = [records[run] for run in runs if run in records]
        failed_runs = [failure_of(run, traceback) for run, traceback in failures.items()]
        write_report(finished, output, failed_runs)
        comparison = tables_of(finished, failed_runs).comparison
        console.print(f"\n{headline(comparison)}\n", markup=False)
        console.print(f"All results: {output / PAGE} (in a browser) and {output / SUMMARY}", markup=False)
    if failures:
        _report_failures(failures, folder)
    return len(failures)


def _failures(runs: Sequence[Run], folder: Path) -> dict[Run, str]:
    """Tracebacks of the runs that failed before."""
    return {run: failure for run in runs if (failure := read_failure(run, folder)) is not None}


def _unsolved(runs: Sequence[Run], folder: Path) -> list[Problem]:
    """The problems of runs whose references are still to be made, the longest first."""
    problems = dict.fromkeys(run.problem for run in runs)
    unsolved = [problem for problem in problems if read_reference(problem, folder) is None]
    return sorted(unsolved, key=lambda problem: reference_seconds(problem.env), reverse=True)


def _remember(runs: Sequence[Run], failure: str, folder: Path) -> dict[Run, str]:
    """Write the traceback of runs that failed, so that later calls do not repeat them; return it by run."""
    for run in runs:
        keep_failure(run, folder, failure)
    return dict.fromkeys(runs, failure)


def _report_failures(failures: dict[Run, str], folder: Path) -> None:
    print(
        f"{counted(len(failures), 'run')} failed; --retry-failed repeats them. Tracebacks are in {folder}:",
        file=sys.stderr,
    )
    for run, traceback in failures.items():
        error = reason(failure_of(run, traceback))
        print(f"  {run.failure_path(folder).name}: {error}", file=sys.stderr)


def _failed(failure: str) -> str:
    return f"FAILED\n{failure}"


def _described(reference: dict[str, Any]) -> str:
    note = f"  {reference['note']}" if reference["note"] else ""
    return f"{reference['kind']}: cost {reference['cost']:.6g}, {reference['exactness']}{note}"


def _outcome(record: dict[str, Any]) -> str:
    row = record["row"]
    if row["status"] == Status.NOT_APPLICABLE:
        return f"does not apply: {row['note']}"
    if row["status"] == Status.DIVERGED:
        return f"diverged: {row['note']}"
    note = f"  {row['note']}" if row["note"] else ""
    return f"gap {row['gap_percent']:.3f} % (± {row['gap_se_percent']:.3f}){note}"
