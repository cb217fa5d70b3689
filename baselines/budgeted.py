"""The algorithms of Stable-Baselines3 and sb3-contrib, with a training budget that may be in CPU seconds."""

from __future__ import annotations

import sys
from typing import Any, Self

from sb3_contrib import TRPO
from stable_baselines3 import A2C, DDPG, PPO, SAC, TD3
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback

from jumpgym import checks
from jumpgym.agents.clock import CpuClock
from jumpgym.agents.schedules import cosine


class Budgeted(BaseAlgorithm):
    """Mixed in before an algorithm of SB3, its training budget may be given in CPU seconds.

    Attributes:
        clock: CPU time of the current ``learn``. A callback that evaluates does so within
            ``model.clock.pause()``, so that evaluation does not count as training.
    """

    clock: CpuClock | None = None
    _cpu_seconds: float | None = None

    def learn(
        self,
        total_timesteps: int | None = None,
        callback: Any = None,
        *args: Any,
        cpu_seconds: float | None = None,
        **kwargs: Any,
    ) -> Self:
        """Train; as in SB3, but the budget is either ``total_timesteps`` or ``cpu_seconds``.

        Schedules follow the fraction of the budget that is used up. The clock is looked at after every step
        of the environments, so what lies between two of them, such as an update, is finished.

        Args:
            total_timesteps: transitions of all copies of the environment together.
            callback: as in SB3.
            args: what else SB3's ``learn`` takes, with its defaults.
            cpu_seconds: of this process.
            kwargs: the same, by name.

        Raises:
            ValueError: if neither budget is given, or both.
        """
        if (total_timesteps is None) == (cpu_seconds is None):
            raise ValueError(f"give one budget: {total_timesteps=} or {cpu_seconds=}")
        self._cpu_seconds = cpu_seconds
        if cpu_seconds is not None:
            checks.number("cpu_seconds", cpu_seconds, low=0)
            callback = CallbackList([*_as_list(callback), _StopAtBudget(cpu_seconds)])
        steps = sys.maxsize if total_timesteps is None else total_timesteps
        self.clock = CpuClock()
        return super().learn(steps, callback, *args, **kwargs)  # type: ignore[safe-super]

    def _update_current_progress_remaining(self, num_timesteps: int, total_timesteps: int) -> None:
        super()._update_current_progress_remaining(num_timesteps, total_timesteps)
        if self._cpu_seconds is not None and self.clock is not None:
            self._current_progress_remaining = max(1 - self.clock.elapsed / self._cpu_seconds, 0.0)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "clock"]


class BudgetedA2C(Budgeted, A2C):
    """SB3's A2C (Mnih et al. 2016), see ``Budgeted``."""


class BudgetedDDPG(Budgeted, DDPG):
    """SB3's DDPG (Lillicrap et al. 2016), see ``Budgeted``."""


class BudgetedPPO(Budgeted, PPO):
    """SB3's PPO (Schulman et al. 2017), see ``Budgeted``."""


class BudgetedSAC(Budgeted, SAC):
    """SB3's SAC (Haarnoja et al. 2018), see ``Budgeted``."""


class BudgetedTD3(Budgeted, TD3):
    """SB3's TD3 (Fujimoto et al. 2018), see ``Budgeted``."""


class BudgetedTRPO(Budgeted, TRPO):
    """TRPO of sb3-contrib (Schulman et al. 2015), see ``Budgeted``."""


class Cosine:
    """A learning rate that falls from ``initial`` to 0 along half a cosine; a schedule that SB3 can save."""

    def __init__(self, initial: float) -> None:
        self.initial = initial

    def __call__(self, progress_remaining: float) -> float:
        """Learning rate when this fraction of the training remains."""
        return cosine(self.initial, 1 - min(max(progress_remaining, 0.0), 1.0))


class _StopAtBudget(BaseCallback):
    """Stops training when ``model.clock`` has counted ``seconds``."""

    model: Budgeted

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def _on_step(self) -> bool:
        assert self.model.clock is not None
        return self.model.clock.elapsed < self.seconds


def _as_list(callback: Any) -> list[BaseCallback]:
    if callback is None:
        return []
    if isinstance(callback, list):
        return callback
    return [callback if isinstance(callback, BaseCallback) else ConvertCallback(callback)]
