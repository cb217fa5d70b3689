"""Views of the hybrid action: other action spaces, and how their actions are decoded to (regime, quantity).

A view holds a ``space`` for one action and a pure method ``decode`` for a batch of them. The wrappers in
``jumpgym.wrappers`` show them to Gymnasium, vectorised simulators call ``decode`` directly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .. import checks
from ..problem import HindsightProblem
from ..problems.single_item import SingleItemInventory
from .decisions import Decision, UnitScale, checked_indices, checked_quantities, hybrid_decision
from .grids import OUTPUTS, checked_grids, order_levels, order_quantities


class ActionView(ABC):
    """How actions of another space stand for hybrid decisions.

    Args:
        problem: the problem whose decisions are meant.

    Attributes:
        space: the space of one action.
        needs_observation: whether ``decode`` needs the observation; otherwise it may be None.
    """

    space: spaces.Space[Any]
    needs_observation = False

    def __init__(self, problem: HindsightProblem) -> None:
        self.problem = problem
        self.layout = problem.layout

    @abstractmethod
    def decode(self, observation: Any, action: Any) -> Decision:
        """Regimes (m, G) and quantities (m, n) of a batch of actions.

        The quantities are what was asked for; the environment projects them on the intervals of the regimes.

        Args:
            observation: what the actions answer to, shape (m, d), or None, see ``needs_observation``.
            action: actions of ``space`` with a leading batch axis m.

        Raises:
            ValueError: if an action has the wrong shape, is NaN or out of range; the message names the
                environment.
        """

    def batch_of_one(self, action: Any) -> Any:
        """One action of ``space`` with a leading batch axis, as ``decode`` takes it."""
        if isinstance(action, tuple):
            raise ValueError(
                f"action={checks.shown(action)} must be one of {checks.shown(self.space)}; pairs (regime, "
                "quantity) are actions of the environment without the wrapper, or made with action='tuple'"
            )
        return checks.real_array("action", action)[None]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.space})"


def gate_space(problem: HindsightProblem) -> spaces.Discrete | spaces.MultiDiscrete:
    """The space of regimes: ``Discrete(K)`` for one gate, ``MultiDiscrete(gates)`` for several."""
    gates = problem.layout.gates
    return spaces.Discrete(gates[0]) if len(gates) == 1 else spaces.MultiDiscrete(list(gates))


def float_box(low: NDArray[np.float64], high: NDArray[np.float64]) -> spaces.Box:
    """A float32 ``Box`` between two arrays."""
    return spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)


def quantity_space(problem: HindsightProblem) -> spaces.Box:
    """The space of quantities (n,): from the least to the largest that any regime admits."""
    return float_box(problem.layout.quantity_low, problem.layout.quantity_high)


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
        return hybrid_decision(self.layout, regime, quantity)

    def batch_of_one(self, action: Any) -> Any:
        """See ``ActionView.batch_of_one``."""
        return [action]


class DictView(ActionView):
    """``Dict(discrete=..., continuous=...)`` of the two spaces of ``TupleView``.

    The names are not those of ``info``, since some libraries keep actions and infos in one dict: ``info``
    reports the regime and the quantity that were carried out.
    """

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem)
        regime, quantity = TupleView(problem).space
        self.space = spaces.Dict(discrete=regime, continuous=quantity)

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` maps "discrete" to regimes (m,) or (m, G) and "continuous" to
        quantities (m, n).
        """
        if not isinstance(action, Mapping) or set(action) != {"discrete", "continuous"}:
            raise ValueError(
                f"action={action!r} must be a dict of regimes, 'discrete', and quantities, 'continuous'"
            )
        return hybrid_decision(self.layout, action["discrete"], action["continuous"])

    def batch_of_one(self, action: Any) -> Any:
        """See ``ActionView.batch_of_one``."""
        return {name: [part] for name, part in action.items()} if isinstance(action, Mapping) else action


