"""Methods of other packages: what a class must offer, and how it is trained on a budget."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Protocol, Self

from .method import Callback, ClassMethod, remaining_budget


class Learner(Protocol):
    """What a class from outside jumpgym must offer to be compared as ``package.module:Class``.

    Its constructor takes ``(env, seed=..., **hyperparameters)``; ``env`` is an environment or a problem.
    It raises ``jumpgym.NotApplicable`` if the class is not made for the problem. The first line of its
    docstring is its description in reports. ``get_env()``, if the class has it, returns the environment whose
    actions ``predict`` gives; by default they are those of ``env``.

    Attributes:
        num_timesteps: transitions simulated so far.
    """

    num_timesteps: int

    def learn(self, total_timesteps: int, callback: Callable[[Any], bool]) -> Any:
        """Train for a number of further transitions.

        Call ``callback(self)`` often, and stop when it returns False: where the budget is in CPU seconds,
        ``total_timesteps`` is huge and the callback ends the training.
        """

    def predict(self, observation: Any, deterministic: bool = False) -> tuple[Any, Any]:
        """Return actions of a batch of observations (m, n), and None, as in SB3."""

    def save(self, path: str) -> None:
        """Write a checkpoint at exactly this path."""

    @classmethod
    def load(cls, path: str, env: Any) -> Self:
        """Read a checkpoint that ``save`` wrote."""


class LearnerMethod(ClassMethod):
    """A class that satisfies ``Learner``."""

    def make(self, env: Any, seed: int, **hyperparameters: Any) -> Any:
        """See ``Method.make``."""
        return TimedLearner(super().make(env, seed, **hyperparameters), env)

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
            model.learn(callback, budget.get("total_timesteps", sys.maxsize), cpu_seconds)

    def save(self, model: Any, path: str | os.PathLike[str]) -> None:
        """See ``Method.save``."""
        model.learner.save(os.fspath(path))

    def load(self, path: str | os.PathLike[str], env: Any) -> Any:
        """See ``Method.load``."""
        return TimedLearner(self.imported().load(os.fspath(path), env), env)


class TimedLearner:
    """Adds to a ``Learner`` what a run needs: a clock of CPU time, and an environment for evaluations."""

    def __init__(self, learner: Learner, env: Any) -> None:
        from jumpgym.agents.training.clock import CpuClock

        self.learner = learner
        self.env = env
        self.clock = CpuClock()
        self.clock.stop()

    @property
    def num_timesteps(self) -> int:
        """Transitions simulated so far."""
        return self.learner.num_timesteps

    def get_env(self) -> Any:
        """The environment whose actions ``predict`` gives."""
        return self.learner.get_env() if hasattr(self.learner, "get_env") else self.env

    def predict(self, observation: Any, *_: Any, deterministic: bool = False, **__: Any) -> tuple[Any, Any]:
        """See ``Learner.predict``."""
        return self.learner.predict(observation, deterministic=deterministic)

    def learn(self, callback: Callback, total_timesteps: int, cpu_seconds: float | None) -> None:
        """Train on the clock, until ``cpu_seconds`` are spent if given."""
        from jumpgym.agents.training.clock import CpuClock

        def goes_on(_: Any) -> bool:
            callback(self)
            return cpu_seconds is None or self.clock.elapsed < cpu_seconds

        self.clock = CpuClock(self.clock.elapsed)
        try:
            self.learner.learn(total_timesteps=total_timesteps, callback=goes_on)
        finally:
            self.clock.stop()
