"""Schedules over the progress of training in [0, 1]: of Python floats, or of scalars of JAX."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from .. import arrays


class Phase(NamedTuple):
    """A part of a training, over which its schedules run from their start to their end.

    Attributes:
        begin: share of the training at which it begins.
        length: its share of the training.
        learning_rate, entropy_bonus: what they start from, as multiples of the settings of that name.
        deviation: what the standard deviation of the noise on the outputs for the quantities starts from.
        optional: 1 if the policy from before the phase goes on where it was better, otherwise 0.
    """

    begin: Any = 0.0
    length: Any = 1.0
    learning_rate: Any = 1.0
    entropy_bonus: Any = 1.0
    deviation: Any = 0.0
    optional: Any = 0

    @property
    def end(self) -> Any:
        """Share of the training at which it ends."""
        return self.begin + self.length

    def progress(self, progress: Any) -> Any:
        """Return the share of the phase that is done, at a share of the training that is done."""
        return (progress - self.begin) / self.length


SINGLE = (Phase(),)
"""A training in one phase."""


def reheated(deviation: float) -> tuple[Phase, Phase, Phase]:
    """Return three phases: a training, another one with noise on the quantities, and a short last one.

    The last one has no entropy bonus from its start on, so it may lose a regime for good; it is optional too.

    Args:
        deviation: of the noise at the start of the second phase.
    """
    return (
        Phase(0.0, 0.6),
        Phase(0.6, 0.25, learning_rate=0.6, entropy_bonus=0.15, deviation=deviation, optional=1),
        Phase(0.85, 0.15, learning_rate=0.3, entropy_bonus=0.0, optional=1),
    )


def phase_at(phases: Sequence[Phase], progress: Any) -> Phase:
    """Return the phase at a share of the training that is done, which may be a scalar of JAX."""
    first, *later = phases
    if not later:
        return first
    steps = [progress >= phase.begin for phase in later]
    return Phase(
        *(
            values[0] + sum((b - a) * step for a, b, step in zip(values[:-1], values[1:], steps, strict=True))
            for values in zip(*phases, strict=True)
        )
    )


def cosine(start: float, progress: Any) -> Any:
    """From ``start`` to 0 by half a cosine."""
    return start * 0.5 * (1 + arrays.cosine(math.pi * progress))


def linear_until(start: Any, end: float, progress: Any) -> Any:
    """From ``start`` to 0 in a line that ends at progress ``end``."""
    return start * arrays.largest(1 - progress / end, 0.0)


def inverse_time(start: float, rate: float, floor: float, iteration: Any) -> Any:
    """``start / (1 + rate k)`` at iteration k (eq. 11), never below ``floor``."""
    return arrays.largest(start / (1 + rate * iteration), floor)
