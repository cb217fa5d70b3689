"""How long runs will take, and the progress that is shown while they are done."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ..runs.run import EPISODES, Problem, Run, short
from ..runs.training import moments

START_SECONDS, FINAL_SECONDS, POINT_SECONDS, REPORT_SECONDS = 6.0, 1.0, 0.15, 6.0
"""Estimated wall seconds: start of workers, final evaluation, one during training, pictures of a problem."""

SEARCHING = {"fitted-q": 12.0}
"""Factors on the time of an evaluation, for methods that search for each decision."""

REFERENCE_SECONDS = {
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
"""Wall seconds by environment: solving it and evaluating the solution; finding the best classical policy."""

UNKNOWN_SECONDS = (10.0, 10.0)
"""The same for environments that are not listed."""

HINDSIGHT_SECONDS = 8.0
"""Estimated wall seconds of a hindsight bound."""

TIMESTEPS_PER_SECOND = 50_000
"""Estimated speed of training, for budgets in transitions; methods differ by more than a factor of ten."""


def planned_seconds(runs: Sequence[Run], workers: int, unsolved: Collection[Problem]) -> float:
    """Return the wall seconds that runs are expected to take, with tables and figures.

    Args:
        runs: runs to do.
        workers: runs at a time.
        unsolved: problems whose references have to be made.
    """
    seconds = sum(_run_seconds(run) for run in runs)
    seconds += sum(reference_seconds(problem.env) for problem in unsolved)
    pictures = REPORT_SECONDS * len({run.problem for run in runs})
    return seconds / min(workers, max(len(runs), 1)) + (START_SECONDS if runs else 0.0) + pictures


def reference_seconds(env: str) -> float:
    """Return the expected wall seconds of solving an environment and evaluating the solution."""
    return REFERENCE_SECONDS.get(short(env), UNKNOWN_SECONDS)[0]


def _run_seconds(run: Run) -> float:
    if run.method == "optimum":
        return 0.0
    if run.method == "classical":
        return REFERENCE_SECONDS.get(short(run.env), UNKNOWN_SECONDS)[1]
    if run.method == "hindsight":
        return HINDSIGHT_SECONDS
    training = run.budget_seconds or (run.budget_timesteps or 0) / TIMESTEPS_PER_SECOND
    points = len(moments(run.budget_seconds, run.budget_timesteps))
    evaluation = FINAL_SECONDS * run.episodes / EPISODES + POINT_SECONDS * points
    return training + evaluation * SEARCHING.get(run.method, 1.0)


class Tally:
    """Prints a line for each finished run, with the time remaining, above a progress bar on terminals.

    Args:
        console: console to print to.
        bar: progress bar, of which this is the only task.
        runs, workers, unsolved: see ``planned_seconds``.
    """

    def __init__(
        self,
        console: Console,
        bar: Progress,
        runs: Sequence[Run],
        workers: int,
        unsolved: Collection[Problem],
    ) -> None:
        self._console, self._bar, self._workers = console, bar, workers
        self._left, self._unsolved = dict.fromkeys(runs), set(unsolved)
        self._start, self._total = time.monotonic(), len(runs)
        self._planned = planned_seconds(runs, workers, unsolved)
        self._task = bar.add_task("", total=len(runs), left=self._time_left())

    def solved(self, problem: Problem, outcome: str, lost: Sequence[Run]) -> None:
        """Report that a reference was made, or that making it failed, which drops the runs in ``lost``."""
        self._unsolved.discard(problem)
        self._console.print(f"solved {problem.name}: {outcome}", markup=False)
        self._advance(lost)

    def finished(self, run: Run, outcome: str) -> None:
        """Report that a run ended."""
        number = self._total - len(self._left) + 1
        remaining = "" if self._console.is_terminal else f"  ({self._time_left()})"  # a bar shows it
        self._console.print(f"[{number}/{self._total}] {run.name}: {outcome}{remaining}", markup=False)
        self._advance([run])

    def _advance(self, done: Sequence[Run]) -> None:
        for run in done:
            del self._left[run]
        self._bar.update(self._task, advance=len(done), left=self._time_left())

    def _time_left(self) -> str:
        seconds = planned_seconds(list(self._left), self._workers, self._unsolved)
        done = self._planned - seconds
        if done > 0:  # the machine may be slower than planned, or busy with other things
            seconds *= (time.monotonic() - self._start) / (done + START_SECONDS)
        return f"about {seconds / 60:.1f} minutes left"


@contextmanager
def progress(
    console: Console, runs: Sequence[Run], workers: int, unsolved: Collection[Problem]
) -> Iterator[Tally]:
    """A context with a progress bar, and the tally to report to.

    Args:
        console: console to print to.
        runs, workers, unsolved: see ``planned_seconds``.
    """
    bar = Progress(
        TextColumn("runs"),
        MofNCompleteColumn(),
        BarColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
        console=console,
        refresh_per_second=1,  # more often it would cost as much CPU time as a small run
        disable=not console.is_terminal,
    )
    with bar:
        yield Tally(console, bar, runs, workers, unsolved)
