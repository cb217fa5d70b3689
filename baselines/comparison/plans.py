"""Which runs a comparison is made of."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jumpgym import ENVIRONMENTS, as_problem, checks

from ..runs.methods import METHODS, REFERENCES
from ..runs.run import EPISODES, Problem, Run


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


PRESETS = {
    "quick": (Block(ENVIRONMENTS, ("mixed", "ppo-gate"), seeds=1, budget=10.0),),
    "standard": (
        Block(ENVIRONMENTS, tuple(METHODS), seeds=3, budget=5.0),
        Block(ENVIRONMENTS, ("mixed", "ppo-gate"), seeds=5, budget=12.0),
    ),
}
"""The comparisons by name."""

FEWEST_EPISODES, MOST_SEEDS = 16, 10_000


def plan(
    preset: str,
    envs: Sequence[str] | None = None,
    methods: Sequence[str] | None = None,
    seeds: int | None = None,
    budget: float | None = None,
    timesteps: int | None = None,
    episodes: int = EPISODES,
    settings: Sequence[Mapping[str, Any]] = (),
) -> list[Run]:
    """The runs of a preset; what else is given replaces what its blocks say.

    The references of each problem are always among them.

    Args:
        preset: one of ``PRESETS``.
        envs: environment ids.
        methods: names of ``METHODS``.
        seeds: number of seeds, 0, 1, ...
        budget: CPU seconds of each training.
        timesteps: transitions of each training, instead.
        episodes: of each final evaluation.
        settings: parameters of the environments; with several, each environment is compared under each.

    Raises:
        ValueError, TypeError: naming the option, its value and what is allowed.
    """
    blocks = PRESETS[checks.choice("--preset", preset, tuple(PRESETS))]
    for env in envs or ():
        checks.choice("--env", env, ENVIRONMENTS)
    for name in methods or ():
        checks.choice("--agents", name, tuple(METHODS))
    if seeds is not None:
        checks.integer("--seeds", seeds, low=1, high=MOST_SEEDS)
    if budget is not None and checks.number("--budget", budget) <= 0:
        raise ValueError(f"--budget={budget!r} must be a number of CPU seconds greater than 0")
    if timesteps is not None:
        checks.integer("--timesteps", timesteps, low=1)
    checks.integer("--episodes", episodes, low=FEWEST_EPISODES)
    runs = []
    for block in blocks:
        problems = [
            Problem(env, _sorted(each), episodes) for env in envs or block.envs for each in settings or ({},)
        ]
        for problem in problems:
            _check(problem)
        seconds = None if timesteps is not None else float(budget or block.budget)
        for seed in range(seeds or block.seeds):
            for problem in problems:
                for name in REFERENCES:
                    runs.append(Run(problem.env, problem.parameters, name, 0, None, None, episodes))
                for name in methods or block.methods:
                    runs.append(
                        Run(problem.env, problem.parameters, name, seed, seconds, timesteps, episodes)
                    )
    return list(dict.fromkeys(runs))


def _sorted(parameters: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, _hashable(value)) for name, value in parameters.items()))


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def _check(problem: Problem) -> None:
    """ValueError if a problem cannot be compared on."""
    if not problem.parameters:
        return
    try:
        env = problem.make()
    except (OSError, TypeError, ValueError) as error:  # Gymnasium wraps what the environment raised
        raise ValueError(f"--set: {problem.env}: {error.__cause__ or error}") from error
    if as_problem(env).horizon is None:
        raise ValueError(
            f"--set: {problem.env} has horizon=None, but runs are compared by the cost of whole episodes; "
            "give a horizon, such as horizon=100"
        )


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


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
