"""Callbacks of training."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces

from jumpgym.adapters.views import TupleView

from .copies import Copies
from .iteration import TrainingIteration


class Callbacks:
    """Functions and SB3 callbacks, called once an iteration.

    SB3's callbacks see an iteration as one step of ``agent.get_env().num_envs`` copies of the environment.
    Their ``locals`` hold the arguments of ``learn``; ``self``, the agent; ``dones``, which is True for as
    many copies as episodes have ended; and ``infos``, an empty dict for each copy.

    Args:
        agent: the agent that is trained.
        callback: a function of the agent, a function of SB3's ``locals`` and ``globals``, an SB3 callback, a
            list of these, or None.

    Raises:
        TypeError: for anything else.
    """

    def __init__(self, agent: Any, callback: Any) -> None:
        items = callback if isinstance(callback, (list, tuple)) else [] if callback is None else [callback]
        self._agent = agent
        self._locals: dict[str, Any] = {}
        self._globals: dict[str, Any] = {}
        self._sb3 = [item for item in items if hasattr(item, "init_callback")]
        self._functions: list[Callable[[], bool | None]] = [
            self._without_arguments(item) for item in items if item not in self._sb3
        ]

    def start(self, arguments: dict[str, Any]) -> None:
        """Tell SB3's callbacks that training starts.

        Args:
            arguments: those of ``learn``, by name.
        """
        copies = self._agent.get_env().num_envs
        self._counted = self._agent.num_timesteps
        self._locals |= {
            **arguments,
            "self": self._agent,
            "dones": np.zeros(copies, dtype=np.bool_),
            "infos": [{}] * copies,
        }
        for item in self._sb3:
            item.init_callback(self._agent)
            item.on_training_start(self._locals, self._globals)
            item.on_rollout_start()

    def on_step(self) -> bool:
        """False if any callback asks to stop."""
        self._locals["dones"][:] = np.arange(len(self._locals["dones"])) < self._episodes_ended()
        answers = [function() for function in self._functions]
        for item in self._sb3:
            item.update_locals(self._locals)
            answers.append(item.on_step())
        going = all(answer is not False for answer in answers)
        for item in self._sb3:
            item.on_rollout_end()
            if going and self._agent.progress < 1:
                item.on_rollout_start()
        return going

    def close(self) -> None:
        """Tell SB3's callbacks that training is over."""
        for callback in self._sb3:
            callback.on_training_end()

    def _without_arguments(self, function: Any) -> Callable[[], bool | None]:
        """A function of the agent, or of SB3's two dicts if it takes no fewer than two arguments."""
        if not callable(function):
            raise TypeError(f"callback={function!r} must be a function of the agent or an SB3 callback")
        if _takes(function, 2) and not _takes(function, 1):
            return lambda: function(self._locals, self._globals)
        return lambda: function(self._agent)

    def _episodes_ended(self) -> int:
        """Number of episodes that ended since the last call; an infinite horizon has no end."""
        before, self._counted = self._counted, self._agent.num_timesteps
        horizon = self._agent.problem.horizon
        return 0 if horizon is None else self._counted // horizon - before // horizon


class SB3Model(TrainingIteration):
    """What SB3's callbacks ask of the model that is trained, beside ``num_timesteps`` and ``logger``."""

    @property
    def action_space(self) -> spaces.Tuple[Any]:
        """The space of the environment's pairs (regime, quantity), as SB3's models have it."""
        return TupleView(self.problem).space

    def get_env(self) -> Copies:
        """Return the copies of the problem that an iteration simulates."""
        return Copies(self.problem, self.periods * self.settings.batch_size)

    def dump_logs(self) -> None:
        """Write the latest values to TensorBoard, and print them if ``verbose``."""
        self.logger.dump(self.num_timesteps)

    def get_vec_normalize_env(self) -> None:
        """Return None, since observations are normalised only inside the networks."""
        return None


def _takes(function: Callable[..., Any], count: int) -> bool:
    """Whether a function can be called with so many positional arguments."""
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # built-in functions may have no signature
        return count == 1
    return True
