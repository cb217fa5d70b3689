"""Callbacks of training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Callbacks:
    """Functions of the agent and SB3 callbacks, called once an iteration.

    Args:
        agent: what they are called with.
        callback: a function or an SB3 callback, a list of these, or None.

    Raises:
        TypeError: for anything else.
    """

    def __init__(self, agent: Any, callback: Any) -> None:
        items = callback if isinstance(callback, (list, tuple)) else [] if callback is None else [callback]
        self._agent = agent
        self._sb3 = [item for item in items if hasattr(item, "init_callback")]
        self._functions: list[Callable[[Any], bool | None]] = [i for i in items if i not in self._sb3]
        for item in self._functions:
            if not callable(item):
                raise TypeError(f"callback={item!r} must be a function of the agent or an SB3 callback")

    def start(self, total_timesteps: int | None) -> None:
        """Tell SB3's callbacks that training starts."""
        for item in self._sb3:
            item.init_callback(self._agent)
            item.on_training_start({"total_timesteps": total_timesteps}, {})

    def on_step(self) -> bool:
        """False if any callback asks to stop."""
        answers = [function(self._agent) for function in self._functions]
        answers += [callback.on_step() for callback in self._sb3]
        return all(answer is not False for answer in answers)

    def close(self) -> None:
        """Tell SB3's callbacks that training is over."""
        for callback in self._sb3:
            callback.on_training_end()
