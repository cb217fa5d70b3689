"""Views of the hybrid action: other action spaces, and how their actions are decoded to (regime, quantity).

A view holds a ``space`` for one action and a pure method ``decode`` for a batch of them. The wrappers in
``jumpgym.wrappers`` show them to Gymnasium, vectorised simulators call ``decode`` directly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .. import checks
from ..problem import HindsightProblem
from ..problems.single_item import SingleItemInventory
from .grids import OUTPUTS, order_levels, order_quantities

Decision = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Regime of each gate (m, G) and quantities (m, n), in units, of each environment of a batch."""


class ActionView(ABC):
    """How actions of another space stand for hybrid decisions.

    Args:
        problem: the problem whose decisions are meant.

    Attributes:
        space: the space of one action.
    """

    space: spaces.Space[Any]

    def __init__(self, problem: HindsightProblem) -> None:
        self.problem = problem
        self.layout = problem.layout

    @abstractmethod
    def decode(self, observation: Any, action: Any) -> Decision:
        """Regimes (m, G) and quantities (m, n) of a batch of actions.

        The quantities are what was asked for; the environment projects them on the intervals of the regimes.

        Args:
            observation: what the actions answer to, shape (m, d); only levels depend on it, elsewhere it may
                be None.
            action: actions of ``space`` with a leading batch axis m.

        Raises:
            ValueError: if an action has the wrong shape, is NaN or out of range; the message names the
                environment.
        """

    def batch_of_one(self, action: Any) -> Any:
        """One action of ``space`` with a leading batch axis, as ``decode`` takes it."""
        return checks.real_array("action", action)[None]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.space})"


def gate_space(problem: HindsightProblem) -> spaces.Discrete | spaces.MultiDiscrete:
    """The space of regimes: ``Discrete(K)`` for one gate, ``MultiDiscrete(gates)`` for several."""
    gates = problem.layout.gates
    return spaces.Discrete(gates[0]) if len(gates) == 1 else spaces.MultiDiscrete(list(gates))


def quantity_space(problem: HindsightProblem) -> spaces.Box:
    """The space of quantities (n,): from the least to the largest that any regime admits."""
    low, high = problem.layout.quantity_low, problem.layout.quantity_high
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


class TupleView(ActionView):
    """The environment's own action, ``Tuple(Discrete(K), Box((n,)))``, or with ``MultiDiscrete(gates)``."""

    space: spaces.Tuple

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        self.space = spaces.Tuple((gate_space(problem), quantity_space(problem)))

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is regimes (m,) or (m, G) and quantities (m, n)."""
        try:
            regime, quantity = zip(*action, strict=True) if isinstance(action, list) else action
        except (TypeError, ValueError):
            raise ValueError(f"action={action!r} must be a pair (regime, quantity)") from None
        return _decision(self.problem, regime, quantity)

    def batch_of_one(self, action: Any) -> Any:
        """See ``ActionView.batch_of_one``."""
        return [action]


class DictView(ActionView):
    """``Dict(regime=..., quantity=...)`` of the two spaces of ``TupleView``."""

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        regime, quantity = TupleView(problem).space
        self.space = spaces.Dict(regime=regime, quantity=quantity)

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` maps "regime" to (m,) or (m, G) and "quantity" to (m, n)."""
        if not isinstance(action, Mapping) or set(action) != {"regime", "quantity"}:
            raise ValueError(f"action={action!r} must be a dict with the keys 'regime' and 'quantity'")
        return _decision(self.problem, action["regime"], action["quantity"])

    def batch_of_one(self, action: Any) -> Any:
        """See ``ActionView.batch_of_one``."""
        return {name: [part] for name, part in action.items()} if isinstance(action, Mapping) else action


class BoxView(ActionView):
    """``Box`` of G + n columns: the regime of each gate, rounded to the nearest index, and the quantities."""

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        self.space = self._columns(self.layout.quantity_low, self.layout.quantity_high)

    def _columns(self, low: Any, high: Any) -> spaces.Box:
        gates = np.array(self.layout.gates)
        lowest, highest = np.concatenate([0 * gates, low]), np.concatenate([gates - 1, high])
        return spaces.Box(lowest.astype(np.float32), highest.astype(np.float32), dtype=np.float32)

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array (m, G + n)."""
        columns = checks.real_array("action", action)
        gates = len(self.layout.gates)
        width = gates + len(self.layout.quantity_gate)
        if columns.ndim != 2 or columns.shape[1] != width:
            raise ValueError(
                f"action of shape {columns.shape} must have shape (m, {width}): {gates} regimes, quantities"
            )
        return _decision(self.problem, np.rint(columns[:, :gates]), columns[:, gates:])


class BoxLevelView(BoxView):
    """``Box`` of G + n columns: the regimes, rounded, and for each quantity a dimensionless level.

    The quantity is what ``problem.quantity_from`` makes of the level in the regime chosen: for an inventory
    the order up to ``level_scale * (1 + level)``. Levels run over ``grids.OUTPUTS``.
    """

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        count = len(self.layout.quantity_gate)
        self.space = self._columns(np.full(count, OUTPUTS[0]), np.full(count, OUTPUTS[1]))

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array (m, G + n), observation is needed, (m, d)."""
        regime, level = super().decode(observation, action)
        _, output = self.layout.flat(regime, level)
        quantity = self.problem.quantity_from(np.asarray(observation, dtype=np.float64), output)
        return regime, np.take_along_axis(quantity, self.layout.columns(regime), -1)


