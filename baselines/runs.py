"""One run of the comparison: train a method on an environment with one seed, evaluate it, keep the record."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jumpgym

from .charts import Drawn, draw_on
from .classical import best_classical
from .description import describe
from .measure import EVALUATION_SEED, Gap, Reference
from .methods import METHODS, Method

EPISODES = 16_384
"""Episodes of a final evaluation, unless said otherwise."""

CURVE_EPISODES = 4096
"""Episodes of each evaluation during training."""

CURVE_START, CURVE_FACTOR = 1.0, 1.4
"""CPU seconds of the first evaluation during training, and the factor from each to the next."""

NOT_APPLICABLE = "does not apply"
"""How the note of a record begins whose method is not made for the environment."""

PACKAGES = ("torch", "numpy", "gymnasium", "stable-baselines3", "sb3-contrib", "jumpgym")


@dataclass(frozen=True)
class Run:
    """What defines a run; two runs with equal settings are the same.

    Attributes:
        env: environment id.
        method: one of ``METHODS``, or of ``REFERENCES``, for which seed and budget are 0.
        seed: of networks and training noise.
        budget: CPU seconds of training.
        episodes: episodes of the final evaluation.
    """

    env: str
    method: str
    seed: int
    budget: float
    episodes: int

    @property
    def name(self) -> str:
        """Name of its files, without suffix."""
        return f"{short(self.env)}_{self.method}_seed{self.seed}_{self.budget:g}s"

    def record_path(self, folder: Path) -> Path:
        """Where its record is kept."""
        return folder / f"{self.name}.json"


def make_reference(env: str, episodes: int, folder: Path) -> dict[str, Any]:
    """Solve an environment, evaluate the solution as all runs will be, and keep the result in ``folder``.

    Returns:
        Its ``Reference.summary``.
    """
    return _made_reference(env, episodes, folder).summary


def read_reference(env: str, episodes: int, folder: Path) -> Reference | None:
    """The reference that is kept, or None if it is missing, damaged, or of other settings or version."""
    try:
        content = _reference_path(env, folder).read_bytes()
    except OSError:
        return None
    return Reference.from_bytes(env, content, _reference_key(env, episodes))


@functools.lru_cache
def reference(env: str, episodes: int, folder: Path) -> Reference:
    """The reference that is kept in ``folder``, made if there is none; read once in a process."""
    return read_reference(env, episodes, folder) or _made_reference(env, episodes, folder)


def _made_reference(env: str, episodes: int, folder: Path) -> Reference:
    made = Reference(env)
    for number in {episodes, CURVE_EPISODES}:
        made.costs(number)
    replace_file(_reference_path(env, folder), made.to_bytes(_reference_key(env, episodes)))
    return made


def _reference_path(env: str, folder: Path) -> Path:
    return folder / f"reference_{short(env)}.npz"


def _reference_key(env: str, episodes: int) -> list[Any]:
    return [env, episodes, CURVE_EPISODES, EVALUATION_SEED, jumpgym.__version__]


def perform(run: Run, folder: Path, command: str) -> dict[str, Any]:
    """Do a run, write its checkpoint and its record into ``folder``, and return the record.

    Of what does not apply to the environment the record says so in its note, and has no costs.
    """
    measure = reference(run.env, run.episodes, folder)
    curve: list[dict[str, float]] = []
    row: dict[str, Any] = {"transitions": 0, "cpu_seconds": 0.0, "wall_seconds": 0.0, "note": ""}
    drawn: Drawn | None = None
    try:
        policy = _policy(run, measure)
    except (NotImplementedError, TypeError) as error:  # so refuse all what they are not made for
        gap = Gap(*[float("nan")] * len(dataclasses.fields(Gap)))
        row["note"] = f"{NOT_APPLICABLE}: {error}"
    else:
        env: Any = measure.problem
        if run.method in METHODS:
            row = train(METHODS[run.method], policy, run.budget, measure, curve)
            env = policy.get_env()
            METHODS[run.method].save(policy, run.env, folder / f"{run.name}.zip")
        elif run.method == "classical":
            row["note"] = measure.note or describe(policy)
        if policy is None:
            gap, drawn = measure.own_gap(run.episodes), measure.drawn
        else:
            gap, drawn = measure.gap(policy, env, run.episodes), draw_on(measure.chart, policy, env)
        curve.append({"cpu_seconds": row["cpu_seconds"], **point(gap)})
    record = {
        "settings": asdict(run),
        "version": jumpgym.__version__,
        "row": {**asdict(gap), **row},
        "curve": curve if run.method in METHODS else [],
        "drawn": drawn,
        "chart": measure.chart,
        "reference": measure.summary,
        "versions": versions(),
        "hardware": hardware(),
        "command": command,
    }
    replace_file(run.record_path(folder), json.dumps(record).encode())
    return record


def applies(record: dict[str, Any]) -> bool:
    """Whether the method of a record applies to its environment."""
    return not record["row"]["note"].startswith(NOT_APPLICABLE)


def _policy(run: Run, measure: Reference) -> Any:
    """The policy of a run, untrained if it is learned; None for the reference, whose costs are known."""
    if run.method in METHODS:
        return METHODS[run.method].make(run.env, run.seed)
    if run.method == measure.kind:
        return None
    if run.method == "optimum":
        raise NotImplementedError(measure.note)
    return best_classical(measure.problem)


def train(
    method: Method, model: Any, budget: float, measure: Reference, curve: list[dict[str, float]]
) -> dict[str, Any]:
    """Train a model for a budget of CPU seconds, and tell what that took; evaluations go to ``curve``."""
    due = CURVE_START
    paused = 0.0

    def evaluate_when_due(model: Any) -> None:
        nonlocal due, paused
        elapsed = model.clock.elapsed
        if due <= elapsed < budget:
            start = time.perf_counter()
            with model.clock.pause():
                gap = measure.gap(model, model.get_env(), CURVE_EPISODES)
            curve.append({"cpu_seconds": elapsed, **point(gap)})
            while due <= elapsed:
                due *= CURVE_FACTOR
            paused += time.perf_counter() - start

    start = time.perf_counter()
    note = ""
    try:
        method.train(model, evaluate_when_due, cpu_seconds=budget)
    except FloatingPointError as error:  # a method that diverges is a result, not a failure
        note = f"diverged: {error}"
    return {
        "transitions": model.num_timesteps,
        "cpu_seconds": model.clock.elapsed,
        "wall_seconds": time.perf_counter() - start - paused,
        "note": note,
    }


def point(gap: Gap) -> dict[str, float]:
    """What a learning curve keeps of a gap."""
    return {"gap_percent": gap.gap_percent, "gap_se_percent": gap.gap_se_percent}


def read_record(run: Run, folder: Path) -> dict[str, Any] | None:
    """The record of a run, or None if it is missing, damaged, or of other settings or another version."""
    try:
        record = json.loads(run.record_path(folder).read_bytes())
        current = record["settings"] == asdict(run) and record["version"] == jumpgym.__version__
        complete = {"row", "curve", "drawn", "chart", "reference", "command"} <= record.keys()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if current and complete else None


def replace_file(path: Path, content: bytes) -> None:
    """Write a file atomically: a reader sees the old one or the new one, whole."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def short(env: str) -> str:
    """``SetupCost-v0`` of ``jumpgym/SetupCost-v0``."""
    return env.rsplit("/", 1)[-1]


def versions() -> dict[str, str]:
    """Versions of Python and of what the results depend on."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in PACKAGES
    }


def hardware() -> str:
    """Cores and processor, without the name of the machine."""
    model = platform.processor() or platform.machine()
    with_names = Path("/proc/cpuinfo")
    if with_names.exists():
        lines = with_names.read_text().splitlines()
        model = next(
            (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), model
        )
    return f"{os.cpu_count()} cores, {model}"
