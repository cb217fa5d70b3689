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

from . import checks
from .grids import order_levels, order_quantities
from .inventory import SingleItemInventory
from .problem import HindsightProblem

Decision = tuple[NDArray[np.int64], NDArray[np.float64]]
"""Regime (n,) and quantity (n,), in units, of each environment of a batch."""


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
        self.max_order = float(problem.regimes.high.max())

    @abstractmethod
    def decode(self, observation: Any, action: Any) -> Decision:
        """Regime (n,) and quantity (n,) of a batch of actions.

        The quantity is what was asked for; the environment projects it on the interval of the regime.

        Args:
            observation: what the actions answer to, shape (n, d); only levels depend on it, elsewhere it may
                be None.
            action: actions of ``space`` with a leading batch axis n.

        Raises:
            ValueError: if an action has the wrong shape, is NaN or out of range; the message names the
                environment.
        """

    def batch_of_one(self, action: Any) -> Any:
        """One action of ``space`` with a leading batch axis, as ``decode`` takes it."""
        return _floats("action", action)[None]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.space})"


class TupleView(ActionView):
    """The environment's own action: ``Tuple(Discrete(K), Box(0, max_order, (1,)))``."""

    space: spaces.Tuple

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        self.space = spaces.Tuple((spaces.Discrete(len(problem.regimes)), QuantityView(problem).space))

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is regimes (n,) and quantities (n, 1), or a list of pairs."""
        try:
            regime, quantity = zip(*action, strict=True) if isinstance(action, list) else action
        except (TypeError, ValueError):
            raise ValueError(f"action={action!r} must be a pair (regime, quantity)") from None
        return _decision(self.problem, regime, quantity)

    def batch_of_one(self, action: Any) -> Any:
        """See ``ActionView.batch_of_one``."""
        return [action]


class DictView(ActionView):
    """``Dict(regime=Discrete(K), quantity=Box(0, max_order, (1,)))``."""

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        regime, quantity = TupleView(problem).space
        self.space = spaces.Dict(regime=regime, quantity=quantity)

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` maps "regime" to (n,) and "quantity" to (n, 1)."""
        if not isinstance(action, Mapping) or set(action) != {"regime", "quantity"}:
            raise ValueError(f"action={action!r} must be a dict with the keys 'regime' and 'quantity'")
        return _decision(self.problem, action["regime"], action["quantity"])

    def batch_of_one(self, action: Any) -> Any:
        """See ``ActionView.batch_of_one``."""
        return {name: [part] for name, part in action.items()} if isinstance(action, Mapping) else action


class BoxView(ActionView):
    """``Box([0, 0], [K - 1, max_order])``: the regime, rounded to the nearest index, and the quantity."""

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        high = np.array([len(problem.regimes) - 1, self.max_order], dtype=np.float32)
        self.space = spaces.Box(np.zeros(2, dtype=np.float32), high, dtype=np.float32)

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array (n, 2)."""
        columns = _floats("action", action)
        if columns.ndim != 2 or columns.shape[1] != 2:
            raise ValueError(f"action of shape {columns.shape} must have shape (n, 2): regime and quantity")
        return _decision(self.problem, np.rint(columns[:, 0]), columns[:, 1])


class BoxLevelView(BoxView):
    """``Box([0, low], [K - 1, high])``: a column for the regime, rounded, and an order-up-to level.

    Ordered in the regime is what lifts the inventory position to the level, projected on the regime's
    interval. Levels run from the mean demand of the lead time to twice the highest of
    ``jumpgym.grids.order_levels``.
    """

    problem: SingleItemInventory

    def __init__(self, problem: SingleItemInventory) -> None:
        super().__init__(problem)
        levels = order_levels(problem)
        low = np.array([0.0, problem.max_lead_time * problem.demand.mean], dtype=np.float32)
        high = np.array([len(problem.regimes) - 1, 2 * levels[-1]], dtype=np.float32)
        self.space = spaces.Box(low, high, dtype=np.float32)

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array (n, 2), observation is needed, (n, d)."""
        regime, level = super().decode(observation, action)
        return regime, level - self.problem.position(np.asarray(observation, dtype=np.float64))


