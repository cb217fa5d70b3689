"""The wrappers around an environment: which can be ignored by what uses the problem itself, and which not."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import gymnasium as gym

from .callers import user_level

HARMLESS = frozenset(
    {
        *("OrderEnforcing", "PassiveEnvChecker", "Autoreset", "TimeLimit"),
        *("RecordEpisodeStatistics", "RecordVideo", "HumanRendering", "RenderCollection"),
        *("Monitor", "VecMonitor", "VecVideoRecorder", "ScaledMonitor"),
    }
)
"""Names of wrappers that change neither observations nor rewards nor actions.

``ScaledMonitor`` does scale rewards, but only for the learner to which it belongs.
"""

REWARDS = frozenset({"NormalizeReward", "TransformReward", "ClipReward", "VecNormalize"})
"""Names of wrappers that change rewards, beside the subclasses of ``gym.RewardWrapper``."""


def layers(env: Any) -> Iterator[Any]:
    """An environment's wrappers of Gymnasium and SB3, from the outermost one to the environment itself.

    Of a list of environments (``SyncVectorEnv``, ``DummyVecEnv``) the first one stands for all.
    """
    inner = env
    while inner is not None:
        yield inner
        inner = _inside(inner)


def time_limit(env: Any) -> int | None:
    """The least ``max_episode_steps`` of an environment; None if episodes are not limited."""
    limits = [getattr(layer, "_max_episode_steps", None) for layer in layers(env)]
    return min((limit for limit in limits if isinstance(limit, int)), default=None)


def check_layers(env: Any, horizon: int | None) -> None:
    """Refuse or warn about wrappers that change what ``solve``, ``evaluate`` and agents would ignore.

    Args:
        env: environment with a problem.
        horizon: of the problem.

    Raises:
        ValueError: if a wrapper ends episodes before the horizon, or changes observations.
    """
    limit = time_limit(env)
    if horizon is not None and limit is not None and limit < horizon:
        raise ValueError(
            f"max_episode_steps={limit} ends episodes before {horizon=}: solve, evaluate and the agents use "
            f"the problem itself, all {horizon} periods; make the environment with horizon={limit} instead"
        )
    for layer in layers(env):
        inner = _inside(layer)
        name = type(layer).__name__
        if inner is None or _collects(layer) or name in HARMLESS or _decodes(layer):
            continue
        if _changes_observations(layer, inner):
            raise ValueError(
                f"{name} changes observations, which solve, evaluate and the agents do not see, since they "
                "use the problem itself; give the environment without it"
            )
        if not isinstance(layer, gym.ActionWrapper):
            effect = "changes" if _changes_rewards(layer) else "may change"
            warnings.warn(
                f"{name} {effect} rewards or episodes, which solve, evaluate and the agents ignore: they use "
                "the problem itself, in its units of cost",
                stacklevel=user_level(),
            )


def decoding_layer(env: Any) -> Any:
    """The layer whose ``decode`` reads the actions of an environment; None if there is none.

    Raises:
        ValueError: if a wrapper outside of it changes the actions.
    """
    for layer in layers(env):
        if _decodes(layer):
            return layer
        inner = _inside(layer)
        if inner is not None and not _collects(layer) and _changes_actions(layer, inner):
            raise ValueError(
                f"{type(layer).__name__} changes actions in a way that cannot be seen through; give the "
                "environment without it, or under one of jumpgym.wrappers"
            )
    return None


def _inside(layer: Any) -> Any:
    """The environment inside a wrapper of Gymnasium or SB3, of a batch the first; None if there is none."""
    if isinstance(layer, (gym.Wrapper, gym.vector.VectorWrapper)):
        return layer.env
    attributes = getattr(layer, "__dict__", {})
    if "venv" in attributes:
        return attributes["venv"]
    return attributes["envs"][0] if _collects(layer) else None


def _collects(layer: Any) -> bool:
    several = getattr(layer, "__dict__", {}).get("envs")
    return isinstance(several, (list, tuple)) and len(several) > 0


def _decodes(layer: Any) -> bool:
    # Not getattr of the instance: wrappers of SB3 forward attributes.
    return callable(getattr(type(layer), "decode", None))


def _changes_observations(layer: Any, inner: Any) -> bool:
    if isinstance(layer, (gym.ObservationWrapper, gym.vector.VectorObservationWrapper)):
        return True
    if getattr(layer, "norm_obs", False) is True:  # SB3's VecNormalize
        return True
    return bool(space_of(layer, "observation_space") != space_of(inner, "observation_space"))


def _changes_actions(layer: Any, inner: Any) -> bool:
    if isinstance(layer, (gym.ActionWrapper, gym.vector.VectorActionWrapper)):
        return True
    return bool(space_of(layer, "action_space") != space_of(inner, "action_space"))


def _changes_rewards(layer: Any) -> bool:
    wrappers = (gym.RewardWrapper, gym.vector.VectorRewardWrapper)
    return isinstance(layer, wrappers) or type(layer).__name__ in REWARDS


def space_of(layer: Any, name: str) -> Any:
    """A space of one environment, also of a batch."""
    return getattr(layer, f"single_{name}", None) or getattr(layer, name, None)
