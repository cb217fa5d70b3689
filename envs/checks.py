"""Checks of parameters. Every error names the parameter, the value given and what is allowed."""

from __future__ import annotations

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

LARGEST = 1e12
"""Largest number that a parameter may be; far below what overflows in float32 observations."""

MAX_HORIZON = 100_000
"""Longest horizon, in periods; an episode's noise is drawn at once."""


MOST_SHOWN = 80
"""Most characters of a value in an error."""


def shown(value: Any) -> str:
    """The ``repr`` of a value for an error, which long lists and texts do not lengthen."""
    if isinstance(value, (list, tuple)) and len(value) > MOST_SHOWN:  # to write all of it could take long
        value = value[:MOST_SHOWN]
    text = repr(value)
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def number(name: str, value: Any, *, low: float = -LARGEST, high: float = LARGEST) -> float:
    """Return ``value`` as a finite float in ``[low, high]``; otherwise raise, naming ``name``."""
    if isinstance(value, (bool, np.timedelta64)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name}={shown(value)} must be a number, not {type(value).__name__}")
    try:
        result = float(value)
    except OverflowError:
        result = math.inf
    if not math.isfinite(result) or not low <= result <= high:
        raise ValueError(f"{name}={result!r} must be a finite number{_range(low, high)}")
    return result


def integer(name: str, value: Any, *, low: int, high: float = math.inf) -> int:
    """Return ``value`` as an int in ``[low, high]``; otherwise raise, naming ``name``."""
    if isinstance(value, (bool, np.timedelta64)) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name}={shown(value)} must be an integer, not {type(value).__name__}")
    value = int(value)
    if not low <= value <= high:
        raise ValueError(f"{name}={shown(value)} must be an integer{_range(low, high)}")
    return value


def choice(name: str, value: Any, allowed: tuple[Any, ...]) -> Any:
    """Return ``value`` if it is one of ``allowed``, all of one type; otherwise raise, naming ``name``."""
    if not isinstance(value, type(allowed[0])) or value not in allowed:
        raise ValueError(f"{name}={shown(value)} must be one of {', '.join(map(repr, allowed))}")
    return value


def is_vector(value: Any) -> bool:
    """Whether ``value`` has entries, as a list or an array with an axis; a number has none."""
    return hasattr(value, "__len__") and getattr(value, "ndim", 1) > 0


def sequence(name: str, value: Any) -> list[Any]:
    """Return ``value`` as a list, if it is a sequence or an array with one axis or more; otherwise raise."""
    if isinstance(value, np.ndarray):
        if value.ndim > 0:
            return list(value)
    elif isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return list(value)
    raise TypeError(f"{name}={shown(value)} must be a sequence, such as a tuple or a list")


def array(name: str, value: Any) -> NDArray[Any]:
    """Return ``value`` as an array of any type; raise, naming ``name``, if it is none or is masked."""
    if np.ma.is_masked(value):  # NumPy would take what lies under the mask
        raise ValueError(f"{name}={shown(value)} must be numbers: entries are masked")
    try:
        return np.asarray(value)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{name}={shown(value)} must be numbers: {str(error)[:MOST_SHOWN]}") from None


def real_array(name: str, value: Any) -> NDArray[np.float64]:
    """Return ``value`` as an array of real numbers; otherwise raise, naming ``name``."""
    values = array(name, value)
    try:
        if values.dtype.kind in "cmM":
            raise TypeError(f"real ones, not {values.dtype}")
        return values.astype(np.float64)
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"{name}={shown(value)} must be numbers: {str(error)[:MOST_SHOWN]}") from None


def horizon(value: Any) -> int | None:
    """Return a number of periods, or None for an infinite-horizon problem; otherwise raise."""
    return None if value is None else integer("horizon", value, low=1, high=MAX_HORIZON)


def discount(value: Any) -> float:
    """Return a discount factor in (0, 1]; otherwise raise."""
    factor = number("discount", value, low=0, high=1)
    if factor == 0:
        raise ValueError("discount=0 must be a number in (0, 1]")
    return factor


def interval(name: str, value: Any, *, low: float = -LARGEST) -> tuple[float, float]:
    """Return a number, or a pair (low, high) to draw from, as a pair of at least ``low``; otherwise raise."""
    pair = value if isinstance(value, (tuple, list)) else (value,) * 2
    if len(pair) != 2:
        raise ValueError(f"{name}={shown(value)} must be a number or a pair (low, high)")
    lower, upper = (number(name, end, low=low) for end in pair)
    if lower > upper:
        raise ValueError(f"{name}={shown(value)} must be a pair (low, high), low <= high")
    return lower, upper


def _range(low: float, high: float) -> str:
    if math.isfinite(high):
        return f" in [{low:g}, {high:g}]"
    return f" of at least {low:g}" if math.isfinite(low) else ""


def determined(name: str, is_determined: Any, why: str) -> None:
    """Raise unless ``is_determined``, an array of NumPy or torch, is True throughout, naming the first False.

    Args:
        name: name of the noise that is inferred from a transition.
        is_determined: for each entry of the noise whether the transition determines it.
        why: why an entry may be undetermined, and what to do instead.
    """
    if not bool(is_determined.all()):
        first = int((is_determined.reshape(-1) * 1).argmin())
        index = ", ".join(str(each) for each in np.unravel_index(first, tuple(is_determined.shape)))
        raise ValueError(f"infer_noise: {name}[{index}] is not determined: {why}")


def unknown_index(name: str, value: Any, count: int, row: int | None = None) -> ValueError:
    """The error for an index that is none of 0, ..., ``count - 1``, in environment ``row`` of a batch."""
    return ValueError(f"{action_of(row)}: {name}={shown(value)} must be an integer in [0, {count - 1}]")


def nan_quantity(row: int | None = None) -> ValueError:
    """The error for a quantity that is NaN, in environment ``row`` of a batch."""
    return ValueError(
        f"{action_of(row)}: quantity is NaN; it must be a number, it is projected on the regime's interval"
    )


def action_of(row: int | None) -> str:
    """What to call an action in an error: that of environment ``row``, of a batch."""
    return "action" if row is None else f"action of environment {row}"
