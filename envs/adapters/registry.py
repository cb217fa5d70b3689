"""Environments by name: registering them, finding them by id, and the problem behind an environment."""

from __future__ import annotations

import difflib
import importlib
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, cast

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

from .. import checks
from ..problem import HindsightProblem
from .callers import callers, user_level
from .layers import check_layers, layers

NAMESPACE = "jumpgym"

VARIANTS = {"-box": {"action": "box"}, "-dict": {"action": "dict"}}
"""What follows the name in ids for libraries that take an id only, and the keywords that it stands for."""


def register(environment: type[Any]) -> str:
    """Register a class ``NameEnv``, whose module also holds ``NameVectorEnv``, and return its id.

    With it the ids of ``VARIANTS`` are registered, such as ``jumpgym/Name-box-v0``. Registering an
    environment again changes nothing.
    """
    name = environment.__name__.removesuffix("Env")
    for suffix, keywords in {"": {}, **VARIANTS}.items():
        env_id = f"{NAMESPACE}/{name}{suffix}-v0"
        if env_id not in gym.registry:
            # The environments check actions and the order of calls themselves, with clearer errors.
            gym.register(
                id=env_id,
                entry_point=f"{environment.__module__}:{name}Env",
                vector_entry_point=f"{environment.__module__}:{name}VectorEnv",
                disable_env_checker=True,
                order_enforce=False,
                kwargs=keywords,
            )
    return f"{NAMESPACE}/{name}-v0"


def environment_id(name: str) -> str:
    """The id of a registered environment, which ``gym.make`` takes in any process that imports jumpgym.

    Args:
        name: an id (``"jumpgym/SetupCost-v0"``), the short name of an environment of this package
            (``"SetupCost"`` or ``"SetupCost-v0"``), or an id after the module that registers it
            (``"package.module:Id-v0"``), which is imported. The module stays part of the id.

    Raises:
        ValueError: if there is no such environment, naming those with similar names; or if the module
            cannot be imported.
    """
    module, _, env_name = name.rpartition(":") if isinstance(name, str) else ("", "", "")
    if module:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise ValueError(f"environment {name!r}: cannot import {module}: {error}") from error
    full_ids = {alias: env_id for env_id in gym.registry for alias in _aliases(env_id)}
    if env_name in full_ids:
        env_id = full_ids[env_name]
        return f"{module}:{env_id}" if module not in ("", NAMESPACE) else env_id
    lower = {alias.lower(): env_id for alias, env_id in full_ids.items() if not _is_variant(env_id)}
    close = difflib.get_close_matches(env_name.lower(), lower, n=3)
    suggestions = list(dict.fromkeys(lower[alias] for alias in close))
    if suggestions:
        advice = f"did you mean {' or '.join(suggestions)}?"
    else:
        ids = [i for i in gym.registry if i.startswith(f"{NAMESPACE}/") and not _is_variant(i)]
        short_names = dict.fromkeys(_aliases(i)[-1] for i in ids)
        advice = f"there are {', '.join(short_names)}; give those of other packages as package.module:Id-v0"
    raise ValueError(f"unknown environment {name!r}: {advice}")


def _aliases(env_id: str) -> list[str]:
    """All names of an environment, its id first."""
    namespace, _, versioned = env_id.rpartition("/")
    return [env_id, versioned, versioned.rpartition("-v")[0]] if namespace == NAMESPACE else [env_id]


def _is_variant(env_id: str) -> bool:
    namespace, _, name = env_id.rpartition("/")
    return namespace == NAMESPACE and name.partition("-v")[0].endswith(tuple(VARIANTS))


def make_env(env_id: str, parameters: Mapping[str, Any] | None = None) -> gym.Env[Any, Any]:
    """``gym.make`` with parameters of the problem only, and with the environment's own errors.

    ``gym.make`` also takes keywords that are no part of the problem, such as ``max_episode_steps``, and wraps
    the type errors of the environment.

    Args:
        env_id: any name that ``environment_id`` takes.
        parameters: parameters of the problem.

    Raises:
        TypeError, ValueError: naming the parameter, its value and what is allowed.
    """
    env_id, parameters = environment_id(env_id), parameters or {}
    creator: Any = gym.spec(env_id.rpartition(":")[2]).entry_point
    if isinstance(creator, str):
        creator = load_env_creator(creator)
    if hasattr(creator, "make_problem"):
        _check_names(creator.make_problem, parameters)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "horizon=None without max_episode_steps")
            return gym.make(env_id, **parameters)
    except TypeError as error:  # wrapped in one that repeats all parameters
        raise error.__cause__ or error from None


def build_problem(
    make_problem: Callable[..., HindsightProblem], parameters: Mapping[str, Any]
) -> HindsightProblem:
    """Call ``make_problem``; a TypeError for an unknown keyword lists the known ones."""
    _check_names(make_problem, parameters)
    return make_problem(**parameters)


def as_problem(env: Any) -> HindsightProblem:
    """The hindsight problem of a problem, an environment (scalar or vector), or the name of an environment.

    Names are those that ``environment_id`` takes, such as ``"jumpgym/SetupCost-v0"`` or ``"SetupCost"``.

    Wrappers that record, render or translate actions are seen through; a warning names those that change
    rewards, which the problem does not know of.

    Raises:
        ValueError: if no environment has that name; or if a wrapper changes observations, or ends episodes
            before the horizon.
        TypeError: if the environment carries no hindsight problem.
    """
    problem = wrapped_problem(env)
    if env is not problem:
        check_layers(env, problem.horizon)
    return problem


def wrapped_problem(env: Any) -> HindsightProblem:
    """``as_problem`` whatever the wrappers of the environment change."""
    if isinstance(env, HindsightProblem):
        return env
    if isinstance(env, str):
        env = make_env(env)
    innermost = (env, *layers(env))[-1]
    problem = getattr(getattr(innermost, "unwrapped", innermost), "problem", None)
    if not isinstance(problem, HindsightProblem):
        raise TypeError(f"{env!r} must be a jumpgym environment, its id, or a HindsightProblem")
    return cast(HindsightProblem, problem)


def warn_without_end(horizon: int | None) -> None:
    """Warn if ``gym.make`` is making an environment whose episodes neither terminate nor are truncated.

    Loops over whole episodes never return then, such as SB3's ``evaluate_policy``. The limit is no parameter
    of the environment and wraps it only afterwards, so it is read from the call of ``gym.make``.
    """
    if horizon is not None:
        return
    for frame in callers():
        variables = frame.f_locals
        if frame.f_code is gym.make.__code__ and "env_spec" in variables:
            limits = variables.get("max_episode_steps"), variables["env_spec"].max_episode_steps
            if limits in ((None, None), (-1, None)):
                warnings.warn(
                    "horizon=None without max_episode_steps: episodes never end, so that loops over whole "
                    "episodes, such as SB3's evaluate_policy, never return; give gym.make a limit, such as "
                    "max_episode_steps=200",
                    stacklevel=user_level(),
                )
            return


def _check_names(make_problem: Callable[..., HindsightProblem], parameters: Mapping[str, Any]) -> None:
    allowed = inspect.signature(make_problem).parameters
    for name, value in parameters.items():
        if name not in allowed:
            close = difflib.get_close_matches(name, allowed, n=1)
            advice = f" did you mean {close[0]}?" if close else ""
            # TorchRL probes keywords, and looks for these words of Python's own error.
            raise TypeError(
                f"got an unexpected keyword argument {name!r}={checks.shown(value)};{advice} allowed are "
                f"{', '.join(allowed)}"
            )
