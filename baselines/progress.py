"""How long runs take, and what is told while they are done."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from .runs import CURVE_FACTOR, CURVE_START, EPISODES, Run, short

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


def planned_seconds(runs: Sequence[Run], workers: int, solved: Collection[str] = ()) -> float:
    """Wall seconds that runs are expected to take, tables and figures included.

    Args:
        runs: to do.
        workers: processes.
        solved: environment ids whose references are there already.
    """
    seconds = sum(_run_seconds(run) for run in runs)
    seconds += sum(reference_seconds(env) for env in {run.env for run in runs}.difference(solved))
    pictures = REPORT_SECONDS * len({run.env for run in runs})
    return seconds / workers + (START_SECONDS if runs else 0.0) + pictures


def reference_seconds(env: str) -> float:
    """Wall seconds of solving an environment and evaluating the solution."""
    return OWN_SECONDS[short(env)][0]


def _run_seconds(run: Run) -> float:
    if run.method == "classical":
        return OWN_SECONDS[short(run.env)][1]
    points, due = 0, CURVE_START
    while due < run.budget:
        points, due = points + 1, due * CURVE_FACTOR
    return run.budget + FINAL_SECONDS * run.episodes / EPISODES + POINT_SECONDS * points


class Tally:
    """Tells of what is finished; beside its lines moves a bar where there is a terminal.

    Args:
        console: to print to.
        bar: the bar, for its single task.
        runs, workers, solved: see ``planned_seconds``.
    """

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
def progress(console: Console, runs: Sequence[Run], workers: int, solved: Collection[str]) -> Iterator[Tally]:
    """A tally, and while it is used a bar.

    Args:
        console: to print to.
        runs, workers, solved: see ``planned_seconds``.
    """
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
        yield Tally(console, bar, runs, workers, solved)
