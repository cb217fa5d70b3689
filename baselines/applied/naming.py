"""What people call the items and the regimes of a problem."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from jumpgym import HindsightProblem, SingleItemInventory
from jumpgym.layout import regime_label
from jumpgym.problems.budget_discount import BudgetDiscount
from jumpgym.problems.several_items import MultiItemInventory

SHARED = "all items"
"""The item of rows that hold what no single item causes, such as the trucks."""


def item_names(problem: HindsightProblem) -> tuple[str, ...] | None:
    """Names of the items of an inventory; None for a problem without stocks.

    They are those of the columns of recorded demand, otherwise "item 1", "item 2", ...
    """
    if isinstance(problem, MultiItemInventory):
        return problem.item_names
    inventory = problem.stock if isinstance(problem, BudgetDiscount) else problem
    if not isinstance(inventory, SingleItemInventory):
        return None
    records = getattr(inventory.demand, "records", None)
    return ("item 1",) if records is None or records.unnamed else records.items


def state_names(problem: HindsightProblem) -> tuple[str, ...]:
    """Names of the entries of an observation without the period."""
    names = problem.observation_names
    return names if problem.horizon is None else names[:-1]


def regime_labels(problem: HindsightProblem, regime: NDArray[np.int64], gates: slice = slice(None)) -> Any:
    """Label of the regimes of some gates in each row, as ``regime_label`` makes it.

    Args:
        problem: the problem.
        regime: of each gate, shape (m, G).
        gates: those that the labels name; all by default.

    Returns:
        A pandas Categorical of length m.
    """
    chosen, row = np.unique(regime[:, gates], axis=0, return_inverse=True)
    labels = [
        regime_label(names[k] for names, k in zip(problem.regime_names[gates], regimes, strict=True))
        for regimes in chosen
    ]
    return pd.Categorical(np.array(labels, dtype=object)[row.ravel()])


def item_regime_labels(ordered: NDArray[np.int64]) -> NDArray[np.object_]:
    """ "order" where the gate of an item is 1, otherwise "nothing"; of the shape of ``ordered``."""
    return np.array(["nothing", "order"], dtype=object)[ordered]
