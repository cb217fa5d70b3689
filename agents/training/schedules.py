"""Schedules over the progress of training in [0, 1]."""

import math


def cosine(start: float, progress: float) -> float:
    """From ``start`` to 0 by half a cosine."""
    return start * 0.5 * (1 + math.cos(math.pi * progress))


def linear_until(start: float, end: float, progress: float) -> float:
    """From ``start`` to 0 in a line that ends at progress ``end``."""
    return start * max(0.0, 1 - progress / end)


def inverse_time(start: float, rate: float, floor: float, iteration: int) -> float:
    """``start / (1 + rate k)`` at iteration k (eq. 11), never below ``floor``."""
    return max(floor, start / (1 + rate * iteration))
