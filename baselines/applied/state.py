"""A state of a problem from the entries that people give by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jumpgym import HindsightProblem, checks
from jumpgym.problems.several_items import MultiItemInventory
from jumpgym.reading.records import shortened

from .naming import item_names, state_names

FloatArray = NDArray[np.float64]


def state_from(
    problem: HindsightProblem, entries: Mapping[str, Any], period: int | None
) -> tuple[Any, tuple[str, ...] | None]:
    """States from entries by name, and the items that they are of.

    Args:
        problem: the problem.
        entries: see ``decide``.
        period: elapsed periods.

    Returns:
        States with one batch axis: of length 1, or for an inventory of a single item as long as there are
        items; and the names of the items, None for a problem without stocks.

    Raises:
        ValueError, TypeError: naming the entry, its value and what is allowed.
    """
    template = problem.initial_state(np.zeros((1, *problem.start_shape)))
    shapes = {name: entry.shape[1:] for name, entry in template._asdict().items() if name != "period"}
    kind = type(problem).__name__
    unseen = {"phase"} if problem.season is None else set()
    empty = {name: shape for name, shape in shapes.items() if 0 in shape or name in unseen}
    shapes = {name: shape for name, shape in shapes.items() if name not in empty}
    for name in entries:
        if name in empty:
            reason = _UNSEEN.get(name, "nothing can be under way in this problem")
            raise ValueError(f"{name}: {reason}; leave it out")
        if name not in shapes:
            raise ValueError(f"{name} is no entry of a state of {kind}; these are {', '.join(shapes)}")
    names = item_names(problem)
    several = isinstance(problem, MultiItemInventory)
    arrays = {name: np.zeros((1, *shape)) for name, shape in empty.items()}
    named: tuple[str, ...] | None = None
    for name, shape in shapes.items():
        if name not in entries:
            meaning = _MEANING.get(name, "see the state of the problem")
            raise ValueError(f"{name} must be given, with shape {_text(shape)}: {meaning}")
        value = entries[name]
        if isinstance(value, (Mapping, pd.Series)):
            if names is None:
                raise ValueError(f"{name}: {kind} has no items; give numbers of shape {_text(shape)}")
            value, given = _by_item(name, dict(value), names if several else named)
            named = named or given
            if value.ndim == 1 and len(shape) == 1 + several and shape[0] == 1:
                value = value[:, None]  # a lead time of one period
            value = value.T if several else value
        arrays[name] = _entry(name, value, shape, many=names is not None and not several)
    count = max(len(array) for array in arrays.values())
    for name, array in arrays.items():
        if len(array) not in (1, count):
            raise ValueError(f"{name} has {len(array)} rows, but others have {count}")
    if named is None and names is not None:
        named = names if several or count == 1 else tuple(f"item {i + 1}" for i in range(count))
    elapsed = float(_period(problem, period))
    full = {name: np.broadcast_to(array, (count, *array.shape[1:])) for name, array in arrays.items()}
    state = type(template)(**full, period=np.full(count, elapsed))
    _check_bounds(problem, state)
    return state, named


_MEANING = {
    "inventory": "the net stock now, in units",
    "pipeline": "the orders under way by the periods until they arrive, in units; 0 for none",
    "history": "the last demands, the latest first, in units",
    "phase": "the elapsed periods of the season",
    "money": "the money that orders can be paid from",
    "due": "the repayments by the periods until they are due; 0 for none",
}
"""What entries mean, for the error if they are missing."""


_UNSEEN = {
    "history": "policies of this problem see no past demand (demand_history=0)",
    "phase": "this problem has no season",
}
"""Why an entry of a state that remembers demand has nothing in it."""


def _period(problem: HindsightProblem, period: int | None) -> int:
    if problem.horizon is None:
        return 0 if period is None else checks.integer("period", period, low=0)
    if period is None:
        raise ValueError(
            f"period must be given: decisions depend on how many of the {problem.horizon} periods have "
            "elapsed; 0 before the first"
        )
    return checks.integer("period", period, low=0, high=problem.horizon - 1)


def _by_item(
    name: str, value: dict[Any, Any], expected: tuple[str, ...] | None
) -> tuple[FloatArray, tuple[str, ...]]:
    """Values (items, ...) of a mapping from items, in the order of the expected items if there are any."""
    named = tuple(map(str, value))
    items = named if expected is None else expected
    unknown = [item for item in named if item not in items]
    missing = [item for item in items if item not in named]
    if unknown or missing:
        what = f"there is no item {unknown[0]!r}" if unknown else f"item {missing[0]!r} is missing"
        raise ValueError(f"{name}: {what}; the items are {shortened(items)}")
    by_name = {str(item): numbers for item, numbers in value.items()}
    return checks.real_array(name, [by_name[item] for item in items]), items


def _entry(name: str, value: Any, shape: tuple[int, ...], many: bool) -> FloatArray:
    """A finite array (m, *shape); m is 1 unless ``many`` are allowed."""
    array = checks.real_array(name, value)
    if not np.isfinite(array).all():
        raise ValueError(f"{name}={value!r} must be finite")
    if array.ndim == 0 and (array == 0 or np.prod(shape) == 1):
        return np.full((1, *shape), float(array))
    if array.shape == shape:
        return array[None]
    if many and array.ndim == len(shape) + 1 and array.shape[1:] == shape and len(array) > 0:
        return array
    rows = f", or one row more for each of several items, (m, {', '.join(map(str, shape))})" if many else ""
    raise ValueError(
        f"{name} of shape {array.shape} must have shape {_text(shape)}{rows.replace(', )', ')')}"
    )


def _text(shape: tuple[int, ...]) -> str:
    return str(shape) if shape else "() (one number)"


def _check_bounds(problem: HindsightProblem, state: Any) -> None:
    """Raise a ValueError for the first entry that no episode of the problem can reach."""
    observation = problem.observe(state)
    low, high = problem.observation_low, problem.observation_high
    slack = 1e-6 * np.maximum(1.0, np.maximum(np.abs(low), np.abs(high)))
    outside = (observation < low - slack) | (observation > high + slack)
    outside[:, len(state_names(problem)) :] = False
    if outside.any():
        row, entry = np.argwhere(outside)[0]
        raise ValueError(
            f"{problem.observation_names[entry]}={observation[row, entry]:g} must be in [{low[entry]:g}, "
            f"{high[entry]:g}], the values that episodes of this problem can reach"
        )
