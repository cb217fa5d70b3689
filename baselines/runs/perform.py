"""Doing a run: solve the problem once, train the method, evaluate it, and write the record."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

from jumpgym import NotApplicable

from ..evaluation import evaluate
from ..hindsight.cost import traces_of
from ..hindsight.program import HindsightTimeout
from ..policies.classical import best_classical
from .decisions import Sampled, sample_decisions
from .files import alone, remove_partial, replace_file
from .measure import Gap, Reference
from .methods import REFERENCES, make, method, one_thread
from .provenance import hardware, versions
from .record import read_record
from .run import Problem, Run
from .split import IN_SAMPLE
from .status import Status
from .training import CURVE_EPISODES, Keeper, point, train


def make_reference(problem: Problem, folder: Path) -> dict[str, Any]:
    """Make the reference of a problem and write it into ``folder``; returns its ``Reference.summary``."""
    return reference(problem, folder).summary


def read_reference(problem: Problem, folder: Path) -> Reference | None:
    """Read a reference; None if it is missing, damaged, or of other settings or code."""
    try:
        content = problem.reference_path(folder).read_bytes()
    except OSError:
        return None
    return Reference.from_bytes(problem.make(), content, problem.identity, problem.make_training())


def reference(problem: Problem, folder: Path) -> Reference:
    """Read the reference of a problem, or make and write it if there is none; cached in each process."""
    return _reference(problem, folder, json.dumps(problem.files))


@functools.lru_cache(maxsize=32)
def _reference(problem: Problem, folder: Path, files: str) -> Reference:
    """``reference``; ``files``, the digests of the files that parameters name, keeps what is cached valid."""
    with alone(problem.name, folder):
        measure = read_reference(problem, folder)
        if measure is None:
            remove_partial(problem.reference_path(folder).name, folder)
            identity = problem.identity  # of the files as they are before they are read
            try:
                measure = Reference(problem.make(), fit=problem.make_training())
                measure.note = "; ".join(filter(None, (measure.note, problem.split_description)))
            except NotApplicable as error:
                raise NotApplicable(f"{problem.env} has no reference to measure gaps by: {error}") from error
            for number in {problem.episodes, CURVE_EPISODES}:
                measure.costs(number)
            replace_file(problem.reference_path(folder), measure.to_bytes(identity))
    return measure


def perform(run: Run, folder: Path, command: str, checkpoint_seconds: float) -> dict[str, Any]:
    """Do a run, write its checkpoint and its record into ``folder``, and return the record.

    A method or reference that is not made for the environment has a record without costs, whose status is
    ``NOT_APPLICABLE``. If another process is doing the same run, this one waits and takes its record.

    Args:
        run: the run.
        folder: an existing folder.
        command: command line, for the record.
        checkpoint_seconds: CPU seconds between two checkpoints, from which an interrupted training resumes.
    """
    one_thread()  # several would add numbers in another order, with other rounding
    measure = reference(run.problem, folder)
    with alone(run.name, folder):
        record = read_record(run, folder)
        if record is None:
            remove_partial(run.name, folder)
            record = {**_outcome(run, measure, folder, checkpoint_seconds), "command": command}
            replace_file(run.record_path(folder), json.dumps(record).encode())
            run.failure_path(folder).unlink(missing_ok=True)
    return record


def _outcome(run: Run, measure: Reference, folder: Path, checkpoint_seconds: float) -> dict[str, Any]:
    """Do a run; returns its record without the command."""
    identity = run.identity
    curve: list[dict[str, float]] = []
    row: dict[str, Any] = {"transitions": 0, "cpu_seconds": 0.0, "compile_seconds": 0.0, "wall_seconds": 0.0}
    row |= {"engine": "", "status": Status.OK, "note": ""}
    sampled: Sampled | None = None
    try:
        if run.method not in REFERENCES:
            row, curve, gap, sampled = _learned(run, measure, folder, checkpoint_seconds)
        else:
            gap, sampled, row["note"] = _referred(run, measure)
    except NotApplicable as error:
        gap = Gap(*[float("nan")] * len(dataclasses.fields(Gap)))
        row |= {"status": Status.NOT_APPLICABLE, "note": str(error)}
    if run.identity != identity:
        raise RuntimeError("a file that a parameter names was changed during the run; start it again")
    return {
        **identity,
        "row": {**dataclasses.asdict(gap), **row},
        "curve": curve,
        "drawn": sampled,
        "chart": measure.chart,
        "reference": measure.summary,
        "versions": versions(),
        "hardware": hardware(),
    }


def _learned(run: Run, measure: Reference, folder: Path, checkpoint_seconds: float) -> tuple[Any, ...]:
    """Train and evaluate: the row of what it took, the learning curve, the final gap, and the decisions."""
    learner = method(run.method)
    env = run.problem.make_training()
    keeper = Keeper(learner, run.identity, folder / run.name, checkpoint_seconds)
    model, curve = keeper.resume(env) or (make(run.method, env, run.seed), [])
    row = train(
        learner,
        model,
        measure,
        curve,
        cpu_seconds=run.budget_seconds,
        total_timesteps=run.budget_timesteps,
        at_rest=lambda model: keeper.keep_when_due(model, curve),
    )
    row["wall_seconds"] += keeper.wall_seconds
    learner.save(model, run.checkpoint_path(folder))
    keeper.forget()
    gap = measure.gap(model, model.get_env(), run.episodes)
    curve.append(point(model, gap))
    if run.split not in (None, IN_SAMPLE):
        trained = evaluate(model, model.get_env(), run.episodes, measure.seed).mean
        row["note"] = f"cost {trained:.6g} on the records of its training, {gap.mean_cost:.6g} on later ones"
    return row, curve, gap, sample_decisions(measure.chart, model, model.get_env())


def _referred(run: Run, measure: Reference) -> tuple[Gap, Sampled | None, str]:
    """The gap of a reference, its decisions, and a note."""
    if run.method == measure.kind:
        return measure.own_gap(run.episodes), measure.sampled, measure.note
    if run.method == "optimum":
        raise NotApplicable(measure.note)
    if run.method == "hindsight":
        traces = traces_of(run.env)
        try:
            return measure.hindsight_gap(traces), None, f"{traces} episodes"
        except HindsightTimeout as error:
            raise NotApplicable(error) from error
    policy = best_classical(measure.fitted_to)
    gap = measure.policy_gap(policy)
    return gap, sample_decisions(measure.chart, policy, measure.problem), repr(policy)