class BoxView(ActionView):
    """``Box`` of G + n columns: the regime of each gate, rounded to the nearest index, and the quantities.

    Args:
        problem: the problem whose decisions are meant.
        normalize: True scales every column linearly to [-1, 1], which is the range that Gaussian policies of
            unit width need; columns outside of it are refused. False leaves indices of regimes, and units.
    """

    def __init__(self, problem: HindsightProblem, *, normalize: bool) -> None:
        super().__init__(problem)
        bounds = self._bounds(self.layout.quantity_low, self.layout.quantity_high)
        self._scale = UnitScale(*bounds) if normalize else None
        self.space = self._scale.space if self._scale else float_box(*bounds)

    def _bounds(self, low: Any, high: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        gates = np.array(self.layout.gates)
        return np.concatenate([0.0 * gates, low]), np.concatenate([gates - 1.0, high])

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array (m, G + n)."""
        columns = checks.real_array("action", action)
        gates = len(self.layout.gates)
        width = gates + len(self.layout.quantity_gate)
        if columns.ndim != 2 or columns.shape[1] != width:
            raise ValueError(
                f"action of shape {columns.shape} must have shape (m, {width}): {gates} regimes, quantities"
            )
        if self._scale:
            columns = self._scale.restore(columns)
        return hybrid_decision(self.layout, np.rint(columns[:, :gates]), columns[:, gates:])


class BoxLevelView(BoxView):
    """``Box`` of G + n columns: the regimes, rounded, and for each quantity a dimensionless level.

    The quantity is what ``problem.quantity_from`` makes of the level in the regime chosen: for an inventory
    the order up to ``level_scale * (1 + level)``. Levels run over ``grids.OUTPUTS``.
    """

    needs_observation = True

    def __init__(self, problem: HindsightProblem) -> None:
        super().__init__(problem, normalize=False)
        count = len(self.layout.quantity_gate)
        self.space = float_box(*self._bounds(np.full(count, OUTPUTS[0]), np.full(count, OUTPUTS[1])))

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array (m, G + n)."""
        regime, level = super().decode(observation, action)
        _, output = self.layout.flat(regime, level)
        quantity = self.problem.quantity_from(np.asarray(observation, dtype=np.float64), output)
        return regime, np.take_along_axis(quantity, self.layout.columns(regime), -1)


class QuantityView(ActionView):
    """``Box((n,))``: quantities, not decomposed; they belong to the regimes that hold them.

    Args:
        problem: the problem whose decisions are meant.
        normalize: as in ``BoxView``.

    Raises:
        NotImplementedError: if the problem's regimes do not follow from the quantities.
    """

    space: spaces.Box

    def __init__(self, problem: HindsightProblem, *, normalize: bool) -> None:
        super().__init__(problem)
        bounds = self.layout.quantity_low, self.layout.quantity_high
        self._scale = UnitScale(*bounds) if normalize else None
        self.space = self._scale.space if self._scale else float_box(*bounds)
        problem.membership(np.zeros(self.space.shape))  # refuses what has none

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is an array of quantities (m, n)."""
        asked = checked_quantities(action, len(self.layout.quantity_gate))
        if self._scale:
            asked = self._scale.restore(asked)
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

    needs_observation = True

    def __init__(self, problem: HindsightProblem, levels: Sequence[Any] | None = None) -> None:
        super().__init__(
            problem, order_levels(problem) if levels is None else checked_grids(problem, "levels", levels)
        )

    def decode(self, observation: Any, action: Any) -> Decision:
        """See ``ActionView.decode``; ``action`` is as in ``QuantityGridView``."""
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


VIEWS: dict[str, Callable[[HindsightProblem], ActionView]] = {
    "tuple": TupleView,
    "dict": DictView,
    "box": partial(BoxView, normalize=True),
    "quantity": partial(QuantityView, normalize=True),
    "grid": QuantityGridView,
    "levels": LevelGridView,
}
"""The views by the names that ``gym.make(id, action=...)`` takes."""


def make_view(action: str, problem: HindsightProblem) -> ActionView:
    """The view of that name, one of ``VIEWS``.

    Raises:
        ValueError: if there is none of that name.
        NotApplicable: if the problem's regimes do not follow from the quantities, and the view needs that.
    """
    return VIEWS[checks.choice("action", action, tuple(VIEWS))](problem)
