"""What defines a run of a comparison: a method, a problem, a seed and a budget."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym

from jumpgym.adapters.registry import make_env

from .measure import EVALUATION_SEED
from .methods import REFERENCES, method
from .provenance import code_version, named_files
from .split import description, parts
from .training import CURVE_EPISODES

EPISODES = 8192
"""Default number of episodes of a final evaluation."""


@dataclass(frozen=True)
class Run:
    """What defines a run; two runs with equal settings are the same.

    Attributes:
        env: environment id, see ``environment_id``.
        parameters: parameters of the environment, pairs in alphabetical order; empty for the defaults.
        method: name or path of a method, see ``methods.method``; or one of ``REFERENCES``, for which the seed
            is 0 and there is no budget.
        seed: seed of networks and training noise.
        budget_seconds: CPU seconds of training, or None.
        budget_timesteps: transitions of training, or None; with these a run is the same wherever it is done.
        episodes: episodes of the final evaluation.
        split: of recorded demand into training and evaluation, see ``split.split_for``; None if noise is
            drawn from distributions.
    """

    env: str
    parameters: tuple[tuple[str, Any], ...]
    method: str
    seed: int
    budget_seconds: float | None
    budget_timesteps: int | None
    episodes: int
    split: str | None = None

    @property
    def problem(self) -> Problem:
        """The problem to be learned."""
        return Problem(self.env, self.parameters, self.episodes, self.split)

    @property
    def name(self) -> str:
        """Name of the run's files, without suffix."""
        if self.method in REFERENCES:
            return f"{self.problem.name}_{self.method}"
        budget = f"{self.budget_seconds:g}s" if self.budget_seconds else f"{self.budget_timesteps}steps"
        return f"{self.problem.name}_{self.method.replace(':', '.')}_seed{self.seed}_{budget}"

    @property
    def settings(self) -> dict[str, Any]:
        """The attributes as JSON holds them."""
        return _as_json({**_given(self), "parameters": dict(self.parameters)})

    @property
    def identity(self) -> dict[str, Any]:
        """Settings, code, and content of files; a record with another identity does not count."""
        learned = None if self.method in REFERENCES else method(self.method)
        code = {"settings": self.settings, "code": code_version(self.env, learned)}
        if learned is not None and learned.engine:
            code["engine"] = learned.engine
        return {**code, **self.problem.files}

    def record_path(self, folder: Path) -> Path:
        """Path of the record."""
        return folder / f"{self.name}.json"

    def failure_path(self, folder: Path) -> Path:
        """Path of the traceback, if the run fails."""
        return folder / f"{self.name}.failed.json"

    def checkpoint_path(self, folder: Path) -> Path:
        """Path of the trained model."""
        return folder / f"{self.name}.zip"


@dataclass(frozen=True)
class Problem:
    """An environment with parameters, and how policies are judged on it: see ``Run``."""

    env: str
    parameters: tuple[tuple[str, Any], ...]
    episodes: int
    split: str | None = None

    @property
    def name(self) -> str:
        """Name of the problem's files, without suffix; no two problems have the same."""
        stem = short(self.env).replace("/", ".")
        settings = [*self.parameters, *([] if self.split is None else [("split", self.split)])]
        parameters = "_".join(f"{name}={value}" for name, value in settings)
        plain = re.sub(r"[^\w=.,+-]", "", parameters)[:60]
        if plain != parameters:
            plain += "-" + hashlib.sha256(parameters.encode()).hexdigest()[:8]
        return f"{stem}_{plain}" if parameters else stem

    def make(self) -> gym.Env[Any, Any]:
        """Make the environment on which policies are judged."""
        return self._parts[1]

    def make_training(self) -> gym.Env[Any, Any]:
        """Make the environment on which methods are trained and classical policies fitted."""
        return self._parts[0]

    @property
    def _parts(self) -> tuple[gym.Env[Any, Any], gym.Env[Any, Any]]:
        if self.split is None:
            env = make_env(self.env, dict(self.parameters))
            return env, env
        return parts(self.env, dict(self.parameters), self.split)

    @property
    def split_description(self) -> str:
        """What methods are trained and judged on, in words; empty if noise is drawn from distributions."""
        return "" if self.split is None else description(self.env, dict(self.parameters), self.split)

    def reference_path(self, folder: Path) -> Path:
        """Path of the reference."""
        return folder / f"reference_{self.name}.npz"

    @property
    def files(self) -> dict[str, dict[str, str]]:
        """The key ``files`` with the digests of files that parameters name; nothing if they name none."""
        digests = named_files(self.env, dict(self.parameters))
        return {"files": digests} if digests else {}

    @property
    def identity(self) -> dict[str, Any]:
        """What defines the reference; one with another identity does not count."""
        fixed = {"curve_episodes": CURVE_EPISODES, "seed": EVALUATION_SEED, "code": code_version(self.env)}
        return _as_json({**_given(self), **fixed, **self.files})


def short(env: str) -> str:
    """Return a short id: ``SetupCost-v0`` of ``jumpgym/SetupCost-v0``, ``Shop-v0`` of ``module:Shop-v0``."""
    return env.rpartition(":")[2].removeprefix("jumpgym/")


def _given(settings: Any) -> dict[str, Any]:
    """The fields of a run or a problem; ``split`` only if there is one."""
    fields = dataclasses.asdict(settings)
    return {name: value for name, value in fields.items() if name != "split" or value is not None}


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    """The values as JSON returns them, with lists in place of tuples."""
    decoded: dict[str, Any] = json.loads(json.dumps(values))
    return decoded
