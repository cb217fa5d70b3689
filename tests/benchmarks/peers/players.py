"""jumpgym's side of a rate: episodes of one environment, or of a native batch, under a given policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import jumpgym  # noqa: F401 (registers the environments)

BATCH = 4096
"""Copies in a native batch."""

ONE, MANY = "gym.make", f"native batch of {BATCH:,}"
"""What the two are called in the tables."""

Policy = Callable[[NDArray[np.float32]], tuple[Any, Any]]
"""From observations (m, d) to regimes (m,) or (m, G) and quantities (m, n)."""


def one(env_id: str, policy: Policy, **parameters: Any) -> Callable[[], int]:
    """Plays an episode of ``gym.make(env_id, **parameters)``, with a batch of one for the policy."""
    env = gym.make(env_id, **parameters)
    env.reset(seed=0)

    def episode() -> int:
        observation, _ = env.reset()
        transitions, over = 0, False
        while not over:
            regime, quantity = policy(observation[None])
            observation, _, over, _, _ = env.step((regime[0], quantity[0]))
            transitions += 1
        return transitions

    return episode


def many(env_id: str, policy: Policy, **parameters: Any) -> Callable[[], int]:
    """Plays an episode of a native batch; its reset is not counted as a transition."""
    keywords = {"vectorization_mode": "vector_entry_point", "autoreset_mode": "Disabled", **parameters}
    envs = gym.make_vec(env_id, BATCH, **keywords)
    envs.reset(seed=0)

    def episode() -> int:
        observation, _ = envs.reset()
        transitions, over = 0, False
        while not over:
            observation, _, terminated, _, _ = envs.step(policy(observation))
            transitions += BATCH
            over = bool(terminated.all())
        return transitions

    return episode


def constant(regime: Any, quantity: Any) -> Policy:
    """The same regime (or regimes) and quantity (or quantities) always.

    The arrays are made once for each batch size, so that next to nothing but the environment is measured.
    """
    made: dict[int, tuple[Any, Any]] = {}

    def policy(observation: NDArray[np.float32]) -> tuple[Any, Any]:
        number = len(observation)
        if number not in made:
            regimes = np.tile(np.asarray(regime), (number, *[1] * np.ndim(regime)))
            made[number] = regimes, np.tile(np.float32(np.atleast_1d(quantity)), (number, 1))
        return made[number]

    return policy
