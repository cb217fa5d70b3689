"""Parameters of several items: their number, vectors with an entry for each, and economic order cycles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .. import checks
from ..noise.items import count_items

ITEMS = 2
"""Number of items if no parameter or record implies it."""

MAX_ITEMS = 5_000
"""Largest number of items; which gate enters which component of the cost is a matrix."""


def economic_cycles(
    shared_cost: float, item_costs: NDArray[np.float64], holding_rate: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Periods between orders of each item, shape (n,), that cost least under constant demand.

    An order is placed every T periods, and item i takes part every ``t[i] >= T`` periods. The cost per period
    is ``shared_cost / T + sum(item_costs / t + holding_rate * t / 2)``. It is a lower bound, since ``t`` need
    not be a multiple of T: P. Jackson, W. Maxwell and J. Muckstadt (1985), The joint replenishment problem
    with a powers-of-two restriction, IIE Transactions 17(1).
    """
    # Without holding cost or demand, or next to none: never order.
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        separate = np.nan_to_num(np.sqrt(2 * item_costs / holding_rate), nan=np.inf, posinf=np.inf)
        order = np.argsort(separate)
        shared = np.sqrt(2 * (shared_cost + item_costs[order].cumsum()) / holding_rate[order].cumsum())
    shortest = np.nan_to_num(shared, nan=np.inf, posinf=np.inf).min()
    cycles: NDArray[np.float64] = np.maximum(separate, shortest)
    return cycles


def number_of_items(items: int | None, vectors: Mapping[str, Any], demand: Any) -> int:
    """The number of items that the parameters imply; ``ITEMS`` if they imply none.

    Args:
        items: the parameter ``items``; None if it is not given.
        vectors: parameters of the items, by name.
        demand: see ``jumpgym.noise.items.count_items``.

    Raises:
        ValueError, TypeError: if parameters imply different numbers, 0, or more than ``MAX_ITEMS``.
    """
    lengths = {name: len(value) for name, value in vectors.items() if checks.is_vector(value)}
    from_demand = count_items(demand)
    if from_demand is not None:
        lengths["demand"] = from_demand
    if items is not None:
        lengths["items"] = checks.integer("items", items, low=1, high=MAX_ITEMS)
    if len(set(lengths.values())) > 1:
        numbers = ", ".join(f"{name}: {length}" for name, length in lengths.items())
        raise ValueError(f"the number of items must be the same in all parameters, not {numbers}")
    count = next(iter(lengths.values()), ITEMS)
    if count == 0:
        raise ValueError(f"{next(iter(lengths))} must have an entry for at least one item")
    if count > MAX_ITEMS:
        raise ValueError(
            f"{next(iter(lengths))} has {count:,} entries, at most {MAX_ITEMS:,} items are supported"
        )
    return count


def compact(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """One number in place of many equal ones: a row of few items is slow to broadcast over a batch."""
    return values[0] if np.all(values == values[0]) else values


def per_item(name: str, value: Any, items: int, low: float = 0.0) -> NDArray[np.float64]:
    """A parameter of the items as an array (n,), from a number or a vector; else ValueError or TypeError."""
    if not checks.is_vector(value):
        return np.full(items, checks.number(name, value, low=low))
    if len(value) != items:
        raise ValueError(
            f"{name} has {len(value)} entries, it must be a number, or have one for each of {items} items"
        )
    return np.array([checks.number(f"{name}[{i}]", entry, low=low) for i, entry in enumerate(value)])


def integer_per_item(name: str, value: Any, items: int, high: int) -> NDArray[np.int64]:
    """As ``per_item``, of integers from 0 to ``high``."""
    if not checks.is_vector(value):
        return np.full(items, checks.integer(name, value, low=0, high=high))
    if len(value) != items:
        raise ValueError(
            f"{name} has {len(value)} entries, it must be a number, or have one for each of {items} items"
        )
    return np.array([checks.integer(f"{name}[{i}]", v, low=0, high=high) for i, v in enumerate(value)])
