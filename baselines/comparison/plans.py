"""Which runs a comparison consists of."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jumpgym import ENVIRONMENTS, as_problem, checks
from jumpgym.adapters.registry import environment_id, make_env

from ..hard.instances import read_instances
from ..runs.measure import check_measurable
from ..runs.methods import BUILT_IN, REFERENCES, method
from ..runs.run import EPISODES, Problem, Run
from ..runs.split import DEFAULT, split_for


@dataclass(frozen=True)
class Block:
    """Part of a comparison: every combination of some environments, methods and seeds.

    Attributes:
        envs: environment ids.
        methods: names of methods.
        seeds: number of seeds: 0, 1, ...
        budget: CPU seconds of each training.
    """

    envs: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: int
    budget: float


DIFFERENT = tuple(
    f"jumpgym/{name}-v0"
    for name in (
        "SetupCost",
        "TruckCapacity",
        "QuantityDiscount",
        "JointReplenishment",
        "LoanBrackets",
        "SwitchedLQR",
    )
)
"""Environments that differ much: one gate or several, few or many regimes, stocks, money, a linear system."""

PRESETS = {
    "quick": (Block(ENVIRONMENTS, ("mixed", "ppo-gate"), seeds=1, budget=10.0),),
    "standard": (
        Block(ENVIRONMENTS, ("mixed", "ppo-gate", "ppo-level", "ppo-compiled", "hpo"), seeds=3, budget=20.0),
    ),
    "all": (Block(DIFFERENT, BUILT_IN, seeds=1, budget=5.0),),
    "hard": (
        Block(ENVIRONMENTS, ("mixed",), seeds=5, budget=30.0),
        Block(ENVIRONMENTS, ("ppo-gate", "ppo-compiled"), seeds=2, budget=30.0),
    ),
}
"""The comparisons by name of the preset; that of "hard" is on the instances of ``jumpgym.baselines.hard``."""

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
    split: str = DEFAULT,
    instances: Path | None = None,
) -> list[Run]:
    """Return the runs of a preset, with the references of each problem. Other arguments override the preset.

    Args:
        preset: one of ``PRESETS``.
        envs: names of environments, see ``environment_id``.
        methods: names of methods, or paths such as ``package.module:Class``, see ``methods.method``.
        seeds: number of seeds: 0, 1, ...
        budget: CPU seconds of each training.
        timesteps: transitions of each training, instead of CPU seconds.
        episodes: number of episodes of each final evaluation.
        settings: parameters of the environments. With several sets, each environment is compared under each.
        split: how recorded demand is split into training and evaluation, see ``split.split_for``.
        instances: file of problems that ``jumpgym hard`` drew, instead of the environments of the preset.

    Raises:
        ValueError, TypeError: naming the option, its value and what is allowed.
    """
    blocks = PRESETS[checks.choice("--preset", preset, tuple(PRESETS))]
    envs = [_importable_env(env) for env in envs or ()]
    for name in methods or ():
        _check_method(name)
    if seeds is not None:
        checks.integer("--seeds", seeds, low=1, high=MOST_SEEDS)
    if budget is not None and checks.number("--budget", budget) <= 0:
        raise ValueError(f"--budget={budget!r} must be a number of CPU seconds greater than 0")
    if timesteps is not None:
        checks.integer("--timesteps", timesteps, low=1)
    checks.integer("--episodes", episodes, low=FEWEST_EPISODES)
    drawn = None if preset != "hard" and instances is None else _drawn(instances, envs, settings)
    runs = []
    for block in blocks:
        chosen: list[tuple[str, Mapping[str, Any]]] = drawn or [
            (env, parameters) for env in envs or block.envs for parameters in settings or ({},)
        ]
        problems = [
            _problem(
                env,
                parameters,
                episodes,
                split,
                option="--instances" if drawn else "--set" if parameters else "--env",
            )
            for env, parameters in chosen
        ]
        seconds = None if timesteps is not None else float(budget or block.budget)
        for seed in range(seeds or block.seeds):
            for problem in problems:
                for name in REFERENCES:
                    runs.append(
                        Run(problem.env, problem.parameters, name, 0, None, None, episodes, problem.split)
                    )
                for name in methods or block.methods:
                    budget_of_run = seconds, timesteps
                    runs.append(
                        Run(
                            problem.env,
                            problem.parameters,
                            name,
                            seed,
                            *budget_of_run,
                            episodes,
                            problem.split,
                        )
                    )
    return list(dict.fromkeys(runs))


def _drawn(
    path: Path | None, envs: Sequence[str], settings: Sequence[Mapping[str, Any]]
) -> list[tuple[str, Mapping[str, Any]]]:
    """Environments and parameters of hard instances, those of a file or of the preset."""
    if settings:
        raise ValueError("--set: instances have parameters of their own; choose among them by --env")
    try:
        instances = read_instances(path)
    except OSError as error:
        raise ValueError(
            f"--instances={str(path)!r} cannot be read: {error.strerror}; 'jumpgym hard --output FILE' draws "
            "instances and writes them to a file"
        ) from error
    except ValueError as error:
        raise ValueError(f"--instances: {error}") from error
    chosen: list[tuple[str, Mapping[str, Any]]] = [
        (instance.env, instance.parameters) for instance in instances if not envs or instance.env in envs
    ]
    if not chosen:
        raise ValueError(f"--env: no instance is one of {', '.join(envs)}")
    return chosen


def _importable_env(name: str) -> str:
    """The id of an environment, if worker processes can find it too."""
    try:
        env = environment_id(name)
    except ValueError as error:
        raise ValueError(f"--env: {error}") from error
    if env not in ENVIRONMENTS and ":" not in env:
        raise ValueError(
            f"--env={name!r} must be given as package.module:{env}, where the module registers it, so that "
            "worker processes can import it"
        )
    return env


def _check_method(name: str) -> None:
    """ValueError if there is no such method, or worker processes cannot find it."""
    try:
        method(name)
    except ValueError as error:
        raise ValueError(f"--methods: {error}") from error
    if name not in BUILT_IN and ":" not in name:
        raise ValueError(
            f"--methods={name!r} must be given as package.module:{name}, where the module registers it, so "
            "that worker processes can import it"
        )


def _hashable(value: Any) -> Any:
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value


def _problem(env: str, parameters: Mapping[str, Any], episodes: int, split: str, option: str) -> Problem:
    """A problem with its split; ValueError if methods cannot be compared on it."""
    if not parameters and env in ENVIRONMENTS:
        return Problem(env, (), episodes)  # methods can be compared on the defaults of this package
    try:
        problem = as_problem(make_env(env, parameters))
        check_measurable(problem)
        applied = None if problem.horizon is None else split_for(env, parameters, split)
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{option}: {env}: {error}") from error
    if problem.horizon is None:
        raise ValueError(
            f"{option}: {env} has horizon=None, but runs are compared by the cost of whole episodes; "
            "give a horizon, such as horizon=100"
        )
    hashable = tuple(sorted((name, _hashable(value)) for name, value in parameters.items()))
    return Problem(env, hashable, episodes, applied)


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
