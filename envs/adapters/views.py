"""Views of the hybrid action: other action spaces, and how their actions are decoded to (regime, quantity).

A view holds a ``space`` for one action and a pure method ``decode`` for a batch of them. The wrappers in
``jumpgym.wrappers`` show them to Gymnasium, vectorised simulators call ``decode`` directly.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .. import checks
from ..problem import HindsightProblem
from .boxes import float_box, gate_space, quantity_space
from .decisions import Decision, UnitScale, checked_quantities, hybrid_decision
from .grids import OUTPUTS


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

        The quantities are those of the action; the environment projects them on the intervals of the regimes.

        Args:
            observation: observations in which the actions were chosen, shape (m, d); None unless
                ``needs_observation``.
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

    ``problem.quantity_from`` turns the level into the quantity of the chosen regime; for an inventory that is
    the order up to ``level_scale * (1 + level)``. Levels lie in the range ``grids.OUTPUTS``.
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
        quantities = checked_quantities(action, len(self.layout.quantity_gate))
        if self._scale:
            quantities = self._scale.restore(quantities)
        return self.problem.membership(quantities), quantities
