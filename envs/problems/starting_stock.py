"""The initial stock of several items, as the parameter ``initial_inventory`` gives it."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import checks


def stock_ends(initial_inventory: Any, items: int) -> tuple[Any, Any]:
    """The lowest and the highest initial stock, each a number or one per item, not yet checked.

    Args:
        initial_inventory: a number or an array (items,); a pair (low, high) of such; or one pair per item.
        items: number of items.

    Raises:
        ValueError: if two pairs for two items may be meant either way.
    """
    nested = isinstance(initial_inventory, (tuple, list))
    if not nested or len(initial_inventory) not in (2, items):
        return initial_inventory, initial_inventory
    per_item = len(initial_inventory) == items and all(
        isinstance(entry, (tuple, list)) and len(entry) == 2 for entry in initial_inventory
    )
    if not per_item:
        return tuple(initial_inventory) if len(initial_inventory) == 2 else (initial_inventory,) * 2
    lowest, highest = zip(*initial_inventory, strict=True)
    transposed = lowest, highest
    if items != 2 or not _ordered(*initial_inventory):
        return transposed
    if _ordered(*transposed) and transposed != tuple(map(tuple, initial_inventory)):
        raise ValueError(
            f"initial_inventory={checks.shown(initial_inventory)} may be a range for each of two items, or "
            "(lowest, highest) of both; give arrays: (numpy.array(lowest), numpy.array(highest))"
        )
    return tuple(initial_inventory)


def _ordered(low: Any, high: Any) -> bool:
    """Whether two vectors are numbers, and the first nowhere above the second."""
    try:
        return bool(np.all(np.asarray(low, dtype=np.float64) <= np.asarray(high, dtype=np.float64)))
    except (TypeError, ValueError):
        return False
