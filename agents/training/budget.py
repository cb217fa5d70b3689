"""What a training may spend, and what has been spent."""

from __future__ import annotations

from typing import NamedTuple


class Spent(NamedTuple):
    """What has been spent on a training.

    Attributes:
        timesteps: number of transitions.
        seconds: CPU seconds.
    """

    timesteps: int = 0
    seconds: float = 0.0

    def less(self, other: Spent) -> Spent:
        """Return what is left of this without the other."""
        return Spent(self.timesteps - other.timesteps, self.seconds - other.seconds)


NOTHING = Spent()


class Budget(NamedTuple):
    """What a training may spend; None for no limit, at least one of both is a number.

    Attributes:
        timesteps: number of transitions.
        cpu_seconds: CPU seconds.
    """

    timesteps: int | None
    cpu_seconds: float | None

    def share(self, spent: Spent) -> float:
        """Return the share that is spent of the time steps or of the CPU seconds, whichever is larger."""
        steps = 0.0 if self.timesteps is None else spent.timesteps / self.timesteps
        seconds = 0.0 if self.cpu_seconds is None else spent.seconds / self.cpu_seconds
        return max(steps, seconds)
