"""One run of the comparison: train a method on an environment with one seed, evaluate it, keep the record."""

from __future__ import annotations

import functools
import importlib.metadata
import inspect
import json
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import jumpgym
from jumpgym import as_problem

from .classical import best_classical
from .evaluation import decide, evaluate, standard_error
from .methods import METHODS
from .optimum import solve

EVALUATION_SEED = 0
"""Of the noise on which all methods are evaluated; no method trains on it."""

CURVE_EPISODES = 4096
"""Episodes of each evaluation during training."""

CURVE_START, CURVE_FACTOR = 1.0, 1.4
"""CPU seconds of the first evaluation during training, and the factor from each to the next."""

GRID = 160
"""About how many stocks a policy is recorded at."""

PACKAGES = ("torch", "numpy", "gymnasium", "stable-baselines3", "jumpgym")


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


@dataclass(frozen=True)
class Gap:
    """Cost of a policy, and what it lies above the optimum on the same noise.

    Attributes:
        mean_cost, standard_error: of an episode.
        difference, difference_se: mean cost less that of the optimal policy, by episode.
        gap_percent, gap_se_percent: the difference in per cent of the optimum's expected cost.
    """

    mean_cost: float
    standard_error: float
    difference: float
    difference_se: float
    gap_percent: float
    gap_se_percent: float


class Reference:
    """The optimum of an environment, to measure policies by.

    Args:
        env: environment id, environment or problem.
        seed: of the noise.

    Raises:
        NotImplementedError: if the optimum cannot be computed, see ``solve``.
    """

    def __init__(self, env: Any, seed: int = EVALUATION_SEED) -> None:
        self.problem = as_problem(env)
        self.optimum = solve(self.problem)
        self.seed = seed
        self._costs: dict[int, NDArray[np.float64]] = {}

    def gap(self, policy: Any, env: Any, episodes: int) -> Gap:
        """Evaluate a policy for actions of ``env`` on ``episodes`` episodes."""
        if episodes not in self._costs:
            self._costs[episodes] = evaluate(self.optimum, self.problem, episodes, self.seed).costs
        result = evaluate(policy, env, episodes, self.seed)
        difference = result.costs - self._costs[episodes]
        mean, error = float(difference.mean()), standard_error(difference)
        percent = 100 / self.optimum.expected_cost if self.optimum.expected_cost else float("nan")
        return Gap(result.mean, result.standard_error, mean, error, percent * mean, percent * error)

    @functools.cached_property
    def stocks(self) -> NDArray[np.float64]:
        """Stocks, about ``GRID``, over what the optimal policy visits and a margin, on its lattice."""
        visits = _Visits(self.optimum)
        evaluate(visits, self.problem, CURVE_EPISODES, self.seed)
        low, high = np.quantile(np.concatenate(visits.stocks), [0.001, 0.999])
        margin = 0.15 * (high - low)
        step = self.optimum.step
        step *= np.ceil((high - low) / GRID / step)
        return step * np.arange(np.floor((low - margin) / step), np.ceil((high + margin) / step) + 1)

    def periods(self) -> tuple[int, int]:
        """The middle of the horizon, and its last period but one."""
        return self.problem.horizon // 2, max(self.problem.horizon - 2, 0)

    def orders(self, policy: Any, env: Any) -> dict[str, Any]:
        """Order quantities of a policy at ``stocks``, with nothing under way, in each of ``periods``."""
        observation = np.zeros((len(self.stocks), len(self.problem.observation_low)), dtype=np.float32)
        observation[:, 0] = self.stocks
        quantities = []
        for period in self.periods():
            observation[:, -1] = period
            quantities.append(decide(policy, env, observation)[1].tolist())
        return {"periods": self.periods(), "stocks": self.stocks.tolist(), "quantities": quantities}


class _Visits:
    """A policy that keeps the stocks at which it is asked."""

    def __init__(self, policy: Any) -> None:
        self.policy = policy
        self.stocks: list[NDArray[np.float32]] = []

    def predict(self, observation: Any, **kwargs: Any) -> Any:
        self.stocks.append(observation[:, 0])
        return self.policy.predict(observation, **kwargs)


reference = functools.lru_cache(Reference)
"""One ``Reference`` per environment id and process."""


def perform(run: Run, folder: Path, command: str) -> dict[str, Any]:
    """Do a run, write its checkpoint and its record into ``folder``, and return the record."""
    measure = reference(run.env)
    curve: list[dict[str, float]] = []
    row: dict[str, Any] = {"transitions": 0, "cpu_seconds": 0.0, "wall_seconds": 0.0, "note": ""}
    if run.method in METHODS:
        policy, row = _train(run, measure, curve)
        env = policy.get_env()
        METHODS[run.method].save(policy, run.env, folder / f"{run.name}.zip")
    else:
        env = measure.problem
        policy = measure.optimum if run.method == "optimum" else best_classical(env)
        row["note"] = describe(policy) if run.method == "classical" else ""
    gap = measure.gap(policy, env, run.episodes)
    curve.append({"cpu_seconds": row["cpu_seconds"], **_point(gap)})
    record = {
        "settings": asdict(run),
        "version": jumpgym.__version__,
        "row": {**asdict(gap), **row},
        "curve": curve if run.method in METHODS else [],
        "orders": measure.orders(policy, env),
        "optimum": measure.optimum.expected_cost,
        "horizon": measure.problem.horizon,
        "versions": versions(),
        "hardware": hardware(),
        "command": command,
    }
    replace_file(run.record_path(folder), json.dumps(record).encode())
    return record


def _train(run: Run, measure: Reference, curve: list[dict[str, float]]) -> tuple[Any, dict[str, Any]]:
    """The trained model, and what the training took; evaluations go to ``curve``."""
    method = METHODS[run.method]
    model = method.make(run.env, run.seed)
    due = CURVE_START
    paused = 0.0

    def evaluate_when_due(model: Any) -> None:
        nonlocal due, paused
        elapsed = model.clock.elapsed
        if due <= elapsed < run.budget:
            start = time.perf_counter()
            with model.clock.pause():
                gap = measure.gap(model, model.get_env(), CURVE_EPISODES)
            curve.append({"cpu_seconds": elapsed, **_point(gap)})
            while due <= elapsed:
                due *= CURVE_FACTOR
            paused += time.perf_counter() - start

    start = time.perf_counter()
    note = ""
    try:
        method.train(model, evaluate_when_due, cpu_seconds=run.budget)
    except FloatingPointError as error:  # a method that diverges is a result, not a failure
        note = f"diverged: {error}"
    return model, {
        "transitions": model.num_timesteps,
        "cpu_seconds": model.clock.elapsed,
        "wall_seconds": time.perf_counter() - start - paused,
        "note": note,
    }


def _point(gap: Gap) -> dict[str, float]:
    return {"gap_percent": gap.gap_percent, "gap_se_percent": gap.gap_se_percent}


def read_record(run: Run, folder: Path) -> dict[str, Any] | None:
    """The record of a run, or None if it is missing, damaged, or of other settings or another version."""
    try:
        record = json.loads(run.record_path(folder).read_bytes())
        current = record["settings"] == asdict(run) and record["version"] == jumpgym.__version__
        complete = {"row", "curve", "orders", "optimum", "command"} <= record.keys()
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


def describe(policy: Any) -> str:
    """A classical policy as text, such as ``SSPolicy(s=14, S=62)``."""
    names = [name for name in inspect.signature(type(policy)).parameters if name != "problem"]
    values = ", ".join(f"{name}={getattr(policy, name):g}" for name in names)
    return f"{type(policy).__name__}({values})"


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
