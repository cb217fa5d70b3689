"""Views of the hybrid action whose actions are indices of a grid of quantities or levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from ..problem import HindsightProblem
from ..problems.single_item import SingleItemInventory
from .decisions import Decision, checked_indices
from .grids import checked_grids, order_levels, order_quantities
from .views import ActionView


class GridView(ActionView):
    """An index of a grid for each quantity: ``Discrete`` for one quantity, ``MultiDiscrete`` for several.

    Args:
        problem: the problem whose decisions are meant.
        grids: for each quantity its grid, ascending.
    """

    def __init__(self, problem: HindsightProblem, grids: list[NDArray[np.float64]]) -> None:
        super().__init__(problem)
        problem.membership(np.zeros(len(grids)))  # refuses a problem whose regimes do not follow from it
        self.grids = grids
        sizes = [len(grid) for grid in grids]
        self.space = spaces.Discrete(sizes[0]) if len(sizes) == 1 else spaces.MultiDiscrete(sizes)

    def points(self, action: Any) -> NDArray[np.float64]:
        """The points of the grids (m, n) that indices (m,) or (m, n) stand for."""
        index = checked_indices("index", action, [len(grid) for grid in self.grids])
        return np.stack([grid[index[:, j]] for j, grid in enumerate(self.grids)], axis=-1)


class QuantityGridView(GridView):
    """An index of a grid of each quantity.

    Args:
        problem: the problem whose decisions are meant.
        quantities: the grid in units, ascending (with several quantities one for each); None for
            ``jumpgym.adapters.grids.order_quantities(problem)``.

    Raises:
        ValueError: if a grid is empty, not ascending, not finite, or leaves the quantity's interval.
    """

    def __init__(self, problem: HindsightProblem, quantities: Sequence[Any] | None = None) -> None:
        grids = (
            order_quantities(problem)
            if quantities is None
            else checked_grids(problem, "quantities", quantities)
        )
        bounds = zip(problem.layout.quantity_low, problem.layout.quantity_high, strict=True)
        for grid, (low, high) in zip(grids, bounds, strict=True):
            if grid[0] < low or grid[-1] > high:
                raise ValueError(f"quantities={grid.tolist()} must lie in [{low:g}, {high:g}]")
        super().__init__(problem, grids)

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is indices (m,), with several quantities (m, n)."""
        quantity = self.points(action)
        return self.problem.membership(quantity), quantity


class LevelGridView(GridView):
    """An index of a grid of levels for each quantity.

    For a single-item inventory these are order-up-to levels in units: an order raises the inventory position
    to the level; there is none if the position is not below it. For other problems levels are dimensionless,
    as in ``BoxLevelView``.

    Args:
        problem: the problem whose decisions are meant.
        levels: the grid, ascending (with several quantities one for each); None for
            ``jumpgym.adapters.grids.order_levels(problem)``.

    Raises:
        ValueError: if a grid is empty, not ascending or not finite.
    """

    needs_observation = True

    def __init__(self, problem: HindsightProblem, levels: Sequence[Any] | None = None) -> None:
        super().__init__(
            problem, order_levels(problem) if levels is None else checked_grids(problem, "levels", levels)
        )

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is as in ``QuantityGridView``."""
        level, observation = self.points(action), np.asarray(observation, dtype=np.float64)
        if isinstance(self.problem, SingleItemInventory):
            quantity = level - self.problem.position(observation)[:, None]
        else:
            last = np.append(self.layout.quantity_start[1:], len(self.layout.low)) - 1
            output = np.zeros((len(level), len(self.layout.low)))
            output[:, last] = level
            quantity = self.problem.quantity_from(observation, output)[:, last]
        quantity = np.maximum(quantity, self.layout.quantity_low)
        return self.problem.membership(quantity), quantity
