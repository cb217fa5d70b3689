"""One run of the comparison: train a method on an environment with one seed, evaluate it, keep the record."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym

from jumpgym import NotApplicable
from jumpgym.adapters.registry import make_env

from ..hindsight.cost import TRACES
from ..policies.classical import best_classical
from .decisions import Drawn, draw_on
from .files import alone, remove_partial, replace_file
from .measure import EVALUATION_SEED, Gap, Reference
from .methods import METHODS, REFERENCES, make, one_thread
from .provenance import code_version, hardware, versions
from .status import Status
from .training import CURVE_EPISODES, Keeper, point, train

EPISODES = 8192
"""Episodes of a final evaluation, unless said otherwise."""

RECORD = {
    "settings",
    "code",
    "row",
    "curve",
    "drawn",
    "chart",
    "reference",
    "versions",
    "hardware",
    "command",
}
"""What a record holds."""


@dataclass(frozen=True)
class Run:
    """What defines a run; two runs with equal settings are the same.

    Attributes:
        env: environment id.
        parameters: of the environment, pairs in alphabetical order; empty for the defaults.
        method: one of ``METHODS``, or of ``REFERENCES``, for which the seed is 0 and there is no budget.
        seed: of networks and training noise.
        budget_seconds: CPU seconds of training, or None.
        budget_timesteps: transitions of training, or None; with these a run is the same wherever it is done.
        episodes: episodes of the final evaluation.
    """

    env: str
    parameters: tuple[tuple[str, Any], ...]
    method: str
    seed: int
    budget_seconds: float | None
    budget_timesteps: int | None
    episodes: int

    @property
    def problem(self) -> Problem:
        """What it learns."""
        return Problem(self.env, self.parameters, self.episodes)

    @property
    def name(self) -> str:
        """Name of its files, without suffix."""
        if self.method in REFERENCES:
            return f"{self.problem.name}_{self.method}"
        budget = f"{self.budget_seconds:g}s" if self.budget_seconds else f"{self.budget_timesteps}steps"
        return f"{self.problem.name}_{self.method}_seed{self.seed}_{budget}"

    @property
    def settings(self) -> dict[str, Any]:
        """Its attributes as JSON holds them."""
        return _as_json({**dataclasses.asdict(self), "parameters": dict(self.parameters)})

    def record_path(self, folder: Path) -> Path:
        """Where its record is kept."""
        return folder / f"{self.name}.json"

    def failure_path(self, folder: Path) -> Path:
        """Where the traceback is kept if it fails."""
        return folder / f"{self.name}.failed.json"

    def checkpoint_path(self, folder: Path) -> Path:
        """Where the trained model is kept."""
        return folder / f"{self.name}.zip"


@dataclass(frozen=True)
class Problem:
    """An environment with parameters, and the number of episodes on which policies are judged."""

    env: str
    parameters: tuple[tuple[str, Any], ...]
    episodes: int

    @property
    def name(self) -> str:
        """Name of its files, without suffix: no two problems have the same."""
        given = "_".join(f"{name}={value}" for name, value in self.parameters)
        plain = re.sub(r"[^\w=.,+-]", "", given)[:60]
        if plain != given:
            plain += "-" + hashlib.sha256(given.encode()).hexdigest()[:8]
        return f"{short(self.env)}_{plain}" if given else short(self.env)

    def make(self) -> gym.Env[Any, Any]:
        """The environment."""
        return make_env(self.env, dict(self.parameters))

    def reference_path(self, folder: Path) -> Path:
        """Where its reference is kept."""
        return folder / f"reference_{self.name}.npz"

    @property
    def _key(self) -> dict[str, Any]:
        fixed = {"curve_episodes": CURVE_EPISODES, "seed": EVALUATION_SEED, "code": code_version()}
        return _as_json({**dataclasses.asdict(self), **fixed})


def make_reference(problem: Problem, folder: Path) -> dict[str, Any]:
    """Solve a problem, evaluate the solution as all runs will be, and keep the result in ``folder``.

    Returns:
        Its ``Reference.summary``.
    """
    return reference(problem, folder).summary


def read_reference(problem: Problem, folder: Path) -> Reference | None:
    """The reference that is kept, or None if it is missing, damaged, or of other settings or code."""
    try:
        content = problem.reference_path(folder).read_bytes()
    except OSError:
        return None
    return Reference.from_bytes(problem.make(), content, problem._key)


@functools.lru_cache(maxsize=32)
def reference(problem: Problem, folder: Path) -> Reference:
    """The reference that is kept in ``folder``, made if there is none; read once in a process."""
    with alone(problem.name, folder):
        kept = read_reference(problem, folder)
        if kept is None:
            remove_partial(problem.reference_path(folder).name, folder)
            kept = Reference(problem.make())
            for number in {problem.episodes, CURVE_EPISODES}:
                kept.costs(number)
            replace_file(problem.reference_path(folder), kept.to_bytes(problem._key))
    return kept


def perform(run: Run, folder: Path, command: str, checkpoint_seconds: float) -> dict[str, Any]:
    """Do a run, write its checkpoint and its record into ``folder``, and return the record.

    A method or reference that is not made for the environment has a record without costs, whose status is
    ``NOT_APPLICABLE``. If another process is doing the same run, this one waits and takes its record.

    Args:
        run: the run.
        folder: an existing folder.
        command: what was typed, for the record.
        checkpoint_seconds: CPU seconds between two checkpoints, from which an interrupted training goes on.
    """
    one_thread()  # with several the sums of a training come out differently
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
    """The record of a run that is done now, but for the command."""
    curve: list[dict[str, float]] = []
    row: dict[str, Any] = {"transitions": 0, "cpu_seconds": 0.0, "wall_seconds": 0.0}
    row |= {"status": Status.OK, "note": ""}
    drawn: Drawn | None = None
    try:
        if run.method in METHODS:
            row, curve, gap, drawn = _learned(run, measure, folder, checkpoint_seconds)
        else:
            gap, drawn, row["note"] = _referred(run, measure)
    except NotApplicable as error:
        gap = Gap(*[float("nan")] * len(dataclasses.fields(Gap)))
        row |= {"status": Status.NOT_APPLICABLE, "note": str(error)}
    return {
        "settings": run.settings,
        "code": code_version(),
        "row": {**dataclasses.asdict(gap), **row},
        "curve": curve,
        "drawn": drawn,
        "chart": measure.chart,
        "reference": measure.summary,
        "versions": versions(),
        "hardware": hardware(),
    }


def _learned(run: Run, measure: Reference, folder: Path, checkpoint_seconds: float) -> tuple[Any, ...]:
    """What a training took, its learning curve, where it ended and what was learned."""
    method = METHODS[run.method]
    env = run.problem.make()
    keeper = Keeper(method, run.settings, folder / run.name, checkpoint_seconds)
    model, curve = keeper.resume(env) or (make(run.method, env, run.seed, run.budget_seconds), [])
    row = train(
        method,
        model,
        measure,
        curve,
        cpu_seconds=run.budget_seconds,
        total_timesteps=run.budget_timesteps,
        at_rest=lambda model: keeper.keep_when_due(model, curve),
    )
    row["wall_seconds"] += keeper.wall_seconds
    method.save(model, run.checkpoint_path(folder))
    keeper.forget()
    gap = measure.gap(model, model.get_env(), run.episodes)
    curve.append(point(model, gap))
    return row, curve, gap, draw_on(measure.chart, model, model.get_env())


def _referred(run: Run, measure: Reference) -> tuple[Gap, Drawn | None, str]:
    """Where a reference stands, what it decides, and what is to be said of it."""
    if run.method == measure.kind:
        return measure.own_gap(run.episodes), measure.drawn, measure.note
    if run.method == "optimum":
        raise NotApplicable(measure.note)
    if run.method == "hindsight":
        traces = max(TRACES[short(run.env).removesuffix("-v0")] // 4, 2)
        return measure.hindsight_gap(run.episodes, traces), None, f"{traces} episodes"
    policy = best_classical(measure.problem)
    gap = measure.gap(policy, measure.problem, run.episodes)
    return gap, draw_on(measure.chart, policy, measure.problem), repr(policy)


def read_record(run: Run, folder: Path) -> dict[str, Any] | None:
    """The record of a run, or None if it is missing, damaged, or of other settings or other code."""
    record = _read(run.record_path(folder))
    current = record is not None and record["settings"] == run.settings and record["code"] == code_version()
    return record if current else None


def read_records(folder: Path) -> list[dict[str, Any]]:
    """All records of a folder that are whole, in the order of their names."""
    found = (_read(path) for path in sorted(folder.glob("*.json")))
    return [record for record in found if record is not None]


def _read(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_bytes())
        return record if isinstance(record, dict) and record.keys() >= RECORD else None
    except (OSError, ValueError):
        return None


def keep_failure(run: Run, folder: Path, traceback: str) -> None:
    """Remember that a run failed, and why."""
    failure = {"settings": run.settings, "code": code_version(), "traceback": traceback}
    replace_file(run.failure_path(folder), json.dumps(failure, indent=1).encode())


def read_failure(run: Run, folder: Path) -> str | None:
    """The traceback of a run that failed with these settings and this code, or None."""
    try:
        failure = json.loads(run.failure_path(folder).read_bytes())
        current = failure["settings"] == run.settings and failure["code"] == code_version()
        return str(failure["traceback"]) if current else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def short(env: str) -> str:
    """``SetupCost-v0`` of ``jumpgym/SetupCost-v0``."""
    return env.rsplit("/", 1)[-1]


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    """What JSON makes of them: lists of tuples."""
    found: dict[str, Any] = json.loads(json.dumps(values))
    return found