class QuantityView(ActionView):
    """``Box(0, max_order, (1,))``: one quantity, not decomposed; it belongs to the regime that holds it."""

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        self.space = spaces.Box(0.0, self.max_order, (1,), np.float32)

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array of quantities (n, 1)."""
        asked = _quantities(action)
        return self.problem.regimes.membership(asked), asked


class QuantityGridView(ActionView):
    """``Discrete``: an index of a grid of quantities.

    Args:
        problem: the problem whose decisions are meant.
        quantities: the grid, in units, ascending; None for ``jumpgym.grids.order_quantities(problem)``.

    Attributes:
        quantities: the grid.

    Raises:
        ValueError: if the grid is empty, not ascending, not finite, or leaves [0, max_order].
    """

    def __init__(self, problem: SingleItemInventory, quantities: Sequence[float] | None = None) -> None:
        super().__init__(problem)
        self.quantities = _grid("quantities", order_quantities(problem) if quantities is None else quantities)
        if self.quantities[0] < 0 or self.quantities[-1] > self.max_order:
            raise ValueError(f"quantities={self.quantities.tolist()} must lie in [0, {self.max_order:g}]")
        self.space = spaces.Discrete(len(self.quantities))

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array of indices (n,)."""
        asked = self.quantities[_indices("index", action, len(self.quantities))]
        return self.problem.regimes.membership(asked), asked


class LevelGridView(ActionView):
    """``Discrete``: an index of a grid of order-up-to levels.

    Ordered is what lifts the inventory position to the level, nothing if it is there already.

    Args:
        problem: the problem whose decisions are meant.
        levels: the grid, in units, ascending; None for ``jumpgym.grids.order_levels(problem)``.

    Attributes:
        levels: the grid.

    Raises:
        ValueError: if the grid is empty, not ascending or not finite.
    """

    problem: SingleItemInventory

    def __init__(self, problem: SingleItemInventory, levels: Sequence[float] | None = None) -> None:
        super().__init__(problem)
        self.levels = _grid("levels", order_levels(problem) if levels is None else levels)
        self.space = spaces.Discrete(len(self.levels))

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array of indices (n,); the observation is needed."""
        level = self.levels[_indices("index", action, len(self.levels))]
        position = self.problem.position(np.asarray(observation, dtype=np.float64))
        asked = np.maximum(level - position, 0.0)
        return self.problem.regimes.membership(asked), asked


def _grid(name: str, values: Any) -> NDArray[np.float64]:
    grid = _floats(name, values)
    if grid.ndim != 1 or len(grid) == 0 or not np.all(np.isfinite(grid)) or np.any(np.diff(grid) <= 0):
        raise ValueError(
            f"{name}={values!r} must be a list of finite numbers in ascending order, without repetition"
        )
    return grid


def _floats(name: str, values: Any) -> NDArray[np.float64]:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}={values!r} must be numbers: {error}") from None


def _decision(problem: HindsightProblem, regime: Any, quantity: Any) -> Decision:
    index, asked = _indices("regime", regime, len(problem.regimes)), _quantities(quantity)
    if len(index) != len(asked):
        raise ValueError(f"action: {len(index)} regimes and {len(asked)} quantities must be equally many")
    return index, asked


def _column(name: str, values: NDArray[Any]) -> NDArray[Any]:
    """``values`` of shape (n,) or (n, 1) as (n,)."""
    if values.ndim == 2 and values.shape[1] == 1:
        return values[:, 0]
    if values.ndim != 1:
        raise ValueError(f"action: {name} of shape {values.shape} must have shape (n,) or (n, 1)")
    return values


def _indices(name: str, values: Any, count: int) -> NDArray[np.int64]:
    given = np.asarray(values)
    if given.dtype.kind not in "iu":
        given = _floats(f"action: {name}", values)
    given = _column(name, given)
    index = given
    wrong = (given < 0) | (given >= count)
    if given.dtype.kind == "f":
        wrong |= given != np.rint(given)  # also NaN
        index = np.where(wrong, 0, given)
    if wrong.any():
        row = int(wrong.argmax())
        raise checks.unknown_index(name, given[row].item(), count, row if len(given) > 1 else None)
    return index.astype(np.int64, copy=False)


def _quantities(values: Any) -> NDArray[np.float64]:
    asked = _column("quantity", _floats("action: quantity", values))
    missing = np.isnan(asked)
    if missing.any():
        raise checks.nan_quantity(int(missing.argmax()) if len(asked) > 1 else None)
    return asked
