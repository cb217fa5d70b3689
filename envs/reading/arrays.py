"""Recorded numbers in arrays and lists, and the check of their entries."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from .table import fault


def array_of(data: Any, name: str) -> NDArray[np.float64]:
    """An array or a list as an array of numbers.

    Raises:
        ValueError: if it is not made of numbers, naming the first entry that is none, or if rows have
            different lengths.
    """
    try:
        return checks.real_array(name, data)
    except ValueError as error:
        raise fault(
            name, f"traces must be numbers, of equally many in each row: {_why(data, error)}"
        ) from None


def _why(data: Any, error: ValueError) -> str:
    """What is wrong with data that are no array of numbers."""
    if np.ma.is_masked(data):
        return "entries are masked"
    try:
        entries = np.asarray(data, dtype=object)
    except ValueError:
        return "rows have different lengths"
    for index in np.ndindex(entries.shape):
        entry = entries[index]
        try:
            float(entry)
        except (TypeError, ValueError, ArithmeticError):
            return f"entry {', '.join(map(str, index))} is {checks.shown(entry)}"
    return str(error).partition(": ")[2] or str(error)


def check_values(values: NDArray[np.float64], name: str, low: float, axes: tuple[str, ...]) -> None:
    """Raise a ValueError that names the first entry that is missing, not finite, or below ``low``.

    Args:
        values: the numbers.
        name: what errors call them.
        low: the least number allowed.
        axes: what to call each axis.
    """
    below = "is negative" if low == 0 else f"is less than {low:g}"
    for problem, wrong in (("is missing or not finite", ~np.isfinite(values)), (below, values < low)):
        if wrong.any():
            first = np.argwhere(wrong)[0]
            location = ", ".join(f"{axis} {index}" for axis, index in zip(axes, first, strict=False))
            raise fault(name, f"{location} {problem}: {values[tuple(first)]}")
