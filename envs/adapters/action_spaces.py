"""Whether the actions of a policy are those of an environment."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from .. import checks
from .layers import space_of


class SpacedAction(np.ndarray[Any, np.dtype[Any]]):
    """Actions that know the space they are from, so that environments refuse those of another space.

    Environments have no other way to know: SB3's ``evaluate_policy`` passes on whatever a model predicts,
    and a Box of levels may look like a Box of units.
    """

    space: spaces.Space[Any] | None = None

    def __array_finalize__(self, obj: Any) -> None:
        self.space = getattr(obj, "space", None)


def spaced(action: NDArray[Any], space: spaces.Space[Any]) -> SpacedAction:
    """Actions, one or a batch, of a space."""
    labelled = np.asarray(action).view(SpacedAction)
    labelled.space = space
    return labelled


def check_space(action: Any, takes: spaces.Space[Any]) -> None:
    """Refuse, by ValueError, an action that is known to be from another space than ``takes``."""
    if isinstance(action, SpacedAction):
        check_same_actions("the policy", action.space, takes)


def acting_space(env: Any) -> Any:
    """The space of an environment's actions, of one copy if it is a batch; None if it has none."""
    return space_of(env, "action_space")


def check_same_actions(policy: str, acts_in: Any, takes: Any) -> None:
    """Raise an error if a policy's actions are not those of an environment.

    Pairs (regime, quantity in units) may differ in their bounds, since quantities are projected.

    Args:
        policy: name of the policy.
        acts_in: action space of the policy; None if it has no such attribute.
        takes: action space of the environment.

    Raises:
        ValueError: if the two spaces differ; the message names both.
    """
    if acts_in is None or takes is None or acts_in == takes:
        return
    pairs = (spaces.Tuple, spaces.Tuple)
    if (type(acts_in), type(takes)) == pairs and _shape(acts_in) == _shape(takes):
        return
    raise ValueError(
        f"{policy} acts in {checks.shown(acts_in)}, but the environment takes {checks.shown(takes)}; use the "
        "environment that it was trained on, such as model.get_env(), or one with the same action space"
    )


def _shape(space: spaces.Tuple) -> Any:
    regime, quantity = space
    return regime, quantity.shape
