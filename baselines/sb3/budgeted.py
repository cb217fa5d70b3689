"""The algorithms of Stable-Baselines3 and sb3-contrib, with a training budget that may be in CPU seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Self

from sb3_contrib import TRPO
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback

from jumpgym import checks
from jumpgym.adapters.action_spaces import spaced
from jumpgym.agents.training.clock import CpuClock
from jumpgym.agents.training.schedules import cosine

from .state import SavedTraining


class Budgeted(BaseAlgorithm):
    """A mixin for SB3's algorithms whose training budget may be given in CPU seconds.

    Attributes:
        clock: CPU time of training so far. A callback that evaluates the model should do so within
            ``model.clock.pause()``, so that evaluation does not count as training.
        hyperparameters: those that the model was made with; set by ``make_learner``.
        saved_training: for a loaded model the state of its training, until training continues.
    """

    clock: CpuClock
    hyperparameters: dict[str, Any]
    saved_training: SavedTraining | None = None
    _cpu_seconds: float | None = None
    _at_rest: Callable[[Any], None] | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.clock = CpuClock()
        self.clock.stop()
        super().__init__(*args, **kwargs)

    def learn(
        self,
        total_timesteps: int | None = None,
        callback: Any = None,
        *args: Any,
        cpu_seconds: float | None = None,
        reset_num_timesteps: bool = True,
        at_rest: Callable[[Any], None] | None = None,
        **kwargs: Any,
    ) -> Self:
        """Train as in SB3, on a budget of either ``total_timesteps`` or ``cpu_seconds``.

        Schedules follow the fraction of the budget that is used up. The CPU time is checked after every step
        of the environments; an update that has begun is finished.

        Args:
            total_timesteps: transitions of all copies of the environment together.
            callback: as in SB3.
            args: further positional arguments of SB3's ``learn``.
            cpu_seconds: CPU time of this process.
            reset_num_timesteps: False continues the previous training, schedules included; the budget is then
                added to what has been spent so far.
            at_rest: called with the model before each collection of experience. A model that is saved then
                resumes its training bit by bit, see ``state``.
            kwargs: further keywords of SB3's ``learn``.

        Raises:
            ValueError: if neither budget is given, or both; or if training shall continue, but the checkpoint
                that the model was loaded from does not hold the state of its training.
        """
        if (total_timesteps is None) == (cpu_seconds is None):
            raise ValueError(f"give one budget: {total_timesteps=} or {cpu_seconds=}")
        spent = 0.0
        if not reset_num_timesteps:
            if self.saved_training is not None:
                self.saved_training.restore(self)
            spent = self.clock.elapsed
        self.saved_training = None
        self._cpu_seconds, self._at_rest = None, at_rest
        callbacks = _as_list(callback)
        if cpu_seconds is not None:
            self._cpu_seconds = spent + checks.number("cpu_seconds", cpu_seconds, low=0)
            callbacks = [*callbacks, _StopAtBudget(self._cpu_seconds)]
        steps = sys.maxsize if total_timesteps is None else total_timesteps
        self.clock = CpuClock(spent)
        try:
            return super().learn(  # type: ignore[misc, safe-super]
                steps, CallbackList(callbacks), *args, reset_num_timesteps=reset_num_timesteps, **kwargs
            )
        finally:
            self.clock.stop()
            self._at_rest = None

    def predict(self, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Predict actions as SB3 does; environments with another action space refuse them."""
        action, state = super().predict(*args, **kwargs)
        return spaced(action, self.action_space), state

    def collect_rollouts(self, *args: Any, **kwargs: Any) -> Any:
        """Collect experience, as in SB3, after a call of ``at_rest``.

        SB3's own hook ``on_rollout_start`` comes too late: by then random numbers for exploration are drawn.
        """
        if self._at_rest is not None:
            self._at_rest(self)
        return super().collect_rollouts(*args, **kwargs)  # type: ignore[misc]

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        super()._update_current_progress_remaining(num_timesteps, total_timesteps)
        if self._cpu_seconds is not None:
            self._current_progress_remaining = max(1 - self.clock.elapsed / self._cpu_seconds, 0.0)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "clock", "saved_training", "_at_rest"]


class BudgetedA2C(Budgeted, A2C):
    """SB3's A2C (Mnih et al. 2016); see ``Budgeted``."""


class BudgetedDDPG(Budgeted, DDPG):
    """SB3's DDPG (Lillicrap et al. 2016); see ``Budgeted``."""


class BudgetedPPO(Budgeted, PPO):
    """SB3's PPO (Schulman et al. 2017); see ``Budgeted``."""


class BudgetedSAC(Budgeted, SAC):
    """SB3's SAC (Haarnoja et al. 2018); see ``Budgeted``."""


class BudgetedTD3(Budgeted, TD3):
    """SB3's TD3 (Fujimoto et al. 2018); see ``Budgeted``."""


class BudgetedTRPO(Budgeted, TRPO):
    """The TRPO of sb3-contrib (Schulman et al. 2015); see ``Budgeted``."""


class Cosine:
    """A learning rate that falls from ``initial`` to 0 along half a cosine.

    It is a class, not a function, so that SB3 can pickle it in ``model.save``.
    """

    def __init__(self, initial: float) -> None:
        self.initial = initial

    def __call__(self, progress_remaining: float) -> float:
        """Learning rate when a fraction ``progress_remaining`` of the training remains."""
        return cosine(self.initial, 1 - min(max(progress_remaining, 0.0), 1.0))


class _StopAtBudget(BaseCallback):
    """Stops training when ``model.clock`` has counted ``seconds``."""

    model: Budgeted

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def _on_step(self) -> bool:
        return self.model.clock.elapsed < self.seconds


def _as_list(callback: Any) -> list[BaseCallback]:
    if callback is None:
        return []
    if isinstance(callback, list):
        return callback
    return [callback if isinstance(callback, BaseCallback) else ConvertCallback(callback)]
