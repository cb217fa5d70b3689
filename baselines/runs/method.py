"""A learned method: how its models are made, trained, saved and loaded.

Importing this module imports neither PyTorch nor SB3.
"""

from __future__ import annotations

import importlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

Callback = Callable[[Any], None]
"""A function of the model, called many times while it trains; ``model.clock`` counts its CPU time so far."""


class Method(ABC):
    """A way to learn a policy.

    Args:
        description: one line that says what the method does, for lists and reports.
    """

    def __init__(self, description: str) -> None:
        self.description = description

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of the modules that define the method; their sources belong to the identity of a run."""
        return (type(self).__module__,)

    @property
    def engine(self) -> str:
        """What runs the trainings of this method on this machine; part of the identity of a run."""
        return ""

    @abstractmethod
    def make(self, env: Any, seed: int, **hyperparameters: Any) -> Any:
        """Return an untrained model; ``evaluate(model, model.get_env())`` evaluates it.

        Args:
            env: environment id, environment or problem.
            seed: seed of the networks and of the training noise.
            hyperparameters: replace the method's own.

        Raises:
            NotApplicable: if the method is not made for the problem.
        """

    @abstractmethod
    def train(
        self,
        model: Any,
        callback: Callback,
        at_rest: Callback | None = None,
        *,
        cpu_seconds: float | None = None,
        total_timesteps: int | None = None,
    ) -> None:
        """Train until the model has spent a number of CPU seconds, or simulated a number of transitions.

        What a callback does within ``model.clock.pause()`` does not count.

        Args:
            model: new, or loaded to continue; what it has spent already counts.
            callback: called often.
            at_rest: called where the model can be saved so that a loaded one continues bit by bit. A method
                that cannot promise this never calls it; an interrupted training then starts again.
            cpu_seconds, total_timesteps: the budget, exactly one of the two.

        Raises:
            FloatingPointError: if the training diverges.
        """

    @abstractmethod
    def load(self, path: str | os.PathLike[str], env: Any) -> Any:
        """Return the model of a checkpoint, to be evaluated or trained further.

        Raises:
            FileNotFoundError, ValueError: if there is none, it is damaged, or it does not fit ``env``.
        """

    @abstractmethod
    def save(self, model: Any, path: str | os.PathLike[str]) -> None:
        """Write a checkpoint that ``load`` reads."""


class ClassMethod(Method):
    """A method that a class implements.

    Args:
        path: ``package.module:Class``; the module is imported when the class is needed.
        description: one line for lists and reports.
        settings: keywords of the class.
    """

    def __init__(self, path: str, description: str, **settings: Any) -> None:
        super().__init__(description)
        self.path = path
        self.settings = settings

    @property
    def modules(self) -> tuple[str, ...]:
        """See ``Method.modules``."""
        return (self.path.partition(":")[0],)

    def make(self, env: Any, seed: int, **hyperparameters: Any) -> Any:
        """See ``Method.make``."""
        return self.imported()(env, seed=seed, **{**self.settings, **hyperparameters})

    def imported(self) -> Any:
        """The class."""
        module, _, name = self.path.partition(":")
        return getattr(importlib.import_module(module), name)


class AgentMethod(ClassMethod):
    """An agent of ``jumpgym.agents``, or a subclass of ``jumpgym.agents.Agent`` from another package."""

    @property
    def engine(self) -> str:
        """See ``Method.engine``."""
        from jumpgym.agents.training.engines import preferred_engine

        chosen: str = self.settings.get("engine", "auto")
        return preferred_engine() if chosen == "auto" else chosen

    def train(
        self,
        model: Any,
        callback: Callback,
        at_rest: Callback | None = None,
        *,
        cpu_seconds: float | None = None,
        total_timesteps: int | None = None,
    ) -> None:
        """See ``Method.train``."""
        budget = remaining_budget(model, cpu_seconds, total_timesteps)
        if budget is not None:
            from jumpgym.agents.training.engines import callback_interval

            callbacks = [callback] if at_rest is None else [callback, at_rest]
            interval = callback_interval(model.engine)
            model.learn(callback=callbacks, callback_interval=interval, reset_num_timesteps=False, **budget)

    def save(self, model: Any, path: str | os.PathLike[str]) -> None:
        """See ``Method.save``; nothing is pickled."""
        model.save(path)

    def load(self, path: str | os.PathLike[str], env: Any) -> Any:
        """See ``Method.load``."""
        return self.imported().load(path, env)


class SB3Method(Method):
    """A learner of ``jumpgym.baselines.sb3``.

    Args:
        name: its name there.
        description: one line for lists and reports.
    """

    def __init__(self, name: str, description: str) -> None:
        super().__init__(description)
        self.name = name

    def make(self, env: Any, seed: int, **hyperparameters: Any) -> Any:
        """See ``Method.make``."""
        from ..sb3.learners import make_learner

        return make_learner(self.name, env, seed, hyperparameters)

    def train(
        self,
        model: Any,
        callback: Callback,
        at_rest: Callback | None = None,
        *,
        cpu_seconds: float | None = None,
        total_timesteps: int | None = None,
    ) -> None:
        """See ``Method.train``."""

        def on_step(local: dict[str, Any], _: dict[str, Any]) -> bool:
            callback(local["self"])
            return True

        budget = remaining_budget(model, cpu_seconds, total_timesteps)
        if budget is not None:
            model.learn(callback=on_step, at_rest=at_rest, reset_num_timesteps=False, **budget)

    def save(self, model: Any, path: str | os.PathLike[str]) -> None:
        """See ``sb3.checkpoints.save``; nothing is pickled."""
        from ..sb3 import checkpoints

        checkpoints.save(model, path, self.name)

    def load(self, path: str | os.PathLike[str], env: Any) -> Any:
        """See ``Method.load``."""
        from jumpgym.agents.training import checkpoint

        from ..sb3 import checkpoints

        return checkpoints.load(path, env, self.name, *checkpoint.read(path))


def remaining_budget(
    model: Any, cpu_seconds: float | None, total_timesteps: int | None
) -> dict[str, Any] | None:
    """What is left of a budget, as keywords of ``learn``; None if it is spent."""
    remaining: dict[str, Any] = {}
    if total_timesteps is not None:
        remaining["total_timesteps"] = total_timesteps - model.num_timesteps
    if cpu_seconds is not None:
        remaining["cpu_seconds"] = cpu_seconds - model.clock.elapsed
    return None if any(value <= 0 for value in remaining.values()) else remaining
