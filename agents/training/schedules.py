"""Schedules over the progress of training in [0, 1]: of Python floats, or of scalars of JAX."""

import math
from typing import Any

from .. import arrays


def cosine(start: float, progress: Any) -> Any:
    """From ``start`` to 0 by half a cosine."""
    return start * 0.5 * (1 + arrays.cosine(math.pi * progress))


def linear_until(start: Any, end: float, progress: Any) -> Any:
    """From ``start`` to 0 in a line that ends at progress ``end``."""
    return start * arrays.largest(1 - progress / end, 0.0)


def inverse_time(start: float, rate: float, floor: float, iteration: Any) -> Any:
    """``start / (1 + rate k)`` at iteration k (eq. 11), never below ``floor``."""
    return arrays.largest(start / (1 + rate * iteration), floor)
