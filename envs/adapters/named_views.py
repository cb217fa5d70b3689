"""The views of the hybrid action by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .. import checks
from ..problem import HindsightProblem
from .grid_views import LevelGridView, QuantityGridView
from .views import ActionView, BoxView, DictView, QuantityView, TupleView

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