class QuantityView(ActionView):
    """``Box((n,))``: quantities, not decomposed; they belong to the regimes that hold them.

    Raises:
        NotImplementedError: if the problem's regimes do not follow from the quantities.
    """

    space: spaces.Box

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        self.space = quantity_space(problem)
        problem.membership(np.zeros(self.space.shape))  # refuses what has none

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array of quantities (m, n)."""
        asked = _quantities(action, len(self.layout.quantity_gate))
        return self.problem.membership(asked), asked


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
        index = _indices("index", action, [len(grid) for grid in self.grids])
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
        grids = order_quantities(problem) if quantities is None else _grids(problem, "quantities", quantities)
        bounds = zip(problem.layout.quantity_low, problem.layout.quantity_high, strict=True)
        for grid, (low, high) in zip(grids, bounds, strict=True):
            if grid[0] < low or grid[-1] > high:
                raise ValueError(f"quantities={grid.tolist()} must lie in [{low:g}, {high:g}]")
        super().__init__(problem, grids)

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is indices (m,), with several quantities (m, n)."""
        asked = self.points(action)
        return self.problem.membership(asked), asked


class LevelGridView(GridView):
    """An index of a grid of levels for each quantity.

    For a single-item inventory these are order-up-to levels in units: ordered is what lifts the inventory
    position to the level, nothing if it is there already. Elsewhere they are dimensionless, as in
    ``BoxLevelView``.

    Args:
        problem: the problem whose decisions are meant.
        levels: the grid, ascending (with several quantities one for each); None for
            ``jumpgym.adapters.grids.order_levels(problem)``.

    Raises:
        ValueError: if a grid is empty, not ascending or not finite.
    """

    def __init__(self, problem: HindsightProblem, levels: Sequence[Any] | None = None) -> None:
        super().__init__(
            problem, order_levels(problem) if levels is None else _grids(problem, "levels", levels)
        )

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is as in ``QuantityGridView``; the observation is needed."""
        level, seen = self.points(action), np.asarray(observation, dtype=np.float64)
        if isinstance(self.problem, SingleItemInventory):
            asked = level - self.problem.position(seen)[:, None]
        else:
            last = np.append(self.layout.quantity_start[1:], len(self.layout.low)) - 1
            output = np.zeros((len(level), len(self.layout.low)))
            output[:, last] = level
            asked = self.problem.quantity_from(seen, output)[:, last]
        asked = np.maximum(asked, self.layout.quantity_low)
        return self.problem.membership(asked), asked


def _grids(problem: HindsightProblem, name: str, values: Sequence[Any]) -> list[NDArray[np.float64]]:
    count = len(problem.layout.quantity_gate)
    each = [values] if count == 1 else list(values)
    if len(each) != count:
        raise ValueError(f"{name}: {len(each)} grids must be {count}, one for each quantity")
    return [_grid(name, grid) for grid in each]


def _grid(name: str, values: Any) -> NDArray[np.float64]:
    grid = checks.real_array(name, values)
    if grid.ndim != 1 or len(grid) == 0 or not np.all(np.isfinite(grid)) or np.any(np.diff(grid) <= 0):
        raise ValueError(
            f"{name}={values!r} must be a list of finite numbers in ascending order, without repetition"
        )
    return grid


def _decision(problem: HindsightProblem, regime: Any, quantity: Any) -> Decision:
    layout = problem.layout
    index, asked = _indices("regime", regime, layout.gates), _quantities(quantity, len(layout.quantity_gate))
    if len(index) != len(asked):
        raise ValueError(f"action: {len(index)} regimes and {len(asked)} quantities must be equally many")
    return index, asked


def _columns(name: str, values: NDArray[Any], width: int) -> NDArray[Any]:
    """``values`` of shape (m, width) as they are, of shape (m,) with one column."""
    if values.ndim == 1 and width == 1:
        return values[:, None]
    if values.ndim != 2 or values.shape[1] != width:
        allowed = "(m,) or (m, 1)" if width == 1 else f"(m, {width})"
        raise ValueError(f"action: {name} of shape {values.shape} must have shape {allowed}")
    return values


def _indices(name: str, values: Any, counts: Sequence[int]) -> NDArray[np.int64]:
    given = checks.array(f"action: {name}", values)
    if given.dtype.kind not in "iu":
        given = checks.real_array(f"action: {name}", given)
    given = _columns(name, given, len(counts))
    index = given
    wrong = (given < 0) | (given >= np.array(counts))
    if given.dtype.kind == "f":
        wrong |= given != np.rint(given)  # also NaN
        index = np.where(wrong, 0, given)
    if wrong.any():
        row, gate = np.argwhere(wrong)[0].tolist()
        named = name if len(counts) == 1 else f"{name} {gate}"
        raise checks.unknown_index(
            named, given[row, gate].item(), counts[gate], row if len(given) > 1 else None
        )
    return index.astype(np.int64, copy=False)


def _quantities(values: Any, count: int) -> NDArray[np.float64]:
    asked = _columns("quantity", checks.real_array("action: quantity", values), count)
    missing = np.isnan(asked)
    if missing.any():
        row, _ = np.argwhere(missing)[0].tolist()
        raise checks.nan_quantity(row if len(asked) > 1 else None)
    return asked
