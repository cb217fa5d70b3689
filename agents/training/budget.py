"""What a training may spend, and what has been spent."""

from __future__ import annotations

from typing import Any, NamedTuple

from jumpgym import checks


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


def checked_spent(name: str, value: Any) -> Spent:
    """Return what a checkpoint says has been spent, if it can be true; otherwise raise, naming ``name``."""
    entries = checks.sequence(name, value)
    if len(entries) != 2:
        raise ValueError(f"{name}={checks.shown(value)} must be a pair: time steps and CPU seconds")
    timesteps = checks.integer(f"{name}[0]", entries[0], low=0)
    return Spent(timesteps, checks.number(f"{name}[1]", entries[1], low=0))


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
