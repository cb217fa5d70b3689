"""The engines that run the iterations of training: which there are, and which one an agent takes."""

from __future__ import annotations

import importlib.util
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jumpgym import NotApplicable

ENGINES = ("auto", "torch", "jax")

COMPILED_INTERVAL = 10
"""Iterations between two calls of callbacks where several run as one program: as many as between two logs."""

VARIABLE = "JUMPGYM_ENGINE"
"""Environment variable: "torch" makes "auto" take PyTorch."""


def jax_is_installed() -> bool:
    """Return whether JAX can be imported."""
    return importlib.util.find_spec("jax") is not None


def preferred_engine() -> str:
    """Return the engine that "auto" takes on this machine for an agent that can be compiled."""
    forced = os.environ.get(VARIABLE) == "torch"
    return "jax" if jax_is_installed() and not forced else "torch"


def chosen_engine(agent: Any, requested: str) -> str:
    """Return the engine of an agent, "torch" or "jax".

    Args:
        agent: gives ``device`` and ``uncompiled``.
        requested: one of ``ENGINES``.

    Raises:
        ImportError: if "jax" is requested, and JAX is not installed.
        NotApplicable: if "jax" is requested, and the agent cannot be compiled; the message says why.
    """
    if requested == "jax" and not jax_is_installed():
        raise ImportError("engine='jax' needs JAX: pip install \"jumpgym[compiled]\"")
    if requested == "jax" and agent.uncompiled is not None:
        raise NotApplicable(f"engine='jax': {agent.uncompiled}; use engine='torch' or 'auto'")
    if requested == "auto" and agent.uncompiled is None and agent.device.type == "cpu":
        return preferred_engine()
    return "jax" if requested == "jax" else "torch"


def usable_engine(requested: Any) -> str:
    """Return the engine that a checkpoint names, or "auto" if this machine does not have it."""
    usable = requested in ENGINES and (requested != "jax" or jax_is_installed())
    return requested if usable else "auto"


def callback_interval(engine: str) -> int:
    """Return how many iterations should lie between two calls of callbacks, so that they cost little time."""
    return COMPILED_INTERVAL if engine == "jax" else 1


def first_key(seed: int) -> NDArray[np.uint32]:
    """Return the first key of JAX's random numbers for a seed below 2**64."""
    return np.array([seed >> 32, seed & 0xFFFFFFFF], dtype=np.uint32)


def checked_key(key: NDArray[Any]) -> NDArray[np.uint32]:
    """Return the key of a checkpoint if it has the dtype and the shape of one; otherwise raise ValueError."""
    if key.dtype != np.uint32 or key.shape != (2,):
        raise ValueError(f"key of dtype {key.dtype} and shape {key.shape} must be two of uint32")
    return key
