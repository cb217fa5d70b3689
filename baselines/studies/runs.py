"""The runs of a study, done in worker processes and recorded in files, so that it can be continued."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import Field, asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from rich.console import Console

from jumpgym import checks

from ..comparison.plans import cores
from ..comparison.workers import Failure, Workers
from ..runs.files import check_writable
from ..runs.status import Status
from .records import Record, write_record


class StudyRun(Protocol):
    """Definition of a run: a frozen dataclass; runs that are equal are the same."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def path(self, folder: Path) -> Path:
        """File of its record."""


AnyRun = TypeVar("AnyRun", bound=StudyRun)


def do_missing(
    runs: Sequence[AnyRun],
    output: Path,
    workers: int | None,
    command: str,
    *,
    perform: Callable[[AnyRun, Path, str], Record],
    read: Callable[[AnyRun, Path], Record | None],
    estimate: Callable[[Sequence[AnyRun], int], str],
    outcome: Callable[[Record], str],
    report: Callable[[Path], str],
) -> int:
    """Do the runs that ``output`` does not hold yet, and write a report on what it then holds.

    The traceback of a run that fails is recorded in place of its results, and the next call repeats the run.

    Args:
        runs: all runs of the study.
        output: folder for the report; its subfolder ``runs`` holds the records.
        workers: worker processes; None for the number of cores.
        command: what was typed, for the records.
        perform: does a run, and writes its record into a folder; a function that can be pickled.
        read: returns the record of a run in a folder; None if there is none.
        estimate: says how long the missing runs take in so many processes.
        outcome: says what a record holds.
        report: writes the report on the records in a folder, and says what it wrote; empty for nothing.

    Returns:
        How many runs failed.

    Raises:
        ValueError, TypeError: if ``output`` cannot be written, or ``workers`` is less than 1.
    """
    workers = checks.integer("--workers", cores() if workers is None else workers, low=1)
    folder = output / "runs"
    check_writable(folder, "--output")
    missing = [run for run in runs if read(run, folder) is None]
    finished = len(runs) - len(missing)
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{len(runs)} runs, {finished} of them in {folder} already; {len(missing)} to do in {workers} "
        f"processes, {estimate(missing, workers)}"
    )
    failures = []
    with Workers(workers) as pool:
        for (run, *_), result in pool.run_all(perform, [(run, folder, command) for run in missing]):
            finished += 1
            if isinstance(result, Failure):
                failures.append(run)
                text = "FAILED\n" + result
                failure = {"status": Status.FAILED, "traceback": result}
                write_record(run.path(folder), asdict(run), command, failure)
            else:
                text = outcome(result)
            console.print(f"[{finished}/{len(runs)}] {run.path(folder).stem}: {text}", markup=False)
    if written := report(folder):
        console.print(written)
    if failures:
        names = ", ".join(run.path(folder).stem for run in failures)
        print(f"{len(failures)} runs failed; the same command repeats them: {names}", file=sys.stderr)
    return len(failures)
